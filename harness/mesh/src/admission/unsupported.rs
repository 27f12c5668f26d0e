//! Values that Istio accepts and the embedded mesh does not support, field by field.

use serde_json::Value;

use crate::{MeshConfig, mesh_config::ProviderKind, protocol::Protocol};

/// One line for each unsupported value of a spec whose shape is good.
pub(crate) fn values(spec: &Value, kind: &str, mesh: &MeshConfig) -> Vec<String> {
    let mut found = Vec::new();
    match kind {
        "Gateway" => gateway(spec, &mut found),
        "ServiceEntry" => service_entry(spec, &mut found),
        "WorkloadEntry" => workload(spec, "spec", &mut found),
        "AuthorizationPolicy" => authorization(spec, &mut found),
        "DestinationRule" => destination_rule(spec, &mut found),
        "Sidecar" => sidecar(spec, &mut found),
        "Telemetry" => telemetry(spec, mesh, &mut found),
        _ => {}
    }
    found
}

fn say(found: &mut Vec<String>, path: &str, value: &str) {
    found.push(format!(
        "{path}: {value} is not supported by the embedded mesh"
    ));
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[field].as_array().into_iter().flatten().enumerate()
}

fn gateway(spec: &Value, found: &mut Vec<String>) {
    for (index, server) in items(spec, "servers") {
        let path = format!("spec.servers[{index}]");
        let mode = server["tls"]["mode"].as_str().unwrap_or("PASSTHROUGH");
        if mode == "AUTO_PASSTHROUGH" {
            say(found, &format!("{path}.tls.mode"), mode);
        }
        credential(&server["tls"], &format!("{path}.tls"), found);
    }
}

/// Credentials are Secrets by name, `ConfigMap`s with authorities, or the workload's own certificate.
fn credential(tls: &Value, path: &str, found: &mut Vec<String>) {
    let one = |field: &str| Some((format!("{path}.{field}"), tls[field].as_str()?.to_owned()));
    let many = items(tls, "credentialNames").filter_map(|(index, name)| {
        let path = format!("{path}.credentialNames[{index}]");
        Some((path, name.as_str()?.to_owned()))
    });
    for (path, name) in [one("credentialName"), one("caCertCredentialName")]
        .into_iter()
        .flatten()
        .chain(many)
    {
        let known = match name.split_once("://") {
            None => !name.starts_with("builtin"),
            Some(("builtin", rest)) => rest.is_empty(),
            Some((kind, rest)) => {
                matches!(kind, "kubernetes" | "configmap" | "sds") && !rest.contains("://")
            }
        };
        if !known {
            say(found, &path, &name);
        }
    }
}

fn service_entry(spec: &Value, found: &mut Vec<String>) {
    if spec["resolution"] == "DYNAMIC_DNS" {
        say(found, "spec.resolution", "DYNAMIC_DNS");
    }
    for (index, endpoint) in items(spec, "endpoints") {
        workload(endpoint, &format!("spec.endpoints[{index}]"), found);
    }
}

fn workload(spec: &Value, path: &str, found: &mut Vec<String>) {
    let address = spec["address"].as_str().unwrap_or_default();
    if address.starts_with("unix://") {
        say(found, &format!("{path}.address"), "a Unix socket");
    }
}

fn authorization(spec: &Value, found: &mut Vec<String>) {
    for (index, rule) in items(spec, "rules") {
        for (number, condition) in items(rule, "when") {
            let key = condition["key"].as_str().unwrap_or_default();
            if key.starts_with("experimental.") {
                say(
                    found,
                    &format!("spec.rules[{index}].when[{number}].key"),
                    key,
                );
            }
        }
    }
}

fn destination_rule(spec: &Value, found: &mut Vec<String>) {
    policy(&spec["trafficPolicy"], "spec.trafficPolicy", found);
    for (index, subset) in items(spec, "subsets") {
        policy(
            &subset["trafficPolicy"],
            &format!("spec.subsets[{index}].trafficPolicy"),
            found,
        );
    }
}

fn policy(policy: &Value, path: &str, found: &mut Vec<String>) {
    client_tls(&policy["tls"], &format!("{path}.tls"), found);
    for (index, port) in items(policy, "portLevelSettings") {
        client_tls(
            &port["tls"],
            &format!("{path}.portLevelSettings[{index}].tls"),
            found,
        );
    }
}

fn client_tls(tls: &Value, path: &str, found: &mut Vec<String>) {
    credential(tls, path, found);
}

fn sidecar(spec: &Value, found: &mut Vec<String>) {
    if spec["outboundTrafficPolicy"]["mode"] == "ALLOW_ANY_DYNAMIC_DNS" {
        say(
            found,
            "spec.outboundTrafficPolicy.mode",
            "ALLOW_ANY_DYNAMIC_DNS",
        );
    }
    for (index, listener) in items(spec, "ingress") {
        let path = format!("spec.ingress[{index}]");
        if listener["captureMode"] == "NONE" {
            say(found, &format!("{path}.captureMode"), "NONE");
        }
        let endpoint = listener["defaultEndpoint"].as_str().unwrap_or_default();
        if endpoint.starts_with("unix://") {
            say(found, &format!("{path}.defaultEndpoint"), "a Unix socket");
        }
    }
    for (index, listener) in items(spec, "egress") {
        let path = format!("spec.egress[{index}]");
        let bind = listener["bind"].as_str().unwrap_or_default();
        if bind.starts_with("unix://") {
            say(found, &format!("{path}.bind"), "a Unix socket");
        }
        // HTTP listeners are not made; redirected HTTP goes where it was going, and this could not.
        let text = listener["port"]["protocol"].as_str().unwrap_or_default();
        if Protocol::parse(text).is_http()
            && (!bind.is_empty() || listener["captureMode"] == "NONE")
        {
            say(found, &format!("{path}.port.protocol"), text);
        }
    }
}

fn telemetry(spec: &Value, mesh: &MeshConfig, found: &mut Vec<String>) {
    for (index, logging) in items(spec, "accessLogging") {
        for (number, provider) in items(logging, "providers") {
            let name = provider["name"].as_str().unwrap_or_default();
            let kind = mesh.provider(name).map(|p| &p.kind);
            if matches!(kind, Some(ProviderKind::RemoteLog)) {
                let path = format!("spec.accessLogging[{index}].providers[{number}].name");
                say(
                    found,
                    &path,
                    &format!("provider {name}, which writes to no file,"),
                );
            }
        }
    }
}
