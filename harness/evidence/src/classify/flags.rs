//! Refusals that a hop tells by its response flags and details.

use meshproof_record::{Cause, Hop};

use super::{Finding, is_service, name, next};
use crate::access_log::{HopLine, Logged};

/// From `RESPONSE_CODE_DETAILS` and `CONNECTION_TERMINATION_DETAILS`.
pub(super) fn details(line: &HopLine, hop: Hop) -> Option<Finding> {
    let policy = [&line.termination_details, &line.code_details]
        .into_iter()
        .filter_map(Logged::text);
    for text in policy {
        let lower = text.to_ascii_lowercase();
        if lower.contains("rbac_access_denied") || lower.contains("rbac:_access_denied") {
            return Some(Finding::reason(
                hop,
                Cause::PolicyDenied,
                format!("{} logged {text}", name(hop)),
            ));
        }
    }
    line.has_flag("NR").then(|| no_filter_chain(line, hop))
}

/// No filter chain of the listener matched what the connection opened with.
fn no_filter_chain(line: &HopLine, hop: Hop) -> Finding {
    let details = line
        .code_details
        .text()
        .map(|details| format!(" {details}"))
        .unwrap_or_default();
    let head = format!("{} logged NR{details}", name(hop));
    match (&line.sni, &line.downstream_failure) {
        (Logged::Value(sni), _) => Finding::reason(
            hop,
            Cause::SniMismatch,
            format!("{head} for the server name {sni}"),
        ),
        // Newer Envoys log what their inspector says of bytes that are no TLS, and that has been
        // looked at before. No complaint makes TLS likelier, but older ones never complain.
        (Logged::Absent, complaint) => {
            let (cause, other) = match complaint {
                Logged::Absent => (Cause::SniMismatch, Cause::NotTls),
                _ => (Cause::NotTls, Cause::SniMismatch),
            };
            let why = format!("{head} without a server name, which is TLS without SNI or no TLS");
            Finding::reason(hop, cause, why).or(&[other])
        }
        (Logged::NotInFormat, _) => {
            let why =
                format!("{head}; the format lacks %REQUESTED_SERVER_NAME%, which would tell which");
            Finding::reason(hop, Cause::SniMismatch, why).or(&[Cause::NotTls])
        }
    }
}

/// From `RESPONSE_FLAGS` alone.
pub(super) fn finding(line: &HopLine, hop: Hop) -> Option<Finding> {
    let cluster = line.upstream_cluster.text().unwrap_or("-");
    let why = |flag: &str| format!("{} logged {flag} for the cluster {cluster}", name(hop));
    if line.has_flag("UH") {
        return Some(no_healthy_upstream(cluster, hop, why("UH")));
    }
    if line.has_flag("NC") {
        return Some(Finding::reason(hop, Cause::NoRoute, why("NC")));
    }
    if line.has_flag("DF") {
        return Some(Finding::reason(hop, Cause::Dns, why("DF")));
    }
    if line.has_flag("UF") {
        return Some(Finding::symptom(
            next(line, hop),
            format!("{} and no reason", why("UF")),
        ));
    }
    let symptom = ["UR", "UC", "LR"]
        .into_iter()
        .find(|flag| line.has_flag(flag));
    if let Some(flag) = symptom {
        return Some(Finding::symptom(next(line, hop), why(flag)));
    }
    let own = ["UO", "DT", "OM", "RL", "UAEX", "RLSE"]
        .into_iter()
        .find(|flag| line.has_flag(flag));
    own.map(|flag| Finding::symptom(hop, why(flag)))
}

/// UH: the cluster has no endpoint. Istio sends what has no route to `BlackHoleCluster`, which
/// never has one; any proxy's cluster of an outside host gets its endpoints by DNS, if the host is a name.
fn no_healthy_upstream(cluster: &str, hop: Hop, why: String) -> Finding {
    let host = cluster.rsplit('|').next().unwrap_or(cluster);
    if cluster == "BlackHoleCluster" {
        Finding::reason(hop, Cause::NoRoute, why)
    } else if is_outbound(cluster) && !is_service(host) {
        Finding::reason(hop, Cause::Dns, why).or(&[Cause::NoEndpoint])
    } else {
        Finding::reason(hop, Cause::NoEndpoint, why)
    }
}

fn is_outbound(cluster: &str) -> bool {
    cluster.starts_with("outbound|")
}
