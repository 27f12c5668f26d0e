//! Reading objects, each only once: what was read is kept for as long as the object says the same.

use std::{collections::HashMap, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Config, Meta, default_to,
    locality::Locality,
    pod::Pod,
    service::{self, Service},
    workloads::Workload,
};
use crate::{
    MeshConfig,
    admission::{self, admit},
    api::{
        authorization_policy::AuthorizationPolicy, destination_rule::DestinationRule,
        gateway::Gateway, peer_authentication::PeerAuthentication, service_entry::ServiceEntry,
        sidecar::Sidecar, telemetry::Telemetry, virtual_service::VirtualService,
    },
};

/// An object as the mesh knows it.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Pod(Arc<Pod>),
    /// Without endpoints that are pods.
    Service(Arc<Service>),
    Secret,
    ConfigMap,
    Gateway(Arc<Config<Gateway>>),
    VirtualService(Arc<Config<VirtualService>>),
    /// The services that it declares, without endpoints that are pods.
    ServiceEntry(Arc<Config<Vec<Arc<Service>>>>),
    DestinationRule(Arc<Config<DestinationRule>>),
    PeerAuthentication(Arc<Config<PeerAuthentication>>),
    AuthorizationPolicy(Arc<Config<AuthorizationPolicy>>),
    Telemetry(Arc<Config<Telemetry>>),
    Sidecar(Arc<Config<Sidecar>>),
    WorkloadEntry(Arc<Workload>),
    /// A node's name, and where it is.
    Node(String, Locality),
    /// Of no effect: of another kind, or refused.
    Nothing,
}

/// Kind, namespace and name.
type Key = (String, String, String);

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Library(HashMap<Key, (Arc<Value>, Known)>);

impl Library {
    /// Reads an object, or takes what `before` has of it.
    pub(super) fn read(&mut self, object: &Arc<Value>, mesh: &MeshConfig, before: &Self) -> Known {
        let key = key(object);
        let known = match before.0.get(&key) {
            Some((old, known)) if Arc::ptr_eq(old, object) || says_same(old, object) => {
                known.clone()
            }
            Some((_, Known::Pod(old))) => keep(read(object, mesh), old),
            _ => read(object, mesh),
        };
        self.0.insert(key, (Arc::clone(object), known.clone()));
        known
    }
}

fn key(object: &Value) -> Key {
    let meta = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&object["kind"]),
        text(&meta["namespace"]),
        text(&meta["name"]),
    )
}

/// Whether two states of an object differ in nothing that is read: in a status, in bookkeeping.
fn says_same(old: &Value, new: &Value) -> bool {
    // The mesh reads where a pod is and whether it is ready.
    let has_status = new["kind"] == "Pod";
    let (meta, old_meta) = (&new["metadata"], &old["metadata"]);
    !has_status
        && ["apiVersion", "spec", "data"]
            .iter()
            .all(|field| old[*field] == new[*field])
        && ["labels", "annotations", "creationTimestamp"]
            .iter()
            .all(|field| old_meta[*field] == meta[*field])
}

fn keep(new: Known, old: &Arc<Pod>) -> Known {
    match new {
        Known::Pod(new) if new == *old => Known::Pod(Arc::clone(old)),
        new => new,
    }
}

fn read(object: &Value, mesh: &MeshConfig) -> Known {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    match (api_version.split_once('/'), kind) {
        (None, "Pod") => Known::Pod(Arc::new(Pod::of(object))),
        (None, "Node") => {
            let meta = Meta::of(object);
            Known::Node(meta.name.clone(), Locality::of_node(&meta))
        }
        (None, "Service") => Known::Service(Arc::new(service::of_kubernetes(object, mesh))),
        (None, "Secret") => Known::Secret,
        (None, "ConfigMap") => Known::ConfigMap,
        (Some((group, _)), kind)
            if admission::is_istio_group(group) && admit(object, mesh).error.is_none() =>
        {
            istio(object, kind, mesh).unwrap_or(Known::Nothing)
        }
        _ => Known::Nothing,
    }
}

fn istio(object: &Value, kind: &str, mesh: &MeshConfig) -> Option<Known> {
    Some(match kind {
        "Gateway" => Known::Gateway(config(object)?.into()),
        "VirtualService" => {
            let mut config: Config<VirtualService> = config(object)?;
            default_to(&mut config.spec.export_to, mesh.virtual_service_export_to());
            service::resolve_names(&mut config);
            Known::VirtualService(config.into())
        }
        "ServiceEntry" => {
            let mut config: Config<ServiceEntry> = config(object)?;
            default_to(&mut config.spec.export_to, mesh.service_export_to());
            let spec = service::of_entry(&config, mesh);
            let meta = config.meta;
            Known::ServiceEntry(Config { meta, spec }.into())
        }
        "WorkloadEntry" => Known::WorkloadEntry(Workload::of(&config(object)?, mesh).into()),
        "DestinationRule" => {
            let mut config: Config<DestinationRule> = config(object)?;
            default_to(
                &mut config.spec.export_to,
                mesh.destination_rule_export_to(),
            );
            Known::DestinationRule(config.into())
        }
        "PeerAuthentication" => Known::PeerAuthentication(config(object)?.into()),
        "AuthorizationPolicy" => Known::AuthorizationPolicy(config(object)?.into()),
        "Telemetry" => Known::Telemetry(config(object)?.into()),
        "Sidecar" => Known::Sidecar(config(object)?.into()),
        _ => return None,
    })
}

fn config<T: DeserializeOwned + Default>(object: &Value) -> Option<Config<T>> {
    let spec = match object.get("spec") {
        None | Some(Value::Null) => T::default(),
        // Admission has read the same value into the same type, so it can be read.
        Some(spec) => serde_json::from_value(admission::walk::as_read(spec)).ok()?,
    };
    Some(Config {
        meta: Meta::of(object),
        spec,
    })
}
