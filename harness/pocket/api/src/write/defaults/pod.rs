//! Defaults of pods and pod templates, and what Kubernetes' own admission adds to a pod.

use serde_json::{Map, Value, json};

use super::each;
use crate::object::{default_to, map_mut};
use crate::status::StatusError;
use crate::write::names;

/// Where a container finds its service account's files.
const ACCOUNT_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Lifetime asked for the token that is mounted by default, in seconds.
const TOKEN_SECONDS: i64 = 3607;
/// File mode 0644.
const MODE: i64 = 0o644;

pub(super) fn apply(pod: &mut Value) {
    let spec = map_mut(pod, "spec");
    template_spec(spec);
    default_to(spec, "enableServiceLinks", true);
    if let Some(status) = pod.get_mut("status") {
        each(status.get_mut("conditions"), |condition| {
            default_to(condition, "lastProbeTime", Value::Null);
            default_to(condition, "lastTransitionTime", Value::Null);
        });
        for list in [
            "initContainerStatuses",
            "containerStatuses",
            "ephemeralContainerStatuses",
        ] {
            each(status.get_mut(list), |container| {
                default_to(container, "lastState", json!({}));
            });
        }
    }
}

/// Defaults that templates and pods share.
pub(super) fn template_spec(spec: &mut Map<String, Value>) {
    default_to(spec, "restartPolicy", "Always");
    default_to(spec, "dnsPolicy", "ClusterFirst");
    default_to(spec, "schedulerName", "default-scheduler");
    default_to(spec, "securityContext", json!({}));
    default_to(spec, "terminationGracePeriodSeconds", 30);
    // Templates keep both names of the account in step.
    if let Some(name) = spec.get("serviceAccountName").cloned() {
        default_to(spec, "serviceAccount", name);
    } else if let Some(name) = spec.get("serviceAccount").cloned() {
        default_to(spec, "serviceAccountName", name);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec.get_mut(list), container);
    }
    each(spec.get_mut("volumes"), volume);
}

fn container(container: &mut Map<String, Value>) {
    default_to(container, "terminationMessagePath", "/dev/termination-log");
    default_to(container, "terminationMessagePolicy", "File");
    default_to(container, "resources", json!({}));
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let policy = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    default_to(container, "imagePullPolicy", policy);
    each(container.get_mut("ports"), |port| {
        default_to(port, "protocol", "TCP");
    });
    each(container.get_mut("env"), |variable| {
        if let Some(Value::Object(field)) = variable
            .get_mut("valueFrom")
            .and_then(|from| from.get_mut("fieldRef"))
        {
            default_to(field, "apiVersion", "v1");
        }
        if variable.get("value").is_some_and(|value| value == "") {
            variable.shift_remove("value");
        }
    });
    requests_from_limits(container);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(probe)) = container.get_mut(probe) {
            probe_defaults(probe);
        }
    }
}

fn probe_defaults(probe: &mut Map<String, Value>) {
    default_to(probe, "timeoutSeconds", 1);
    default_to(probe, "periodSeconds", 10);
    default_to(probe, "successThreshold", 1);
    default_to(probe, "failureThreshold", 3);
    if let Some(Value::Object(get)) = probe.get_mut("httpGet") {
        default_to(get, "path", "/");
        default_to(get, "scheme", "HTTP");
    }
}

fn requests_from_limits(container: &mut Map<String, Value>) {
    let Some(resources) = container.get_mut("resources") else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    let requests = map_mut(resources, "requests");
    for (name, amount) in limits {
        default_to(requests, &name, amount);
    }
}

