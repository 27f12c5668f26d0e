//! One rule of a policy as Envoy's permissions and principals (`pilot/pkg/security/authz/model`).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::trust_domain;
use crate::{
    MeshConfig,
    api::authorization_policy::{Condition, Operation, Rule, Source},
    compile::envoy::cidr,
};

/// Which half of Envoy's policy a condition belongs to, and how it is written there.
#[derive(Clone, Copy)]
enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    RemoteIp,
    DestinationIp,
    DestinationPort,
    Sni,
    /// Known to HTTP only: of a caller...
    HttpCaller,
    /// ...or of a request.
    HttpRequest,
}

impl Attribute {
    fn is_permission(self) -> bool {
        matches!(
            self,
            Self::DestinationIp | Self::DestinationPort | Self::Sni | Self::HttpRequest
        )
    }

    fn of_condition(key: &str) -> Self {
        match key {
            "source.principal" => Self::Principal,
            "source.namespace" => Self::Namespace,
            "source.serviceAccount" => Self::ServiceAccount,
            "source.trustDomain" => Self::TrustDomain,
            "source.ip" => Self::SourceIp,
            "remote.ip" => Self::RemoteIp,
            "destination.ip" => Self::DestinationIp,
            "destination.port" => Self::DestinationPort,
            "connection.sni" => Self::Sni,
            _ => Self::HttpCaller,
        }
    }
}

/// One condition: any of `values`, none of `not_values`.
struct Term<'a> {
    attribute: Attribute,
    values: &'a [String],
    not_values: &'a [String],
}

fn term<'a>(
    attribute: Attribute,
    values: &'a [String],
    not_values: &'a [String],
) -> Option<Term<'a>> {
    let some = !values.is_empty() || !not_values.is_empty();
    some.then_some(Term {
        attribute,
        values,
        not_values,
    })
}

/// Writes the rules of one policy.
pub(super) struct Generator<'a> {
    pub(super) mesh: &'a MeshConfig,
    /// The policy's.
    pub(super) namespace: &'a str,
    /// Whether a condition that TCP cannot judge is left out (DENY, AUDIT, CUSTOM) or spoils its rule
    /// (ALLOW).
    pub(super) lenient: bool,
}

impl Generator<'_> {
    /// The rule as Envoy's policy; `None` where TCP cannot judge it and it allows nothing.
    pub(super) fn rule(&self, rule: &Rule) -> Option<Value> {
        let when: Vec<Term<'_>> = rule.when.iter().filter_map(of_condition).collect();
        let (permissions, principals): (Vec<&Term<'_>>, Vec<&Term<'_>>) =
            when.iter().partition(|t| t.attribute.is_permission());
        let sources: Vec<Vec<Term<'_>>> = rule
            .from
            .iter()
            .flatten()
            .map(|f| f.source.as_ref().map(of_source).unwrap_or_default())
            .collect();
        let operations: Vec<Vec<Term<'_>>> = rule
            .to
            .iter()
            .flatten()
            .map(|t| t.operation.as_ref().map(of_operation).unwrap_or_default())
            .collect();
        let permissions = self.alternatives(
            &operations,
            &permissions,
            "and_rules",
            "or_rules",
            "not_rule",
        )?;
        let principals = self.alternatives(&sources, &principals, "and_ids", "or_ids", "not_id")?;
        Some(json!({"permissions": permissions, "principals": principals}))
    }

    /// One entry for each alternative, or one where there are none, with the `when` conditions in each.
    fn alternatives(
        &self,
        lists: &[Vec<Term<'_>>],
        when: &[&Term<'_>],
        and: &str,
        or: &str,
        not: &str,
    ) -> Option<Vec<Value>> {
        let none = [Vec::new()];
        let lists = if lists.is_empty() { &none[..] } else { lists };
        let set = if and == "and_rules" { "rules" } else { "ids" };
        lists
            .iter()
            .map(|own| {
                let mut all = Vec::new();
                for term in own.iter().chain(when.iter().copied()) {
                    all.extend(self.term(term, set, or, not)?);
                }
                if all.is_empty() {
                    all.push(json!({"any": true}));
                }
                Some(json!({and: {set: all}}))
            })
            .collect()
    }

    fn term(&self, term: &Term<'_>, set: &str, or: &str, not: &str) -> Option<Vec<Value>> {
        let mut found = Vec::new();
        let values = self.values(term.attribute, term.values)?;
        if !values.is_empty() {
            found.push(json!({or: {set: values}}));
        }
        let values = self.values(term.attribute, term.not_values)?;
        if !values.is_empty() {
            found.push(json!({not: {or: {set: values}}}));
        }
        Some(found)
    }

    fn with_aliases(&self, attribute: Attribute, values: &[String]) -> Vec<String> {
        match attribute {
            Attribute::Principal => trust_domain::of_principals(values, self.mesh),
            Attribute::TrustDomain => trust_domain::of_domains(values, self.mesh),
            _ => values.to_vec(),
        }
    }

    /// `None` where a value spoils the rule.
    fn values(&self, attribute: Attribute, values: &[String]) -> Option<Vec<Value>> {
        let mut found = Vec::new();
        for value in &self.with_aliases(attribute, values) {
            match self.value(attribute, value) {
                Some(value) => found.push(value),
                None if self.lenient => {}
                None => return None,
            }
        }
        Some(found)
    }

    fn value(&self, attribute: Attribute, value: &str) -> Option<Value> {
        let authenticated = |name: Value| Some(json!({"authenticated": {"principal_name": name}}));
        match attribute {
            Attribute::Principal => authenticated(text_matcher(value, "spiffe://")),
            Attribute::Namespace => {
                let pattern: Vec<String> = value.split('*').map(quote).collect();
                authenticated(regex(&format!(".*/ns/{}/.*", pattern.join(".*"))))
            }
            Attribute::ServiceAccount => {
                let (namespace, account) = value.split_once('/').unwrap_or((self.namespace, value));
                authenticated(regex(&format!(
                    "spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?",
                    quote(namespace),
                    quote(account)
                )))
            }
            Attribute::TrustDomain => authenticated(of_trust_domain(value)),
            Attribute::SourceIp => Some(json!({"direct_remote_ip": block(value)?})),
            Attribute::RemoteIp => Some(json!({"remote_ip": block(value)?})),
            Attribute::DestinationIp => Some(json!({"destination_ip": block(value)?})),
            Attribute::DestinationPort => {
                let port = value
                    .parse::<u16>()
                    .ok()
                    .filter(|_| !value.starts_with('+'))?;
                Some(json!({"destination_port": port}))
            }
            Attribute::Sni => Some(json!({"requested_server_name": text_matcher(value, "")})),
            Attribute::HttpCaller | Attribute::HttpRequest => None,
        }
    }
}

fn of_condition(condition: &Condition) -> Option<Term<'_>> {
    term(
        Attribute::of_condition(&condition.key),
        &condition.values,
        &condition.not_values,
    )
}

