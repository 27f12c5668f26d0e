//! Values that Kubernetes refuses (422), as far as a wrong one could pass unseen here.

use serde_json::{Value, json};

use super::names::label_fault;
use crate::kinds::{Kind, KindInfo};
use crate::object::{self, at, text};
use crate::status::{Cause, StatusError};

pub(crate) fn create(info: &KindInfo, object: &Value) -> Result<(), StatusError> {
    let mut causes = Vec::new();
    match info.kind {
        Kind::Pod => pod_spec("spec", &object["spec"], &mut causes),
        Kind::Deployment | Kind::ReplicaSet => workload(object, &mut causes),
        Kind::Service => service(object, &mut causes),
        Kind::Secret => secret(object, &mut causes),
        Kind::ConfigMap => keys("data", object, &mut causes),
        _ => {}
    }
    finish(info, object, &causes)
}

pub(crate) fn update(info: &KindInfo, object: &Value, old: &Value) -> Result<(), StatusError> {
    if object::is_deleting(old) && added_finalizer(object, old) {
        let cause = Cause::forbidden(
            "metadata.finalizers",
            "no new finalizers can be added if the object is being deleted",
        );
        return finish(info, object, &[cause]);
    }
    match info.kind {
        Kind::Pod => pod_change(info, object, old),
        Kind::Deployment | Kind::ReplicaSet
            if object["spec"]["selector"] != old["spec"]["selector"] =>
        {
            let cause = Cause::invalid(
                "spec.selector",
                &object["spec"]["selector"],
                "field is immutable",
            );
            finish(info, object, &[cause])
        }
        Kind::Secret | Kind::ConfigMap
            if old["immutable"] == true && payload(object) != payload(old) =>
        {
            let cause = Cause::forbidden("data", "field is immutable when `immutable` is set");
            finish(info, object, &[cause])
        }
        Kind::RoleBinding | Kind::ClusterRoleBinding if object["roleRef"] != old["roleRef"] => {
            let cause = Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef");
            finish(info, object, &[cause])
        }
        _ => create(info, object),
    }
}

fn finish(info: &KindInfo, object: &Value, causes: &[Cause]) -> Result<(), StatusError> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(
        info.group,
        info.name,
        object::name(object),
        causes,
    ))
}

fn payload(object: &Value) -> [&Value; 3] {
    [&object["data"], &object["binaryData"], &object["immutable"]]
}

fn added_finalizer(object: &Value, old: &Value) -> bool {
    let list = |object: &Value| {
        at(object, &["metadata", "finalizers"])
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let before = list(old);
    list(object)
        .iter()
        .any(|finalizer| !before.contains(finalizer))
}

fn pod_spec(path: &str, spec: &Value, causes: &mut Vec<Cause>) {
    let containers = spec["containers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let policy = text(spec, &["restartPolicy"]);
    if containers.is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut names: Vec<&str> = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            container_name(&path, container, &mut names, causes);
            if text(container, &["image"]).is_empty() {
                causes.push(Cause::required(format!("{path}.image"), ""));
            }
            container_ports(&path, container, causes);
        }
    }
    let policies = ["Always", "OnFailure", "Never"];
    if !policies.contains(&policy) {
        let shown = json!(policy).to_string();
        causes.push(Cause::not_supported(
            format!("{path}.restartPolicy"),
            &shown,
            &policies,
        ));
    }
}

fn container_name<'a>(
    path: &str,
    container: &'a Value,
    names: &mut Vec<&'a str>,
    causes: &mut Vec<Cause>,
) {
    let name = text(container, &["name"]);
    let field = format!("{path}.name");
    if name.is_empty() {
        causes.push(Cause::required(field, ""));
    } else if let Some(why) = label_fault(name) {
        causes.push(Cause::invalid(field, &json!(name), &why));
    } else if names.contains(&name) {
        causes.push(Cause::duplicate(field, &json!(name).to_string()));
    } else {
        names.push(name);
    }
}

fn container_ports(path: &str, container: &Value, causes: &mut Vec<Cause>) {
    for (index, port) in container["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let number = &port["containerPort"];
        if *number == 0 {
            causes.push(Cause::required(
                format!("{path}.ports[{index}].containerPort"),
                "",
            ));
        } else if !is_port(number) {
            let field = format!("{path}.ports[{index}].containerPort");
            causes.push(Cause::invalid(
                field,
                number,
                "must be between 1 and 65535, inclusive",
            ));
        }
    }
}

