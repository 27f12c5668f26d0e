//! Access logs by mesh configuration and `Telemetry` (`pilot/pkg/model/telemetry.go`,
//! `pilot/pkg/model/telemetry_logging.go`).

use meshproof_mesh::{MeshConfig, TEXT_FORMAT, admit};
use serde_json::{Value, json};

use crate::{MESH, chains, compiled, in_namespace, istio, named, with};

/// The logs of connections to the database, and of its listener.
fn logs(mesh: &str, objects: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let config = compiled(mesh, with(objects), "mysql");
    let list = |v: &Value| v["access_log"].as_array().cloned().unwrap_or_default();
    let own = chains(&config, "virtualInbound")
        .iter()
        .find(|c| c["name"] == "0.0.0.0_3306")
        .unwrap();
    let last = own["filters"].as_array().unwrap().last().unwrap();
    (
        list(&last["typed_config"]),
        list(named(&config.listeners, "virtualInbound")),
    )
}

fn formats(logs: &[Value]) -> Vec<&Value> {
    logs.iter()
        .map(|l| &l["typed_config"]["log_format"])
        .collect()
}

fn telemetry(namespace: &str, name: &str, logging: Value) -> Value {
    in_namespace(
        "Telemetry",
        name,
        namespace,
        json!({"accessLogging": [logging]}),
    )
}

#[test]
fn json_has_istios_keys_or_own_ones() {
    let (found, listener) = logs(
        "{accessLogFile: /dev/stdout, accessLogEncoding: JSON}",
        vec![],
    );
    let keys = found[0]["typed_config"]["log_format"]["json_format"]
        .as_object()
        .unwrap();
    assert_eq!(keys.len(), 24);
    assert_eq!(keys["upstream_cluster"], "%UPSTREAM_CLUSTER_RAW%");
    assert_eq!(
        listener[0]["filter"]["response_flag_filter"]["flags"],
        json!(["NR"])
    );
    let own = |format: &str| {
        let mesh = json!({"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON", "accessLogFormat": format});
        logs(&mesh.to_string(), vec![]).0[0]["typed_config"]["log_format"]["json_format"].clone()
    };
    assert_eq!(
        own("{\"a\": \"%DURATION%\", \"b\": {\"c\": 1}}"),
        json!({"a": "%DURATION%", "b": {"c": 1}})
    );
    assert_eq!(own("{}"), json!({}));
    assert_eq!(own("not json").as_object().unwrap().len(), 24);
    assert_eq!(own("[1]").as_object().unwrap().len(), 24);
}

#[test]
fn an_own_text_ends_with_a_line_feed_and_brings_its_formatter() {
    let (found, _) = logs(
        "{accessLogFile: /x, accessLogFormat: '%REQ_WITHOUT_QUERY(:PATH)% %BYTES_SENT%'}",
        vec![],
    );
    let format = &found[0]["typed_config"]["log_format"];
    assert_eq!(found[0]["typed_config"]["path"], "/x");
    assert_eq!(
        format["text_format_source"]["inline_string"],
        "%REQ_WITHOUT_QUERY(:PATH)% %BYTES_SENT%\n"
    );
    assert_eq!(
        format["formatters"][0]["name"],
        "envoy.formatter.req_without_query"
    );
}

const PROVIDERS: &str = "accessLogFile: /dev/stdout
accessLogFormat: MESH
extensionProviders:
- {name: labels, envoyFileAccessLog: {path: /l, logFormat: {labels: {a: '%DURATION%'}}, omitEmptyValues: true}}
- {name: plain, envoyFileAccessLog: {}}
- {name: Own, envoyFileAccessLog: {path: /o, logFormat: {text: OWN}}}
";

#[test]
fn providers_have_formats_of_their_own_and_the_built_in_one_has_the_meshs() {
    let all = ["own", "envoy", "labels", "plain"].map(|n| json!({"name": n}));
    let (found, listener) = logs(
        PROVIDERS,
        vec![telemetry("istio-system", "t", json!({"providers": all}))],
    );
    let text = |t: &str| json!({"text_format_source": {"inline_string": t}});
    // By name, capitals first.
    assert_eq!(
        formats(&found),
        [
            &text("OWN\n"),
            &text("MESH\n"),
            &json!({"json_format": {"a": "%DURATION%"}, "json_format_options": {"sort_properties": false}, "omit_empty_values": true}),
            &text(TEXT_FORMAT)
        ]
    );
    assert_eq!(listener.len(), 4);
}

