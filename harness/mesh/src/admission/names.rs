//! Names, hosts, ports and addresses, judged in Istio's words (`pkg/config/validation/agent/validation.go`).

use std::net::IpAddr;

use super::findings::Findings;
use crate::duration;

/// A label of RFC 1123.
pub(crate) fn is_dns_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
        && label.len() <= 63
        && label.chars().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_wildcard_label(label: &str) -> bool {
    let rest = match label.strip_prefix('*') {
        Some("") => return true,
        Some(rest) => rest.strip_prefix('-').unwrap_or(rest),
        None => label,
    };
    is_dns_label(rest) && label.len() <= 63
}

fn length(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("empty domain name not allowed".into()),
        1..=255 => Ok(()),
        _ => Err(format!("domain name \"{name}\" too long (max 255)")),
    }
}

fn labels(domain: &str) -> Result<(), String> {
    let parts: Vec<&str> = domain.split('.').collect();
    let last = parts.last().copied().unwrap_or_default();
    if last.parse::<i64>().is_ok() {
        return Err(format!(
            "domain name \"{domain}\" invalid (top level domain \"{last}\" cannot be all-numeric)"
        ));
    }
    for (index, label) in parts.iter().enumerate() {
        if index + 1 == parts.len() && label.is_empty() {
            return Ok(());
        }
        if !is_dns_label(label) {
            return Err(format!(
                "domain name \"{domain}\" invalid (label \"{label}\" invalid)"
            ));
        }
    }
    Ok(())
}

/// A name without a wildcard.
pub(crate) fn fqdn(name: &str) -> Result<(), String> {
    length(name)?;
    labels(name)
}

/// A name that may begin with a wildcard.
pub(crate) fn wildcard_domain(domain: &str) -> Result<(), String> {
    length(domain)?;
    let (first, rest) = match domain.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (domain, None),
    };
    if !is_wildcard_label(first) {
        return Err(format!(
            "domain name \"{domain}\" invalid (label \"{first}\" invalid)"
        ));
    }
    rest.map_or(Ok(()), labels)
}

/// A host of a `Gateway` (`[namespace/]host`) or of a `Sidecar` (`namespace/host`).
pub(crate) fn namespaced_host(host: &str, is_gateway: bool) -> Findings {
    let mut found = Findings::default();
    let Some((namespace, name)) = host.split_once('/') else {
        if is_gateway {
            return host_part(host, true);
        }
        found.fail("host must be of form namespace/dnsName");
        return found;
    };
    if namespace.is_empty() || name.is_empty() {
        found.fail("config namespace and dnsName in host entry cannot be empty");
    }
    let bare = if is_gateway {
        namespace
    } else {
        namespace.strip_prefix('~').unwrap_or(namespace)
    };
    let open = bare == "*" || bare == "." || (!is_gateway && bare.is_empty());
    if !open && !is_dns_label(bare) {
        let place = if is_gateway { "gateway" } else { "sidecar" };
        found.fail(format!(
            "invalid namespace value \"{namespace}\" in {place}"
        ));
    }
    found.add(host_part(name, is_gateway));
    found
}

fn host_part(host: &str, is_gateway: bool) -> Findings {
    let mut found = Findings::default();
    if host != "*" && !host.contains('.') {
        found.fail("short names (non FQDN) are not allowed");
    }
    if let Err(error) = wildcard_domain(host) {
        if !is_gateway {
            found.fail(error.clone());
        }
        if host.parse::<IpAddr>().is_err() {
            found.fail(error);
        }
    }
    if let Err(error) = no_partial_wildcard(host) {
        found.fail(error);
    }
    found
}

/// `*-foo.example.com` is not a wildcard that Istio takes.
pub(crate) fn no_partial_wildcard(host: &str) -> Result<(), String> {
    if host.contains('*') && host.len() != 1 && !host.starts_with("*.") {
        return Err(format!("partial wildcard \"{host}\" not allowed"));
    }
    Ok(())
}

pub(crate) fn port(number: i64) -> Result<(), String> {
    if (1..=65535).contains(&number) {
        return Ok(());
    }
    Err(format!(
        "port number {number} must be in the range 1..65535"
    ))
}

pub(crate) fn port_name(name: &str) -> Result<(), String> {
    if is_dns_label(name) {
        Ok(())
    } else {
        Err(format!("invalid port name: {name}"))
    }
}

pub(crate) fn address(text: &str) -> Result<(), String> {
    text.parse::<IpAddr>()
        .map(|_| ())
        .map_err(|_| format!("{text} is not a valid IP"))
}

/// An address or a CIDR block.
pub(crate) fn subnet(text: &str) -> Result<(), String> {
    if text.matches('/').count() != 1 {
        return address(text);
    }
    if is_cidr(text) {
        Ok(())
    } else {
        Err(format!("{text} is not a valid CIDR block"))
    }
}

/// Whether a text is `address/bits`.
pub(crate) fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let max = if address.is_ipv4() { 32 } else { 128 };
    !bits.starts_with('+') && bits.parse::<u32>().is_ok_and(|b| b <= max)
}

/// A duration of at least a millisecond, in whole milliseconds.
pub(crate) fn positive_duration(text: &str) -> Result<(), String> {
    match duration::parse(text) {
        None => Err(format!("invalid duration {text:?}")),
        Some(nanos) if nanos < 1_000_000 => Err("duration must be greater than 1ms".into()),
        Some(nanos) if nanos % 1_000_000 != 0 => {
            Err("only durations to ms precision are supported".into())
        }
        Some(_) => Ok(()),
    }
}

/// `exportTo` of any kind; `selector`: whether a `DestinationRule` has a workload selector.
pub(crate) fn export_to(
    namespace: &str,
    entries: &[String],
    is_service_entry: bool,
    selector: bool,
) -> Findings {
    let mut found = Findings::default();
    let mut seen: Vec<&str> = Vec::new();
    for entry in entries {
        let key = if entry == "." {
            namespace
        } else {
            entry.as_str()
        };
        if seen.contains(&key) {
            found.fail(if key == entry {
                format!("duplicate entries in exportTo for entry {entry}")
            } else {
                format!("duplicate entries in exportTo: . and current namespace {namespace}")
            });
        } else if (is_service_entry && entry == "~") || key == "*" || is_dns_label(key) {
            seen.push(key);
        } else if key == "~" {
            found.fail("exportTo ~ (none) is not allowed for Istio configuration objects");
        } else {
            found.fail("only .,*, or a valid DNS 1123 label is allowed as exportTo entry");
        }
    }
    if selector && !seen.is_empty() {
        if !seen.contains(&namespace) {
            found.fail("destination rule with workload selector cannot have exportTo beyond current namespace");
        } else if seen.len() > 1 {
            found.fail(
                "destination rule with workload selector cannot have multiple entries in exportTo",
            );
        }
    }
    if seen.contains(&"*") && entries.len() > 1 {
        found.fail("cannot have both public (*) and non-public exportTo values for a resource");
    }
    if seen.contains(&"~") && entries.len() > 1 {
        found.fail("cannot export service entry to no one (~) and someone");
    }
    found
}
