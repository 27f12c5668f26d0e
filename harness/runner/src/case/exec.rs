//! Commands in the client's pod.

use std::future::Future;

use meshproof_cluster::{ClientPod, Command, Output};
use meshproof_record::ClientEvidence;

use super::{CLIENT_LIMIT, CONNECT_TIMEOUT, Running};
use crate::client::Login;
use crate::timing::Wait;

/// Runs a command until it ends or `stop` gives a reason.
pub(super) async fn run(
    running: &Running<'_>,
    argv: Vec<String>,
    stdin: Vec<u8>,
    stop: impl Future<Output = String>,
) -> Result<Output, String> {
    let running_it = until(running, argv, stdin, stop);
    running.stage.timing.wait(Wait::Command, running_it).await
}

/// Runs a command until it ends or `stop` gives a reason; counted by the caller.
pub(super) async fn until(
    running: &Running<'_>,
    argv: Vec<String>,
    stdin: Vec<u8>,
    stop: impl Future<Output = String>,
) -> Result<Output, String> {
    let access = running.stage.clusters.get(running.client.side);
    let command = Command {
        pod: running.client.pod.clone(),
        container: ClientPod::CONTAINER.to_owned(),
        argv,
        stdin,
    };
    let started = access
        .exec(&command)
        .await
        .map_err(|error| error.to_string())?;
    let limit = async {
        tokio::time::sleep(CLIENT_LIMIT).await;
        format!(
            "it did not end within {} s and was stopped",
            CLIENT_LIMIT.as_secs()
        )
    };
    let stop = async {
        tokio::select! {
            why = stop => why,
            why = limit => why,
        }
    };
    started
        .finish_or_stop(stop)
        .await
        .map_err(|error| error.to_string())
}

/// The command line of the case's MySQL client.
pub(super) fn mysql(running: &Running<'_>) -> Vec<String> {
    crate::client::mysql(
        running.client.dialect,
        &running.target,
        &Login::of(running.case, running.stage.user),
        Some(CONNECT_TIMEOUT),
    )
}

/// What the case's MySQL client reads.
pub(super) fn sql(running: &Running<'_>) -> Vec<u8> {
    crate::client::input(
        running
            .case
            .sql
            .as_ref()
            .map_or("SELECT 1", |sql| sql.as_str()),
    )
}

/// A client's end as evidence.
pub(super) fn evidence(command: Vec<String>, output: &Output) -> ClientEvidence {
    ClientEvidence {
        command,
        exit: output.exit,
        stdout: output.stdout_text(),
        stderr: output.stderr_text(),
        seconds: output.elapsed.as_secs_f64(),
        stopped: output.stopped.clone(),
        received_bytes: None,
    }
}
