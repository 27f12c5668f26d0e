//! How long a change takes from the write until it is active at every proxy: `cargo bench -p meshproof
//! --bench active -- [CHANGES]`, on the clusters of the tutorial with their four Envoys.
//!
//! Prints and asserts no time: times belong to a machine. A change that never becomes active fails it.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "active/change.rs"]
mod change;
#[allow(dead_code, reason = "the tests have more use for it")]
#[path = "../tests/https/clusters.rs"]
mod clusters;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use meshproof_cluster::Side;
use meshproof_pocket::ClusterName;
use meshproof_record::Status;
use meshproof_runner::{Nobody, Options, Stop};
use meshproof_scenario::Loaded;

use change::{CHANGES, Change};
use clusters::Served;

const LIMIT_MS: f64 = 15.0;

fn main() -> ExitCode {
    if let Some(code) = support::entry() {
        return code;
    }
    let rounds = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20_usize);
    let measured = support::trial(async |pocket, loaded| {
        measure(Served::open(pocket).await, loaded, rounds).await;
    });
    match measured {
        Ok(_) => ExitCode::SUCCESS,
        Err(failed) => {
            println!("{}", failed.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

async fn measure(served: Served, loaded: &Loaded, rounds: usize) {
    let access = served.clusters().await;
    let (path, options, stop) = (support::scenario(), Options::default(), Stop::new());
    let done = meshproof_runner::run(loaded, &path, &access, &options, &Nobody, &stop).await;
    let cases = &done.scenario.cases;
    assert!(
        cases.iter().all(|case| case.verdict.status == Status::Pass),
        "{cases:#?}"
    );
    println!(
        "from a write to active at every proxy, {rounds} changes of each kind (limit {LIMIT_MS} ms)"
    );
    let mut all = Vec::new();
    for change in CHANGES {
        let times = several(&served, change, rounds).await;
        let (proxies, whole): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        report(change.name, &proxies);
        let whole: Vec<Duration> = whole.into_iter().flatten().collect();
        if !whole.is_empty() {
            report("  with the router's rules", &whole);
        }
        all.extend(proxies);
    }
    report("all", &all);
    served.stop().await;
}

async fn several(
    served: &Served,
    change: &Change,
    rounds: usize,
) -> Vec<(Duration, Option<Duration>)> {
    let cluster = match change.side {
        Side::Client => ClusterName::Client,
        Side::Server => ClusterName::Server,
    };
    // As the command does, in memory.
    let client = served.pocket.cluster(cluster).client();
    let mut times = Vec::new();
    for nth in 0..rounds {
        times.push(change::time(&client, change, nth).await);
    }
    times
}

fn report(name: &str, times: &[Duration]) {
    let mut ms: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    let at = |share: usize| ms[(ms.len() - 1) * share / 100];
    let within = ms.iter().filter(|t| **t <= LIMIT_MS).count();
    println!(
        "  {name:<32} least {:>6.1}  median {:>6.1}  90 % {:>6.1}  most {:>6.1} ms   {within} of {} within",
        at(0),
        at(50),
        at(90),
        at(100),
        ms.len()
    );
}
