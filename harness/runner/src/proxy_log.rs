//! The access logs of the four proxies: followed from the start, cut per case.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::{self, FutureExt};
use meshproof_cluster::{ClusterAccess, LogFollower, Mark, PodRef};
use meshproof_evidence::{BuiltIn, HopLogs, Opening, Reader, SessionPath, attribute, stitch};
use meshproof_record::{Evidence, Hop, LogEvidence, Missing};

use crate::judge::source;

/// Name of the proxy's container, as sidecar, native sidecar and gateway.
pub(crate) const CONTAINER: &str = "istio-proxy";

/// Followed logs by hop.
#[derive(Debug, Default)]
pub(crate) struct ProxyLogs {
    /// Gateways and the database's sidecar.
    shared: BTreeMap<Hop, HopLog>,
    /// Sidecars of client pods, by the pod's name.
    sidecars: BTreeMap<String, HopLog>,
    /// Hops whose log could not be opened, and why.
    missing: BTreeMap<Hop, String>,
}

#[derive(Debug)]
pub(crate) struct HopLog {
    followers: Vec<LogFollower>,
    format: Option<String>,
    flush: Duration,
}

/// A place in every log that a session from one pod may write to.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    from: String,
    hops: BTreeMap<Hop, Vec<Mark>>,
}

impl HopLog {
    /// Follows the proxies of `pods`.
    ///
    /// # Errors
    /// In words: no pod, or a log that cannot be opened.
    pub(crate) async fn follow(
        access: &ClusterAccess,
        pods: &[PodRef],
        format: Option<String>,
    ) -> Result<Self, String> {
        let opened =
            future::join_all(pods.iter().map(|pod| access.follow_log(pod, CONTAINER))).await;
        let followers: Vec<_> = opened
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        if followers.is_empty() {
            return Err("there is no ready pod of it".to_owned());
        }
        Ok(Self {
            followers,
            format,
            flush: access.facts.log_flush,
        })
    }
}

impl ProxyLogs {
    /// Adds the log of a gateway or of the database's sidecar.
    pub(crate) fn add(&mut self, hop: Hop, log: Result<HopLog, String>) {
        match log {
            Ok(log) => {
                self.shared.insert(hop, log);
            }
            Err(why) => {
                self.missing.insert(hop, why);
            }
        }
    }

    /// Adds the log of a client pod's sidecar.
    pub(crate) fn add_sidecar(&mut self, pod: &str, log: Result<HopLog, String>) {
        match log {
            Ok(log) => {
                self.sidecars.insert(pod.to_owned(), log);
            }
            Err(why) => {
                self.missing
                    .insert(Hop::ClientSidecar, format!("pod {pod}: {why}"));
            }
        }
    }

    fn of<'a>(&'a self, from: &str) -> impl Iterator<Item = (Hop, &'a HopLog)> {
        let sidecar = self.sidecars.get(from).map(|log| (Hop::ClientSidecar, log));
        sidecar
            .into_iter()
            .chain(self.shared.iter().map(|(hop, log)| (*hop, log)))
    }

    /// The present end of every log that a session from the pod `from` may write to.
    pub(crate) fn mark(&self, from: &str) -> Marks {
        let ends = |log: &HopLog| log.followers.iter().map(LogFollower::mark).collect();
        Marks {
            from: from.to_owned(),
            hops: self.of(from).map(|(hop, log)| (hop, ends(log))).collect(),
        }
    }

    /// The longest time that any of the proxies may keep a line to itself.
    pub(crate) fn flush(&self) -> Duration {
        self.shared
            .values()
            .chain(self.sidecars.values())
            .map(|log| log.flush)
            .max()
            .unwrap_or_default()
    }

    /// Waits until the lines after `marks` make one complete path, or until `within` has passed.
    pub(crate) async fn wait_complete(&self, marks: &Marks, within: Duration) -> bool {
        self.wait(marks, within, |logs| {
            stitch(logs).sessions.iter().any(SessionPath::is_complete)
        })
        .await
    }

    /// Waits until the lines after `marks` name one cause of a refusal, or until `within` has passed.
    pub(crate) async fn wait_cause(
        &self,
        marks: &Marks,
        opening: Opening,
        within: Duration,
    ) -> bool {
        self.wait(marks, within, |logs| {
            attribute(logs, opening).certain().is_some()
        })
        .await
    }

    async fn wait(
        &self,
        marks: &Marks,
        within: Duration,
        enough: impl Fn(&HopLogs) -> bool,
    ) -> bool {
        let deadline = Instant::now() + within;
        loop {
            let seen = self.mark(&marks.from);
            if enough(&self.parsed(marks)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let followers = self.of(&marks.from).flat_map(|(hop, log)| {
                let ends = seen.hops.get(&hop).cloned().unwrap_or_default();
                log.followers.iter().zip(ends)
            });
            let changes: Vec<_> = followers
                .map(|(follower, end)| follower.wait_for(end, left, |_| Some(())).boxed())
                .collect();
            // A stream that has ended cannot bring the line any more; the others still can.
            if left.is_zero() || changes.is_empty() || future::select_ok(changes).await.is_err() {
                return enough(&self.parsed(marks));
            }
        }
    }

    fn parsed(&self, marks: &Marks) -> HopLogs {
        let read = |(hop, log): (Hop, &HopLog)| {
            let lines = log.lines(marks.hops.get(&hop));
            let reader = reader(log.format.as_deref(), &lines)?;
            Some((
                hop,
                lines
                    .iter()
                    .filter_map(|line| reader.read(line).ok())
                    .collect(),
            ))
        };
        self.of(&marks.from).filter_map(read).collect()
    }

    /// Puts the lines after `marks` into a case's evidence, and what is missing beside them.
    pub(crate) fn collect(&self, marks: &Marks, evidence: &mut Evidence) {
        for (hop, log) in self.of(&marks.from) {
            let lines = log.lines(marks.hops.get(&hop));
            let format = log
                .format
                .clone()
                .or_else(|| detected(&lines))
                .unwrap_or_else(default_format);
            evidence.logs.insert(
                hop,
                LogEvidence {
                    pod: log.pods(),
                    format,
                    lines,
                },
            );
            if let Some(why) = log.followers.iter().find_map(LogFollower::ended) {
                evidence.missing.push(Missing {
                    source: source::log(hop),
                    why,
                });
            }
        }
        for (hop, why) in &self.missing {
            evidence.missing.push(Missing {
                source: source::log(*hop),
                why: why.clone(),
            });
        }
    }
}

