//! Running cases: what is done in the client's pod, and what is collected around it.

mod database;
mod exec;
mod link;
mod plaintext;
mod probe;
pub(crate) mod rotation;
mod session;
mod unreachable;

use std::time::{Duration, Instant};

use meshproof_evidence::Opening;
use meshproof_record::{CaseRecord, Evidence, Missing, Resolution, Status};
use meshproof_scenario::{At, Case, Outcome, Speaks, Target};

use crate::environment::{Client, Environment};
use crate::expectation;
use crate::judge::{judge, not_run, source};
use crate::observer::Event;
use crate::plan::PlannedCase;
use crate::side::Clusters;
use crate::timing::Timing;

use database::Window;
use link::Link;

/// How long any client may take. A client that hangs is stopped and says so.
const CLIENT_LIMIT: Duration = Duration::from_mins(2);
/// Seconds for TCP and greeting, given to the MySQL client: without it, the kernel's two minutes.
const CONNECT_TIMEOUT: u32 = 10;
/// How long access-log lines may be on their way, beyond what the proxy keeps them.
const LINES_WITHIN: Duration = Duration::from_secs(5);
/// Window in which an absence of lines is observed where the case declares none.
const QUIET: Duration = Duration::from_millis(200);

/// How cases are run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Timeouts are waited out even where a router's counters would settle the case.
    pub(crate) wait_timeouts: bool,
}

/// Everything that a case needs.
pub(crate) struct Stage<'a> {
    pub(crate) clusters: &'a Clusters,
    pub(crate) environment: &'a Environment,
    pub(crate) user: &'a str,
    pub(crate) manner: Manner,
    pub(crate) timing: &'a Timing<'a>,
}

/// A case that is being run: its evidence as far as it is known.
pub(crate) struct Running<'a> {
    pub(crate) stage: &'a Stage<'a>,
    pub(crate) case: &'a Case,
    pub(crate) client: &'a Client,
    pub(crate) target: Target,
    pub(crate) evidence: Evidence,
}

impl Running<'_> {
    fn missing(&mut self, source: impl Into<String>, why: impl Into<String>) {
        self.evidence.missing.push(Missing {
            source: source.into(),
            why: why.into(),
        });
    }

    /// How the client opens its connection.
    fn opening(&self) -> Opening {
        let tls = self.case.tls.as_ref();
        let malformed = tls.and_then(|tls| tls.malformed.as_ref());
        match self.case.speaks() {
            // A hello that is none.
            Speaks::Tls if malformed.is_some_and(|at| at.value) => Opening::Plaintext,
            Speaks::Tls => Opening::Tls,
            Speaks::Plaintext => Opening::Plaintext,
            Speaks::Mysql | Speaks::Silent => Opening::ServerFirst,
        }
    }

    /// The declared window, else a short one; never shorter than a proxy may keep a line.
    fn window(&self) -> Duration {
        let declared = self.case.hold.as_ref().map_or(QUIET, |period| period.0);
        declared.max(self.stage.environment.logs.flush())
    }

    fn holding(&self, what: &str, window: Duration) {
        self.stage.timing.tell(&Event::Holding {
            case: self.case.name.value.clone(),
            what: what.to_owned(),
            window,
        });
    }

    /// What the target's name is in the client's pod.
    async fn resolve(&mut self) {
        let name = self.target.host.clone();
        let output = exec::run(
            self,
            crate::client::resolve(&name),
            Vec::new(),
            std::future::pending(),
        )
        .await;
        match output.and_then(|output| crate::client::resolved(&output)) {
            Ok(addresses) => self.evidence.resolution = Some(Resolution { name, addresses }),
            Err(why) => self.missing(source::RESOLUTION, why),
        }
    }
}

/// What a case brings.
pub(crate) struct Collected {
    pub(crate) evidence: Evidence,
    /// What passed the link meanwhile; empty where it cannot be captured.
    pub(crate) pcapng: Vec<u8>,
}

/// Runs one case, the only one that the database sees meanwhile, and returns its evidence.
pub(crate) async fn collect(stage: &Stage<'_>, case: &Case) -> Result<Collected, String> {
    let window = Window::open(stage).await;
    let link = Link::open(stage).await;
    let target = case.target()?;
    let client = stage
        .environment
        .clients
        .get(case.from.as_str())
        .ok_or_else(|| format!("there is no client pod {}", case.from))?;
    let mut running = Running {
        stage,
        case,
        client,
        target,
        evidence: Evidence::default(),
    };
    for why in &stage.environment.inactive {
        running.missing("active configuration", why.clone());
    }
    if let Some(why) = stage.environment.unacknowledged() {
        running.missing(source::ACKNOWLEDGEMENT, why.clone());
    }
    // Boxed: whoever waits for a case would carry the largest of these.
    match (case.expect.outcome.value, case.speaks()) {
        (Outcome::Unreachable, _) => Box::pin(unreachable::collect(&mut running)).await,
        (_, Speaks::Plaintext) => Box::pin(plaintext::collect(&mut running)).await,
        (_, Speaks::Tls | Speaks::Silent) => Box::pin(probe::collect(&mut running)).await,
        (_, Speaks::Mysql) => Box::pin(session::collect(&mut running)).await,
    }
    database::finish(&mut running, &window).await;
    let pcapng = link.finish(&mut running).await;
    Ok(Collected {
        evidence: running.evidence,
        pcapng,
    })
}

/// A record of a case, not yet judged.
pub(crate) fn record(
    case: &At<Case>,
    planned: &PlannedCase,
    source: String,
    evidence: Evidence,
    started: Started,
    took: Duration,
) -> CaseRecord {
    CaseRecord {
        name: planned.name.clone(),
        description: case.description.as_ref().map(|text| text.value.clone()),
        line: case.line(),
        control: case.control.as_ref().map(|name| name.value.clone()),
        source,
        target: case.to.value.clone(),
        speaks: case.speaks().as_str().to_owned(),
        variation: planned.variation.clone(),
        sabotage: planned.sabotage.clone(),
        expectation: expectation::of(case),
        evidence,
        verdict: not_run(Status::Inconclusive, "not judged"),
        started: started.wall,
        duration_ms: took.as_secs_f64() * 1000.0,
    }
}

/// Judges a record in place.
pub(crate) fn settle(record: &mut CaseRecord, control: Option<Status>) {
    record.verdict = judge(record, control);
}

/// When something began, for people and for measuring.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) wall: String,
    pub(crate) instant: Instant,
}

impl Started {
    pub(crate) fn now() -> Self {
        Self {
            wall: jiff::Timestamp::now().to_string(),
            instant: Instant::now(),
        }
    }
}
