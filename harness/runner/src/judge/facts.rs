//! What the raw evidence of a case says, read once: the client's end and rows, the hops' lines.

use meshproof_evidence::{HopLine, HopLogs, Opening, Reader, read_log};
use meshproof_record::{CaseRecord, ClientEvidence, Hop, LogEvidence};
use meshproof_sql::{ClientEnd, client_end, parse_batch};

use crate::client::split_cipher;

/// The evidence of one case, read.
pub(super) struct Facts<'a> {
    pub(super) case: &'a CaseRecord,
    /// How the client ended, unless it speaks first: that one is no MySQL client.
    pub(super) end: Option<ClientEnd>,
    /// Lines by hop; hops whose lines cannot be read are not in it.
    pub(super) logs: HopLogs,
    /// Why lines of a hop cannot be read.
    pub(super) unreadable: Vec<(Hop, String)>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(case: &'a CaseRecord) -> Self {
        let end = case
            .evidence
            .client
            .as_ref()
            .filter(|_| case.speaks != PLAINTEXT)
            .map(end_of);
        let mut facts = Self {
            case,
            end,
            logs: HopLogs::new(),
            unreadable: Vec::new(),
        };
        for (hop, log) in &case.evidence.logs {
            match read(log) {
                Ok(lines) => {
                    facts.logs.insert(*hop, lines);
                }
                Err(why) => facts.unreadable.push((*hop, why)),
            }
        }
        facts
    }

    pub(super) fn opening(&self) -> Opening {
        if self.case.speaks == PLAINTEXT {
            Opening::Plaintext
        } else {
            Opening::ServerFirst
        }
    }

    pub(super) fn speaks_first(&self) -> bool {
        self.case.speaks == PLAINTEXT
    }

    /// Why evidence of `source` is not there.
    pub(super) fn why_missing(&self, source: &str) -> String {
        let missing = self
            .case
            .evidence
            .missing
            .iter()
            .find(|missing| missing.source == source);
        missing.map_or_else(
            || format!("there is no evidence of {source}"),
            |missing| format!("no evidence of {source}: {}", missing.why),
        )
    }

    pub(super) fn is_missing(&self, source: &str) -> bool {
        self.case
            .evidence
            .missing
            .iter()
            .any(|missing| missing.source == source)
    }

    /// Value of `Ssl_cipher` in the client's session, and the rows of the case's own statements.
    pub(super) fn output(&self) -> Option<Result<Printed, String>> {
        let client = self.case.evidence.client.as_ref()?;
        let (cipher, rest) = split_cipher(&client.stdout);
        let rows = parse_batch(rest)
            .map_err(|error| error.to_string())
            .map(|rows| {
                rows.into_iter()
                    .map(|row| {
                        row.into_iter()
                            .map(|value| value.unwrap_or_else(|| "NULL".to_owned()))
                            .collect()
                    })
                    .collect()
            });
        Some(rows.map(|rows| (cipher.map(str::to_owned), rows)))
    }
}

/// The session's cipher, and rows.
pub(super) type Printed = (Option<String>, Vec<Vec<String>>);

/// How a client that speaks first stands in the record.
pub(super) const PLAINTEXT: &str = "plaintext";

pub(super) fn end_of(client: &ClientEvidence) -> ClientEnd {
    client_end(client.exit, &client.stderr)
}

/// The records of a proxy's access log.
fn read(log: &LogEvidence) -> Result<Vec<HopLine>, String> {
    let reader = Reader::new(&log.format).map_err(|error| error.to_string())?;
    let read = read_log(&reader, &log.lines).map_err(|error| error.to_string())?;
    Ok(read.lines)
}
