//! In which order cases run.

use crate::Scenario;

/// The indices of the cases in the order they run: as in the file, except that a control always
/// comes before the negative cases that name it.
pub fn plan_order(scenario: &Scenario) -> Vec<usize> {
    let mut planned = vec![false; scenario.cases.len()];
    let mut order = Vec::with_capacity(planned.len());
    let mut plan = |index: usize| {
        if !std::mem::replace(&mut planned[index], true) {
            order.push(index);
        }
    };
    let places: std::collections::HashMap<&str, usize> = scenario
        .cases
        .iter()
        .enumerate()
        .map(|(index, case)| (case.name.as_str(), index))
        .collect();
    for (index, case) in scenario.cases.iter().enumerate() {
        // One step is enough: a control is a positive case and has no control of its own.
        if let Some(control) = case
            .control
            .as_ref()
            .and_then(|name| places.get(name.as_str()))
        {
            plan(*control);
        }
        plan(index);
    }
    order
}
