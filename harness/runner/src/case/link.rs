//! What passes the link between the clusters while a case runs.

use std::time::Duration;

use meshproof_record::{WireConnection, WireEvidence, WireOpening};
use meshproof_scenario::{ExpectedDatabase, Speaks};

use super::{Running, Stage};
use crate::judge::source;
use crate::timing::Wait;
use crate::wire::{Wire, WireMark, canaries};

/// How long connections of a client that has ended may take to close on the link.
const CLOSED_WITHIN: Duration = Duration::from_millis(200);

/// The beginning of a case on the link.
pub(super) struct Link(Result<WireMark, String>);

impl Link {
    pub(super) async fn open(stage: &Stage<'_>) -> Self {
        Self(match &stage.environment.wire {
            Ok(wire) => stage.timing.wait(Wait::Wire, wire.mark()).await,
            Err(why) => Err(why.clone()),
        })
    }

    /// Puts what passed into the evidence, or why it is not known, and returns the packets.
    pub(super) async fn finish(self, running: &mut Running<'_>) -> Vec<u8> {
        let (wire, mark) = match (&running.stage.environment.wire, self.0) {
            (Ok(wire), Ok(mark)) => (wire, mark),
            (Err(why), _) => {
                let source = if running.stage.clusters.can_capture() {
                    source::WIRE
                } else {
                    source::NO_CAPTURE
                };
                running.missing(source, why.clone());
                return Vec::new();
            }
            (_, Err(why)) => {
                running.missing(source::WIRE, why);
                return Vec::new();
            }
        };
        let looked_for = looked_for(running);
        let reading = read(running, wire, &mark, &looked_for);
        match running.stage.timing.wait(Wait::Wire, reading).await {
            Ok(found) => running.evidence.wire = Some(found),
            Err(why) => running.missing(source::WIRE, why),
        }
        wire.pcapng(&mark)
    }
}

/// A session that got through has passed the link when its client ends; how a refusal ends may still
/// be on its way.
async fn read(
    running: &Running<'_>,
    wire: &Wire,
    mark: &WireMark,
    canaries: &[String],
) -> Result<WireEvidence, String> {
    if !running.case.is_negative() {
        return wire.collect(mark, canaries).await;
    }
    let over = |connection: &WireConnection| {
        connection.is_over() || connection.opening == WireOpening::Unanswered
    };
    wire.collect_when(mark, canaries, CLOSED_WITHIN, |found| {
        found.connections.iter().all(over)
    })
    .await
}

/// Texts of the session that must not stand on the link in clear.
fn looked_for(running: &Running<'_>) -> Vec<String> {
    let case = running.case;
    let spoken = match case.speaks() {
        Speaks::Plaintext => crate::client::SPOKEN,
        Speaks::Mysql | Speaks::Tls | Speaks::Silent => "",
    };
    let sql = case.sql.as_ref().map_or(spoken, |sql| sql.as_str());
    let mut rows: Vec<Vec<String>> = Vec::new();
    let table = |table: &[Vec<meshproof_scenario::At<String>>]| -> Vec<Vec<String>> {
        let row = |row: &Vec<meshproof_scenario::At<String>>| {
            row.iter().map(|value| value.value.clone()).collect()
        };
        table.iter().map(row).collect()
    };
    if let Some(printed) = &case.expect.rows {
        rows.extend(table(&printed.value));
    }
    if let Some(ExpectedDatabase::Rows(wanted)) = case.expect.database.as_ref().map(|at| &at.value)
    {
        rows.extend(table(&wanted.equal.value));
    }
    canaries(sql, &rows)
}
