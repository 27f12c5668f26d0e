//! Bytes against another implementation, and every kind of bad input with its path.

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

use super::{message, resource};

const LISTENER: &str = "envoy.config.listener.v3.Listener";
const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";

/// Encodes, decodes with a general protobuf library and gives that library's JSON.
fn round(name: &str, value: &Value) -> Value {
    let bytes = resource(name, value).unwrap();
    let decoded = DynamicMessage::decode(message(name).unwrap(), bytes.as_slice()).unwrap();
    assert_eq!(decoded.encoded_len(), decoded.encode_to_vec().len());
    let options = SerializeOptions::new().use_proto_field_name(true);
    decoded
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

fn fault(name: &str, value: &Value) -> String {
    let (path, problem) = resource(name, value).unwrap_err().locate("x".to_owned());
    format!("{path}: {problem}")
}

#[test]
fn another_implementation_reads_the_same() {
    let cluster = json!({
        "name": "outbound|3306||mysql",
        "type": "EDS",
        "connect_timeout": "0.250s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 4_294_967_295_u32, "track_remaining": true}]},
        "common_lb_config": {"healthy_panic_threshold": {"value": 12.5}},
        "transport_socket_matches": [{"name": "tls", "match": {"tlsMode": "istio", "n": 1.0, "l": [true, null, {"a": "b"}]}}],
        "upstream_bind_config": {"source_address": {"address": "127.0.0.6", "port_value": 0}, "socket_options": [{"level": "1", "name": "36", "int_value": "1337", "state": "STATE_PREBIND"}]},
        "metadata": {"filter_metadata": {"istio": {"services": [{"host": "mysql"}]}}},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "outlier_detection": {"consecutive_5xx": 5, "interval": "10s"},
    });
    let mut expected = cluster.clone();
    // The first value of an enumeration is its default, which is the same as none.
    expected["upstream_bind_config"]["socket_options"][0]
        .as_object_mut()
        .unwrap()
        .remove("state");
    assert_eq!(round(CLUSTER, &cluster), expected);
}

#[test]
fn a_tcp_chain_with_rbac_and_logs_is_read_the_same() {
    let listener = json!({
        "name": "l",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": true,
        "filter_chains": [{
            "filter_chain_match": {"destination_port": 3306, "server_names": ["a"], "source_ports": [1, 2]},
            "filters": [
                {"name": "envoy.filters.network.rbac", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
                    "stat_prefix": "tcp.",
                    "rules": {"action": "DENY", "policies": {"ns[default]-policy[deny]-rule[0]": {
                        "permissions": [{"and_rules": {"rules": [{"any": true}]}}],
                        "principals": [{"and_ids": {"ids": [{"authenticated": {"principal_name": {"exact": "spiffe://a"}}}]}}],
                    }}},
                }},
                {"name": "envoy.filters.network.tcp_proxy", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "w",
                    "weighted_clusters": {"clusters": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20}]},
                    "idle_timeout": "3600s",
                    "access_log": [{"name": "envoy.access_loggers.file",
                        "filter": {"response_flag_filter": {"flags": ["NR"]}},
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                            "path": "/dev/stdout",
                            "log_format": {"json_format": {"start_time": "%START_TIME%"}},
                        }}],
                }},
            ],
        }],
    });
    assert_eq!(round(LISTENER, &listener), listener);
}

#[test]
fn bad_input_is_named_with_its_path() {
    let tcp =
        |config: Value| json!({"filter_chains": [{}, {"filters": [{"typed_config": config}]}]});
    let faults = [
        fault(LISTENER, &json!({"nam": "a"})),
        fault(LISTENER, &json!({"useOriginalDst": true})),
        fault(LISTENER, &json!({"name": 1})),
        fault(LISTENER, &json!({"name": null})),
        fault(LISTENER, &json!([])),
        fault(LISTENER, &json!({"filter_chains": {}})),
        fault(LISTENER, &json!({"bind_to_port": "yes"})),
        fault(LISTENER, &json!({"traffic_direction": "SIDEWAYS"})),
        fault(LISTENER, &json!({"listener_filters_timeout": "10"})),
        fault(
            LISTENER,
            &json!({"address": {"socket_address": {"port_value": 4_294_967_296_u64}}}),
        ),
        fault(
            LISTENER,
            &json!({"address": {"socket_address": {"port_value": -1}}}),
        ),
        fault(
            LISTENER,
            &json!({"address": {"socket_address": {"port_value": 1, "named_port": "a"}}}),
        ),
        fault(LISTENER, &tcp(json!({"stat_prefix": "a"}))),
        fault(LISTENER, &tcp(json!({"@type": "type.googleapis.com/a.B"}))),
        fault(
            LISTENER,
            &tcp(
                json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "clutser": "a"}),
            ),
        ),
        fault(
            CLUSTER,
            &json!({"metadata": {"filter_metadata": {"istio": 1}}}),
        ),
        fault(
            "envoy.extensions.transport_sockets.tls.v3.Secret",
            &json!({"tls_certificate": {"private_key": {"inline_bytes": "geheim!"}}}),
        ),
    ];
    insta::assert_snapshot!(faults.join("\n"));
}
