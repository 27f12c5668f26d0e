//! `each`: one case for every overlay that it names.

use std::collections::BTreeSet;

use crate::{At, Case, Scenario};

/// How many overlays one `each` may name: a small file shall not fill the memory.
pub(crate) const MOST: usize = 64;

/// Puts one case in place of each (case, overlay of its `each`), called `<name>-<overlay>`.
pub(crate) fn expand(scenario: &mut Scenario) {
    let pairs: BTreeSet<(String, String)> = scenario
        .cases
        .iter()
        .filter(|case| is_expanded(case))
        .flat_map(|case| {
            case.each
                .iter()
                .map(|each| (case.name.value.clone(), each.value.clone()))
        })
        .collect();
    if pairs.is_empty() {
        return;
    }
    let cases = std::mem::take(&mut scenario.cases.value);
    scenario.cases.value = cases
        .into_iter()
        .flat_map(|case| {
            if !is_expanded(&case) {
                return vec![case];
            }
            // An overlay that stands there twice makes one case: that it does is told elsewhere.
            let mut seen = BTreeSet::new();
            case.each
                .iter()
                .filter(|overlay| seen.insert(overlay.as_str()))
                .map(|overlay| one(&case, overlay, &pairs))
                .collect()
        })
        .collect();
}

fn is_expanded(case: &Case) -> bool {
    (1..=MOST).contains(&case.each.len())
}

fn one(case: &At<Case>, overlay: &At<String>, pairs: &BTreeSet<(String, String)>) -> At<Case> {
    let mut one = case.clone();
    let name = |base: &str| format!("{base}-{}", overlay.value);
    one.value.name.value = name(&case.name);
    one.value.uses.insert(0, overlay.clone());
    one.value.each.clear();
    if let Some(control) = &mut one.value.control
        && pairs.contains(&(control.value.clone(), overlay.value.clone()))
    {
        control.value = name(control);
    }
    one
}
