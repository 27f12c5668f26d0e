//! The whole scenario through the API's HTTPS listeners, as a provider from outside would go: a
//! kubeconfig, TLS, a bearer token, upgraded connections. The command itself goes in memory.

#![allow(clippy::unwrap_used)]

#[path = "https/access.rs"]
mod access;
#[path = "https/clusters.rs"]
mod clusters;
#[path = "https/objects.rs"]
mod objects;
mod support;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use meshproof_cluster::{ActiveEvidence, Side};
use meshproof_pocket::Pocket;
use meshproof_record::Status;
use meshproof_runner::{Answer, Clusters, HostNames, Nobody, Options, Prober, Stop};
use meshproof_scenario::Loaded;

use clusters::Served;

fn main() -> ExitCode {
    if let Some(code) = support::entry() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::ignorable_test("the_scenario_passes", || trial(the_scenario_passes)),
        Trial::ignorable_test("a_guest_leaves_what_it_found", || {
            trial(a_guest_leaves_what_it_found)
        }),
        Trial::ignorable_test("every_scenario_passes_as_a_guest", || {
            trial_without_names(every_scenario_passes_as_a_guest)
        }),
        Trial::ignorable_test("only_the_right_token_is_let_in", || {
            trial(only_the_right_token_is_let_in)
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Serves clusters for a test.
fn trial(test: impl AsyncFnOnce(&Served, &Loaded)) -> Result<Completion, Failed> {
    support::trial(async |pocket, loaded| {
        serve(pocket, loaded, test).await;
    })
}

/// As [`trial`], on clusters that resolve no names of nip.io.
fn trial_without_names(test: impl AsyncFnOnce(&Served, &Loaded)) -> Result<Completion, Failed> {
    support::trial_on(false, async |pocket, loaded| {
        serve(pocket, loaded, test).await;
    })
}

async fn serve(pocket: Pocket, loaded: &Loaded, test: impl AsyncFnOnce(&Served, &Loaded)) {
    let served = Served::open(pocket).await;
    test(&served, loaded).await;
    served.stop().await;
}

async fn the_scenario_passes(served: &Served, loaded: &Loaded) {
    let (file, clusters) = (support::scenario(), served.clusters().await);
    let (options, stop) = (Options::default(), Stop::new());
    let run = meshproof_runner::run(loaded, &file, &clusters, &options, &Nobody, &stop);
    let done = Box::pin(run).await;
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

/// On clusters that are not said to vanish everything gets the run's own names, works under them, and is taken
/// back.
async fn a_guest_leaves_what_it_found(served: &Served, loaded: &Loaded) {
    let (file, mut clusters) = (support::scenario(), served.clusters().await);
    clusters.client.facts.ephemeral = false;
    clusters.server.facts.ephemeral = false;
    clusters.host_names = HostNames::ask();
    let before = objects::settled(&clusters).await;
    let (options, stop) = (Options::default(), Stop::new());
    let run = meshproof_runner::run(loaded, &file, &clusters, &options, &Nobody, &stop);
    let done = Box::pin(run).await;
    assert_eq!(done.problems, []);
    let host = &done.scenario.bindings["SERVICE_URL"];
    assert!(host.starts_with("mp-"), "{host}");
    for case in &done.scenario.cases {
        let verdict = &case.verdict;
        assert_eq!(verdict.status, Status::Pass, "{}: {verdict:#?}", case.name);
        assert!(case.source.starts_with("mp-"), "{}", case.source);
    }
    assert_eq!(answer(&clusters), Answer::Resolves);
    objects::wait_for(&clusters, &before).await;
}

/// What the pod that asked for names found out.
fn answer(clusters: &Clusters) -> Answer {
    let HostNames::Ask(answer) = &clusters.host_names else {
        panic!("nobody asks: {:?}", clusters.host_names)
    };
    answer.get().unwrap().clone()
}

/// One after the other on the same clusters, as on clusters that stay, where nobody resolves names of nip.io. The
/// slow ones wait on Envoy's clock, and show nothing more here.
async fn every_scenario_passes_as_a_guest(served: &Served, _: &Loaded) {
    let mut clusters = served.clusters().await;
    clusters.client.facts.ephemeral = false;
    clusters.server.facts.ephemeral = false;
    clusters.host_names = HostNames::ask();
    clusters.prober = Prober::Copied;
    // The embedded mesh pushes at once.
    let active = ActiveEvidence::Proxies {
        quiet: Duration::from_millis(300),
        begins_within: Duration::from_secs(2),
    };
    clusters.client.facts.active = active.clone();
    clusters.server.facts.active = active;
    let before = objects::settled(&clusters).await;
    let folder = support::scenario().parent().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let loaded = meshproof_scenario::load(&file).unwrap();
        let labels = &loaded.scenario.metadata.labels;
        if labels.iter().any(|label| label.value == "slow") {
            continue;
        }
        let options = Options {
            disruptive: true,
            ..Options::default()
        };
        let stop = Stop::new();
        let run = meshproof_runner::run(&loaded, &file, &clusters, &options, &Nobody, &stop);
        let done = Box::pin(run).await;
        assert_eq!(done.problems, [], "{}", file.display());
        let cases = done.scenario.cases.iter();
        let failed = cases.filter(|case| case.verdict.status != Status::Pass);
        wrong.extend(failed.map(|case| format!("{}: {}", case.name, case.verdict.summary)));
        objects::wait_for(&clusters, &before).await;
    }
    assert_eq!(wrong, Vec::<String>::new());
    let Answer::Not(why) = answer(&clusters) else {
        panic!("names of nip.io resolve")
    };
    assert!(why.starts_with("no address for mp-"), "{why}");
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
