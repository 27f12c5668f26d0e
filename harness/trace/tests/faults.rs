//! What the static path predicts for each recorded fault, beside what real clusters did.
//!
//! `faults/faults.yaml` has each fault as a change of the tutorial; the recordings are those of
//! `harness/evidence`. `cargo test -p meshproof-trace --test faults -- table --nocapture` prints the table.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, missing_docs)]

#[path = "faults/bench.rs"]
mod bench;
#[path = "faults/left.rs"]
mod left;
#[path = "faults/recorded.rs"]
mod recorded;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use meshproof_pki::RunPki;
use meshproof_trace::{Trace, trace};

use bench::Fault;
use recorded::Recorded;

struct All {
    faults: Vec<Fault>,
    recorded: BTreeMap<String, Recorded>,
    pki: RunPki,
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let faults: Vec<Fault> = serde_saphyr::from_str(include_str!("faults/faults.yaml")).unwrap();
    let recorded = recorded::all()
        .into_iter()
        .map(|r| (r.id.clone(), r))
        .collect();
    let all = Arc::new(All {
        faults,
        recorded,
        pki: RunPki::new(bench::NAME).unwrap(),
    });
    let mut trials: Vec<Trial> = (0..all.faults.len())
        .map(|index| {
            let all = Arc::clone(&all);
            let name = format!("faults::{}", all.faults[index].id);
            Trial::test(name, move || all.check(&all.faults[index]))
        })
        .collect();
    let (every, table) = (Arc::clone(&all), Arc::clone(&all));
    trials.push(Trial::test("every_recording_has_its_fault", move || {
        every.complete()
    }));
    trials.push(Trial::test("table", move || {
        table.print();
        Ok(())
    }));
    libtest_mimic::run(&args, trials).exit_code()
}

impl All {
    fn predicted(&self, fault: &Fault) -> Trace {
        let query = bench::query(fault, &self.recorded[&fault.id], &self.pki);
        trace(&bench::clusters(fault, &self.pki), &query).unwrap()
    }

    fn check(&self, fault: &Fault) -> Result<(), Failed> {
        let (trace, wanted) = (self.predicted(fault), verdict(&self.recorded[&fault.id]));
        if trace.verdict() != wanted {
            return Err(format!("recorded: {wanted}\n{trace}").into());
        }
        if !trace.assumed.is_empty() || !trace.others.is_empty() {
            return Err(format!(
                "everything is given, and yet something is assumed or open:\n{trace}"
            )
            .into());
        }
        Ok(())
    }

    /// Every recording is either predicted or named as one that manifests cannot tell.
    fn complete(&self) -> Result<(), Failed> {
        let known = |id: &String| {
            let left = left::LEFT.iter().any(|(name, _)| name == id);
            let fault = self.faults.iter().any(|f| f.id == *id);
            left != fault
        };
        match self.recorded.keys().find(|id| !known(id)) {
            Some(id) => Err(format!("{id} is neither or both").into()),
            None => Ok(()),
        }
    }

    fn print(&self) {
        println!("{:34} {:44} recorded", "fault", "predicted");
        for fault in &self.faults {
            let (predicted, recorded) = (self.predicted(fault), verdict(&self.recorded[&fault.id]));
            println!("{:34} {:44} {recorded}", fault.id, predicted.verdict());
        }
        for (id, reason) in left::LEFT {
            println!(
                "{id:34} {:44} {}",
                format!("left: {reason}"),
                verdict(&self.recorded[*id])
            );
        }
    }
}

/// The recorded end in the words of a trace.
fn verdict(recorded: &Recorded) -> String {
    let spelled = |v: serde_json::Value| v.as_str().unwrap().to_owned();
    let hop = spelled(serde_json::to_value(recorded.truth.hop).unwrap());
    let cause = spelled(serde_json::to_value(recorded.truth.cause).unwrap());
    match recorded.truth.outcome.as_str() {
        "connected" => "connected".to_owned(),
        "refused" => format!("refused by {hop}: {cause}"),
        "unreachable" => format!("unreachable at {hop}: {cause}"),
        other => panic!("no such outcome: {other}"),
    }
}
