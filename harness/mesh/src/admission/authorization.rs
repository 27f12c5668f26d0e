//! `AuthorizationPolicy`, judged in Istio's words.

use std::net::IpAddr;

use super::{Subject, findings::Findings, names, selectors};
use crate::api::authorization_policy::{
    Action, AuthorizationPolicy, Condition, Operation, Rule, Source,
};

const HTTP_ONLY_DENY: &str = "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port";

pub(crate) fn validate(policy: &AuthorizationPolicy, subject: &Subject<'_>) -> Findings {
    let mut found = selectors::workload(policy.selector.as_ref().map(|s| &s.match_labels));
    let rules = policy.rules.as_deref();
    let provider = policy.provider.as_ref().is_some_and(|p| !p.name.is_empty());
    if policy.action == Action::Custom {
        custom(rules, provider, &mut found);
    }
    if policy.provider.is_some() && policy.action != Action::Custom {
        found.fail(format!(
            "`provider` must not be with non CUSTOM action, found {}",
            policy.action.name()
        ));
    }
    if policy.action == Action::Deny && rules.is_none() {
        found.fail(format!("DENY {MEANINGLESS}"));
    }
    for (index, rule) in rules.unwrap_or_default().iter().enumerate() {
        validate_rule(rule, index, policy.action, &mut found);
    }
    found.prefixed(&format!(
        "invalid policy {}.{}:",
        subject.name, subject.namespace
    ))
}

const MEANINGLESS: &str = "action without `rules` is meaningless as it will never be triggered, add an empty rule `{}` if you want it be triggered for every request";

fn custom(rules: Option<&[Rule]>, provider: bool, found: &mut Findings) {
    if rules.is_none() {
        found.fail(format!("CUSTOM {MEANINGLESS}"));
    } else if !provider {
        found.fail("`provider.name` must not be empty");
    }
}

/// Which kinds of conditions a rule has.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "four independent facts")]
struct Seen {
    from: bool,
    to: bool,
    tcp_from: bool,
    tcp_to: bool,
}

fn validate_rule(rule: &Rule, index: usize, action: Action, found: &mut Findings) {
    let mut seen = Seen::default();
    if rule.from.as_ref().is_some_and(Vec::is_empty) {
        found.fail(format!("`from` must not be empty, found at rule {index}"));
    }
    for from in rule.from.iter().flatten() {
        match &from.source {
            None => found.fail(format!(
                "`from.source` must not be nil, found at rule {index}"
            )),
            Some(source) => {
                seen.from = true;
                seen.tcp_from |= validate_source(source, index, found);
            }
        }
    }
    if rule.to.as_ref().is_some_and(Vec::is_empty) {
        found.fail(format!("`to` must not be empty, found at rule {index}"));
    }
    for to in rule.to.iter().flatten() {
        match &to.operation {
            None => found.fail(format!(
                "`to.operation` must not be nil, found at rule {index}"
            )),
            Some(operation) => {
                seen.to = true;
                seen.tcp_to |= validate_operation(operation, index, found);
            }
        }
    }
    for condition in &rule.when {
        found.check(validate_condition(condition));
    }
    let http_only = (seen.from && !seen.to && !seen.tcp_from) || (seen.to && !seen.tcp_to);
    if http_only && action == Action::Deny {
        found.warn(HTTP_ONLY_DENY);
    }
}

/// Whether the source has conditions that hold for TCP.
fn validate_source(source: &Source, index: usize, found: &mut Findings) -> bool {
    let s = source;
    let accounts = !s.service_accounts.is_empty() || !s.not_service_accounts.is_empty();
    let identities = [
        &s.principals,
        &s.not_principals,
        &s.namespaces,
        &s.not_namespaces,
    ];
    if accounts && identities.iter().any(|l| !l.is_empty()) {
        found.fail(format!(
            "cannot set serviceAccounts with namespaces or principals, found at rule {index}"
        ));
    }
    let lists = source_lists(source);
    if lists.iter().all(|(_, l)| l.is_empty()) {
        found.fail(format!(
            "`from.source` must not be empty, found at rule {index}"
        ));
    }
    for list in [
        &s.ip_blocks,
        &s.not_ip_blocks,
        &s.remote_ip_blocks,
        &s.not_remote_ip_blocks,
    ] {
        ips(list, found);
    }
    for (name, list) in &lists {
        let result = match *name {
            "ServiceAccounts" | "NotServiceAccounts" => service_accounts(name, list),
            "TrustDomains" | "NotTrustDomains" => trust_domains(name, list),
            _ => no_empty_values(name, list),
        };
        found.check(result);
    }
    let http = [
        "RequestPrincipals",
        "NotRequestPrincipals",
        "TrustDomains",
        "NotTrustDomains",
    ];
    lists
        .iter()
        .any(|(name, list)| !list.is_empty() && !http.contains(name))
}

