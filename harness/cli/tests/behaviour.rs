//! How the embedded clusters behave over time, on real Envoys and a real database: Secrets that come
//! and go, configuration that is removed or refused, and what a change does to connections.
//!
//! Each test has clusters of its own and begins with the tutorial's session as its control. Tests that
//! wait for one of Envoy's own timeouts are named after it and run beside the others.

#![allow(clippy::unwrap_used)]

#[path = "behaviour/client.rs"]
mod client;
#[path = "behaviour/conditions.rs"]
mod conditions;
#[path = "behaviour/logs.rs"]
mod logs;
#[path = "behaviour/order.rs"]
mod order;
#[path = "behaviour/prober.rs"]
mod prober;
#[path = "behaviour/rejected.rs"]
mod rejected;
#[path = "behaviour/removals.rs"]
mod removals;
#[path = "behaviour/secrets.rs"]
mod secrets;
mod support;
#[path = "behaviour/wait.rs"]
mod wait;
#[path = "behaviour/world.rs"]
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use world::World;

/// Tests at once where nothing else is asked for: most of them wait most of the time.
const AT_ONCE: usize = 6;

/// A test by the name of its function.
macro_rules! trials {
    ($($room:ident: $($test:ident),+;)+) => {
        vec![$($(Trial::ignorable_test(
            concat!(stringify!($room), "::", stringify!($test)),
            || trial($room::$test),
        )),+),+]
    };
}

fn main() -> ExitCode {
    if let Some(code) = support::entry() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let trials = trials! {
        order:
            waits_45_s_a_changed_chain_drains,
            waits_45_s_a_removed_listener_drains,
            waits_45_s_an_unchanged_chain_does_not_drain,
            changes_that_end_no_session,
            a_subset_renamed_in_order_fails_no_session,
            a_subset_renamed_in_the_naive_order_fails_sessions;
        prober:
            the_ingress_gateway_says_why_it_refuses,
            a_database_that_never_greets_is_told,
            its_servers_run_in_pods;
        rejected:
            a_rule_is_told_on_the_rule,
            a_certificate_is_told_on_the_gateway;
        removals:
            a_port_of_the_egress_service,
            a_port_of_the_egress_service_under_connections,
            a_port_of_the_ingress_service,
            a_port_of_the_service_entry,
            the_host,
            the_service_entry,
            the_database_service,
            the_ingress_gateway,
            the_virtual_service_at_the_ingress,
            the_egress_gateway,
            the_virtual_service_of_the_sidecars;
        secrets:
            waits_15_s_deleted_at_the_ingress_it_serves_until_the_restart,
            waits_15_s_deleted_at_the_egress_it_serves_until_the_restart,
            waits_15_s_never_there_at_the_ingress,
            waits_15_s_never_there_at_the_egress,
            replaced_leaves_fail_no_session,
            an_authority_trusted_first_fails_no_session,
            an_authority_replaced_on_one_side_first_fails_sessions,
            authorities_taken_away_change_nothing,
            one_that_comes_after_its_rule_heals;
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Sets up the tutorial's clusters for a test.
fn trial(test: impl AsyncFnOnce(&mut World)) -> Result<Completion, Failed> {
    support::trial(async |pocket, loaded| {
        let mut world = World::new(pocket, loaded).await;
        test(&mut world).await;
        world.stop().await;
    })
}
