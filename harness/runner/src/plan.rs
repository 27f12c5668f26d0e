//! What a run will do, typed and printable, before anything is done.

use std::fmt;

use meshproof_scenario::{Loaded, Side, plan_order};

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
    /// A case may run beside the one before it: both are negative, and no proxy's log is shared.
    pub beside_previous: bool,
}

/// Plans the cases of `names` (all for `None`) and the controls they need.
pub fn plan(loaded: &Loaded, names: Option<&[String]>) -> Plan {
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
        // Pairs only: a third case would have to be told apart from two others.
        let alone = cases
            .last()
            .filter(|planned: &&PlannedCase| !planned.beside_previous);
        let previous = alone.and_then(|planned| scenario.cases.get(planned.index));
        cases.push(PlannedCase {
            index,
            name: case.name.value.clone(),
            control: case.control.as_ref().map(|control| control.value.clone()),
            session: format!("{} -> {}", case.from, case.to),
            demand: demand(&case.expect),
            beside_previous: previous.is_some_and(|previous| may_share(previous, case)),
        });
    }
    Plan {
        scenario: scenario.metadata.name.value.clone(),
        lookups: scenario
            .lookups()
            .map(|(name, lookup)| {
                (
                    name.to_owned(),
                    format!("{}: {}", lookup.cluster, lookup.service),
                )
            })
            .collect(),
        steps: [steps(loaded, Side::Client), steps(loaded, Side::Server)],
        cases,
    }
}

/// Two negatives may share one window on the database: found empty, it was empty for both. One of
/// them at most may be judged by the proxies' logs, whose lines would not say which case they are
/// of; the other must be settled in the network, before any proxy.
fn may_share(first: &meshproof_scenario::Case, second: &meshproof_scenario::Case) -> bool {
    use meshproof_scenario::Outcome::Unreachable;
    let unreachable = |case: &meshproof_scenario::Case| case.expect.outcome.value == Unreachable;
    first.is_negative() && second.is_negative() && (unreachable(first) != unreachable(second))
}

fn demand(expect: &meshproof_scenario::Expect) -> String {
    let expected = expectation::of(expect);
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
            writeln!(f, "  look up {name}: load balancer of {service}")?;
        }
        for (side, steps) in [Side::Client, Side::Server].iter().zip(&self.steps) {
            writeln!(f, "  cluster {side}, all at once")?;
            steps
                .iter()
                .try_for_each(|step| writeln!(f, "    {step}"))?;
        }
        writeln!(f, "  cases, in this order")?;
        for case in &self.cases {
            let beside = if case.beside_previous {
                "beside it: "
            } else {
                ""
            };
            let control = case
                .control
                .as_ref()
                .map(|control| format!(", control {control}"))
                .unwrap_or_default();
            writeln!(
                f,
                "    {beside}{}: {}, {}{control}",
                case.name, case.session, case.demand
            )?;
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
        insta::assert_snapshot!(plan(&tutorial(), None));
    }

    #[test]
    fn a_chosen_negative_brings_its_control() {
        let chosen = plan(&tutorial(), Some(&["no-sidecar-gateway-port".to_owned()]));
        let names: Vec<&str> = chosen.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["sql-crosses-encrypted", "no-sidecar-gateway-port"]);
        assert!(!chosen.cases[1].beside_previous);
    }
}
