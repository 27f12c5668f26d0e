//! `Sidecar`, judged in Istio's words.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde_json::Value;

use super::{Subject, destination, findings::Findings, names, selectors};
use crate::{
    api::{destination_rule::ConnectionPool, sidecar::Sidecar},
    protocol::Protocol,
};

pub(crate) fn validate(sidecar: &Sidecar, spec: &Value, subject: &Subject<'_>) -> Findings {
    let labels = sidecar.workload_selector.as_ref().map(|s| &s.labels);
    let mut found = selectors::by_labels(labels, "sidecar");
    if !found.is_clean() {
        return found;
    }
    let ingress = spec["ingress"].as_array().map_or(&[][..], Vec::as_slice);
    let pool = spec.get("inboundConnectionPool");
    let nothing = sidecar.egress.is_empty() && ingress.is_empty();
    if nothing && sidecar.outbound_traffic_policy.is_none() && pool.is_none() {
        return Findings::of_error("sidecar: empty configuration provided".into());
    }
    listen(ingress, &mut found);
    if let Some(pool) = pool.and_then(|p| serde_json::from_value::<ConnectionPool>(p.clone()).ok())
    {
        found.add(destination::connection_pool(&pool));
    }
    let listeners = spec["egress"].as_array().map_or(&[][..], Vec::as_slice);
    egress(listeners, subject, &mut found);
    found.add(outbound(&spec["outboundTrafficPolicy"]));
    found
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn number(port: &Value) -> i64 {
    port["number"].as_i64().unwrap_or_default()
}

/// Ingress listeners.
fn listen(ingress: &[Value], found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for listener in ingress {
        let Some(port) = listener.get("port") else {
            found.fail("sidecar: port is required for ingress listeners");
            continue;
        };
        if port["targetPort"].as_i64().is_some_and(|p| p > 0) {
            found.fail("targetPort has no impact on Sidecars");
        }
        port_name_and_protocol(port, found);
        found.check(names::port(number(port)));
        bind_address(text(listener, "bind"), found);
        if !seen.insert(number(port)) {
            found.fail("sidecar: ports on IP bound listeners must be unique");
        }
        default_endpoint(text(listener, "defaultEndpoint"), found);
        ingress_pool(listener, port, found);
    }
}

const ENDPOINT_FORMS: &str = "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset";

fn default_endpoint(endpoint: &str, found: &mut Findings) {
    if endpoint.is_empty() {
        return;
    }
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return found.check(names::unix_path(path));
    }
    let (host, port) = match split_host_port(endpoint) {
        Ok(parts) => parts,
        Err(reason) => {
            found.fail(format!("address {endpoint}: {reason}"));
            ("", "")
        }
    };
    if !["", "127.0.0.1", "0.0.0.0", "::1", "::"].contains(&host) {
        found.fail(ENDPOINT_FORMS);
    }
    let number = port.strip_prefix('+').unwrap_or(port);
    match number.parse::<i64>() {
        Ok(port) => found.check(names::port(port)),
        Err(_) => found.fail(format!(
            "sidecar: defaultEndpoint port ({port}) is not a number: strconv.Atoi: parsing {port:?}: invalid syntax"
        )),
    }
}

