//! `AuthorizationPolicy`, judged in Istio's words.

use serde_json::Value;

use super::{
    Subject,
    findings::Findings,
    selectors,
    values::{
        attribute, ips, no_empty_values, path_templates, ports, service_accounts, trust_domains,
    },
};
use crate::api::authorization_policy::{
    Action, AuthorizationPolicy, Condition, Operation, Rule, Source,
};

const HTTP_ONLY_DENY: &str = "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port";

pub(crate) fn validate(
    policy: &AuthorizationPolicy,
    spec: &Value,
    subject: &Subject<'_>,
) -> Findings {
    let mut found = selectors::targets(policy.selector.is_some(), spec);
    let labels = policy.selector.as_ref().map(|s| &s.match_labels);
    found.add(selectors::workload(labels));
    found.add(selectors::target_references(spec));
    let rules = policy.rules.as_deref();
    let provider = policy.provider.as_ref().is_some_and(|p| !p.name.is_empty());
    if policy.action == Action::Custom {
        custom(rules, provider, &mut found);
        custom_conditions(rules.unwrap_or_default(), &mut found);
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

/// What an authorization service outside of the mesh is not asked by.
fn custom_conditions(rules: &[Rule], found: &mut Findings) {
    let mut refuse = |name: &str| {
        found.fail(format!(
            "{name} is currently not supported with CUSTOM action"
        ));
    };
    for rule in rules {
        for source in rule.from.iter().flatten().filter_map(|f| f.source.as_ref()) {
            let s = source;
            for (name, list) in [
                ("From.Namespaces", &s.namespaces),
                ("From.NotNamespaces", &s.not_namespaces),
                ("From.ServiceAccounts", &s.service_accounts),
                ("From.NotServiceAccounts", &s.not_service_accounts),
                ("From.TrustDomains", &s.trust_domains),
                ("From.NotTrustDomains", &s.not_trust_domains),
                ("From.Principals", &s.principals),
                ("From.NotPrincipals", &s.not_principals),
                ("From.RequestPrincipals", &s.request_principals),
                ("From.NotRequestPrincipals", &s.not_request_principals),
            ] {
                if !list.is_empty() {
                    refuse(name);
                }
            }
        }
        for condition in &rule.when {
            let key = condition.key.as_str();
            let identity = matches!(
                key,
                "source.namespace"
                    | "source.serviceAccount"
                    | "source.trustDomain"
                    | "source.principal"
            );
            if identity || key.starts_with("request.auth.") {
                refuse(key);
            }
        }
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
        found.add(validate_condition(condition));
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
    for (name, list) in [("Paths", &o.paths), ("NotPaths", &o.not_paths)] {
        found.check(path_templates(name, list));
    }
    !o.ports.is_empty() || !o.not_ports.is_empty()
}

fn validate_condition(condition: &Condition) -> Findings {
    let mut found = Findings::default();
    let key = &condition.key;
    if key.is_empty() {
        found.fail("`key` must not be empty");
        return found;
    }
    if condition.values.is_empty() && condition.not_values.is_empty() {
        found.fail(format!(
            "at least one of `values` or `notValues` must be set for key {key}"
        ));
        return found;
    }
    for (values, what) in [
        (&condition.values, "value"),
        (&condition.not_values, "notValue"),
    ] {
        if let Err(error) = attribute(key, values) {
            found.fail(format!("invalid `{what}` for `key` {key}: {error}"));
        }
    }
    found
}
