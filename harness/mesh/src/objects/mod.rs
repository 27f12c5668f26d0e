//! An immutable snapshot of a cluster.

mod endpoints;
pub(crate) mod pod;
pub(crate) mod rules;
pub(crate) mod service;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    MeshConfig,
    admission::{self, admit},
    api::{
        Labels, authorization_policy::AuthorizationPolicy, destination_rule::DestinationRule,
        gateway::Gateway, peer_authentication::PeerAuthentication, service_entry::ServiceEntry,
        sidecar::Sidecar, telemetry::Telemetry, virtual_service::VirtualService,
    },
};
use pod::Pod;
use rules::RuleIndex;
use service::Service;

/// A pod with an `istio-proxy` container, among `containers` or as a native sidecar among
/// `initContainers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What every object has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    /// RFC 3339, so that text order is time order; empty where unknown.
    pub(crate) created: String,
}

impl Meta {
    fn of(object: &Value) -> Self {
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            namespace: text("namespace"),
            labels: string_map(&meta["labels"]),
            annotations: string_map(&meta["annotations"]),
            created: text("creationTimestamp"),
        }
    }

    /// Istio's order of configuration: the oldest first, then by name.
    pub(crate) fn order(&self) -> (&str, &str, &str) {
        (&self.created, &self.name, &self.namespace)
    }
}

/// An Istio resource.
#[derive(Clone, Debug)]
pub(crate) struct Config<T> {
    pub(crate) meta: Meta,
    pub(crate) spec: T,
}

/// The strings of a JSON map.
pub(crate) fn string_map(value: &Value) -> Labels {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

/// The `data` of a Secret, still in base64.
pub(crate) type SecretData = Arc<Value>;

/// Kubernetes and Istio objects of one cluster, read once.
#[derive(Debug)]
pub struct Objects {
    mesh: Arc<MeshConfig>,
    pub(crate) pods: BTreeMap<ProxyId, Pod>,
    /// The oldest first.
    pub(crate) services: Vec<Service>,
    pub(crate) secrets: BTreeMap<(String, String), SecretData>,
    pub(crate) gateways: Vec<Config<Gateway>>,
    pub(crate) virtual_services: Vec<Config<VirtualService>>,
    pub(crate) rules: RuleIndex,
    pub(crate) peer_authentications: Vec<Config<PeerAuthentication>>,
    pub(crate) authorization_policies: Vec<Config<AuthorizationPolicy>>,
    pub(crate) telemetries: Vec<Config<Telemetry>>,
    pub(crate) sidecars: Vec<Config<Sidecar>>,
}

impl Objects {
    /// Reads `objects` as an API server stores them (a Secret has `data`, not `stringData`).
    /// An object that [`crate::admit`] refuses takes no effect.
    pub fn new(mesh: Arc<MeshConfig>, objects: impl IntoIterator<Item = Arc<Value>>) -> Self {
        let mut found = Sorted::default();
        for object in objects {
            found.take(&object, &mesh);
        }
        found.into_objects(mesh)
    }

    /// The mesh configuration that the snapshot was made with.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// Pods that run a proxy, in order of namespace and name. Those without an address yet are among
    /// them: a proxy can be configured before its pod is known to others.
    pub fn proxies(&self) -> Vec<ProxyId> {
        self.pods
            .iter()
            .filter(|(_, p)| p.proxy.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }
}

/// Objects by kind, as they come.
#[derive(Default)]
struct Sorted {
    pods: BTreeMap<ProxyId, Pod>,
    kube_services: Vec<Arc<Value>>,
    secrets: BTreeMap<(String, String), SecretData>,
    gateways: Vec<Config<Gateway>>,
    virtual_services: Vec<Config<VirtualService>>,
    service_entries: Vec<Config<ServiceEntry>>,
    destination_rules: Vec<Config<DestinationRule>>,
    peer_authentications: Vec<Config<PeerAuthentication>>,
    authorization_policies: Vec<Config<AuthorizationPolicy>>,
    telemetries: Vec<Config<Telemetry>>,
    sidecars: Vec<Config<Sidecar>>,
}

impl Sorted {
    fn take(&mut self, object: &Arc<Value>, mesh: &MeshConfig) {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        match (api_version.split_once('/'), kind) {
            (None, "Pod") => self.pod(object),
            (None, "Service") => self.kube_services.push(Arc::clone(object)),
            (None, "Secret") => {
                let meta = Meta::of(object);
                self.secrets
                    .insert((meta.namespace, meta.name), Arc::clone(object));
            }
            (Some((group, _)), kind)
                if admission::is_istio_group(group) && admit(object, mesh).error.is_none() =>
            {
                self.istio(object, kind);
            }
            _ => {}
        }
    }

    fn pod(&mut self, object: &Value) {
        let pod = Pod::of(object);
        let id = ProxyId {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
        };
        self.pods.insert(id, pod);
    }

    fn istio(&mut self, object: &Value, kind: &str) {
        match kind {
            "Gateway" => push(&mut self.gateways, object),
            "VirtualService" => push(&mut self.virtual_services, object),
            "ServiceEntry" => push(&mut self.service_entries, object),
            "DestinationRule" => push(&mut self.destination_rules, object),
            "PeerAuthentication" => push(&mut self.peer_authentications, object),
            "AuthorizationPolicy" => push(&mut self.authorization_policies, object),
            "Telemetry" => push(&mut self.telemetries, object),
            "Sidecar" => push(&mut self.sidecars, object),
            _ => {}
        }
    }

    fn into_objects(mut self, mesh: Arc<MeshConfig>) -> Objects {
        sort(&mut self.gateways);
        sort(&mut self.virtual_services);
        sort(&mut self.service_entries);
        sort(&mut self.peer_authentications);
        sort(&mut self.authorization_policies);
        sort(&mut self.telemetries);
        sort(&mut self.sidecars);
        for config in &mut self.virtual_services {
            service::resolve_names(config);
        }
        let services = service::all(
            &self.kube_services,
            &self.service_entries,
            &self.pods,
            &mesh,
        );
        Objects {
            rules: RuleIndex::of(self.destination_rules, mesh.root_namespace()),
            mesh,
            pods: self.pods,
            services,
            secrets: self.secrets,
            gateways: self.gateways,
            virtual_services: self.virtual_services,
            peer_authentications: self.peer_authentications,
            authorization_policies: self.authorization_policies,
            telemetries: self.telemetries,
            sidecars: self.sidecars,
        }
    }
}

fn push<T: DeserializeOwned + Default>(list: &mut Vec<Config<T>>, object: &Value) {
    let spec = match object.get("spec") {
        None | Some(Value::Null) => Some(T::default()),
        // Admission has read the same value into the same type, so it can be read.
        Some(spec) => serde_json::from_value(admission::walk::without_nulls(spec)).ok(),
    };
    if let Some(spec) = spec {
        list.push(Config {
            meta: Meta::of(object),
            spec,
        });
    }
}

fn sort<T>(list: &mut [Config<T>]) {
    list.sort_by(|a, b| a.meta.order().cmp(&b.meta.order()));
}
