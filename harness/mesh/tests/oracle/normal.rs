//! The normal form of a proxy's configuration: what decides who connects, over what, and what is logged.

use serde_json::{Map, Value, json};

/// Fields that decide nothing: statistics, metadata, plumbing of the configuration stream.
const DROPPED: &[&str] = &[
    "stat_prefix",
    "alt_stat_name",
    "shadow_rules_stat_prefix",
    "metadata",
    "filter_metadata",
    "traffic_direction",
    "typed_extension_protocol_options",
    "track_cluster_stats",
    "eds_config",
    "resource_api_version",
    "per_connection_buffer_limit_bytes",
    "max_connections_to_accept_per_socket_event",
    "enable_mptcp",
    "reuse_port",
    "enable_reuse_port",
    "connection_balance_config",
    "common_lb_config",
    "health_status",
    "locality",
    "priority",
    "common_http_protocol_options",
    "http2_protocol_options",
    "dns_lookup_family",
    "ignore_health_on_host_removal",
    "close_connections_on_host_health_failure",
    "@type",
];

/// Filters that a stock Envoy does not have.
const FOREIGN: &[&str] = &[
    "istio.metadata_exchange",
    "istio.stats",
    "istio-system/",
    "mysql_proxy",
    "istio.alpn",
    "istio_authn",
];