/// Host and port, as Go's `net.SplitHostPort` takes them apart.
fn split_host_port(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or("missing ']' in address")?;
        return match rest.strip_prefix(':') {
            None => Err("missing port in address"),
            Some(port) if port.contains(':') => Err("too many colons in address"),
            Some(port) => Ok((host, port)),
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
    if host.contains(':') {
        return Err("too many colons in address");
    }
    Ok((host, port))
}

fn ingress_pool(listener: &Value, port: &Value, found: &mut Findings) {
    let Some(said) = listener.get("connectionPool") else {
        return;
    };
    let Ok(pool) = serde_json::from_value::<ConnectionPool>(said.clone()) else {
        return;
    };
    found.add(destination::connection_pool(&pool));
    let protocol = text(port, "protocol");
    if pool.http.is_some() && !Protocol::parse(protocol).is_http() {
        found.warn(format!(
            "sidecar: HTTP connection pool settings are configured for port {} ({:?}) but its protocol is not HTTP ({protocol}); only TCP settings will apply",
            number(port),
            text(port, "name")
        ));
    }
}

fn port_name_and_protocol(port: &Value, found: &mut Findings) {
    if !text(port, "name").is_empty() {
        found.check(names::port_name(text(port, "name")));
    }
    let protocol = text(port, "protocol");
    if !protocol.is_empty() && Protocol::parse(protocol) == Protocol::Unsupported {
        found.fail(format!("unsupported protocol: {protocol}"));
    }
}

fn bind_address(bind: &str, found: &mut Findings) {
    if !bind.is_empty() && bind.parse::<IpAddr>().is_err() {
        found.check(names::address(bind));
    }
}

fn egress(listeners: &[Value], subject: &Subject<'_>, found: &mut Findings) {
    let (mut ports, mut sockets) = (BTreeSet::new(), BTreeSet::new());
    for (index, listener) in listeners.iter().enumerate() {
        match listener.get("port") {
            // One that is not the last is told so; a second one cannot come after the last.
            None if index + 1 < listeners.len() => found.fail(
                "sidecar: the egress listener with empty port should be the last listener in the list",
            ),
            None => {}
            Some(port) => {
                egress_port(listener, port, found);
                if number(port) == 0 {
                    if !sockets.insert(text(listener, "bind")) {
                        found.fail("sidecar: unix domain socket values for listeners must be unique");
                    }
                } else if !ports.insert(number(port)) {
                    found.fail("sidecar: ports on IP bound listeners must be unique");
                }
            }
        }
        hosts(listener, subject, found);
    }
}

fn egress_port(listener: &Value, port: &Value, found: &mut Findings) {
    if port["targetPort"].as_i64().is_some_and(|p| p > 0) {
        found.fail("targetPort has no impact on Sidecars");
    }
    port_name_and_protocol(port, found);
    let bind = text(listener, "bind");
    if number(port) != 0 {
        found.check(names::port(number(port)));
        bind_address(bind, found);
        return;
    }
    match bind.strip_prefix("unix://") {
        None => {
            found.fail("sidecar: ports with 0 value must have a unix domain socket bind address");
        }
        Some(path) => found.check(names::unix_path(path)),
    }
    if text(listener, "captureMode") == "IPTABLES" {
        found.fail("sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners");
    }
}

fn hosts(listener: &Value, subject: &Subject<'_>, found: &mut Findings) {
    let hosts = listener["hosts"].as_array().map_or(&[][..], Vec::as_slice);
    if hosts.is_empty() {
        found.fail("sidecar: egress listener must contain at least one host");
        return;
    }
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in hosts.iter().filter_map(Value::as_str) {
        if let Some((namespace, service)) = host.split_once('/')
            && !namespace.starts_with('~')
        {
            let namespace = if namespace == "." {
                subject.namespace
            } else {
                namespace
            };
            let known = seen.entry(namespace).or_default();
            let covered = if service == "*" {
                !known.is_empty()
            } else {
                known.contains(service) || known.contains("*")
            };
            if covered {
                found.warn(format!("duplicated egress host: {host}"));
            }
            known.insert(service);
        }
        found.add(names::namespaced_host(host, false));
    }
    if seen.get("*").is_some_and(|s| s.contains("*")) && seen.len() != 1 {
        found.warn("`*/*` host select all resources, no other hosts can be added");
    }
}

/// The egress proxy of the outbound policy, which the embedded mesh does not support.
fn outbound(policy: &Value) -> Findings {
    let mut found = Findings::default();
    let Some(proxy) = policy.get("egressProxy") else {
        return found;
    };
    if policy["mode"] != "ALLOW_ANY" {
        found.fail(
            "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode",
        );
        return found;
    }
    found.check(names::fqdn(text(proxy, "host")));
    match proxy.get("port") {
        None => found.fail("sidecar: egress_proxy port must be non-nil"),
        Some(port) => found.check(names::port(number(port))),
    }
    found
}
