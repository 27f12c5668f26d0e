//! The access logs of the four proxies: followed from the start, cut per case.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::{self, FutureExt};
use jiff::Timestamp;
use meshproof_cluster::{ClusterAccess, LogFollower, Mark, PodRef};
use meshproof_evidence::access_log::DetectError;
use meshproof_evidence::{
    Expected, HopLine, HopLogs, Opening, Reader, SessionPath, attribute, read_log, stitch,
};
use meshproof_record::{Evidence, Hop, LogEvidence, Missing};

use crate::guest::ServerNames;
use crate::judge::source;
use crate::log_clock;
use crate::setup::LogFormat;

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
    format: Expected,
    flush: Duration,
    /// Times of its lines can be compared with this machine's clock.
    same_clock: bool,
    /// The names that this run's sessions ask for, where a proxy serves others too.
    names: Option<ServerNames>,
}

/// A place in every log that a session from one pod may write to.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    from: String,
    /// When they were set. A connection that began before is of an earlier session, however late its
    /// line comes.
    set: Timestamp,
    /// The same by a clock that nobody sets.
    since: Instant,
    hops: BTreeMap<Hop, Vec<Mark>>,
    /// Logs that were at their end by then.
    over: BTreeSet<Hop>,
}

impl HopLog {
    /// Follows the proxies of `pods`.
    ///
    /// # Errors
    /// In words: no pod, a log that cannot be opened, or one whose format hides what matters.
    pub(crate) async fn follow(
        access: &ClusterAccess,
        pods: &[PodRef],
        format: &LogFormat,
    ) -> Result<Self, String> {
        let format = format.clone()?;
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
            same_clock: access.facts.same_clock,
            names: None,
        })
    }

    /// The same without lines of sessions that asked for none of these names.
    pub(crate) fn only(self, names: Option<ServerNames>) -> Self {
        Self { names, ..self }
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

    /// Why one of the logs is not followed, or not any more.
    pub(crate) fn lack(&self) -> Option<String> {
        let mut all = self.shared.values().chain(self.sidecars.values());
        let missing = self.missing.values().next().cloned();
        missing.or_else(|| all.find_map(HopLog::over))
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
            set: Timestamp::now(),
            since: Instant::now(),
            hops: self.of(from).map(|(hop, log)| (hop, ends(log))).collect(),
            over: self
                .of(from)
                .filter_map(|(hop, log)| log.over().map(|_| hop))
                .collect(),
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

    /// Waits until the lines after `marks` make one path that passes all of `hops`, or until `within` has passed. A
    /// session that ends outside both clusters has lines of the first hops alone.
    pub(crate) async fn wait_path(
        &self,
        marks: &Marks,
        hops: &BTreeSet<Hop>,
        within: Duration,
    ) -> bool {
        self.wait(marks, within, |logs| {
            let passes = |path: &SessionPath<'_>| hops.iter().all(|hop| path.line(*hop).is_some());
            stitch(logs).sessions.iter().any(passes)
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
            attribute(logs, &[], opening).certain().is_some()
        })
        .await
    }

    /// Waits for a line of one hop after `marks`, or until `within` has passed.
    pub(crate) async fn wait_line(&self, marks: &Marks, hop: Hop, within: Duration) -> bool {
        self.wait(marks, within, |logs| {
            logs.get(&hop).is_some_and(|lines| !lines.is_empty())
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

    /// What can be read so far. A record of several lines may not be complete yet.
    fn parsed(&self, marks: &Marks) -> HopLogs {
        let read = |(hop, log): (Hop, &HopLog)| {
            let lines = log.lines(marks.hops.get(&hop));
            let format = log.format.settle(&lines).ok()?.format;
            let mut read = read_log(&format.reader, &lines).ok()?.lines;
            read.retain(|line| log.is_since(line, marks));
            Some((hop, read))
        };
        self.of(&marks.from).filter_map(read).collect()
    }

    /// Puts the lines after `marks` into a case's evidence, and what is missing beside them.
    pub(crate) fn collect(&self, marks: &Marks, evidence: &mut Evidence) {
        for (hop, log) in self.of(&marks.from) {
            let lines = log.lines(marks.hops.get(&hop));
            let (reader, why) = log.reader(&lines);
            evidence.logs.insert(
                hop,
                LogEvidence {
                    pod: log.pods(),
                    format: reader.to_string(),
                    lines: log.records(&reader, lines, marks),
                },
            );
            evidence.missing.extend(why.map(|why| Missing {
                source: source::log(hop),
                why,
            }));
            let missing = |source: String, why: String| Missing { source, why };
            if let Some(why) = log.over() {
                evidence
                    .missing
                    .push(missing(source::log(hop), why.clone()));
                let meanwhile = (!marks.over.contains(&hop)).then_some(why);
                let lasting = meanwhile.map(|why| missing(source::lasting(hop), why));
                evidence.missing.extend(lasting);
            }
            if let Some(why) = log.astray(marks, &reader, hop) {
                evidence
                    .missing
                    .push(missing(source::log(hop), why.clone()));
                evidence
                    .missing
                    .push(missing(source::CLOCK.to_owned(), why));
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
    /// Why nothing more can come.
    fn over(&self) -> Option<String> {
        self.followers.iter().find_map(|follower| {
            let (pod, why) = (&follower.pod, follower.ended()?);
            Some(format!(
                "the proxy in pod {pod} has ended or was restarted, or its log was cut: {why}"
            ))
        })
    }

    /// Why the times of lines that came since cannot be compared with this machine's.
    fn astray(&self, marks: &Marks, reader: &Reader, hop: Hop) -> Option<String> {
        if !self.same_clock {
            return None;
        }
        let now = Timestamp::now();
        let back = log_clock::set_back(marks.set, now, marks.since.elapsed());
        back.or_else(|| {
            let ends = marks.hops.get(&hop).into_iter().flatten();
            let mut pods = self.followers.iter().zip(ends);
            pods.find_map(|(follower, end)| {
                let mut lines = follower.since(*end).into_iter();
                let why = lines.find_map(|line| {
                    let came = now.checked_sub(line.received.elapsed()).ok()?;
                    let read = read_log(reader, &[line.text]).ok()?;
                    log_clock::foreign(read.lines.first()?, came, self.flush)
                })?;
                Some(format!(
                    "which lines of pod {} are of this case cannot be told by their times: {why}",
                    follower.pod
                ))
            })
        })
    }

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
        lines.map(|line| line.text).collect()
    }

    /// What reads these lines; the likeliest where they do not tell, and why they do not.
    fn reader(&self, lines: &[String]) -> (Reader, Option<String>) {
        let likeliest = || self.format.candidates()[0].reader.clone();
        match self.format.settle(lines) {
            Ok(detected) => (detected.format.reader, None),
            Err(DetectError::NoRecord { .. }) => (likeliest(), None),
            Err(error) => (likeliest(), Some(error.to_string())),
        }
    }

    /// Whether a connection is of this run and began after the marks were set, as far as that can be told.
    /// Istio logs milliseconds, cut off.
    fn is_since(&self, line: &HopLine, marks: &Marks) -> bool {
        let foreign =
            |names: &ServerNames| line.sni.text().is_some_and(|sni| names.is_foreign(sni));
        if self.names.as_ref().is_some_and(foreign) {
            return false;
        }
        let start = line.start.value().filter(|_| self.same_clock);
        start.is_none_or(|start| start.as_millisecond() >= marks.set.as_millisecond())
    }

    /// The lines that belong to records of this case; all, where one of them cannot be read.
    fn records(&self, reader: &Reader, lines: Vec<String>, marks: &Marks) -> Vec<String> {
        let Ok(read) = read_log(reader, &lines) else {
            return lines;
        };
        let records = read.lines.iter().filter(|line| self.is_since(line, marks));
        let lines = records.flat_map(|record| {
            let beside = record.beside.iter().map(String::as_str);
            beside.chain(record.raw.lines())
        });
        lines.map(str::to_owned).collect()
    }

    fn pods(&self) -> String {
        self.followers
            .iter()
            .map(|follower| follower.pod.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }
}