impl HopLog {
    fn lines(&self, marks: Option<&Vec<Mark>>) -> Vec<String> {
        let mark = |index: usize| {
            marks
                .and_then(|marks| marks.get(index))
                .copied()
                .unwrap_or_default()
        };
        let lines = self
            .followers
            .iter()
            .enumerate()
            .flat_map(|(index, follower)| follower.since(mark(index)));
        lines
            .map(|line| line.text)
            .filter(|line| !is_program_line(line))
            .collect()
    }

    fn pods(&self) -> String {
        self.followers
            .iter()
            .map(|follower| follower.pod.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn reader(format: Option<&str>, lines: &[String]) -> Option<Reader> {
    match format {
        Some(format) => Reader::new(format).ok(),
        None => Reader::detect(lines.first()?).ok(),
    }
}

/// The format of lines whose mesh does not name one.
fn detected(lines: &[String]) -> Option<String> {
    let built_in = meshproof_evidence::detect(lines.first()?)?;
    Some(
        built_in
            .format_string()
            .unwrap_or_else(|| "json".to_owned()),
    )
}

fn default_format() -> String {
    BuiltIn::Text.format_string().unwrap_or_default()
}

/// Whether a line is what Envoy (`[2026-11-23 08:05:48.106][7][info][main] ...`) or the agent beside
/// it (`2026-11-23T08:05:48.106Z<tab>info<tab>...`) prints about itself, in the same stream as the
/// access log.
pub(crate) fn is_program_line(line: &str) -> bool {
    envoy_line(line) || agent_line(line) || line.trim().is_empty()
}

fn envoy_line(line: &str) -> bool {
    let Some((time, rest)) = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]["))
    else {
        return false;
    };
    let thread = rest.split(']').next().unwrap_or_default();
    time.contains(' ') && starts_with_date(time) && thread.bytes().all(|byte| byte.is_ascii_digit())
}

fn agent_line(line: &str) -> bool {
    let mut fields = line.split('\t');
    fields.next().is_some_and(starts_with_date)
        && matches!(
            fields.next(),
            Some("info" | "warn" | "error" | "debug" | "fatal")
        )
}

fn starts_with_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
}

#[cfg(test)]
mod tests {
    use super::is_program_line;

    #[test]
    fn tells_envoys_own_lines_from_its_access_log() {
        assert!(is_program_line(
            "[2026-11-23 08:05:48.106][7][info][main] [source/server/server.cc:1] starting"
        ));
        assert!(is_program_line(
            "2026-11-23T08:05:48.106Z\tinfo\tReadiness succeeded"
        ));
        assert!(!is_program_line(
            "[2026-11-23T08:05:48.106Z] \"- - -\" 0 - - - \"-\" 247 189 8"
        ));
        assert!(!is_program_line(
            "{\"start_time\": \"2026-11-23T08:05:48.106Z\"}"
        ));
    }
}
