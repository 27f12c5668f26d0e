//! One list of what is there, what is missing, and what to do. It is what `meshproof doctor` prints, and what runs
//! before every run on clusters that were there already: nothing is created where something is missing.

mod access;
mod findings;
mod needs;
mod text;

use futures::future;
use meshproof_record::{Finding, FindingState};

use crate::connect::{Connected, Settings, connect};
use crate::error::Error;
use crate::offer::Offer;

pub use self::access::Answer;
pub use self::needs::Need;
pub use self::text::text;

/// What was found, and the clusters where they can be had.
pub struct Examined {
    /// Every point, in the order in which they build on each other.
    pub findings: Vec<Finding>,
    /// Both clusters, the client's first; `None` where one cannot be connected to.
    pub connected: Option<[Connected; 2]>,
    /// Why one cannot be; each is among the findings too.
    pub errors: Vec<Error>,
}

impl Examined {
    /// Clusters that cannot be connected to.
    pub fn refused(errors: Vec<Error>) -> Self {
        Self {
            findings: errors.iter().map(of_error).collect(),
            connected: None,
            errors,
        }
    }
}

/// Something is missing: a run is not begun.
pub fn stops(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.state == FindingState::Missing)
}

/// Connects and looks at everything that a run needs.
pub async fn examine(offer: &Offer, settings: &Settings) -> Examined {
    let connected = match connect(offer, settings).await {
        Ok(connected) => connected,
        Err(errors) => return Examined::refused(errors),
    };
    let lists = future::join_all(connected.iter().map(one)).await;
    Examined {
        findings: lists.into_iter().flatten().collect(),
        connected: Some(connected),
        errors: Vec::new(),
    }
}

/// A cluster that cannot be had, as a finding.
fn of_error(error: &Error) -> Finding {
    let cluster = match error {
        Error::Context { cluster, .. }
        | Error::ExecPlugin { cluster, .. }
        | Error::Client { cluster, .. } => Some(cluster.clone()),
        _ => None,
    };
    let point = match error {
        Error::ExecPlugin { .. } => "credentials",
        Error::SameServer { .. } | Error::SameCluster { .. } => "two clusters",
        Error::NoKubeconfig { .. } | Error::Unreadable { .. } => "kubeconfig",
        _ => "context",
    };
    Finding {
        cluster,
        point: point.to_owned(),
        state: FindingState::Missing,
        found: error.to_string(),
        to_do: None,
    }
}

async fn one(connected: &Connected) -> Vec<Finding> {
    // Who has no API server is not asked what is allowed there.
    let answers = if connected.seen.version.is_ok() {
        let needs = needs::of(connected.side, &connected.facts);
        access::ask(&connected.client, needs).await
    } else {
        Vec::new()
    };
    findings::of(
        &findings::About {
            side: connected.side,
            context: &connected.context,
            server: &connected.server,
            seen: &connected.seen,
        },
        &answers,
    )
}
