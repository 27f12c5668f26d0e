//! What the schemas of Istio's kinds demand beyond types (`manifests/charts/base/files/crd-all.gen.yaml`):
//! sizes, and rules over several fields. The API server judges by them before any webhook does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    cause::{Cause, clip},
    names,
    walk::Problem,
};
use crate::duration;

/// A demand on the values at one path.
enum Demand {
    /// At least and at most so many items of a list, or members of an object.
    Count(usize, usize),
    /// At least and at most so many characters of a text.
    Length(usize, usize),
    /// A rule in CEL: what it says where it does not hold.
    Rule(&'static str, fn(&Value) -> bool),
}
use Demand::{Count, Length, Rule};

const ANY: usize = usize::MAX;

/// Kind, path below `spec`, demand.
type Row = (&'static str, &'static str, Demand);

const SELECTORS: &[(&str, Demand)] = &[
    ("", Count(0, 4096)),
    (
        "",
        Rule("wildcard not allowed in label key match", |labels| {
            keys(labels).all(|k| !k.contains('*'))
        }),
    ),
    (
        "",
        Rule("key must not be empty", |labels| {
            keys(labels).all(|k| !k.is_empty())
        }),
    ),
    ("{}", Length(0, 63)),
    (
        "{}",
        Rule("wildcard not allowed in label value match", no_star),
    ),
];

const ROWS: &[Row] = &[
    (
        "Gateway",
        "servers[].tls",
        Rule(
            "only one of credentialNames or tlsCertificates can be set",
            |tls| at_most_one(tls, &["tlsCertificates", "credentialNames"]),
        ),
    ),
    (
        "Gateway",
        "servers[].tls",
        Rule(
            "only one of credentialName or credentialNames can be set",
            |tls| at_most_one(tls, &["credentialName", "credentialNames"]),
        ),
    ),
    (
        "Gateway",
        "servers[].tls",
        // The rule looks at credentialNames where its message says credentialName.
        Rule(
            "only one of credentialName or tlsCertificates can be set",
            |tls| at_most_one(tls, &["credentialNames", "tlsCertificates"]),
        ),
    ),
    ("Gateway", "servers[].tls.credentialNames", Count(1, 2)),
    ("Gateway", "servers[].tls.tlsCertificates", Count(1, 2)),
    ("ServiceEntry", "hosts", Count(1, 256)),
    ("ServiceEntry", "addresses", Count(0, 256)),
    ("ServiceEntry", "addresses[]", Length(0, 64)),
    ("ServiceEntry", "ports", Count(0, 256)),
    ("ServiceEntry", "ports[].name", Length(0, 256)),
    ("ServiceEntry", "ports[].protocol", Length(0, 256)),
    ("ServiceEntry", "endpoints", Count(0, 4096)),
    ("ServiceEntry", "endpoints[].address", Length(0, 256)),
    ("ServiceEntry", "endpoints[].labels", Count(0, 256)),
    ("ServiceEntry", "endpoints[].locality", Length(0, 2048)),
    ("ServiceEntry", "endpoints[].network", Length(0, 2048)),
    ("ServiceEntry", "endpoints[].ports", Count(0, 128)),
    ("ServiceEntry", "endpoints[].serviceAccount", Length(0, 253)),
    ("ServiceEntry", "workloadSelector.labels", Count(0, 256)),
    ("ServiceEntry", "workloadSelector.labels{}", Length(0, 63)),
    (
        "ServiceEntry",
        "",
        Rule(
            "only one of WorkloadSelector or Endpoints can be set",
            |spec| at_most_one(spec, &["workloadSelector", "endpoints"]),
        ),
    ),
    (
        "ServiceEntry",
        "",
        Rule(
            "CIDR addresses are allowed only for NONE/STATIC resolution types",
            |spec| {
                let block = |a: &Value| a.as_str().is_some_and(|a| a.contains('/'));
                matches!(resolution(spec), "NONE" | "STATIC")
                    || !items(&spec["addresses"]).any(block)
            },
        ),
    ),
    (
        "ServiceEntry",
        "",
        Rule("NONE mode cannot set endpoints", |spec| {
            resolution(spec) != "NONE" || spec.get("endpoints").is_none()
        }),
    ),
    (
        "ServiceEntry",
        "",
        Rule(
            "DNS_ROUND_ROBIN mode cannot have multiple endpoints",
            |spec| resolution(spec) != "DNS_ROUND_ROBIN" || items(&spec["endpoints"]).count() <= 1,
        ),
    ),
    (
        "ServiceEntry",
        "endpoints[]",
        Rule("Address is required", |e| {
            e.get("address").is_some() || e.get("network").is_some()
        }),
    ),
    (
        "ServiceEntry",
        "endpoints[]",
        Rule("UDS may not include ports", |e| {
            socket(&e["address"]).is_none() || e.get("ports").is_none()
        }),
    ),
    (
        "ServiceEntry",
        "endpoints[].address",
        Rule("UDS must be an absolute path or abstract socket", |a| {
            socket(a).is_none_or(|path| path.starts_with(['/', '@']))
        }),
    ),
    (
        "ServiceEntry",
        "endpoints[].address",
        Rule("UDS may not be a dir", |a| {
            socket(a).is_none_or(|path| !path.ends_with('/'))
        }),
    ),
    (
        "ServiceEntry",
        "endpoints[].ports",
        Rule("port name must be valid", |ports| {
            keys(ports).all(|k| k.len() < 63 && names::is_dns_label(k))
        }),
    ),
    ("ServiceEntry", "endpoints[].ports{}", PORT),
    (
        "ServiceEntry",
        "hosts[]",
        Rule("hostname cannot be wildcard", |host| host != "*"),
    ),
    (
        "ServiceEntry",
        "ports",
        Rule("port number cannot be duplicated", |ports| {
            let mut seen = BTreeSet::new();
            items(ports).all(|p| seen.insert(p["number"].as_u64()))
        }),
    ),
    ("ServiceEntry", "ports[].number", PORT),
    ("ServiceEntry", "ports[].targetPort", PORT),
    (
        "ServiceEntry",
        "workloadSelector.labels{}",
        Rule("wildcard is not supported in selector", no_star),
    ),
    ("Sidecar", "workloadSelector.labels", Count(0, 256)),
    ("Sidecar", "workloadSelector.labels{}", Length(0, 63)),
    (
        "Sidecar",
        "workloadSelector.labels{}",
        Rule("wildcard is not supported in selector", no_star),
    ),
    ("PeerAuthentication", "portLevelMtls", Count(1, ANY)),
    (
        "PeerAuthentication",
        "",
        Rule("portLevelMtls requires selector", |spec| {
            spec.get("portLevelMtls").is_none()
                || keys(&spec["selector"]["matchLabels"]).next().is_some()
        }),
    ),
    (
        "PeerAuthentication",
        "portLevelMtls",
        Rule("port must be between 1-65535", |ports| {
            keys(ports).all(|k| k.parse().is_ok_and(|p| (1..=65535_i64).contains(&p)))
        }),
    ),
    ("AuthorizationPolicy", "rules", Count(0, 512)),
    ("AuthorizationPolicy", "rules[].from", Count(0, 512)),
    ("AuthorizationPolicy", "targetRefs", Count(0, 16)),
    ("AuthorizationPolicy", "", ONE_TARGET),
    (
        "AuthorizationPolicy",
        "rules[].from[].source.serviceAccounts",
        Count(0, 16),
    ),
    (
        "AuthorizationPolicy",
        "rules[].from[].source.serviceAccounts[]",
        Length(0, 320),
    ),
    (
        "AuthorizationPolicy",
        "rules[].from[].source.notServiceAccounts",
        Count(0, 16),
    ),
    (
        "AuthorizationPolicy",
        "rules[].from[].source.notServiceAccounts[]",
        Length(0, 320),
    ),
    (
        "AuthorizationPolicy",
        "rules[].from[].source",
        Rule(
            "Cannot set serviceAccounts with namespaces or principals",
            |source| {
                let any = |fields: &[&str]| fields.iter().any(|f| source.get(*f).is_some());
                !any(&["serviceAccounts", "notServiceAccounts"])
                    || !any(&["principals", "notPrincipals", "namespaces", "notNamespaces"])
            },
        ),
    ),
    ("Telemetry", "targetRefs", Count(0, 16)),
    ("Telemetry", "", ONE_TARGET),
    (
        "Telemetry",
        "accessLogging[].providers[].name",
        Length(1, ANY),
    ),
];

const PORT: Demand = Rule("port must be between 1-65535", |port| {
    port.as_i64().is_some_and(|p| (1..=65535).contains(&p))
});

const ONE_TARGET: Demand = Rule("only one of targetRefs or selector can be set", |spec| {
    at_most_one(spec, &["selector", "targetRef", "targetRefs"])
});

/// Durations that are to be at least a millisecond, below a connection pool...
const POOL_DURATIONS: &[&str] = &[
    "tcp.connectTimeout",
    "tcp.maxConnectionDuration",
    "tcp.tcpKeepalive.time",
    "tcp.tcpKeepalive.interval",
    "http.idleTimeout",
    "http.http2KeepAlive.interval",
    "http.http2KeepAlive.timeout",
];

/// ...and below a traffic policy.
const DURATIONS: &[&str] = &[
    "outlierDetection.baseEjectionTime",
    "outlierDetection.interval",
    "loadBalancer.warmup.duration",
    "loadBalancer.warmupDurationSecs",
];

const POLICIES: &[&str] = &[
    "trafficPolicy",
    "trafficPolicy.portLevelSettings[]",
    "subsets[].trafficPolicy",
    "subsets[].trafficPolicy.portLevelSettings[]",
];

const A_MILLISECOND: Demand = Rule("must be a valid duration greater than 1ms", |text| {
    text.as_str()
        .and_then(duration::parse)
        .is_some_and(|nanos| nanos >= 1_000_000)
});

/// Everything that the API server refuses in a spec: what the walk found, sizes, then the rules, which
/// are looked at only where nothing else is wrong.
pub(crate) fn judge(spec: &Value, kind: &str, problems: &[Problem]) -> Vec<Cause> {
    let mut found: Vec<Cause> = problems.iter().filter_map(Problem::cause).collect();
    let mut rules = Vec::new();
    for_each(kind, spec, &mut |demand, path, value| match demand {
        Count(least, most) => found.extend(counted(value, path, *least, *most)),
        Length(least, most) => found.extend(measured(value, path, *least, *most)),
        Rule(message, holds) => {
            if !holds(value) {
                rules.push(Cause::rule(path, value, message));
            }
        }
    });
    if kind == "ServiceEntry" {
        found.extend(repeated_ports(spec));
    }
    if found.iter().any(Cause::blocks_rules) {
        found.push(Cause::unchecked());
    } else {
        found.extend(rules);
    }
    found
}

fn for_each(kind: &str, spec: &Value, say: &mut dyn FnMut(&Demand, &str, &Value)) {
    for (path, demand) in rows(kind) {
        visit(spec, path, "spec", &mut |path, value| {
            say(demand, path, value);
        });
    }
    for path in durations(kind) {
        visit(spec, &path, "spec", &mut |path, value| {
            say(&A_MILLISECOND, path, value);
        });
    }
    let selector = match kind {
        "DestinationRule" => "workloadSelector.matchLabels",
        "PeerAuthentication" | "AuthorizationPolicy" | "Telemetry" => "selector.matchLabels",
        _ => return,
    };
    for (suffix, demand) in SELECTORS {
        let path = format!("{selector}{suffix}");
        visit(spec, &path, "spec", &mut |path, value| {
            say(demand, path, value);
        });
    }
}

/// The demands on a kind. A `WorkloadEntry` is an endpoint of a `ServiceEntry` by itself.
fn rows(kind: &str) -> impl Iterator<Item = (&'static str, &'static Demand)> {
    let (of, below) = match kind {
        "WorkloadEntry" => ("ServiceEntry", "endpoints[]"),
        kind => (kind, ""),
    };
    let of_kind = ROWS.iter().filter(move |row| row.0 == of);
    of_kind.filter_map(move |(_, path, demand)| Some((path.strip_prefix(below)?, demand)))
}

/// Every duration of a kind that is to be at least a millisecond.
fn durations(kind: &str) -> Vec<String> {
    let pool = POOL_DURATIONS.iter().map(|d| format!("connectionPool.{d}"));
    let own = DURATIONS.iter().map(|d| (*d).to_owned());
    match kind {
        "DestinationRule" => {
            let fields: Vec<String> = pool.chain(own).collect();
            let below = |policy: &&str| -> Vec<String> {
                fields.iter().map(|f| format!("{policy}.{f}")).collect()
            };
            POLICIES.iter().flat_map(below).collect()
        }
        "Sidecar" => {
            let of_pool = POOL_DURATIONS.iter();
            of_pool
                .map(|d| format!("inboundConnectionPool.{d}"))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Calls `say` with the path and the value of each place that `pattern` (`a.b[].c{}`) means.
fn visit(value: &Value, pattern: &str, path: &str, say: &mut dyn FnMut(&str, &Value)) {
    if let Some(rest) = pattern.strip_prefix("[]") {
        for (index, item) in items(value).enumerate() {
            visit(item, rest, &format!("{path}[{index}]"), say);
        }
    } else if let Some(rest) = pattern.strip_prefix("{}") {
        for (key, item) in value.as_object().into_iter().flatten() {
            visit(item, rest, &format!("{path}.{}", clip(key)), say);
        }
    } else if pattern.is_empty() {
        say(path, value);
    } else {
        let pattern = pattern.strip_prefix('.').unwrap_or(pattern);
        let end = pattern.find(['.', '[', '{']).unwrap_or(pattern.len());
        let (field, rest) = pattern.split_at(end);
        if let Some(inner) = value.get(field) {
            visit(inner, rest, &format!("{path}.{field}"), say);
        }
    }
}

fn counted(value: &Value, path: &str, least: usize, most: usize) -> Option<Cause> {
    let (count, what) = match value {
        Value::Array(values) => (values.len(), "items"),
        Value::Object(values) => (values.len(), "properties"),
        // A wrong type is said elsewhere.
        _ => return None,
    };
    if count > most {
        return Some(Cause::too_many(path, count, most));
    }
    let bound = format!("have at least {least} {what}");
    (count < least).then(|| Cause::out_of_bounds(path, &json!(count), &bound))
}

fn measured(value: &Value, path: &str, least: usize, most: usize) -> Option<Cause> {
    let count = value.as_str()?.chars().count();
    if count > most {
        return Some(Cause::too_long(path, most));
    }
    let bound = format!("be at least {least} chars long");
    (count < least).then(|| Cause::out_of_bounds(path, value, &bound))
}

/// The list of ports is a map by name to the API server.
fn repeated_ports(spec: &Value) -> Vec<Cause> {
    let mut seen = BTreeSet::new();
    items(&spec["ports"])
        .enumerate()
        .filter_map(|(index, port)| Some((index, port.get("name")?)))
        .filter(|(_, name)| !seen.insert(name.to_string()))
        .map(|(index, name)| {
            Cause::duplicate(&format!("spec.ports[{index}]"), &json!({ "name": name }))
        })
        .collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn keys(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().into_iter().flat_map(|o| o.keys())
}

fn no_star(value: &Value) -> bool {
    value.as_str().is_none_or(|text| !text.contains('*'))
}

fn at_most_one(value: &Value, fields: &[&str]) -> bool {
    fields.iter().filter(|f| value.get(**f).is_some()).count() <= 1
}

fn resolution(spec: &Value) -> &str {
    spec["resolution"].as_str().unwrap_or("NONE")
}

/// The path of a Unix socket's address.
fn socket(address: &Value) -> Option<&str> {
    address.as_str()?.strip_prefix("unix://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::tables::KINDS, support::has_field};

    #[test]
    fn every_path_is_a_field() {
        let selectors = ["workloadSelector.matchLabels", "selector.matchLabels"];
        for (of, path, _) in ROWS {
            assert!(has_field(of, path), "{of} {path}");
        }
        for kind in ["DestinationRule", "Sidecar"] {
            for path in durations(kind) {
                assert!(has_field(kind, &path), "{kind} {path}");
            }
        }
        for kind in KINDS.iter().filter(|k| k.spec.is_some()) {
            let seen = selectors.iter().any(|s| has_field(kind.kind, s));
            let mut judged = false;
            let spec =
                json!({"selector": {"matchLabels": {}}, "workloadSelector": {"matchLabels": {}}});
            for_each(kind.kind, &spec, &mut |_, path, _| {
                judged |= path.ends_with("matchLabels");
            });
            assert_eq!(seen, judged, "{}", kind.kind);
        }
    }
}