fn is_port(number: &Value) -> bool {
    number
        .as_u64()
        .is_some_and(|number| (1..=65535).contains(&number))
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let selector = &object["spec"]["selector"];
    let empty = serde_json::Map::new();
    let wanted = selector["matchLabels"].as_object().unwrap_or(&empty);
    if wanted.is_empty()
        && selector["matchExpressions"]
            .as_array()
            .is_none_or(Vec::is_empty)
    {
        causes.push(Cause::required("spec.selector", ""));
    } else if wanted
        .iter()
        .any(|(key, value)| labels.get(key) != Some(value))
    {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
    }
    pod_spec(
        "spec.template.spec",
        &object["spec"]["template"]["spec"],
        causes,
    );
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let kind = text(spec, &["type"]);
    if !matches!(
        kind,
        "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName"
    ) {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::not_supported(
            "spec.type",
            &json!(kind).to_string(),
            &supported,
        ));
    }
    let ports = spec["ports"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if ports.is_empty() && kind != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        service_port(
            &format!("spec.ports[{index}]"),
            port,
            &ports[..index],
            ports.len() > 1,
            causes,
        );
    }
}

fn service_port(path: &str, port: &Value, before: &[Value], named: bool, causes: &mut Vec<Cause>) {
    let name = text(port, &["name"]);
    if name.is_empty() {
        if named {
            causes.push(Cause::required(format!("{path}.name"), ""));
        }
    } else if before.iter().any(|other| other["name"] == name) {
        causes.push(Cause::duplicate(
            format!("{path}.name"),
            &json!(name).to_string(),
        ));
    } else if let Some(why) = label_fault(name) {
        causes.push(Cause::invalid(format!("{path}.name"), &json!(name), &why));
    }
    let range = "must be between 1 and 65535, inclusive";
    if !is_port(&port["port"]) {
        causes.push(Cause::invalid(format!("{path}.port"), &port["port"], range));
    }
    if port["targetPort"].is_number() && !is_port(&port["targetPort"]) {
        causes.push(Cause::invalid(
            format!("{path}.targetPort"),
            &port["targetPort"],
            range,
        ));
    }
    if before
        .iter()
        .any(|other| other["port"] == port["port"] && other["protocol"] == port["protocol"])
    {
        causes.push(Cause::duplicate(path, &port_shown(port)));
    }
}

/// A port as Kubernetes shows a repeated one.
fn port_shown(port: &Value) -> String {
    let (protocol, number) = (&port["protocol"], &port["port"]);
    format!(
        r#"{{"Name":"","Protocol":{protocol},"AppProtocol":null,"Port":{number},"TargetPort":0,"NodePort":0}}"#
    )
}

/// 400 unless every value of a Secret's `data` is base64; in Go's words.
pub(super) fn secret_data(object: &Value) -> Result<(), StatusError> {
    for value in object["data"]
        .as_object()
        .into_iter()
        .flat_map(|data| data.values())
    {
        let encoded = value.as_str().unwrap_or_default();
        if let Err(at) = base64_fault(encoded) {
            return Err(StatusError::bad_request(format!(
                "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte {at}"
            )));
        }
    }
    Ok(())
}

fn secret(object: &Value, causes: &mut Vec<Cause>) {
    keys("data", object, causes);
    let required: &[&str] = match text(object, &["type"]) {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        _ => &[],
    };
    for key in required {
        if object["data"].get(*key).is_none() {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    }
}

/// The first byte that is no base64, by Go's counting.
fn base64_fault(encoded: &str) -> Result<(), usize> {
    use base64::DecodeError;
    use base64::Engine;
    match base64::engine::general_purpose::STANDARD.decode(encoded) {
        Ok(_) => Ok(()),
        Err(
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. },
        ) => Err(at),
        Err(_) => Err(encoded.len()),
    }
}

fn keys(part: &str, object: &Value, causes: &mut Vec<Cause>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    for key in object[part]
        .as_object()
        .into_iter()
        .flat_map(|data| data.keys())
    {
        if !key.chars().all(allowed)
            || key.is_empty()
            || key.len() > 253
            || key == "."
            || key == ".."
        {
            let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                       'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
            causes.push(Cause::invalid(format!("{part}[{key}]"), &json!(key), why));
        }
    }
}

/// Of a pod's spec, only images and a few numbers may change.
fn pod_change(info: &KindInfo, object: &Value, old: &Value) -> Result<(), StatusError> {
    let frozen = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for key in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "ephemeralContainers",
            "nodeName",
        ] {
            if let Some(spec) = spec.as_object_mut() {
                spec.shift_remove(key);
            }
        }
        spec
    };
    if frozen(object) == frozen(old) {
        return Ok(());
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
               `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
               `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    finish(info, object, &[Cause::forbidden("spec", why)])
}
