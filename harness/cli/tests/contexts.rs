//! The command on clusters that are there already: embedded ones behind HTTPS, known to it by kubeconfigs alone.

#![allow(clippy::unwrap_used)]

#[path = "contexts/cleaning.rs"]
mod cleaning;
#[allow(
    dead_code,
    reason = "other tests speak to the clusters without the command"
)]
#[path = "https/clusters.rs"]
mod clusters;
#[path = "contexts/command.rs"]
mod command;
#[path = "contexts/given.rs"]
mod given;
#[path = "https/objects.rs"]
mod objects;
#[path = "contexts/plugin.rs"]
mod plugin;
#[path = "contexts/runs.rs"]
mod runs;
#[allow(
    dead_code,
    reason = "other tests speak to the clusters without the command"
)]
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use meshproof_runner::Clusters;

use clusters::Served;
use command::Folder;

fn main() -> ExitCode {
    if let Some(code) = support::entry() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::ignorable_test("the_tutorial_runs_and_leaves_what_it_found", || {
            trial(runs::the_tutorial_runs_and_leaves_what_it_found)
        }),
        Trial::ignorable_test("an_interrupted_run_leaves_what_it_found", || {
            trial(runs::an_interrupted_run_leaves_what_it_found)
        }),
        Trial::ignorable_test("two_runs_at_once_do_not_meet", || {
            trial(runs::two_runs_at_once_do_not_meet)
        }),
        Trial::ignorable_test("what_a_killed_run_has_left_is_cleaned", || {
            trial(cleaning::what_a_killed_run_has_left_is_cleaned)
        }),
        Trial::ignorable_test("nothing_is_created_where_something_is_missing", || {
            trial(runs::nothing_is_created_where_something_is_missing)
        }),
        Trial::ignorable_test("what_is_given_wrong_is_told_in_a_line", || {
            trial(given::what_is_given_wrong_is_told_in_a_line)
        }),
        Trial::ignorable_test("a_plugin_gives_credentials_and_renews_them", || {
            trial(plugin::a_plugin_gives_credentials_and_renews_them)
        }),
        Trial::ignorable_test("a_plugin_that_fails_is_told_without_secrets", || {
            trial(plugin::a_plugin_that_fails_is_told_without_secrets)
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Serves clusters and puts their kubeconfigs in a folder.
fn trial(test: impl AsyncFnOnce(&Served, &Folder)) -> Result<Completion, Failed> {
    support::trial(async |pocket, _| {
        let served = Served::open(pocket).await;
        gateways_are_ready(&served).await;
        let folder = Folder::of(&served);
        test(&served, &folder).await;
        served.stop().await;
    })
}

/// Clusters that are there already have been there for longer than these.
async fn gateways_are_ready(served: &Served) {
    let Clusters { client, server, .. } = served.clusters().await;
    for (access, gateway) in [
        (&client, &client.facts.egress),
        (&server, &server.facts.ingress),
    ] {
        let (namespace, selector) = (&gateway.namespace, &gateway.selector);
        access.wait_ready_pods(namespace, selector).await.unwrap();
    }
}
