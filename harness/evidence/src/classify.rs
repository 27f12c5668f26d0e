//! What one line tells of a refusal.
//!
//! The table follows what Envoy 1.36 to 1.40 and Istio 1.32 log for each failure. Some failures
//! leave the same line; then every cause that fits is named, and a line that only shows that
//! something went wrong elsewhere is marked as a symptom.

mod certificate;
mod downstream;
mod flags;
mod upstream;

use meshproof_record::{Cause, Hop};

use crate::access_log::{Address, HopLine};
use crate::stitch::PATH;

pub(crate) use certificate::alert_causes;

/// What a line says about who refused a connection and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who refused.
    pub hop: Hop,
    /// Why: the likeliest cause.
    pub cause: Cause,
    /// Causes that this line cannot tell from `cause`.
    pub also: Vec<Cause>,
    /// Whether the line names the cause, or only shows its effect.
    pub weight: Weight,
    /// The hop whose line this is, and what in it says so.
    pub why: String,
}

/// How much a line proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Somebody else's refusal shows here: a reset, a failed connection without a reason.
    Symptom,
    /// The line says why.
    Reason,
}

impl Finding {
    pub(crate) fn reason(hop: Hop, cause: Cause, why: String) -> Self {
        Self {
            hop,
            cause,
            also: Vec::new(),
            weight: Weight::Reason,
            why,
        }
    }

    pub(crate) fn or(mut self, also: &[Cause]) -> Self {
        self.also = also
            .iter()
            .copied()
            .filter(|cause| *cause != self.cause)
            .collect();
        self
    }

    pub(crate) fn symptom(hop: Hop, why: String) -> Self {
        Self {
            hop,
            cause: Cause::Refused,
            also: Vec::new(),
            weight: Weight::Symptom,
            why,
        }
    }

    /// Whether `cause` is the only one that fits.
    pub fn is_certain(&self) -> bool {
        self.weight == Weight::Reason && self.also.is_empty()
    }

    /// Every cause that fits, the likeliest first.
    pub fn causes(&self) -> impl Iterator<Item = Cause> + '_ {
        std::iter::once(self.cause).chain(self.also.iter().copied())
    }
}

/// What `line`, logged by `hop`, tells of a refusal; `None` when it shows none. A clean line is no
/// proof of success: a rejection under TLS 1.3 leaves one.
pub fn classify(line: &HopLine, hop: Hop) -> Option<Finding> {
    downstream::finding(line, hop)
        .or_else(|| flags::details(line, hop))
        .or_else(|| upstream::finding(line, hop))
        .or_else(|| flags::finding(line, hop))
}

/// The hop that the connection of `line`, logged by `hop`, went on to. A client's sidecar need not go
/// by the egress gateway: what it dialled is told by its cluster.
pub(crate) fn next(line: &HopLine, hop: Hop) -> Hop {
    if hop == Hop::ClientSidecar
        && let Some(cluster) = line.upstream_cluster.text()
    {
        return behind_the_sidecar(line, cluster);
    }
    let position = PATH.iter().position(|at| *at == hop);
    position
        .and_then(|at| PATH.get(at + 1).copied())
        .unwrap_or(Hop::Mysqld)
}

/// Istio names clusters `outbound|PORT|SUBSET|HOST`. A host outside is reached through the other
/// cluster's gateway; a Service on the very port that the client dialled is the database's own.
fn behind_the_sidecar(line: &HopLine, cluster: &str) -> Hop {
    let mut parts = cluster.split('|');
    let (Some("outbound"), Some(port), Some(_), Some(host)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return if cluster == "PassthroughCluster" {
            Hop::Network
        } else {
            Hop::Egress
        };
    };
    let dialled = line.downstream_local.value().and_then(Address::port);
    if !is_service(host) {
        Hop::Ingress
    } else if dialled.is_some_and(|dialled| port == dialled.to_string()) && !host.contains("egress")
    {
        Hop::ServerSidecar
    } else {
        Hop::Egress
    }
}

/// Whether a host is a Service of the cluster that the proxy is in.
fn is_service(host: &str) -> bool {
    host.ends_with(".svc.cluster.local")
}

/// The hop before `hop` on the path.
pub(crate) fn previous(hop: Hop) -> Hop {
    let position = PATH.iter().position(|at| *at == hop);
    position
        .and_then(|at| at.checked_sub(1))
        .map_or(Hop::Client, |at| PATH[at])
}

/// A hop's name as in the run record.
pub(crate) fn name(hop: Hop) -> &'static str {
    match hop {
        Hop::None => "nobody",
        Hop::Client => "client",
        Hop::ClientSidecar => "client-sidecar",
        Hop::Egress => "egress",
        Hop::Network => "network",
        Hop::Ingress => "ingress",
        Hop::ServerSidecar => "server-sidecar",
        Hop::Mysqld => "mysqld",
    }
}
