//! Sidecar injection: what Istio's webhook makes of a pod.
//!
//! Follows `pkg/kube/inject/inject.go` (`injectRequired`) for the decision and the recorded pods of
//! Istio 1.32 for the shape: a native sidecar, so `istio-proxy` is an init container with
//! `restartPolicy: Always`. Pure: objects in, object out.

use serde_json::{Map, Value, json};

use crate::install::recorded;

const SIDECAR: &str = include_str!("install/sidecar.json");

/// Whether a pod is to get a sidecar: the selectors of the webhook configuration first, then the
/// pod's own label, which beats its annotation. A pod on the host's network never gets one.
pub(crate) fn required(pod: &Value, namespace_labels: &Map<String, Value>) -> bool {
    if pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)) {
        return false;
    }
    if has_proxy(pod) {
        return false;
    }
    let label = word(pod, "labels");
    let own = label.clone().or_else(|| word(pod, "annotations"));
    if matches!(own.as_deref(), Some("false" | "no" | "n" | "off")) {
        return false;
    }
    let namespace = namespace_labels
        .get("istio-injection")
        .and_then(Value::as_str);
    let revision = namespace_labels.get("istio.io/rev").and_then(Value::as_str);
    match (namespace, revision) {
        (Some("enabled"), _) | (None, Some("default")) => true,
        // Only the label selects the webhook here: an annotation alone never reaches it.
        (None, None) => matches!(label.as_deref(), Some("true" | "yes" | "y" | "on")),
        _ => false,
    }
}

fn word(pod: &Value, place: &str) -> Option<String> {
    pod.get("metadata")?
        .get(place)?
        .get("sidecar.istio.io/inject")?
        .as_str()
        .map(str::to_lowercase)
}

fn has_proxy(pod: &Value) -> bool {
    ["containers", "initContainers"].iter().any(|list| {
        pod.get("spec")
            .and_then(|s| s.get(list))
            .and_then(Value::as_array)
            .is_some_and(|cs| cs.iter().any(|c| c["name"] == "istio-proxy"))
    })
}

/// Adds the sidecar to a pod that needs one.
pub(crate) fn inject(pod: &mut Value) {
    let facts = Facts::of(pod);
    let mut template = recorded(SIDECAR);
    fill(&mut template, &facts);
    prepend(pod, "initContainers", &mut template);
    prepend(pod, "volumes", &mut template);
    label(pod, &facts);
}

/// What the template needs to know of the pod.
struct Facts {
    containers: String,
    ports: String,
    workload: String,
    owner: String,
    app: String,
}

impl Facts {
    fn of(pod: &Value) -> Self {
        let containers = pod
            .pointer("/spec/containers")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let names: Vec<&str> = containers
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect();
        let (kind, workload) = workload(pod);
        let namespace = pod
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .unwrap_or("default");
        let group = if kind == "pods" {
            "apis/v1"
        } else {
            "apis/apps/v1"
        };
        let labels = pod.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        Self {
            containers: names.join(","),
            ports: declared_ports(&containers),
            owner: format!("kubernetes://{group}/namespaces/{namespace}/{kind}/{workload}"),
            app: [
                "service.istio.io/canonical-name",
                "app.kubernetes.io/name",
                "app",
            ]
            .iter()
            .find_map(|k| label(k))
            .map_or_else(|| workload.clone(), str::to_owned),
            workload,
        }
    }
}

/// The Deployment behind a ReplicaSet's pod, or the pod itself.
fn workload(pod: &Value) -> (&'static str, String) {
    let name = pod
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let owner = pod.pointer("/metadata/ownerReferences/0");
    let hash = pod
        .pointer("/metadata/labels/pod-template-hash")
        .and_then(Value::as_str);
    match (
        owner.map(|o| &o["kind"]),
        owner.and_then(|o| o["name"].as_str()),
        hash,
    ) {
        (Some(kind), Some(set), Some(hash)) if kind == "ReplicaSet" => (
            "deployments",
            set.strip_suffix(&format!("-{hash}"))
                .unwrap_or(set)
                .to_owned(),
        ),
        _ => ("pods", name.to_owned()),
    }
}

/// The value of `ISTIO_META_POD_PORTS`, laid out as the injector's template lays it out.
fn declared_ports(containers: &[Value]) -> String {
    let ports: Vec<String> = containers
        .iter()
        .filter_map(|c| c["ports"].as_array())
        .flatten()
        .map(|p| {
            let mut p = p.clone();
            if let Some(p) = p.as_object_mut() {
                p.entry("protocol").or_insert_with(|| json!("TCP"));
            }
            format!("    {p}")
        })
        .collect();
    if ports.is_empty() {
        "[\n]".to_owned()
    } else {
        format!("[\n{}\n]", ports.join("\n    ,"))
    }
}

fn fill(template: &mut Value, facts: &Facts) {
    match template {
        Value::String(s) => match s.as_str() {
            "${POD_PORTS}" => facts.ports.clone_into(s),
            "${APP_CONTAINERS}" => facts.containers.clone_into(s),
            "${WORKLOAD_NAME}" => facts.workload.clone_into(s),
            "${OWNER}" => facts.owner.clone_into(s),
            _ => {}
        },
        Value::Array(list) => list.iter_mut().for_each(|v| fill(v, facts)),
        Value::Object(map) => map.values_mut().for_each(|v| fill(v, facts)),
        _ => {}
    }
}

