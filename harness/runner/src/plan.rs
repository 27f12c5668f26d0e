//! What a run will do, typed and printable, before anything is done.

use std::fmt;

use meshproof_scenario::{At, Case, Loaded, Overlay, Scenario, Side, plan_order};

use crate::expectation;
use crate::words;

/// A scenario's plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the scenario.
    pub scenario: String,
    /// What is looked up first: binding, cluster and Service.
    pub lookups: Vec<(String, String)>,
    /// What is set up in each cluster, all of it at once: the client cluster's, the server's.
    pub steps: [Vec<String>; 2],
    /// The cases in the order in which they run.
    pub cases: Vec<PlannedCase>,
}

/// A case of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCase {
    /// Place in the scenario file, counted from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its control.
    pub control: Option<String>,
    /// `pod -> host:port`, not yet bound.
    pub session: String,
    /// What it demands, in words.
    pub demand: String,
    /// What is changed for it, in words.
    pub variation: Vec<String>,
    /// The defence that is removed on purpose, in words: the case must then fail.
    pub sabotage: Option<String>,
}

impl PlannedCase {
    /// A control that runs once more, for another case's evidence.
    pub(crate) fn again(control: &At<Case>) -> Self {
        Self {
            index: 0,
            name: control.name.value.clone(),
            control: None,
            session: String::new(),
            demand: String::new(),
            variation: Vec::new(),
            sabotage: None,
        }
    }
}

/// What a sabotaged case is called behind its name.
const SABOTAGED: &str = ".sabotaged";

/// Plans the cases of `names` (all for `None`) and the controls they need; with `sabotage`, each once
/// more under its sabotage.
pub fn plan(loaded: &Loaded, names: Option<&[String]>, sabotage: bool) -> Plan {
    let scenario = &loaded.scenario;
    let wanted = |name: &str| names.is_none_or(|names| names.iter().any(|wanted| wanted == name));
    let is_control = |name: &str| {
        scenario.cases.iter().any(|case| {
            wanted(&case.name)
                && case
                    .control
                    .as_ref()
                    .is_some_and(|control| control.value == name)
        })
    };
    let mut cases: Vec<PlannedCase> = Vec::new();
    for index in plan_order(scenario) {
        let Some(case) = scenario
            .cases
            .get(index)
            .filter(|case| wanted(&case.name) || is_control(&case.name))
        else {
            continue;
        };
        let planned = planned(scenario, index, case);
        let sabotaged = case
            .sabotage
            .as_ref()
            .filter(|_| sabotage && wanted(&case.name));
        let sabotaged = sabotaged.map(|overlay| PlannedCase {
            name: format!("{}{SABOTAGED}", planned.name),
            sabotage: Some(overlay.summary()),
            ..planned.clone()
        });
        cases.extend(std::iter::once(planned).chain(sabotaged));
    }
    Plan {
        scenario: scenario.metadata.name.value.clone(),
        lookups: scenario
            .lookups()
            .map(|(name, whose, lookup)| {
                (
                    name.to_owned(),
                    format!(
                        "{}: {} of {}",
                        lookup.cluster,
                        whose.words(),
                        lookup.service
                    ),
                )
            })
            .collect(),
        steps: [steps(loaded, Side::Client), steps(loaded, Side::Server)],
        cases,
    }
}

/// The names of all cases in the order of the file, as reports tell them; with `sabotage`, those under
/// sabotage too.
pub fn names(loaded: &Loaded, sabotage: bool) -> Vec<String> {
    let cases = loaded.scenario.cases.iter();
    cases.flat_map(|case| names_of(case, sabotage)).collect()
}

/// The names that reports tell of one case.
pub fn names_of(case: &Case, sabotage: bool) -> impl Iterator<Item = String> {
    let sabotaged = case.sabotage.as_ref().filter(|_| sabotage);
    let sabotaged = sabotaged.map(|_| format!("{}{SABOTAGED}", case.name));
    std::iter::once(case.name.value.clone()).chain(sabotaged)
}

fn planned(scenario: &Scenario, index: usize, case: &Case) -> PlannedCase {
    PlannedCase {
        index,
        name: case.name.value.clone(),
        control: case.control.as_ref().map(|control| control.value.clone()),
        session: format!("{} -> {}", case.from, case.to),
        demand: demand(case),
        variation: variation(scenario, case),
        sabotage: None,
    }
}

/// What is changed for a case, in words.
pub(crate) fn variation(scenario: &Scenario, case: &Case) -> Vec<String> {
    let overlays = crate::environment::overlays(scenario, case);
    overlays.into_iter().map(Overlay::summary).collect()
}

fn demand(case: &Case) -> String {
    let expected = expectation::of(case);
    let hop = expected.hop.map(|hop| format!(" at {}", words::hop(hop)));
    let cause = expected
        .cause
        .map(|cause| format!(" for {}", words::cause(cause)));
    let parts = [(expected.path.len(), "hops"), (expected.legs.len(), "legs")];
    let counted = parts.iter().filter(|(count, _)| *count > 0);
    let mut text = words::outcome(expected.outcome);
    text.extend(hop.into_iter().chain(cause));
    text.extend(counted.map(|(count, what)| format!(", {count} {what}")));
    text
}

fn steps(loaded: &Loaded, side: Side) -> Vec<String> {
    let cluster = loaded.scenario.clusters.get(side);
    let mut steps = Vec::new();
    for (name, namespace) in &cluster.namespaces {
        steps.push(format!(
            "namespace {name}, injection {}",
            namespace.injection
        ));
    }
    for (name, secret) in &cluster.secrets {
        steps.push(format!(
            "Secret {name} with the {} certificate",
            secret.certificate
        ));
    }
    for patch in &cluster.patches {
        steps.push(format!(
            "patch Service {} with {}",
            patch.service, patch.json
        ));
    }
    for manifest in &cluster.manifests {
        steps.push(format!("apply {manifest}"));
    }
    for (name, pod) in &cluster.pods {
        steps.push(format!("pod {}/{name}, image {}", pod.namespace, pod.image));
    }
    steps
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "scenario {}", self.scenario)?;
        for (name, service) in &self.lookups {
            writeln!(f, "  look up {name}: {service}")?;
        }
        for (side, steps) in [Side::Client, Side::Server].iter().zip(&self.steps) {
            writeln!(f, "  cluster {side}, all at once")?;
            steps
                .iter()
                .try_for_each(|step| writeln!(f, "    {step}"))?;
        }
        writeln!(f, "  cases, in this order")?;
        for case in &self.cases {
            let control = case
                .control
                .as_ref()
                .map(|control| format!(", control {control}"))
                .unwrap_or_default();
            writeln!(
                f,
                "    {}: {}, {}{control}",
                case.name, case.session, case.demand
            )?;
            for change in &case.variation {
                writeln!(f, "      with {change}")?;
            }
            if let Some(sabotage) = &case.sabotage {
                writeln!(f, "      sabotaged, must fail: {sabotage}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tutorial() -> Loaded {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mysql-mtls.yaml");
        meshproof_scenario::load(&path).unwrap()
    }

    #[test]
    fn prints_the_tutorials_plan() {
        insta::assert_snapshot!(plan(&tutorial(), None, false));
    }

    #[test]
    fn a_chosen_negative_brings_its_control() {
        let chosen = plan(
            &tutorial(),
            Some(&["no-sidecar-gateway-port".to_owned()]),
            false,
        );
        let names: Vec<&str> = chosen.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["sql-crosses-encrypted", "no-sidecar-gateway-port"]);
    }
}
