//! Plaintext to a port where TLS is spoken: one client that speaks first, and beside it one that
//! waits for the database's greeting for the whole declared window and must not get it.

use std::time::{Duration, Instant};

use futures::future;
use meshproof_cluster::Output;
use meshproof_evidence::Opening;
use meshproof_record::Hold;
use meshproof_sql::{FirstPacket, client_end};

use super::{CONNECT_TIMEOUT, LINES_WITHIN, Running, exec};
use crate::client;
use crate::judge::source;
use crate::timing::Wait;

/// What is watched for during the window.
const WATCHED: &str = "a greeting for a client that waits";

pub(super) async fn collect(running: &mut Running<'_>) {
    let logs = &running.stage.environment.logs;
    let marks = logs.mark(&running.case.from);
    let window = running.window();
    running.resolve().await;
    running.holding(WATCHED, window);
    let speaking = client::speak_first(&running.target);
    let waiting = exec::mysql(running);
    let (spoke, (waited, held)) = future::join(
        exec::run(running, speaking.clone(), Vec::new(), give_up()),
        wait(running, waiting.clone(), window),
    )
    .await;
    if !got_through(&spoke, &waited) {
        // Without a line nothing is known about who refused: the judge says so.
        let named = logs.wait_cause(&marks, Opening::Plaintext, logs.flush() + LINES_WITHIN);
        let _named = running.stage.timing.wait(Wait::Lines, named).await;
    }
    match spoke {
        Ok(output) => running.evidence.client = Some(speaker(speaking, &output)),
        Err(why) => running.missing(source::CLIENT, why),
    }
    match waited {
        Ok(output) => running.evidence.waiting_client = Some(exec::evidence(waiting, &output)),
        Err(why) => running.missing(source::WAITING_CLIENT, why),
    }
    running.evidence.holds.push(Hold {
        what: WATCHED.to_owned(),
        ms: held.as_secs_f64() * 1000.0,
    });
    logs.collect(&marks, &mut running.evidence);
}

/// Whether either client met the database: nobody refused, and no line will say who.
fn got_through(spoke: &Result<Output, String>, waited: &Result<Output, String>) -> bool {
    let answered = |output: &Output| FirstPacket::read(&output.stdout_text()).is_some();
    let greeted =
        |output: &Output| client_end(output.exit, &output.stderr_text()).greeted() == Some(true);
    spoke.as_ref().is_ok_and(answered) || waited.as_ref().is_ok_and(greeted)
}

/// A client that speaks first has no timeout of its own for a target that does not answer.
async fn give_up() -> String {
    let limit = Duration::from_secs(u64::from(CONNECT_TIMEOUT));
    tokio::time::sleep(limit).await;
    format!(
        "nobody closed its connection within {} s, and it was stopped",
        limit.as_secs()
    )
}

/// Runs a MySQL client for the window; ending earlier by itself is as good.
async fn wait(
    running: &Running<'_>,
    argv: Vec<String>,
    window: Duration,
) -> (Result<Output, String>, Duration) {
    let started = Instant::now();
    let over = async {
        tokio::time::sleep(window).await;
        format!(
            "it waited {} ms for a greeting, got none, and was stopped",
            window.as_millis()
        )
    };
    let waiting = exec::until(running, argv, exec::sql(running), over);
    let output = running.stage.timing.wait(Wait::Hold, waiting).await;
    (output, started.elapsed())
}

/// What the client that spoke first got. Stopped or failed, it may have got more than it printed.
fn speaker(command: Vec<String>, output: &Output) -> meshproof_record::ClientEvidence {
    let mut evidence = exec::evidence(command, output);
    if output.exit == Some(0) {
        evidence.received_bytes = Some(client::count_bytes(&evidence.stdout));
    }
    evidence
}