fn of_source(s: &Source) -> Vec<Term<'_>> {
    [
        term(Attribute::Principal, &s.principals, &s.not_principals),
        term(
            Attribute::HttpCaller,
            &s.request_principals,
            &s.not_request_principals,
        ),
        term(
            Attribute::ServiceAccount,
            &s.service_accounts,
            &s.not_service_accounts,
        ),
        term(
            Attribute::TrustDomain,
            &s.trust_domains,
            &s.not_trust_domains,
        ),
        term(Attribute::Namespace, &s.namespaces, &s.not_namespaces),
        term(
            Attribute::RemoteIp,
            &s.remote_ip_blocks,
            &s.not_remote_ip_blocks,
        ),
        term(Attribute::SourceIp, &s.ip_blocks, &s.not_ip_blocks),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_operation(o: &Operation) -> Vec<Term<'_>> {
    [
        term(Attribute::HttpRequest, &o.hosts, &o.not_hosts),
        term(Attribute::HttpRequest, &o.methods, &o.not_methods),
        term(Attribute::HttpRequest, &o.paths, &o.not_paths),
        term(Attribute::DestinationPort, &o.ports, &o.not_ports),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn block(value: &str) -> Option<Value> {
    (value.contains('/') || value.parse::<IpAddr>().is_ok())
        .then(|| cidr(value))
        .flatten()
}

fn regex(pattern: &str) -> Value {
    json!({"safe_regex": {"regex": pattern}})
}

/// A value with a wildcard at either end.
fn text_matcher(value: &str, prefix: &str) -> Value {
    if value == "*" {
        return regex(".+");
    }
    if let Some(end) = value.strip_prefix('*') {
        if prefix.is_empty() {
            return json!({"suffix": end});
        }
        return regex(&format!("{prefix}.*{}", quote(end)));
    }
    match value.strip_suffix('*') {
        Some(start) => json!({"prefix": format!("{prefix}{start}")}),
        None => json!({"exact": format!("{prefix}{value}")}),
    }
}

fn of_trust_domain(value: &str) -> Value {
    if value == "*" {
        return json!({"prefix": "spiffe://"});
    }
    match value.split_once('*') {
        None => json!({"prefix": format!("spiffe://{value}/")}),
        Some((start, end)) => regex(&format!("spiffe://{}[^/]*{}/.*", quote(start), quote(end))),
    }
}

/// The text as a regular expression of itself, as Go's `regexp.QuoteMeta` writes it.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