/// The normal form of `listeners`, `clusters`, `endpoints` and `secrets`.
pub(crate) fn normal(config: &Value) -> Value {
    let list = |field: &str| config[field].as_array().cloned().unwrap_or_default();
    let clusters = list("clusters");
    let web: Vec<&str> = clusters
        .iter()
        .filter(|c| is_http(c))
        .filter_map(|c| c["name"].as_str())
        .collect();
    let listeners: Map<String, Value> = list("listeners")
        .iter()
        .map(|l| (name(l), listener(l)))
        .collect();
    let endpoints: Map<String, Value> = list("endpoints")
        .iter()
        .filter(|e| !web.contains(&text(&e["cluster_name"])))
        .map(|e| (text(&e["cluster_name"]).to_owned(), endpoints(e)))
        .collect();
    let clusters: Map<String, Value> = clusters
        .iter()
        .map(|c| (name(c), cluster(c, &web)))
        .collect();
    json!({
        "listeners": listeners,
        "clusters": clusters,
        "endpoints": endpoints,
        "secrets": if config["secrets"].is_object() { config["secrets"].clone() } else { json!({}) },
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name(value: &Value) -> String {
    text(&value["name"]).to_owned()
}

fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn is_http(cluster: &Value) -> bool {
    let options = &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    let http = !options["use_downstream_protocol_config"].is_null()
        || !options["explicit_http_config"]["http2_protocol_options"].is_null();
    http && !text(&cluster["name"]).contains("Passthrough")
}

fn cluster(cluster: &Value, web: &[&str]) -> Value {
    let own = name(cluster);
    if web.contains(&own.as_str()) {
        return json!({"http": true});
    }
    let mut clean = clean(cluster, "");
    let Some(fields) = clean.as_object_mut() else {
        return clean;
    };
    fields.remove("name");
    if let Some(eds) = fields.remove("eds_cluster_config")
        && let Some(service) = eds["service_name"].as_str().filter(|s| *s != own)
    {
        fields.insert("service_name".into(), service.into());
    }
    clean
}

fn endpoints(assignment: &Value) -> Value {
    let mut rows = Vec::new();
    for locality in assignment["endpoints"].as_array().into_iter().flatten() {
        for host in locality["lb_endpoints"].as_array().into_iter().flatten() {
            let address = clean(&host["endpoint"], "");
            let address = if address.is_string() {
                address
            } else {
                address["address"].clone()
            };
            let mut row = Map::from_iter([("address".to_owned(), address)]);
            let mode =
                &host["metadata"]["filter_metadata"]["envoy.transport_socket_match"]["tlsMode"];
            if !mode.is_null() {
                row.insert("tlsMode".into(), mode.clone());
            }
            if let Some(weight) = host["load_balancing_weight"].as_u64().filter(|w| *w != 1) {
                row.insert("weight".into(), weight.into());
            }
            rows.push(Value::Object(row));
        }
    }
    rows.sort_by_key(|r| text(&r["address"]).to_owned());
    rows.into()
}

fn has_http(chain: &Value) -> bool {
    chain["filters"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|f| f["http"] == true)
}

fn listener(listener: &Value) -> Value {
    let own = name(listener);
    let mut clean = clean(listener, "");
    if let Some(fields) = clean.as_object_mut() {
        fields.remove("name");
    }
    if own == "virtualInbound" || own == "virtualOutbound" {
        if let Some(chains) = clean["filter_chains"].as_array_mut() {
            chains.retain(|c| !has_http(c));
        }
        return clean;
    }
    let chains = clean["filter_chains"].as_array().into_iter().flatten();
    if chains.chain([&clean["default_filter_chain"]]).any(has_http) {
        return json!({"http": true});
    }
    clean
}

fn log(value: &Value) -> Value {
    let config = &value["typed_config"];
    let format = &config["log_format"];
    let form = match (
        format["text_format_source"]["inline_string"].as_str(),
        &format["json_format"],
    ) {
        (Some(meshproof_mesh::TEXT_FORMAT), _) => "istio text".into(),
        (Some(text), _) => text.into(),
        (None, own) => match own.as_object() {
            Some(keys)
                if keys.len() == 24 && keys.contains_key("upstream_transport_failure_reason") =>
            {
                "istio json".into()
            }
            _ => own.clone(),
        },
    };
    let mut out = Map::from_iter([
        ("path".to_owned(), config["path"].clone()),
        ("format".to_owned(), form),
    ]);
    if !value["filter"].is_null() {
        out.insert("filter".into(), clean(&value["filter"], ""));
    }
    out.into()
}

/// What is left of circuit breakers that limit something.
fn circuit_breakers(value: &Value) -> Value {
    let limits = |entry: &Value| -> Value {
        let kept = entry.as_object().into_iter().flatten();
        kept.filter(|(k, v)| *k != "track_remaining" && v.as_u64() != Some(u64::from(u32::MAX)))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    let kept: Vec<Value> = value["thresholds"]
        .as_array()
        .into_iter()
        .flatten()
        .map(limits)
        .filter(|l| !is_empty(l))
        .collect();
    if kept.is_empty() {
        Value::Null
    } else {
        kept.into()
    }
}

fn clean(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(fields) => object(value, fields, key),
        Value::Array(values) => values
            .iter()
            .map(|v| clean(v, key))
            .filter(|v| !is_empty(v))
            .collect::<Vec<_>>()
            .into(),
        other => other.clone(),
    }
}

fn object(value: &Value, fields: &Map<String, Value>, key: &str) -> Value {
    let name = text(&value["name"]);
    if name.contains("http_connection_manager") {
        return json!({"http": true});
    }
    if FOREIGN.iter().any(|f| name.starts_with(f)) {
        return Value::Null;
    }
    match key {
        "access_log" => return log(value),
        "circuit_breakers" => return circuit_breakers(value),
        _ => {}
    }
    let mut out = Map::new();
    for (field, inner) in fields
        .iter()
        .filter(|(k, _)| !DROPPED.contains(&k.as_str()))
    {
        let only_address = inner
            .as_object()
            .is_some_and(|o| o.len() == 1 && o.contains_key("address"));
        let inner = if field == "endpoint" && only_address {
            &inner["address"]
        } else {
            inner
        };
        let cleaned = clean(inner, field);
        if !is_empty(&cleaned) {
            out.insert(field.clone(), cleaned);
        }
    }
    if key.ends_with("sds_secret_config") || key.ends_with("sds_secret_configs") {
        let timeout = value["sds_config"]["initial_fetch_timeout"]
            .as_str()
            .unwrap_or("default");
        return json!({"secret": name, "initial_fetch_timeout": timeout});
    }
    shortened(out, name)
}

/// Writes addresses, blocks, lone members of sets and extensions in short.
fn shortened(out: Map<String, Value>, name: &str) -> Value {
    let only = |keys: &[&str]| out.len() == keys.len() && keys.iter().all(|k| out.contains_key(*k));
    if only(&["socket_address"]) {
        let address = &out["socket_address"];
        return format!(
            "{}:{}",
            text(&address["address"]),
            address["port_value"].as_u64().unwrap_or(0)
        )
        .into();
    }
    for (group, items) in [
        ("and_rules", "rules"),
        ("or_rules", "rules"),
        ("and_ids", "ids"),
        ("or_ids", "ids"),
    ] {
        if only(&[group])
            && let Some([lone]) = out[group][items].as_array().map(Vec::as_slice)
        {
            return lone.clone();
        }
    }
    if only(&["address_prefix", "prefix_len"]) {
        return format!("{}/{}", text(&out["address_prefix"]), out["prefix_len"]).into();
    }
    if !name.starts_with("envoy.") {
        return out.into();
    }
    if only(&["name"]) {
        return short(name).into();
    }
    if out
        .keys()
        .all(|k| ["name", "typed_config", "filter_disabled"].contains(&k.as_str()))
    {
        let mut body = out
            .get("typed_config")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if let Some(predicate) = out.get("filter_disabled") {
            body.insert("filter_disabled".into(), predicate.clone());
        }
        return Map::from_iter([(short(name), body.into())]).into();
    }
    out.into()
}

/// Every difference between two normal forms, with its path.
pub(crate) fn differences(want: &Value, got: &Value, path: &str, found: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = format!("{path}/{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differences(a, b, &path, found),
                    (a, b) => found.push(difference(&path, a, b)),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{path}/{index}"), found);
            }
        }
        (a, b) if a != b => found.push(difference(path, Some(a), Some(b))),
        _ => {}
    }
}

fn difference(path: &str, want: Option<&Value>, got: Option<&Value>) -> String {
    let show = |v: Option<&Value>| match v.map(ToString::to_string) {
        None => "nothing".to_owned(),
        Some(text) if text.chars().count() > 400 => {
            text.chars().take(400).chain("...".chars()).collect()
        }
        Some(text) => text,
    };
    format!(
        "{path}\n    recorded: {}\n    ours:     {}",
        show(want),
        show(got)
    )
}
