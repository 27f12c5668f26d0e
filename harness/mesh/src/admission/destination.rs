//! `DestinationRule`, judged in Istio's words.

use std::collections::BTreeSet;

use super::{Subject, findings::Findings, names, selectors};
use crate::{
    api::destination_rule::{
        ClientTls, ClientTlsMode, ConnectionPool, DestinationRule, OutlierDetection, PortPolicy,
        Settings, Subset, TrafficPolicy,
    },
    duration,
};

pub(crate) fn validate(rule: &DestinationRule, subject: &Subject<'_>) -> Findings {
    let mut found = Findings::default();
    found.check(names::wildcard_domain(&rule.host));
    found.add(traffic_policy(rule.traffic_policy.as_ref()));
    let mut seen = BTreeSet::new();
    for subset in &rule.subsets {
        if !seen.insert(&subset.name) {
            found.fail(format!("duplicate subset names: {}", subset.name));
        }
        found.add(validate_subset(subset));
    }
    let selector = rule.workload_selector.as_ref();
    found.add(names::export_to(
        subject.namespace,
        &rule.export_to,
        false,
        selector.is_some(),
    ));
    found.add(selectors::workload(selector.map(|s| &s.match_labels)));
    found
}

fn validate_subset(subset: &Subset) -> Findings {
    let mut found = Findings::default();
    if subset.name.is_empty() {
        found.fail("subset name cannot be empty");
    } else if !names::is_dns_label(&subset.name) {
        found.fail(format!("subset name is invalid: {}", subset.name));
    }
    found.add(traffic_policy(subset.traffic_policy.as_ref()));
    found
}

fn traffic_policy(policy: Option<&TrafficPolicy>) -> Findings {
    let mut found = Findings::default();
    let Some(policy) = policy else { return found };
    let others =
        policy.tunnel.is_some() || policy.proxy_protocol.is_some() || policy.retry_budget.is_some();
    if policy.settings.is_empty() && policy.port_level_settings.is_empty() && !others {
        found.fail("traffic policy must have at least one field");
        return found;
    }
    found.add(settings(&policy.settings));
    for port in &policy.port_level_settings {
        found.add(port_policy(port));
    }
    found
}

fn port_policy(policy: &PortPolicy) -> Findings {
    let mut found = Findings::default();
    if policy.port.is_none() {
        found.fail("portTrafficPolicy must have valid port");
    }
    if policy.settings.is_empty() {
        found.fail("port traffic policy must have at least one field");
    } else {
        found.add(settings(&policy.settings));
    }
    found
}

fn settings(settings: &Settings) -> Findings {
    let mut found = Findings::default();
    if let Some(outlier) = &settings.outlier_detection {
        found.add(outlier_detection(outlier));
    }
    if let Some(pool) = &settings.connection_pool {
        found.add(connection_pool(pool));
    }
    if let Some(tls) = &settings.tls {
        found.add(client_tls(tls));
    }
    found
}

fn outlier_detection(outlier: &OutlierDetection) -> Findings {
    let mut found = Findings::default();
    if let Some(time) = &outlier.base_ejection_time {
        found.check(names::positive_duration(time));
    }
    if !outlier.split_external_local_origin_errors
        && outlier.consecutive_local_origin_failures.unwrap_or(0) > 0
    {
        found.fail(
            "outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false",
        );
    }
    if let Some(interval) = &outlier.interval {
        found.check(names::positive_duration(interval));
    }
    for value in [outlier.max_ejection_percent, outlier.min_health_percent] {
        if !(0..=100).contains(&value) {
            found.fail(format!("percentage {value} is not in range 0..100"));
        }
    }
    found
}

fn connection_pool(pool: &ConnectionPool) -> Findings {
    let mut found = Findings::default();
    if pool.http.is_none() && pool.tcp.is_none() {
        found.fail("connection pool must have at least one field");
    }
    let Some(tcp) = &pool.tcp else { return found };
    if tcp.max_connections < 0 {
        found.fail("max connections must be non-negative");
    }
    for time in [&tcp.connect_timeout, &tcp.max_connection_duration]
        .into_iter()
        .flatten()
    {
        found.check(names::positive_duration(time));
    }
    if let Some(time) = &tcp.idle_timeout {
        // Less than a millisecond means: never.
        if duration::parse(time).is_none_or(|n| n / 1_000_000 != 0) {
            found.check(names::positive_duration(time));
        }
    }
    if let Some(keepalive) = &tcp.tcp_keepalive {
        for time in [&keepalive.time, &keepalive.interval].into_iter().flatten() {
            found.check(names::positive_duration(time));
        }
    }
    found
}

fn client_tls(tls: &ClientTls) -> Findings {
    let mut found = Findings::default();
    let credential = !tls.credential_name.is_empty();
    let sans = tls.subject_alt_names.is_some();
    let files = !tls.ca_certificates.is_empty();
    if tls.insecure_skip_verify
        && tls.mode == ClientTlsMode::Simple
        && (files || credential || sans)
    {
        found.fail(
            "cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true",
        );
    }
    if tls.insecure_skip_verify && tls.mode == ClientTlsMode::Mutual && (files || sans) {
        found.fail(
            "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true",
        );
    }
    if credential && matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
        let own = [
            &tls.client_certificate,
            &tls.ca_certificates,
            &tls.private_key,
            &tls.ca_crl,
        ];
        if own.iter().any(|f| !f.is_empty()) {
            found.fail("cannot specify client certificates or CA certificate or CA CRL If credentialName is set");
        }
        return found;
    }
    if tls.mode == ClientTlsMode::Mutual {
        if tls.client_certificate.is_empty() {
            found.fail("client certificate required for mutual tls");
        }
        if tls.private_key.is_empty() {
            found.fail("private key required for mutual tls");
        }
    }
    found
}