fn source_lists(s: &Source) -> [(&'static str, &[String]); 14] {
    [
        ("Principals", &s.principals),
        ("RequestPrincipals", &s.request_principals),
        ("Namespaces", &s.namespaces),
        ("ServiceAccounts", &s.service_accounts),
        ("TrustDomains", &s.trust_domains),
        ("IpBlocks", &s.ip_blocks),
        ("RemoteIpBlocks", &s.remote_ip_blocks),
        ("NotPrincipals", &s.not_principals),
        ("NotRequestPrincipals", &s.not_request_principals),
        ("NotNamespaces", &s.not_namespaces),
        ("NotServiceAccounts", &s.not_service_accounts),
        ("NotTrustDomains", &s.not_trust_domains),
        ("NotIpBlocks", &s.not_ip_blocks),
        ("NotRemoteIpBlocks", &s.not_remote_ip_blocks),
    ]
}

/// Whether the operation has conditions that hold for TCP.
fn validate_operation(operation: &Operation, index: usize, found: &mut Findings) -> bool {
    let o = operation;
    let lists: [(&str, &[String]); 8] = [
        ("Ports", &o.ports),
        ("Methods", &o.methods),
        ("Paths", &o.paths),
        ("Hosts", &o.hosts),
        ("NotPorts", &o.not_ports),
        ("NotMethods", &o.not_methods),
        ("NotPaths", &o.not_paths),
        ("NotHosts", &o.not_hosts),
    ];
    if lists.iter().all(|(_, l)| l.is_empty()) {
        found.fail(format!(
            "`to.operation` must not be empty, found at rule {index}"
        ));
    }
    for list in [&o.ports, &o.not_ports] {
        ports(list, found);
    }
    for (name, list) in lists {
        found.check(no_empty_values(name, list));
    }
    !o.ports.is_empty() || !o.not_ports.is_empty()
}

fn ips(values: &[String], found: &mut Findings) {
    for value in values {
        if value.contains('/') {
            if !names::is_cidr(value) {
                found.fail(format!(
                    "bad CIDR range ({value}): netip.ParsePrefix(\"{value}\"): not a prefix"
                ));
            }
        } else if value.parse::<IpAddr>().is_err() {
            found.fail(format!("bad IP address ({value})"));
        }
    }
}

fn ports(values: &[String], found: &mut Findings) {
    for value in values {
        match value.parse::<u32>() {
            Ok(port) if port <= 65535 => {}
            Ok(_) => found.fail(format!("bad port ({value}): <nil>")),
            Err(_) => {
                found.fail(format!(
                    "bad port ({value}): strconv.ParseUint: parsing \"{value}\": invalid syntax"
                ));
            }
        }
    }
}

fn no_empty_values(name: &str, values: &[String]) -> Result<(), String> {
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
                "at most one wildcard is allowed, found in {name}: \"{value}\""
            ));
        }
        if count == 1 && !value.starts_with('*') && !value.ends_with('*') {
            return Err(format!(
                "wildcard is only allowed at the start or end, found in {name}: \"{value}\""
            ));
        }
    }
    Ok(())
}

fn trust_domains(name: &str, values: &[String]) -> Result<(), String> {
    wildcards(name, values)?;
    match values.iter().find(|v| v.contains('/')) {
        Some(value) => Err(format!(
            "trust domain must not contain '/', found in {name}: \"{value}\""
        )),
        None => Ok(()),
    }
}

fn service_accounts(name: &str, values: &[String]) -> Result<(), String> {
    if values.len() > 16 {
        return Err("may not have more than 16 values".into());
    }
    no_empty_values(name, values)?;
    for value in values {
        if value.contains('*') {
            return Err(format!("wildcard not allowed, found in {name}"));
        }
        let form = "expected format 'serviceAccount' or 'namespace/serviceAccount', found";
        match value.split('/').collect::<Vec<_>>().as_slice() {
            ["", _] => return Err(format!("{form} empty namespace \"{value}\" in {name}")),
            [_, ""] => return Err(format!("{form} empty serviceAccount \"{value}\" in {name}")),
            [_] | [_, _] => {}
            _ => return Err(format!("{form} \"{value}\" in {name}")),
        }
        if value.len() > 320 {
            return Err(format!(
                "value cannot exceed 320 characters, found \"{value}\" in {name}"
            ));
        }
    }
    Ok(())
}

fn validate_condition(condition: &Condition) -> Result<(), String> {
    let key = &condition.key;
    if key.is_empty() {
        return Err("`key` must not be empty".into());
    }
    if condition.values.is_empty() && condition.not_values.is_empty() {
        return Err(format!(
            "at least one of `values` or `notValues` must be set for key {key}"
        ));
    }
    attribute(key, &condition.values)
        .map_err(|e| format!("invalid `value` for `key` {key}: {e}"))?;
    attribute(key, &condition.not_values)
        .map_err(|e| format!("invalid `notValue` for `key` {key}: {e}"))
}

fn attribute(key: &str, values: &[String]) -> Result<(), String> {
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
