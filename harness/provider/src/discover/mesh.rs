//! The mesh configuration: what Istio keeps in the key `mesh` of a ConfigMap (`MeshConfig`, `mesh/v1alpha1`). Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use meshproof_cluster::kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

/// What a mesh configuration says, as far as it concerns a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// `namespace/name` of the ConfigMap.
    pub from: String,
    /// Its text, as it stands there.
    pub text: String,
    /// Where access logs go; empty: nowhere, unless a Telemetry says otherwise.
    pub access_log_file: String,
    /// `TEXT` or `JSON`.
    pub access_log_encoding: String,
    /// A format of its own; empty: Istio's.
    pub access_log_format: String,
    /// Providers of access logs for all workloads without a Telemetry.
    pub default_log_providers: Vec<String>,
    /// The domain of the mesh's identities.
    pub trust_domain: String,
    /// The namespace whose objects concern the whole mesh.
    pub root_namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    access_log_file: String,
    access_log_encoding: Option<String>,
    access_log_format: String,
    trust_domain: Option<String>,
    root_namespace: Option<String>,
    default_providers: Providers,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Providers {
    access_logging: Vec<String>,
}

/// It has a mesh configuration in it.
pub(super) fn is_mesh_config(map: &ConfigMap) -> bool {
    text(map).is_some()
}

fn text(map: &ConfigMap) -> Option<&String> {
    map.data.as_ref()?.get("mesh")
}

impl Mesh {
    /// # Errors
    /// In words: its text is no mesh configuration.
    pub(super) fn of(map: &ConfigMap) -> Result<Self, String> {
        let namespace = map.metadata.namespace.as_deref().unwrap_or_default();
        let name = map.metadata.name.as_deref().unwrap_or_default();
        let from = format!("{namespace}/{name}");
        let text = text(map).cloned().unwrap_or_default();
        let written: Option<Written> = serde_saphyr::from_str(&text)
            .map_err(|error| format!("ConfigMap {from}, key mesh: {}", error.without_snippet()))?;
        let written = written.unwrap_or_default();
        // The defaults are those of istiod (`pkg/config/mesh`, DefaultMeshConfig).
        let or = |value: Option<String>, default: &str| {
            value
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            from,
            text,
            access_log_file: written.access_log_file,
            access_log_encoding: or(written.access_log_encoding, "TEXT"),
            access_log_format: written.access_log_format,
            default_log_providers: written.default_providers.access_logging,
            trust_domain: or(written.trust_domain, "cluster.local"),
            root_namespace: or(written.root_namespace, "istio-system"),
        })
    }
}

/// Namespaces and names of Telemetries that name a provider of access logs and do not switch it off.
pub(super) fn logging_telemetries(telemetries: &[DynamicObject]) -> Vec<String> {
    let logs = |telemetry: &&DynamicObject| logging(telemetry).next().is_some();
    let named = |telemetry: &DynamicObject| {
        let namespace = telemetry.metadata.namespace.as_deref().unwrap_or_default();
        let name = telemetry.metadata.name.as_deref().unwrap_or_default();
        format!("{namespace}/{name}")
    };
    telemetries.iter().filter(logs).map(named).collect()
}

/// Names of the providers that these choose.
pub(super) fn log_providers(telemetries: &[DynamicObject]) -> Vec<String> {
    let entries = telemetries.iter().flat_map(logging);
    let providers = entries.filter_map(|entry| entry["providers"].as_array());
    let named = providers
        .flatten()
        .filter_map(|provider| provider["name"].as_str());
    let mut names: Vec<String> = named.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// What a Telemetry says of access logs, without what it switches off.
fn logging(telemetry: &DynamicObject) -> impl Iterator<Item = &Value> {
    let entries = telemetry.data["spec"]["accessLogging"].as_array();
    let entries = entries.into_iter().flatten();
    entries.filter(|entry| entry["disabled"] != true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> ConfigMap {
        serde_json::from_str(include_str!("../../tests/data/mesh-configmap.json")).unwrap()
    }

    #[test]
    fn the_recorded_one() {
        let mesh = Mesh::of(&recorded()).unwrap();
        assert_eq!(mesh.from, "istio-system/istio");
        assert_eq!(mesh.access_log_file, "/dev/stdout");
        assert_eq!(mesh.access_log_encoding, "TEXT");
        assert!(
            mesh.access_log_format
                .contains("%DOWNSTREAM_TRANSPORT_FAILURE_REASON%")
        );
        assert_eq!(mesh.trust_domain, "cluster.local");
        assert_eq!(mesh.root_namespace, "istio-system");
    }

    #[test]
    fn what_is_left_out_has_istios_defaults() {
        let mut map = recorded();
        map.data = Some([("mesh".to_owned(), String::new())].into());
        let mesh = Mesh::of(&map).unwrap();
        assert_eq!(mesh.access_log_file, "");
        assert_eq!(mesh.trust_domain, "cluster.local");
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_place() {
        let mut map = recorded();
        map.data = Some([("mesh".to_owned(), "accessLogFile: [".to_owned())].into());
        let error = Mesh::of(&map).unwrap_err();
        assert!(
            error.starts_with("ConfigMap istio-system/istio, key mesh:"),
            "{error}"
        );
    }
}
