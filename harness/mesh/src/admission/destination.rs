//! `DestinationRule`, judged in Istio's words.

use std::collections::BTreeSet;

use super::{Subject, findings::Findings, load_balancer, names, selectors, text::quoted};
use crate::{
    api::destination_rule::{
        ClientTls, ClientTlsMode, ConnectionPool, DestinationRule, H2Upgrade, HttpPool,
        OutlierDetection, PortPolicy, Settings, Subset, TrafficPolicy, Tunnel,
    },
    duration,
};

pub(crate) fn validate(rule: &DestinationRule, subject: &Subject<'_>) -> Findings {
    let mut found = Findings::default();
    found.check(names::wildcard_domain(&rule.host));
    let namespace = subject.namespace;
    found.add(traffic_policy(rule.traffic_policy.as_ref(), namespace));
    let mut seen = BTreeSet::new();
    for subset in &rule.subsets {
        if !seen.insert(&subset.name) {
            found.fail(format!("duplicate subset names: {}", subset.name));
        }
        // What a subset is warned of, Istio does not pass on; of a port neither.
        found.add_errors(validate_subset(subset, namespace));
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

fn validate_subset(subset: &Subset, namespace: &str) -> Findings {
    let mut found = Findings::default();
    if subset.name.is_empty() {
        found.fail("subset name cannot be empty");
    } else if !names::is_dns_label(&subset.name) {
        found.fail(format!("subset name is invalid: {}", subset.name));
    }
    found.add(selectors::tags(&subset.labels));
    found.add(traffic_policy(subset.traffic_policy.as_ref(), namespace));
    found
}

fn traffic_policy(policy: Option<&TrafficPolicy>, namespace: &str) -> Findings {
    let mut found = Findings::default();
    let Some(policy) = policy else { return found };
    let others =
        policy.tunnel.is_some() || policy.proxy_protocol.is_some() || policy.retry_budget.is_some();
    if policy.settings.is_empty() && policy.port_level_settings.is_none() && !others {
        found.fail("traffic policy must have at least one field");
        return found;
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        found.fail("tunnel and proxyProtocol must not be set together");
        return found;
    }
    found.add(settings(&policy.settings, namespace));
    for port in policy.port_level_settings.iter().flatten() {
        found.add_errors(port_policy(port, namespace));
    }
    if let Some(settings) = &policy.tunnel {
        found.add(tunnel(settings));
    }
    found
}

fn tunnel(settings: &Tunnel) -> Findings {
    let mut found = Findings::default();
    if !matches!(settings.protocol.as_str(), "" | "CONNECT" | "POST") {
        found.fail("tunnel protocol must be \"CONNECT\" or \"POST\"");
    }
    let host = &settings.target_host;
    if let (Err(name), Err(address)) = (names::fqdn(host), names::address(host)) {
        found.fail(format!(
            "tunnel target host must be valid FQDN or IP address: {name}; {address}"
        ));
    }
    if let Err(error) = names::port(settings.target_port) {
        found.fail(format!("tunnel target port is invalid: {error}"));
    }
    found
}

fn port_policy(policy: &PortPolicy, namespace: &str) -> Findings {
    let mut found = Findings::default();
    if policy.port.is_none() {
        found.fail("portTrafficPolicy must have valid port");
    }
    if policy.settings.is_empty() {
        found.fail("port traffic policy must have at least one field");
    } else {
        found.add(settings(&policy.settings, namespace));
    }
    found
}

fn settings(settings: &Settings, namespace: &str) -> Findings {
    let mut found = Findings::default();
    if let Some(outlier) = &settings.outlier_detection {
        found.add(outlier_detection(outlier));
    }
    if let Some(pool) = &settings.connection_pool {
        found.add(connection_pool(pool));
    }
    if let Some(balancer) = &settings.load_balancer {
        let sees_failures = settings.outlier_detection.is_some();
        found.add(load_balancer::validate(balancer, sees_failures));
    }
    if let Some(tls) = &settings.tls {
        found.add(client_tls(tls, namespace));
    }
    found
}

fn outlier_detection(outlier: &OutlierDetection) -> Findings {
    let mut found = Findings::default();
    if let Some(time) = &outlier.base_ejection_time {
        found.check(names::positive_duration(time));
    }
    if outlier.consecutive_errors != 0 {
        found.warn("outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead");
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

pub(super) fn connection_pool(pool: &ConnectionPool) -> Findings {
    let mut found = Findings::default();
    if pool.http.is_none() && pool.tcp.is_none() {
        found.fail("connection pool must have at least one field");
    }
    if let Some(http) = &pool.http {
        http_pool(http, &mut found);
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

/// Settings for HTTP. Those without effect on TCP are judged all the same.
fn http_pool(http: &HttpPool, found: &mut Findings) {
    for (number, name) in [
        (
            http.http1_max_pending_requests,
            "http1 max pending requests",
        ),
        (http.http2_max_requests, "http2 max requests"),
        (
            http.max_requests_per_connection,
            "max requests per connection",
        ),
        (http.max_retries, "max retries"),
    ] {
        if number < 0 {
            found.fail(format!("{name} must be non-negative"));
        }
    }
    if let Some(time) = &http.idle_timeout {
        found.check(names::positive_duration(time));
    }
    if http.h2_upgrade_policy == H2Upgrade::Upgrade && http.use_client_protocol {
        found.fail("use client protocol must not be true when H2UpgradePolicy is UPGRADE");
    }
    if http.max_concurrent_streams < 0 {
        found.fail("max concurrent streams must be non-negative");
    }
    if let Some(keepalive) = &http.http2_keep_alive {
        for (field, said) in [
            ("interval", &keepalive.interval),
            ("timeout", &keepalive.timeout),
        ] {
            match said {
                None => found.fail(format!("http2 keepalive {field} is required")),
                Some(time) => found.check(names::positive_duration(time)),
            }
        }
    }
}

/// A certificate authority in a `ConfigMap` is one of the rule's own namespace.
fn config_map(name: &str, namespace: &str, found: &mut Findings) {
    let Some(rest) = name.strip_prefix("configmap://") else {
        return;
    };
    let mut parts = rest.split('/');
    let (own, item) = (parts.next().unwrap_or_default(), parts.next());
    let missing = match item {
        None => Some("namespace and name"),
        Some(_) if own.is_empty() => Some("namespace"),
        Some("") => Some("name"),
        Some(_) => None,
    };
    if let Some(missing) = missing {
        found.fail(format!(
            "invalid configmap:// credentialName: invalid resource name {}. Expected {missing}",
            quoted(name)
        ));
    } else if own != namespace {
        found.fail(format!(
            "invalid configmap:// credentialName: namespace must match the configuration namespace {}",
            quoted(namespace)
        ));
    }
}

fn client_tls(tls: &ClientTls, namespace: &str) -> Findings {
    let mut found = Findings::default();
    config_map(&tls.credential_name, namespace, &mut found);
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
