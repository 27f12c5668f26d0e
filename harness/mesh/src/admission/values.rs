//! The values of conditions of an `AuthorizationPolicy` (`pkg/config/security/security.go`).

use std::net::IpAddr;

use super::{findings::Findings, names, text::quoted};

pub(crate) fn ips(values: &[String], found: &mut Findings) {
    for value in values {
        if value.contains('/') {
            if !names::is_cidr(value) {
                let why = names::prefix_error(value);
                found.fail_listed(format!("bad CIDR range ({value}): {why}"));
            }
        } else if value.parse::<IpAddr>().is_err() {
            found.fail_listed(format!("bad IP address ({value})"));
        }
    }
}

pub(crate) fn ports(values: &[String], found: &mut Findings) {
    for value in values {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let why = match value.parse::<u32>() {
            Ok(port) if digits && port <= 65535 => continue,
            Ok(_) if digits => "<nil>".to_owned(),
            _ => {
                let problem = if digits {
                    "value out of range"
                } else {
                    "invalid syntax"
                };
                format!("strconv.ParseUint: parsing {}: {problem}", quoted(value))
            }
        };
        found.fail_listed(format!("bad port ({value}): {why}"));
    }
}

/// Templates in paths: `{*}` for one segment, `{**}`, at the end, for any.
pub(crate) fn path_templates(name: &str, paths: &[String]) -> Result<(), String> {
    for whole in paths {
        let template = whole.contains("{*}") || whole.contains("{**}");
        let path = whole.trim_matches('/');
        let bad = |why: &str| {
            Err(format!(
                "invalid or unsupported path {path}, found in {name}. {why}"
            ))
        };
        let mut any = false;
        for segment in path.split('/') {
            match segment {
                "{*}" | "{**}" if any => return bad("{**} is not the last operator"),
                "{*}" => {}
                "{**}" => any = true,
                _ if segment.contains(['{', '}']) => {
                    return bad("Contains '{' or '}' beyond a supported path template");
                }
                _ if template && !is_literal(segment) => {
                    return bad(&format!(
                        "Contains segment {segment} with invalid string literal"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_literal(segment: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@=".contains(c);
    !segment.is_empty() && segment.chars().all(allowed)
}

pub(crate) fn no_empty_values(name: &str, values: &[String]) -> Result<(), String> {
    if values.iter().any(String::is_empty) {
        return Err(format!("empty value not allowed, found in {name}"));
    }
    Ok(())
}

fn wildcards(name: &str, values: &[String]) -> Result<(), String> {
    no_empty_values(name, values)?;
    for value in values {
        let count = value.matches('*').count();
        if count > 1 {
            return Err(format!(
                "at most one wildcard is allowed, found in {name}: {}",
                quoted(value)
            ));
        }
        if count == 1 && !value.starts_with('*') && !value.ends_with('*') {
            return Err(format!(
                "wildcard is only allowed at the start or end, found in {name}: {}",
                quoted(value)
            ));
        }
    }
    Ok(())
}

pub(crate) fn trust_domains(name: &str, values: &[String]) -> Result<(), String> {
    wildcards(name, values)?;
    match values.iter().find(|v| v.contains('/')) {
        Some(value) => Err(format!(
            "trust domain must not contain '/', found in {name}: {}",
            quoted(value)
        )),
        None => Ok(()),
    }
}

pub(crate) fn service_accounts(name: &str, values: &[String]) -> Result<(), String> {
    if values.len() > 16 {
        return Err("may not have more than 16 values".into());
    }
    for value in values {
        no_empty_values(name, std::slice::from_ref(value))?;
        if value.contains('*') {
            return Err(format!("wildcard not allowed, found in {name}"));
        }
        let form = "expected format 'serviceAccount' or 'namespace/serviceAccount', found";
        let shown = quoted(value);
        let parts: Vec<&str> = value.split('/').collect();
        if parts.len() > 2 {
            return Err(format!("{form} {shown} in {name}"));
        }
        if value.len() > 320 {
            return Err(format!(
                "value cannot exceed 320 characters, found {shown} in {name}"
            ));
        }
        match parts.as_slice() {
            ["", _] => return Err(format!("{form} empty namespace {shown} in {name}")),
            [_, ""] => return Err(format!("{form} empty serviceAccount {shown} in {name}")),
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn attribute(key: &str, values: &[String]) -> Result<(), String> {
    no_empty_values(key, values)?;
    let collect = |check: fn(&[String], &mut Findings)| {
        let mut found = Findings::default();
        check(values, &mut found);
        found.error().map_or(Ok(()), Err)
    };
    let has_name = || {
        let open = key.find('[').unwrap_or(0);
        if key.ends_with(']') && open > 0 && open + 2 < key.len() {
            return Ok(());
        }
        Err(format!("bad key ({key}): should have format a[b]"))
    };
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => collect(ips),
        "destination.port" => collect(ports),
        "source.serviceAccount" => service_accounts(key, values),
        "source.trustDomain" => wildcards(key, values),
        "source.namespace"
        | "source.principal"
        | "connection.sni"
        | "request.auth.principal"
        | "request.auth.audiences"
        | "request.auth.presenter" => Ok(()),
        "destination.namespace" => Err(format!(
            "attribute {key} is replaced by the metadata.namespace"
        )),
        "destination.name" | "destination.user" => Err(format!(
            "deprecated attribute {key}: only supported in v1alpha1"
        )),
        _ if key.starts_with("destination.labels") => Err(format!(
            "attribute {key} is replaced by the workload selector"
        )),
        _ if [
            "request.headers",
            "request.auth.claims",
            "experimental.envoy.filters.",
        ]
        .iter()
        .any(|p| key.starts_with(p)) =>
        {
            has_name()
        }
        _ => Err(format!("unknown attribute: {key}")),
    }
}
