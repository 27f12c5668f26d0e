//! A MySQL client's session, whether it is to succeed or to be refused.

use std::collections::BTreeSet;
use std::time::Duration;

use meshproof_evidence::{Opening, PATH};
use meshproof_record::{Hold, Hop};
use meshproof_scenario::ExpectedLink;
use meshproof_sql::{ClientEnd, client_end};

use super::{LINES_WITHIN, Running, exec};
use crate::expectation;
use crate::judge::source;
use crate::proxy_log::Marks;
use crate::timing::Wait;

pub(super) async fn collect(running: &mut Running<'_>) {
    if running.case.expect.resolves.is_some() {
        running.resolve().await;
    }
    let logs = &running.stage.environment.logs;
    let marks = logs.mark(&running.case.from);
    let argv = exec::mysql(running);
    let output = exec::run(
        running,
        argv.clone(),
        exec::sql(running),
        std::future::pending(),
    )
    .await;
    let mut connected = false;
    match output {
        Ok(output) => {
            connected = client_end(output.exit, &output.stderr_text()) == ClientEnd::Connected;
            running.evidence.client = Some(exec::evidence(argv, &output));
        }
        Err(why) => running.missing(source::CLIENT, why),
    }
    if connected {
        path(running, &marks).await;
    } else {
        refused(running, &marks, Opening::ServerFirst).await;
    }
    logs.collect(&marks, &mut running.evidence);
}

/// Waits for the lines of a session that got through. Without them the judge says where the chain breaks.
pub(super) async fn path(running: &Running<'_>, marks: &Marks) {
    let hops = hops(running);
    if hops.is_empty() {
        return;
    }
    let logs = &running.stage.environment.logs;
    let lines = logs.wait_path(marks, &hops, logs.flush() + LINES_WITHIN);
    let _came = running.stage.timing.wait(Wait::Lines, lines).await;
}

/// Whose lines a case is judged by.
fn hops(running: &Running<'_>) -> BTreeSet<Hop> {
    let expect = &running.case.expect;
    let path = expect.path.iter().map(|hop| hop.hop.value);
    // A leg is told by who received it, and followed from who sent it.
    let legs = expect
        .legs
        .iter()
        .flat_map(|leg| [leg.from.value, leg.to.value]);
    let named = path.chain(legs).map(expectation::hop);
    let link = link_by_logs(running).map(|_| Hop::Ingress);
    let proxies = named.chain(link).filter(|hop| PATH.contains(hop));
    proxies.collect()
}

/// What a case says of the link, where only the gateways can tell.
fn link_by_logs(running: &Running<'_>) -> Option<ExpectedLink> {
    let link = running.case.expect.link.as_ref();
    link.filter(|_| !running.stage.clusters.can_capture())
        .map(|link| link.value)
}

/// Lines that name the cause come at once or not at all: the window is the detector's.
pub(super) async fn refused(running: &mut Running<'_>, marks: &Marks, opening: Opening) {
    let logs = &running.stage.environment.logs;
    let window = running.window();
    let started = std::time::Instant::now();
    running.holding("access-log lines that name the cause", window);
    let named = logs.wait_cause(marks, opening, window);
    if !running.stage.timing.wait(Wait::Lines, named).await {
        let held: Duration = started.elapsed();
        let what = "access-log lines that name the cause".to_owned();
        running.evidence.holds.push(Hold {
            what,
            ms: held.as_secs_f64() * 1000.0,
        });
    }
    // That the ingress has no line means nothing before it had time to write one.
    if link_by_logs(running) == Some(ExpectedLink::Nothing) {
        let left = window.saturating_sub(started.elapsed());
        let line = logs.wait_line(marks, Hop::Ingress, left);
        let _came = running.stage.timing.wait(Wait::Lines, line).await;
    }
}
