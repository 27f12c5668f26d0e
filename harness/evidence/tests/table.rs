//! The table of failures, line by line, for releases that are not among the recordings.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]

use meshproof_evidence::classify::Weight;
use meshproof_evidence::{BuiltIn, Finding, Reader, classify};
use meshproof_record::{Cause, Hop};

const CLUSTER: &str = "outbound|13306||203.0.113.10.nip.io";
const EGRESS: &str = "outbound|15443|mysql|istio-egressgateway.istio-system.svc.cluster.local";

fn of(hop: Hop, flags: &str, reason: &str, cluster: &str) -> Option<Finding> {
    let line = format!(
        r#"[2026-11-23T08:07:37.141Z] "- - -" 0 {flags} "{reason}" 0 0 2 - "-" "-" "-" "-" "203.0.113.10:13306" {cluster} - 10.17.0.5:15443 10.17.0.6:48200 - -"#
    );
    classify(&Reader::from(BuiltIn::Text).read(&line).unwrap(), hop)
}

#[test]
fn reasons_of_a_failed_upstream() {
    let verify = "TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED";
    let rows = [
        (
            Hop::Egress,
            "TLS error: 268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE",
            Hop::Ingress,
            Cause::NoClientCertificate,
            0,
        ),
        (
            Hop::Egress,
            "TLS_error:|268436646:SSL_routines:OPENSSL_internal:TLSV13_ALERT_CERTIFICATE_REQUIRED:TLS_error_end",
            Hop::Ingress,
            Cause::NoClientCertificate,
            0,
        ),
        (
            Hop::Egress,
            "TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end",
            Hop::Ingress,
            Cause::UnknownCa,
            0,
        ),
        (
            Hop::Egress,
            "TLS_error:|268436501:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED:TLS_error_end",
            Hop::Ingress,
            Cause::Expired,
            1,
        ),
        (
            Hop::Egress,
            "TLS_error:|268436526:SSL_routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION:TLS_error_end",
            Hop::Ingress,
            Cause::ProtocolVersion,
            0,
        ),
        (Hop::Egress, verify, Hop::Egress, Cause::UnknownCa, 5),
        (
            Hop::Egress,
            "TLS error: Secret is not supplied by SDS",
            Hop::Egress,
            Cause::SecretMissing,
            0,
        ),
        (
            Hop::Egress,
            "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            Hop::Egress,
            Cause::TlsToPlaintext,
            0,
        ),
        (
            Hop::ClientSidecar,
            "delayed connect error: 111",
            Hop::Egress,
            Cause::NoListener,
            0,
        ),
        (
            Hop::ClientSidecar,
            "delayed_connect_error:_Connection_refused",
            Hop::Egress,
            Cause::NoListener,
            0,
        ),
        (
            Hop::ServerSidecar,
            "delayed_connect_error:_Connection_refused",
            Hop::Mysqld,
            Cause::ServerDown,
            0,
        ),
        (
            Hop::Egress,
            "delayed_connect_error:_Connection_timed_out",
            Hop::Network,
            Cause::Dropped,
            1,
        ),
        (
            Hop::Egress,
            "delayed connect error: 110",
            Hop::Network,
            Cause::Dropped,
            1,
        ),
    ];
    for (at, reason, hop, cause, others) in rows {
        let cluster = if at == Hop::ClientSidecar {
            EGRESS
        } else {
            CLUSTER
        };
        let found = of(at, "UF,URX - -", reason, cluster).unwrap();
        assert_eq!(
            (found.hop, found.cause, found.also.len(), found.weight),
            (hop, cause, others, Weight::Reason),
            "{reason}"
        );
    }
    let reset = of(
        Hop::Egress,
        "UF,URX - -",
        "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end",
        CLUSTER,
    );
    assert_eq!(reset.unwrap().weight, Weight::Symptom);
    let silent = of(Hop::Egress, "UF,URX - -", "-", CLUSTER).unwrap();
    assert_eq!((silent.hop, silent.weight), (Hop::Ingress, Weight::Symptom));
}

/// Whether a name had no address or a list no entry cannot be told from the flag, at any proxy.
#[test]
fn no_upstream_for_an_outside_host_leaves_dns_open() {
    for hop in [Hop::ClientSidecar, Hop::Egress, Hop::Ingress] {
        let outside = of(hop, "UH - -", "-", CLUSTER).unwrap();
        let causes: Vec<Cause> = outside.causes().collect();
        assert_eq!(causes, [Cause::Dns, Cause::NoEndpoint], "{hop:?}");
        let service = "outbound|3306||mysql.default.svc.cluster.local";
        let service = of(hop, "UH - -", "-", service).unwrap();
        assert!(service.is_certain(), "{hop:?}");
        assert_eq!(service.cause, Cause::NoEndpoint, "{hop:?}");
    }
}

#[test]
fn flags_and_details() {
    let local = "outbound|15443|mysql|istio-egressgateway.istio-system.svc.cluster.local";
    let rows = [
        (
            Hop::ClientSidecar,
            "UH - -",
            "BlackHoleCluster",
            Cause::NoRoute,
        ),
        (Hop::ClientSidecar, "UH - -", local, Cause::NoEndpoint),
        (Hop::Egress, "UH - -", CLUSTER, Cause::Dns),
        (Hop::ClientSidecar, "NC - -", "-", Cause::NoRoute),
        (
            Hop::ServerSidecar,
            "- - rbac_access_denied_matched_policy[none]",
            "inbound|3306||",
            Cause::PolicyDenied,
        ),
        (
            Hop::Ingress,
            "- rbac_access_denied_matched_policy[none] -",
            local,
            Cause::PolicyDenied,
        ),
        (
            Hop::Ingress,
            "NR filter_chain_not_found -",
            "-",
            Cause::NotTls,
        ),
    ];
    for (hop, flags, cluster, cause) in rows {
        let found = of(hop, flags, "-", cluster).unwrap();
        assert_eq!((found.hop, found.cause), (hop, cause), "{flags}");
    }
    assert_eq!(
        of(Hop::Ingress, "NR filter_chain_not_found -", "-", "-")
            .unwrap()
            .also,
        [Cause::SniMismatch]
    );
    assert_eq!(of(Hop::Egress, "- - -", "-", CLUSTER), None);
    assert_eq!(
        of(Hop::Ingress, "UR - -", "-", local).unwrap().weight,
        Weight::Symptom
    );
}

/// A client's sidecar need not go by the egress gateway: whoever it dialled is whom its line is about.
#[test]
fn what_a_sidecar_dialled_is_told_by_its_cluster() {
    let refused = "delayed_connect_error:_Connection_refused";
    let rows = [
        (EGRESS, Hop::Egress, Cause::NoListener, 0),
        (CLUSTER, Hop::Ingress, Cause::NoListener, 0),
        (
            "outbound|15443||mysql.default.svc.cluster.local",
            Hop::ServerSidecar,
            Cause::NoListener,
            0,
        ),
        ("PassthroughCluster", Hop::Network, Cause::Refused, 1),
    ];
    for (cluster, hop, cause, others) in rows {
        let found = of(Hop::ClientSidecar, "UF,URX - -", refused, cluster).unwrap();
        assert_eq!(
            (found.hop, found.cause, found.also.len()),
            (hop, cause, others),
            "{cluster}"
        );
    }
}