/// Istio's containers come first: native sidecars start before the pod's own init containers.
fn prepend(pod: &mut Value, list: &str, template: &mut Value) {
    let Some(Value::Array(mut all)) = template.get_mut(list).map(Value::take) else {
        return;
    };
    if let Some(Value::Array(own)) = pod["spec"].get_mut(list).map(Value::take) {
        all.extend(own);
    }
    pod["spec"][list] = Value::Array(all);
}

fn label(pod: &mut Value, facts: &Facts) {
    let first = pod
        .pointer("/spec/containers/0/name")
        .cloned()
        .unwrap_or_default();
    let labels = object(&mut pod["metadata"]["labels"]);
    let mut set = |key: &str, value: &str| {
        labels.entry(key).or_insert_with(|| json!(value));
    };
    set("security.istio.io/tlsMode", "istio");
    set("service.istio.io/canonical-name", &facts.app);
    set("service.istio.io/canonical-revision", "latest");
    let annotations = object(&mut pod["metadata"]["annotations"]);
    annotations.insert("istio.io/rev".into(), json!("default"));
    for key in [
        "kubectl.kubernetes.io/default-container",
        "kubectl.kubernetes.io/default-logs-container",
    ] {
        annotations.entry(key).or_insert_with(|| first.clone());
    }
    annotations.insert("sidecar.istio.io/status".into(), json!(STATUS));
}

const STATUS: &str = r#"{"initContainers":["istio-init","istio-proxy"],"containers":null,"volumes":["workload-socket","credential-socket","workload-certs","istio-envoy","istio-data","istio-podinfo","istio-token","istiod-ca-cert","istio-ca-crl"],"imagePullSecrets":null,"revision":"default"}"#;

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("just made an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(labels: Value, annotations: Value) -> Value {
        json!({"metadata": {"name": "mysql-client-1", "namespace": "default", "labels": labels, "annotations": annotations},
               "spec": {"containers": [{"name": "mysql-client-1", "image": "mysql:5.6"}]}})
    }

    fn namespace(label: &str) -> Map<String, Value> {
        json!({"istio-injection": label})
            .as_object()
            .expect("object")
            .clone()
    }

    #[test]
    fn the_namespace_decides_unless_the_pod_does() {
        let plain = pod(json!({}), json!({}));
        assert!(required(&plain, &namespace("enabled")));
        assert!(!required(&plain, &namespace("disabled")));
        assert!(!required(&plain, &Map::new()));
        let no = pod(json!({"sidecar.istio.io/inject": "false"}), json!({}));
        assert!(!required(&no, &namespace("enabled")));
        let annotated = pod(json!({}), json!({"sidecar.istio.io/inject": "false"}));
        assert!(!required(&annotated, &namespace("enabled")));
        let yes = pod(json!({"sidecar.istio.io/inject": "true"}), json!({}));
        assert!(required(&yes, &Map::new()));
        assert!(!required(&yes, &namespace("disabled")));
        let only_annotated = pod(json!({}), json!({"sidecar.istio.io/inject": "true"}));
        assert!(!required(&only_annotated, &Map::new()));
    }

    #[test]
    fn a_pod_with_a_proxy_or_on_the_host_network_is_left_alone() {
        let mut injected = pod(json!({}), json!({}));
        inject(&mut injected);
        assert!(!required(&injected, &namespace("enabled")));
        let host = json!({"metadata": {}, "spec": {"hostNetwork": true, "containers": []}});
        assert!(!required(&host, &namespace("enabled")));
    }

    /// The recorded pod, less what the API server adds, is what injection makes of the plain one.
    #[test]
    fn the_shape_is_the_recorded_one() {
        let recorded: Value =
            serde_json::from_str(include_str!("../tests/data/injected-client.json")).expect("json");
        let mut ours = pod(json!({"run": "mysql-client-1"}), json!({}));
        inject(&mut ours);
        assert_eq!(ours["metadata"]["labels"], recorded["metadata"]["labels"]);
        assert_eq!(
            ours["metadata"]["annotations"],
            recorded["metadata"]["annotations"]
        );
        let strip = |v: &Value| {
            let mut v = v.clone();
            for c in v.as_array_mut().expect("containers") {
                let mounts = c["volumeMounts"].as_array().cloned().unwrap_or_default();
                c["volumeMounts"] = mounts
                    .into_iter()
                    .filter(|m| {
                        !m["name"]
                            .as_str()
                            .is_some_and(|n| n.starts_with("kube-api-access"))
                    })
                    .collect();
            }
            v
        };
        assert_eq!(
            strip(&ours["spec"]["initContainers"]),
            strip(&recorded["spec"]["initContainers"])
        );
    }

    #[test]
    fn a_deployments_pod_names_its_deployment_and_ports() {
        let mut ours = json!({
            "metadata": {"generateName": "mysql-756cd8c486-", "namespace": "default",
                "labels": {"app": "mysql", "pod-template-hash": "756cd8c486"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "mysql-756cd8c486"}]},
            "spec": {"containers": [{"name": "mysql", "ports": [{"containerPort": 3306}]}]}});
        inject(&mut ours);
        let env = ours["spec"]["initContainers"][1]["env"]
            .as_array()
            .expect("env")
            .clone();
        let value =
            |name: &str| env.iter().find(|e| e["name"] == name).expect("env")["value"].clone();
        assert_eq!(
            value("ISTIO_META_OWNER"),
            "kubernetes://apis/apps/v1/namespaces/default/deployments/mysql"
        );
        assert_eq!(
            value("ISTIO_META_POD_PORTS"),
            "[\n    {\"containerPort\":3306,\"protocol\":\"TCP\"}\n]"
        );
        assert_eq!(
            ours["metadata"]["labels"]["service.istio.io/canonical-name"],
            "mysql"
        );
    }
}
