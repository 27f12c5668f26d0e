//! Which Istio objects a refused configuration comes from, as far as names tell. Pure.
//!
//! Clusters are named by host and port, listeners by port
//! (`pilot/pkg/networking/core/listener_builder.go`), secrets by the credential's name.

use meshproof_mesh::resolve_host;
use meshproof_pocket_api::Kind;
use meshproof_pocket_xds::{Rejected, ResourceType};
use serde_json::Value;

/// What a refusal has to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Nothing.
    None,
    /// The object goes into what was refused: it is the cause if it has changed.
    Part,
    /// The object names what was refused, and nothing else can show it.
    Named,
}

/// What a refusal has to do with an object.
pub(super) fn concern(refused: &Rejected, kind: Kind, object: &Value) -> Concern {
    let is = |one: ResourceType| refused.type_url == one.type_url();
    let mut names = refused.names.iter();
    if is(ResourceType::Secret) {
        let named = names.any(|name| names_credential(&object["spec"], name));
        return if named { Concern::Named } else { Concern::None };
    }
    let part = if is(ResourceType::Cluster) {
        names.any(|name| in_cluster(name, kind, object))
    } else if is(ResourceType::Listener) {
        names.any(|name| in_listener(name, kind, object))
    } else {
        true
    };
    if part { Concern::Part } else { Concern::None }
}

/// Whether a `credentialName` anywhere in it is that of an SDS secret.
fn names_credential(spec: &Value, secret: &str) -> bool {
    let name = secret.strip_prefix("kubernetes://").unwrap_or(secret);
    let is = |text: &str| text == name || Some(text) == name.strip_suffix("-cacert");
    match spec {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            (key == "credentialName" && value.as_str().is_some_and(is))
                || names_credential(value, secret)
        }),
        Value::Array(values) => values.iter().any(|value| names_credential(value, secret)),
        _ => false,
    }
}

/// `outbound|PORT|SUBSET|HOST`, `inbound|PORT||`.
fn in_cluster(name: &str, kind: Kind, object: &Value) -> bool {
    let host = name.rsplit('|').next().unwrap_or_default();
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let is = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        match text.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => resolve_host(text, namespace) == host,
        }
    };
    let spec = &object["spec"];
    match kind {
        Kind::DestinationRule => is(&spec["host"]),
        Kind::ServiceEntry => array(&spec["hosts"]).any(is),
        _ => host.is_empty(),
    }
}

/// `ADDRESS_PORT`, `virtualInbound`, `virtualOutbound`. Routes and policies go into many.
fn in_listener(name: &str, kind: Kind, object: &Value) -> bool {
    let port = name.rsplit('_').next().and_then(|port| port.parse().ok());
    let is = |one: &Value| port.is_some() && one.as_u64() == port;
    let spec = &object["spec"];
    match kind {
        Kind::Gateway => array(&spec["servers"]).any(|server| is(&server["port"]["number"])),
        Kind::ServiceEntry => array(&spec["ports"]).any(|one| is(&one["number"])),
        Kind::DestinationRule => false,
        _ => true,
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(kind: ResourceType, name: &str) -> Rejected {
        Rejected {
            type_url: kind.type_url(),
            message: "no".to_owned(),
            names: vec![name.to_owned()],
        }
    }

    fn object(spec: Value) -> Value {
        json!({"metadata": {"namespace": "here", "name": "one"}, "spec": spec})
    }

    #[test]
    fn a_cluster_is_of_rules_and_entries_of_its_host() {
        let refused = refused(
            ResourceType::Cluster,
            "outbound|1|v1|db.here.svc.cluster.local",
        );
        let of = |kind, spec| concern(&refused, kind, &object(spec));
        for host in ["db", "db.here.svc.cluster.local", "*.cluster.local"] {
            let found = of(Kind::DestinationRule, json!({"host": host}));
            assert_eq!(found, Concern::Part, "{host}");
        }
        let other = of(Kind::DestinationRule, json!({"host": "other"}));
        assert_eq!(other, Concern::None);
        let entry = of(
            Kind::ServiceEntry,
            json!({"hosts": ["a.b", "db.here.svc.cluster.local"]}),
        );
        assert_eq!(entry, Concern::Part);
        assert_eq!(of(Kind::Gateway, json!({})), Concern::None);
    }

    #[test]
    fn a_listener_is_of_gateways_with_its_port_and_of_routes() {
        let refused = refused(ResourceType::Listener, "0.0.0.0_13306");
        let of = |kind, spec| concern(&refused, kind, &object(spec));
        let servers =
            |port: u16| json!({"servers": [{"port": {"number": 80}}, {"port": {"number": port}}]});
        assert_eq!(of(Kind::Gateway, servers(13306)), Concern::Part);
        assert_eq!(of(Kind::Gateway, servers(13307)), Concern::None);
        assert_eq!(of(Kind::VirtualService, json!({})), Concern::Part);
    }

    #[test]
    fn a_secret_is_of_what_names_it() {
        let of = |name: &str, spec| {
            let refused = refused(ResourceType::Secret, name);
            concern(&refused, Kind::Gateway, &object(spec))
        };
        let spec = json!({"servers": [{"tls": {"credentialName": "db"}}]});
        assert_eq!(of("kubernetes://db", spec.clone()), Concern::Named);
        assert_eq!(of("kubernetes://db-cacert", spec.clone()), Concern::Named);
        assert_eq!(of("kubernetes://other", spec), Concern::None);
    }
}
