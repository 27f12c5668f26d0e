//! Cases: every negative has a control and says who refuses and why; nothing contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::{At, Case, ExpectedDatabase, ExpectedHop, ExpectedLeg, Scenario, suggest};

impl Check<'_> {
    pub(super) fn cases(&mut self, scenario: &Scenario) {
        if scenario.cases.is_empty() {
            self.error(
                &scenario.cases,
                "no cases".to_owned(),
                "a run without cases proves nothing; declare at least one under `cases`",
            );
        }
        let mut first = BTreeMap::new();
        let mut written = BTreeSet::new();
        for case in scenario.cases.iter() {
            if let Some(line) = first.insert(case.name.as_str(), case.name.line()) {
                let note =
                    format!("line {line} has the other one; reports tell cases apart by name");
                self.error(
                    &case.name,
                    format!("duplicate case name `{}`", case.name),
                    note,
                );
            }
            self.stacked(scenario, case);
            // Where the names of `each` are wrong, so is the control's by no fault of its own.
            let named = |name: &At<String>| scenario.overlays.contains_key(name.as_str());
            if let Some(control) = &case.control
                && case.is_negative()
                && case.each.is_empty()
                && case.uses.first().is_none_or(named)
            {
                self.control(scenario, case, control);
            }
            // Cases that `each` makes of one differ in their name and their overlay only.
            if written.insert(case.name.pos) {
                self.case(scenario, case);
            }
        }
    }

    fn case(&mut self, scenario: &Scenario, case: &Case) {
        let pods = scenario
            .clusters
            .iter()
            .flat_map(|(_, cluster)| cluster.pods.keys());
        let pods: Vec<&str> = pods.map(|name| name.as_str()).collect();
        self.declared(
            "pod",
            &case.from,
            pods.into_iter(),
            "declare it under `pods` of a cluster",
        );
        self.client(scenario, case);
        self.variations(case);
        self.link(scenario, case);
        if case.is_negative() {
            self.negative(case);
        } else {
            self.positive(case);
        }
        self.path_of(case);
        case.expect.legs.iter().for_each(|leg| self.leg(leg));
        self.rows_of(case);
    }

    fn negative(&mut self, case: &Case) {
        let outcome = &case.expect.outcome;
        if case.control.is_none() {
            let message = format!("negative case `{}` has no control", case.name);
            self.error(
                &case.name,
                message,
                "name under `control` the positive case, differing only in what is tested, that must pass before it",
            );
        }
        if case.expect.hop.is_none() {
            self.error(
                outcome,
                format!("`outcome: {outcome}` without `hop`"),
                format!("say who ends it: {}", words(crate::Hop::ALL)),
            );
        }
        if case.expect.cause.is_none() {
            self.error(
                outcome,
                format!("`outcome: {outcome}` without `cause`"),
                format!("say why: {}", words(crate::Cause::ALL)),
            );
        }
        if let Some(rows) = &case.expect.rows {
            self.error(
                rows,
                format!("`rows` in a case with `outcome: {outcome}`"),
                "a client that is turned away gets no rows; leave out one of the two",
            );
        }
    }

    fn control(&mut self, scenario: &Scenario, case: &Case, control: &At<String>) {
        match scenario.case(control) {
            Some(found) if !found.is_negative() => {}
            Some(found) => {
                let message = format!(
                    "control `{control}` of case `{}` is itself a negative case",
                    case.name
                );
                self.error(
                    control,
                    message,
                    format!(
                        "line {} expects `outcome: {}`; a control must connect",
                        found.name.line(),
                        found.expect.outcome
                    ),
                );
            }
            None if scenario.cases.iter().any(|case| made_of(control, case)) => {
                let made = scenario.cases.iter().filter(|case| made_of(control, case));
                let made = suggest::list(made.map(|case| case.name.as_str()));
                self.error(
                    control,
                    format!("control `{control}` is several cases, by its `each`"),
                    format!("name one of {made}, or give this case the same overlays under `each`"),
                );
            }
            None => {
                let positive: Vec<&str> = scenario
                    .cases
                    .iter()
                    .filter(|case| !case.is_negative())
                    .map(|case| case.name.as_str())
                    .collect();
                self.declared(
                    "control",
                    control,
                    positive.into_iter(),
                    "the scenario has no positive case; add one that connects",
                );
            }
        }
    }

    fn positive(&mut self, case: &Case) {
        let why = "a case that connects is refused by nobody; leave it out";
        if let Some(hop) = &case.expect.hop {
            self.error(
                hop,
                format!("`hop: {hop}` in a case with `outcome: connected`"),
                why,
            );
        }
        if let Some(cause) = &case.expect.cause {
            self.error(
                cause,
                format!("`cause: {cause}` in a case with `outcome: connected`"),
                why,
            );
        }
        if let Some(control) = &case.control {
            self.error(
                control,
                "`control` in a case with `outcome: connected`".to_owned(),
                "only negative cases have a control; leave it out",
            );
        }
        if let Some(hold) = &case.hold {
            self.error(
                hold,
                "`hold` in a case with `outcome: connected`".to_owned(),
                "only negative cases watch that nothing happens; leave it out",
            );
        }
        if let Some(resolves) = case
            .expect
            .resolves
            .as_ref()
            .filter(|resolves| !resolves.value)
        {
            self.error(
                resolves,
                "`resolves: false` in a case with `outcome: connected`".to_owned(),
                "a client needs the address to connect; leave it out",
            );
        }
        if let Some(database) = case
            .expect
            .database
            .as_ref()
            .filter(|database| database.value == ExpectedDatabase::Nothing)
        {
            self.error(
                database,
                "`database: nothing` in a case with `outcome: connected`".to_owned(),
                "a session that connects reaches the database; expect `rows`, or leave it out",
            );
        }
    }

    fn path_of(&mut self, case: &Case) {
        let mut last: Option<&At<ExpectedHop>> = None;
        for step in &case.expect.path {
            if !step.hop.is_proxy() {
                self.error(
                    &step.hop,
                    format!("hop `{}` in `path` is no proxy", step.hop),
                    "allowed: `client-sidecar`, `egress`, `ingress`, `server-sidecar`",
                );
            } else if let Some(last) = last.filter(|last| last.hop.value >= step.hop.value) {
                let message = format!("hop `{}` after `{}` in `path`", step.hop, last.hop);
                self.error(
                    &step.hop,
                    message,
                    "order on the way: `client-sidecar`, `egress`, `ingress`, `server-sidecar`",
                );
            }
            if let (Some(upstream), Some(_)) = (&step.upstream, &step.upstream_port) {
                self.error(
                    upstream,
                    "`upstream` beside `upstreamPort`".to_owned(),
                    "`upstream` has the port already; leave out one of the two",
                );
            }
            last = Some(step);
        }
    }

    fn leg(&mut self, leg: &ExpectedLeg) {
        if !leg.to.is_proxy() {
            self.error(&leg.to, format!("leg to `{}`, which logs nothing", leg.to), "the receiving hop's log is the evidence; allowed: `client-sidecar`, `egress`, `ingress`, `server-sidecar`");
        } else if leg.from.value >= leg.to.value {
            let message = format!("leg from `{}` to `{}` goes backwards", leg.from, leg.to);
            self.error(
                &leg.to,
                message,
                format!("order on the way: {}", words(crate::Hop::ALL)),
            );
        }
        if let Some(peer) = leg
            .peer
            .as_ref()
            .filter(|_| leg.encrypted.value != crate::Protection::Mutual)
        {
            let message = format!("`peer` on a leg with `encrypted: {}`", leg.encrypted);
            self.error(peer, message, "only `mutual` shows who the sender is");
        }
    }

    fn rows_of(&mut self, case: &Case) {
        let printed = case.expect.rows.iter();
        let stored = case
            .expect
            .database
            .iter()
            .filter_map(|database| match &database.value {
                ExpectedDatabase::Rows(query) => Some(&query.equal),
                ExpectedDatabase::Nothing => None,
            });
        for rows in printed.chain(stored) {
            let width = rows.first().map_or(0, Vec::len);
            if let Some(row) = rows.iter().find(|row| row.len() != width || row.is_empty()) {
                let message = format!(
                    "a row of {} values beside a first row of {width}",
                    row.len()
                );
                let at = row.first().map_or(rows.pos, |value| value.pos);
                self.found.push(
                    self.source
                        .error(at, message)
                        .note("every row has the same number of values, at least one"),
                );
            }
        }
        let database = case
            .expect
            .database
            .as_ref()
            .map(|database| &database.value);
        if let Some(ExpectedDatabase::Rows(rows)) = database
            && rows.query.trim().is_empty()
        {
            let note = "give the harness a query to run on the server's side";
            self.error(&rows.query, "empty `query`".to_owned(), note);
        }
    }
}

/// Whether `each` made the case of one with that name.
fn made_of(name: &str, case: &Case) -> bool {
    case.uses
        .first()
        .is_some_and(|overlay| *case.name == format!("{name}-{overlay}"))
}

/// The words of a vocabulary, for messages.
fn words<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
