//! The whole scenario through the API's HTTPS listeners, as a provider from outside would go: a
//! kubeconfig, TLS, a bearer token, upgraded connections. The command itself goes in memory.
//!
//! Ignored with the reason where the machine lacks what clusters need; in CI that is a failure.

#![allow(clippy::unwrap_used)]

#[path = "https/access.rs"]
mod access;
#[path = "https/clusters.rs"]
mod clusters;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use meshproof_cluster::Side;
use meshproof_record::Status;
use meshproof_runner::{Nobody, Options, Stop};
use meshproof_scenario::Loaded;

use clusters::{Lacking, Served};

fn main() -> ExitCode {
    // As the command does: this program is the node's child and the routers' program too.
    meshproof_pocket_node::entry();
    if let Some(code) = meshproof_pocket::router::entry() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::ignorable_test("the_scenario_passes", || trial(the_scenario_passes)),
        Trial::ignorable_test("only_the_right_token_is_let_in", || {
            trial(only_the_right_token_is_let_in)
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Brings clusters up for a test, and down.
fn trial(test: impl AsyncFnOnce(&Served, &Loaded)) -> Result<Completion, Failed> {
    let loaded = meshproof_scenario::load(&scenario()).map_err(|error| format!("{error:?}"))?;
    let programs = match clusters::programs() {
        Ok(programs) => programs,
        Err(why) => return lacking(&why),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let served = match Served::start(&loaded, programs).await {
            Ok(served) => served,
            Err(Lacking(why)) => return lacking(&why),
        };
        test(&served, &loaded).await;
        served.stop().await;
        Ok(Completion::Completed)
    })
}

fn scenario() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .unwrap()
        .join("scenarios/mysql-mtls.yaml")
}

fn lacking(why: &str) -> Result<Completion, Failed> {
    if std::env::var_os("CI").is_some() {
        return Err(format!("this machine cannot run scenarios, and CI must\n{why}").into());
    }
    eprintln!("skipped: {why}");
    Ok(Completion::ignored_with(
        why.lines().next().unwrap_or_default(),
    ))
}

async fn the_scenario_passes(served: &Served, loaded: &Loaded) {
    let done = meshproof_runner::run(
        loaded,
        &scenario(),
        &served.clusters().await,
        &Options::default(),
        &Nobody,
        &Stop::new(),
    )
    .await;
    assert_eq!(done.problems, []);
    let cases = &done.scenario.cases;
    assert_eq!(cases.len(), 3);
    for case in cases {
        assert_eq!(
            case.verdict.status,
            Status::Pass,
            "{}: {:#?}",
            case.name,
            case.verdict
        );
    }
}

async fn only_the_right_token_is_let_in(served: &Served, _: &Loaded) {
    for (side, other) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
        let (own, other) = (served.token(side), served.token(other));
        let shorter = &own[..own.len() - 1];
        assert_eq!(access::code(served, side, Some(own)).await, 200);
        for wrong in [None, Some(""), Some(shorter), Some(other)] {
            let code = access::code(served, side, wrong).await;
            assert_eq!(code, 401, "cluster {side}, a token: {}", wrong.is_some());
        }
    }
}
