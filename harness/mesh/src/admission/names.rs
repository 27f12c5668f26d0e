//! Names, hosts, ports and addresses, judged in Istio's words (`pkg/config/validation/agent/validation.go`).

use std::net::IpAddr;

use super::{findings::Findings, text::quoted};
use crate::duration;

/// A label of RFC 1123.
pub(crate) fn is_dns_label(label: &str) -> bool {
    label.len() <= 63 && is_label_of_any_length(label)
}

pub(crate) fn is_label_of_any_length(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
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
        _ => Err(format!("domain name {} too long (max 255)", quoted(name))),
    }
}

fn labels(domain: &str) -> Result<(), String> {
    let parts: Vec<&str> = domain.split('.').collect();
    let last = parts.last().copied().unwrap_or_default();
    if last.parse::<i64>().is_ok() {
        return Err(format!(
            "domain name {} invalid (top level domain {} cannot be all-numeric)",
            quoted(domain),
            quoted(last)
        ));
    }
    for (index, label) in parts.iter().enumerate() {
        if index + 1 == parts.len() && label.is_empty() {
            return Ok(());
        }
        if !is_dns_label(label) {
            return Err(bad_label(domain, label));
        }
    }
    Ok(())
}

fn bad_label(domain: &str, label: &str) -> String {
    let (domain, label) = (quoted(domain), quoted(label));
    format!("domain name {domain} invalid (label {label} invalid)")
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
        return Err(bad_label(domain, first));
    }
    rest.map_or(Ok(()), labels)
}

/// A name that a `VirtualService` of a gateway may have: also `outbound_.PORT_.SUBSET_.HOST`, as Istio
/// names what it routes by SNI, where `sni` allows it.
pub(crate) fn gateway_domain(domain: &str, sni: bool) -> Result<(), String> {
    const FORMAT: &str = "outbound_.<PORT>_._.<HOSTNAME>";
    length(domain)?;
    if !sni || !domain.starts_with("outbound_") {
        return wildcard_domain(domain);
    }
    let parts: Vec<&str> = domain.split('_').collect();
    let [_, port, _, host, ..] = parts.as_slice() else {
        return Err(format!(
            "domain name {domain} invalid, should follow '{FORMAT}' format"
        ));
    };
    let bad = |label: &str| {
        format!(
            "{}. should follow {FORMAT} format",
            bad_label(domain, label)
        )
    };
    let (port, host) = (port.trim_matches('.'), host.trim_matches('.'));
    if !port.contains(|c: char| c.is_ascii_digit()) {
        return Err(bad(port));
    }
    if !host.contains(|c: char| c.is_ascii_alphabetic()) {
        return Err(bad(host));
    }
    Ok(())
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
            "invalid namespace value {} in {place}",
            quoted(namespace)
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
        return Err(format!("partial wildcard {} not allowed", quoted(host)));
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

/// Why a text with a slash is no block of addresses, as Go's `netip.ParsePrefix` says it.
pub(crate) fn prefix_error(text: &str) -> String {
    let fail = |why: &str| format!("netip.ParsePrefix({}): {why}", quoted(text));
    // Go looks for the last slash.
    let (address, bits) = text.rsplit_once('/').unwrap_or((text, ""));
    if address.parse::<IpAddr>().is_err() {
        return fail(&address_error(address));
    }
    let odd = bits.len() > 1 && !bits.starts_with(|c: char| ('1'..='9').contains(&c));
    if odd || bits.parse::<i64>().is_err() {
        return fail(&format!("bad bits after slash: {}", quoted(bits)));
    }
    fail("prefix length out of range")
}

/// Why a text is no address, as Go's `netip.ParseAddr` says it; of IPv6 only that it is none.
fn address_error(text: &str) -> String {
    let reason = match text.chars().find(|c| matches!(c, '.' | ':' | '%')) {
        Some('.') => ipv4_error(text),
        Some('%') => "missing IPv6 address".to_owned(),
        _ => "unable to parse IP".to_owned(),
    };
    format!("ParseAddr({}): {reason}", quoted(text))
}

fn ipv4_error(text: &str) -> String {
    let at = |why: &str, index: usize| {
        let rest = text.get(index..).unwrap_or_default();
        format!("{why} (at {})", quoted(rest))
    };
    let (mut dots, mut value, mut digits) = (0, 0_u32, 0);
    for (index, c) in text.char_indices() {
        if let Some(digit) = c.to_digit(10) {
            if digits == 1 && value == 0 {
                return "IPv4 field has octet with leading zero".into();
            }
            value = value * 10 + digit;
            digits += 1;
            if value > 255 {
                return "IPv4 field has value >255".into();
            }
        } else if c != '.' {
            return at("unexpected character", index);
        } else if digits == 0 || index + 1 == text.len() {
            return at("IPv4 field must have at least one digit", index);
        } else if dots == 3 {
            return "IPv4 address too long".into();
        } else {
            (dots, value, digits) = (dots + 1, 0, 0);
        }
    }
    "IPv4 address too short".into()
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
    let plain = bits == "0" || bits.starts_with(|c: char| ('1'..='9').contains(&c));
    plain && bits.parse::<u32>().is_ok_and(|b| b <= max)
}

/// The path of a Unix socket, without `unix://`.
pub(crate) fn unix_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("unix address must not be empty".into());
    }
    let absolute = path.starts_with('/') && !path.ends_with('/');
    if absolute || path.starts_with('@') {
        return Ok(());
    }
    Err(format!("{path} is not an absolute path to a file"))
}

/// A duration of at least a millisecond, in whole milliseconds. The schema has read it.
pub(crate) fn positive_duration(text: &str) -> Result<(), String> {
    let nanos = duration::parse(text).unwrap_or_default();
    if nanos < 1_000_000 {
        return Err("duration must be greater than 1ms".into());
    }
    if nanos % 1_000_000 != 0 {
        return Err("only durations to ms precision are supported".into());
    }
    Ok(())
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
