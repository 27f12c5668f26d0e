//! Variations: named changes to the objects of both clusters, made for a case and taken back after it.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::names::{is_label, is_name, textual};
use crate::{At, Secret, Side};

/// Changes to objects of both clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Overlay {
    /// Changes in the client's cluster, by `Kind/namespace/name`.
    #[serde(default)]
    pub client: IndexMap<At<ObjectKey>, At<Edit>>,
    /// Changes in the server's cluster.
    #[serde(default)]
    pub server: IndexMap<At<ObjectKey>, At<Edit>>,
}

/// What becomes of one object: parts of it `set` and `remove`d, or the whole `create`d or `delete`d, or
/// filled with a `certificate`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Edit {
    /// Values by JSON pointer (RFC 6901): put where there was nothing, else put in its place. A last
    /// step `-` appends to a list.
    #[serde(default)]
    pub set: IndexMap<At<String>, At<Value>>,
    /// JSON pointers of what is taken out.
    #[serde(default)]
    pub remove: Vec<At<String>>,
    /// A new object: everything but `apiVersion`, `kind`, and `metadata` with name and namespace.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub create: Option<At<Value>>,
    /// The object is deleted.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub delete: Option<At<bool>>,
    /// For a Secret: its whole data made from certificates of the run.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub secret: Option<At<Secret>>,
}

/// An object of a cluster with its kind, written `Kind/namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The kinds that an overlay may change, and the version they are written in.
const KINDS: &[(&str, &str)] = &[
    ("AuthorizationPolicy", "security.istio.io/v1"),
    ("ConfigMap", "v1"),
    ("Deployment", "apps/v1"),
    ("DestinationRule", "networking.istio.io/v1"),
    ("Gateway", "networking.istio.io/v1"),
    ("PeerAuthentication", "security.istio.io/v1"),
    ("Secret", "v1"),
    ("Service", "v1"),
    ("ServiceEntry", "networking.istio.io/v1"),
    ("Sidecar", "networking.istio.io/v1"),
    ("Telemetry", "telemetry.istio.io/v1"),
    ("VirtualService", "networking.istio.io/v1"),
    ("WorkloadEntry", "networking.istio.io/v1"),
];

impl ObjectKey {
    /// The `apiVersion` that objects of its kind are written in.
    pub fn api_version(&self) -> &'static str {
        let known = KINDS.iter().find(|(kind, _)| *kind == self.kind);
        // Keys are made by parsing, which knows no other kind.
        known.map_or("v1", |(_, version)| version)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl FromStr for ObjectKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, namespace, name] = parts.as_slice() else {
            return Err(format!(
                "invalid object `{text}`, expected Kind/namespace/name, as in Gateway/default/gateway-mysql"
            ));
        };
        if !KINDS.iter().any(|(known, _)| known == kind) {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            return Err(format!(
                "unknown kind `{kind}` in `{text}`, expected one of {}",
                known.join(", ")
            ));
        }
        if !is_label(namespace) || !is_name(name) {
            return Err(format!(
                "invalid namespace or name in `{text}`, expected Kind/namespace/name"
            ));
        }
        Ok(Self {
            kind: (*kind).to_owned(),
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
        })
    }
}

textual!(
    ObjectKey,
    "^[A-Z][A-Za-z]*/[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*$",
    "Kind/namespace/name"
);

impl Overlay {
    /// Every change, with the cluster it is made in.
    pub fn edits(&self) -> impl Iterator<Item = (Side, &At<ObjectKey>, &At<Edit>)> {
        let client = self
            .client
            .iter()
            .map(|(key, edit)| (Side::Client, key, edit));
        let server = self
            .server
            .iter()
            .map(|(key, edit)| (Side::Server, key, edit));
        client.chain(server)
    }

    /// The changed objects in words, for plans and reports.
    pub fn summary(&self) -> String {
        let words: Vec<String> = self
            .edits()
            .map(|(side, key, edit)| {
                format!("{side} {key}: {}", edit.summary(key.kind == "Secret"))
            })
            .collect();
        words.join("; ")
    }
}

impl Edit {
    /// What it changes, in words; values of a Secret are not told.
    fn summary(&self, hidden: bool) -> String {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.set.iter().map(|(pointer, value)| {
            if hidden {
                format!("{pointer} changed")
            } else {
                format!("{pointer} = {}", value.value)
            }
        }));
        words.extend(
            self.remove
                .iter()
                .map(|pointer| format!("without {pointer}")),
        );
        words.extend(self.create.iter().map(|_| "created".to_owned()));
        words.extend(
            self.delete
                .iter()
                .filter(|at| at.value)
                .map(|_| "deleted".to_owned()),
        );
        words.extend(self.secret.iter().map(|secret| secret.summary()));
        words.join(", ")
    }
}