/// No tag, or `latest`: such images are always pulled.
fn is_latest(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains('@') {
        return false;
    }
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn volume(volume: &mut Map<String, Value>) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(Value::Object(source)) = volume.get_mut(source) {
            default_to(source, "defaultMode", MODE);
        }
    }
    let downward = |items: Option<&mut Value>| {
        each(items, |item| {
            if let Some(Value::Object(field)) = item.get_mut("fieldRef") {
                default_to(field, "apiVersion", "v1");
            }
        });
    };
    downward(
        volume
            .get_mut("downwardAPI")
            .and_then(|source| source.get_mut("items")),
    );
    each(
        volume
            .get_mut("projected")
            .and_then(|source| source.get_mut("sources")),
        |source| {
            downward(
                source
                    .get_mut("downwardAPI")
                    .and_then(|source| source.get_mut("items")),
            );
            if let Some(Value::Object(token)) = source.get_mut("serviceAccountToken") {
                default_to(token, "expirationSeconds", 3600);
            }
        },
    );
    let sources = volume.keys().filter(|key| *key != "name").count();
    if sources == 0 {
        volume.insert("emptyDir".into(), json!({}));
    }
}

/// What the admission plugins `ServiceAccount`, `Priority` and `DefaultTolerationSeconds` add.
pub(crate) fn admit(pod: &mut Value) -> Result<(), StatusError> {
    let spec = map_mut(pod, "spec");
    default_to(spec, "serviceAccountName", "default");
    let account = spec["serviceAccountName"].clone();
    spec.insert("serviceAccount".into(), account);
    default_to(spec, "priority", 0);
    default_to(spec, "preemptionPolicy", "PreemptLowerPriority");
    tolerate(spec);
    if spec.get("automountServiceAccountToken") != Some(&Value::Bool(false)) {
        mount_account(spec)?;
    }
    Ok(())
}

fn tolerate(spec: &mut Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(list) = tolerations.as_array_mut() else {
        return;
    };
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if !list.iter().any(|entry| entry["key"] == key) {
            list.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
}

fn mount_account(spec: &mut Map<String, Value>) -> Result<(), StatusError> {
    let mounted = |container: &Value| {
        container["volumeMounts"]
            .as_array()
            .is_some_and(|mounts| mounts.iter().any(|m| m["mountPath"] == ACCOUNT_MOUNT))
    };
    let volume = account_volume_name(spec)?;
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if mounted(container) || !container.is_object() {
                continue;
            }
            let mounts = &mut container["volumeMounts"];
            if !mounts.is_array() {
                *mounts = json!([]);
            }
            if let Some(mounts) = mounts.as_array_mut() {
                mounts
                    .push(json!({ "name": volume, "readOnly": true, "mountPath": ACCOUNT_MOUNT }));
                used = true;
            }
        }
    }
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if used
        && let Some(volumes) = volumes.as_array_mut()
        && !volumes.iter().any(|existing| existing["name"] == *volume)
    {
        volumes.push(account_volume(&volume));
    }
    Ok(())
}

fn account_volume_name(spec: &Map<String, Value>) -> Result<String, StatusError> {
    let volumes = spec.get("volumes").and_then(Value::as_array);
    let existing = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| volume["name"].as_str());
    match existing
        .into_iter()
        .find(|name| name.starts_with("kube-api-access-"))
    {
        Some(name) => Ok(name.to_owned()),
        None => names::generated("kube-api-access-"),
    }
}

fn account_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{
                    "path": "namespace",
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                }] } },
            ],
            "defaultMode": MODE,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_images_are_always_pulled() {
        assert!(is_latest("mysql"));
        assert!(is_latest("reg:5000/mysql"));
        assert!(is_latest("mysql:latest"));
        assert!(!is_latest("reg:5000/mysql:5.6"));
        assert!(!is_latest("mysql@sha256:00"));
    }

    #[test]
    fn admission_mounts_the_account_once() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "a", "image": "b:1" }] } });
        admit(&mut pod).unwrap();
        let once = pod.clone();
        admit(&mut pod).unwrap();
        assert_eq!(pod, once);
        assert_eq!(
            pod["spec"]["containers"][0]["volumeMounts"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 1);
    }
}