#[test]
fn all_resources_of_a_workload_count_the_later_over_the_earlier() {
    let own = |name: &str, logging: Value| {
        let mut found = telemetry("default", name, logging);
        found["spec"]["selector"] = json!({"matchLabels": {"app": "mysql"}});
        found
    };
    let provider = |name: &str| json!({"providers": [{"name": name}]});
    let (found, _) = logs(
        PROVIDERS,
        vec![own("a", provider("plain")), own("b", provider("own"))],
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["typed_config"]["path"], "/o");
    let mut filtered = provider("plain");
    filtered["filter"] = json!({"expression": "connection.mtls"});
    let (found, listener) = logs(PROVIDERS, vec![own("a", filtered), own("b", json!({}))]);
    let cel = &found[0]["filter"]["extension_filter"];
    assert_eq!(cel["typed_config"]["expression"], "connection.mtls");
    assert_eq!(
        listener[0]["filter"]["and_filter"]["filters"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_namespace_stands_over_the_mesh_and_a_direction_over_neither() {
    let client = json!({"match": {"mode": "CLIENT"}, "providers": [{"name": "own"}]});
    let (found, _) = logs(PROVIDERS, vec![telemetry("default", "t", client.clone())]);
    // Said of clients alone, nothing is said of the server: the mesh's own log stands.
    assert_eq!(found[0]["typed_config"]["path"], "/dev/stdout");
    let mesh = telemetry(
        "istio-system",
        "t",
        json!({"providers": [{"name": "plain"}]}),
    );
    let off = telemetry("default", "t", json!({"disabled": true}));
    assert_eq!(
        logs(PROVIDERS, vec![mesh.clone(), off]).0,
        Vec::<Value>::new()
    );
    let (found, _) = logs(PROVIDERS, vec![mesh, telemetry("default", "t", client)]);
    assert_eq!(found.len(), 1);
}

#[test]
fn providers_by_default_and_those_that_log_nothing() {
    let mesh = |names: &str| format!("{PROVIDERS}defaultProviders: {{accessLogging: [{names}]}}\n");
    let (found, _) = logs(&mesh("own, PROMETHEUS, nobody"), vec![]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["typed_config"]["path"], "/o");
    // Without any that logs, the mesh's own file is written.
    let (found, _) = logs(&mesh("prometheus"), vec![]);
    assert_eq!(found[0]["typed_config"]["path"], "/dev/stdout");
}

#[test]
fn a_listeners_own_log_can_be_switched_off() {
    let mesh = format!("{MESH}\ndisableEnvoyListenerLog: true");
    let (found, listener) = logs(&mesh, vec![]);
    assert_eq!((found.len(), listener.len()), (1, 0));
    let named = istio(
        "Telemetry",
        "t",
        json!({"accessLogging": [{"providers": [{"name": "envoy"}]}]}),
    );
    let (found, listener) = logs(&mesh, vec![named]);
    assert_eq!((found.len(), listener.len()), (1, 0));
}

#[test]
fn traces_and_metrics_are_judged_and_change_no_log() {
    let spec = json!({
        "tracing": [{"providers": [{"name": "zipkin"}], "randomSamplingPercentage": 12.5, "customTags": {"a": {"literal": {"value": "b"}}}}],
        "metrics": [{"overrides": [{"match": {"metric": "TCP_SENT_BYTES"}, "tagOverrides": {"a": {"value": "b"}}}]}],
        "accessLogging": [{"providers": [{"name": "own"}]}],
    });
    let whole = istio("Telemetry", "t", spec);
    let (found, _) = logs(PROVIDERS, vec![whole]);
    assert_eq!(found[0]["typed_config"]["path"], "/o");
    for (spec, what) in [
        (
            json!({"tracing": [{"randomSamplingPercentage": 100.5}]}),
            "randomSamplingPercentage must be in range [0.0, 100.0]",
        ),
        (
            json!({"tracing": [{"customTags": {"a": {"header": {}}}}]}),
            "header tag name may not be empty",
        ),
        (
            json!({"metrics": [{"overrides": [{"tagOverrides": {"a": {"operation": "REMOVE", "value": "b"}}}]}]}),
            "tagOverrides.value may only be set when operation is UPSERT",
        ),
    ] {
        let judged = admit(&istio("Telemetry", "t", spec), &MeshConfig::default());
        assert!(judged.istio_error().unwrap().contains(what), "{what}");
    }
}
