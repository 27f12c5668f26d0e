//! What the raw evidence of a case says, read once: the client's end and rows, the hops' lines.

use meshproof_evidence::{HopLine, HopLogs, Opening, PATH, Reader, read_log};
use meshproof_probe::Malformed;
use meshproof_record::{CaseRecord, ClientEvidence, Hop, LogEvidence, ProbeOpening, ProbeReport};
use meshproof_sql::{ClientEnd, client_end, parse_batch};

use super::source;
use crate::client::split_cipher;

/// The evidence of one case, read.
pub(super) struct Facts<'a> {
    pub(super) case: &'a CaseRecord,
    /// How the client ended, where it is a MySQL client: one that speaks first is none.
    pub(super) end: Option<ClientEnd>,
    /// What the prober reports where it was the client, or why it does not.
    pub(super) probe: Option<Result<ProbeReport, String>>,
    /// Lines by hop; hops whose lines cannot be read are not in it.
    pub(super) logs: HopLogs,
    /// Why lines of a hop cannot be read.
    pub(super) unreadable: Vec<(Hop, String)>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(case: &'a CaseRecord) -> Self {
        let client = case.evidence.client.as_ref();
        let probe = client.filter(|client| is_probe(client)).map(report);
        let end = client
            .filter(|_| case.speaks != PLAINTEXT && probe.is_none())
            .map(end_of);
        let mut facts = Self {
            case,
            end,
            probe,
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
        if let Some(Ok(report)) = &self.probe {
            return match report.opening {
                ProbeOpening::Silent => Opening::ServerFirst,
                ProbeOpening::Speak => Opening::Plaintext,
                ProbeOpening::Tls if is_malformed(report) => Opening::Plaintext,
                ProbeOpening::Tls => Opening::Tls,
            };
        }
        match self.case.speaks.as_str() {
            PLAINTEXT => Opening::Plaintext,
            TLS => Opening::Tls,
            _ => Opening::ServerFirst,
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

    /// What changed by itself while the case ran, and may have ended its session: a proxy or the database
    /// that ended, clocks that disagree.
    pub(super) fn unsettled(&self) -> Option<String> {
        let lasting = PATH.into_iter().chain([Hop::Mysqld]).map(source::lasting);
        let mut sources = lasting.chain([source::CLOCK.to_owned()]);
        let missing = &self.case.evidence.missing;
        let found = sources.find_map(|source| missing.iter().find(|one| one.source == source))?;
        Some(format!("no {}: {}", found.source, found.why))
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

/// How a client that opens TLS by itself stands in the record.
const TLS: &str = "tls";

/// Whether the prober's hello was none: it spoke first, and no TLS.
fn is_malformed(report: &ProbeReport) -> bool {
    let offered = report.tls.as_ref().map(|tls| tls.offered.as_str());
    let mut kinds = Malformed::ALL.into_iter();
    offered.is_some_and(|offered| kinds.any(|kind| kind.name() == offered))
}

fn is_probe(client: &ClientEvidence) -> bool {
    let program = client.command.first();
    program.is_some_and(|program| meshproof_probe::is_command(program))
}

fn report(client: &ClientEvidence) -> Result<ProbeReport, String> {
    if let Some(stopped) = &client.stopped {
        return Err(stopped.clone());
    }
    ProbeReport::of_output(client.exit, &client.stdout, &client.stderr)
        .map_err(|error| error.to_string())
}

pub(super) fn end_of(client: &ClientEvidence) -> ClientEnd {
    client_end(client.exit, &client.stderr)
}

/// The records of a proxy's access log.
fn read(log: &LogEvidence) -> Result<Vec<HopLine>, String> {
    let reader = Reader::new(&log.format).map_err(|error| error.to_string())?;
    let read = read_log(&reader, &log.lines).map_err(|error| error.to_string())?;
    Ok(read.lines)
}
