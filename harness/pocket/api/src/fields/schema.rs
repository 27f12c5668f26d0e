//! How lists and maps merge: by key, as sets, or as a whole.
//!
//! Kubernetes marks this in its OpenAPI (`x-kubernetes-list-type` and
//! `x-kubernetes-map-type`); here stand the marks of the kinds served. Istio's
//! CustomResourceDefinitions mark nothing, so their lists are replaced as a whole.

use serde_json::Value;

use crate::kinds::Kind;

/// How a value merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Maps by member, other values as a whole; members are looked up in the table of a place.
    Granular(Place),
    /// A list of maps told apart by these members.
    Keyed(&'static [&'static str], Place),
    /// A list of distinct scalars.
    Set,
    /// One value, replaced as a whole.
    Atomic,
}

/// Where in an object a value stands, as far as merging depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Object(Kind),
    Metadata,
    PodSpec,
    Container,
    Workload,
    PodTemplate,
    ServiceSpec,
    ServiceEntry,
    Status(Kind),
    Plain,
}

/// The shape of a whole object.
pub(crate) fn root(kind: Kind) -> Shape {
    Shape::Granular(Place::Object(kind))
}

/// The shape of a map's member.
pub(crate) fn member_shape(place: Place, name: &str) -> Shape {
    let plain = Shape::Granular(Place::Plain);
    match (place, name) {
        (Place::Object(_), "metadata") => Shape::Granular(Place::Metadata),
        (Place::Object(kind), "spec") => spec_shape(kind),
        (Place::Object(kind), "status") => Shape::Granular(Place::Status(kind)),
        (Place::Object(Kind::ServiceAccount), "secrets") => Shape::Keyed(&["name"], Place::Plain),
        (Place::Object(Kind::ClusterRoleBinding | Kind::RoleBinding), "roleRef") => Shape::Atomic,
        (Place::Object(Kind::Event), "involvedObject") => Shape::Atomic,
        (Place::ServiceEntry, "ports") => Shape::Keyed(&["name"], Place::Plain),
        (Place::Metadata, "finalizers") => Shape::Set,
        (Place::Metadata, "ownerReferences") => Shape::Keyed(&["uid"], Place::Plain),
        (Place::Workload | Place::ServiceSpec, "selector") | (Place::PodSpec, "nodeSelector") => {
            Shape::Atomic
        }
        (Place::Workload, "template") => Shape::Granular(Place::PodTemplate),
        (Place::PodTemplate, "metadata") => Shape::Granular(Place::Metadata),
        (Place::PodTemplate, "spec") => Shape::Granular(Place::PodSpec),
        (Place::PodSpec, _) => pod_spec_shape(name),
        (Place::Container, _) => container_shape(name),
        (Place::ServiceSpec, "ports") => Shape::Keyed(&["port", "protocol"], Place::Plain),
        (Place::Status(kind), "conditions") if !kind.info().is_custom() => {
            Shape::Keyed(&["type"], Place::Plain)
        }
        (Place::Status(Kind::Pod), "podIPs") => Shape::Keyed(&["ip"], Place::Plain),
        _ => plain,
    }
}

/// The shape of a list's item.
pub(crate) fn item_shape(place: Place) -> Shape {
    Shape::Granular(place)
}

fn spec_shape(kind: Kind) -> Shape {
    let place = match kind {
        Kind::Pod => Place::PodSpec,
        Kind::Deployment | Kind::ReplicaSet => Place::Workload,
        Kind::Service => Place::ServiceSpec,
        Kind::ServiceEntry => Place::ServiceEntry,
        _ => Place::Plain,
    };
    Shape::Granular(place)
}

fn pod_spec_shape(name: &str) -> Shape {
    match name {
        "containers" | "initContainers" | "ephemeralContainers" => {
            Shape::Keyed(&["name"], Place::Container)
        }
        "volumes" => Shape::Keyed(&["name"], Place::Plain),
        "imagePullSecrets" => Shape::Keyed(&["name"], Place::Plain),
        "hostAliases" => Shape::Keyed(&["ip"], Place::Plain),
        _ => Shape::Granular(Place::Plain),
    }
}

fn container_shape(name: &str) -> Shape {
    match name {
        "env" => Shape::Keyed(&["name"], Place::Plain),
        "ports" => Shape::Keyed(&["containerPort", "protocol"], Place::Plain),
        "volumeMounts" => Shape::Keyed(&["mountPath"], Place::Plain),
        "volumeDevices" => Shape::Keyed(&["devicePath"], Place::Plain),
        _ => Shape::Granular(Place::Plain),
    }
}

/// The members that tell items apart, for an item that has them (`protocol` is TCP if absent).
pub(crate) fn key_of(item: &Value, keys: &[&str]) -> Option<Vec<(String, Value)>> {
    keys.iter()
        .map(|key| {
            let value = item
                .get(*key)
                .cloned()
                .or_else(|| (*key == "protocol").then(|| Value::from("TCP")));
            value.map(|value| ((*key).to_owned(), value))
        })
        .collect()
}
