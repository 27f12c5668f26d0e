//! What a bound scenario puts into each cluster, as objects ready to be sent. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use json_patch::Patch as JsonPatch;
use meshproof_cluster::{ClientPod, EnvSource, Facts, Manifest, PodRef, Side};
use meshproof_evidence::access_log::{MeshLogsError, Written};
use meshproof_evidence::{Expected, MeshLogs};
use meshproof_scenario::{Bindings, Cluster, Injection, Loaded, ObjectName, Scenario, substitute};
use meshproof_sql::PASSWORD_VARIABLE;
use serde_json::Value;

use crate::prober::Copies;

/// Everything for one cluster.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Labels by namespace.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Which certificate goes into which Secret.
    pub(crate) certificates: Vec<(ObjectName, meshproof_scenario::Secret)>,
    pub(crate) patches: Vec<(ObjectName, JsonPatch)>,
    pub(crate) manifests: Vec<Manifest>,
    /// Client pods by their name in the scenario, and whether they get a sidecar.
    pub(crate) pods: BTreeMap<String, (ClientPod, bool)>,
    /// Where the prober has to be brought.
    pub(crate) copies: Copies,
    /// The formats that access logs can have, or why they cannot be read.
    pub(crate) log_format: LogFormat,
}

/// The formats that a cluster's access logs can have, or why they cannot be read.
pub(crate) type LogFormat = Result<Expected, String>;

impl Setup {
    /// # Errors
    /// In words, with file and line: a patch or manifest that is none with the values in place.
    pub(crate) fn of(
        side: Side,
        scenario: &Scenario,
        loaded: &Loaded,
        bindings: &Bindings,
        facts: &Facts,
    ) -> Result<Self, String> {
        let cluster = scenario.clusters.get(crate::side::to_scenario(side));
        let text = |path: &str| -> Result<(String, String), String> {
            let source = loaded
                .file(path)
                .ok_or_else(|| format!("{path}: this file was not loaded with the scenario"))?;
            let text = substitute(source, bindings).map_err(|found| found.to_string())?;
            Ok((source.file.clone(), text))
        };
        let mut setup = Self {
            namespaces: cluster
                .namespaces
                .iter()
                .map(|(name, ns)| (name.value.clone(), labels(ns.injection, facts)))
                .collect(),
            certificates: cluster
                .secrets
                .iter()
                .map(|(name, secret)| (name.value.clone(), secret.clone()))
                .collect(),
            pods: cluster
                .pods
                .iter()
                .map(|(name, pod)| {
                    (
                        name.value.clone(),
                        client_pod(scenario, cluster, &name.value, pod),
                    )
                })
                .collect(),
            patches: Vec::new(),
            manifests: Vec::new(),
            copies: Copies::default(),
            log_format: Ok(Expected::any_of_istio()),
        };
        for patch in &cluster.patches {
            let (file, text) = text(&patch.json)?;
            let parsed = serde_json::from_str(&text)
                .map_err(|error| format!("{file}: not a JSON patch (RFC 6902): {error}"))?;
            setup.patches.push((patch.service.value.clone(), parsed));
        }
        for path in &cluster.manifests {
            let (file, text) = text(path)?;
            setup.manifests.extend(
                Manifest::parse(Path::new(&file), &text).map_err(|error| error.to_string())?,
            );
        }
        let mut providers = telemetry_providers(&setup.manifests);
        if let Some(text) = &facts.mesh_config {
            // What the cluster has is no fault of the scenario's.
            providers.extend(facts.log_providers.iter().map(String::as_str));
            let from = format!("the mesh configuration of cluster {side}");
            setup.log_format = log_format(&from, text, &providers).unwrap_or_else(Err);
            return Ok(setup);
        }
        let path = &cluster.mesh_config.value;
        let config = loaded
            .file(path)
            .ok_or_else(|| format!("{path}: this file was not loaded with the scenario"))?;
        setup.log_format = log_format(&config.file, &config.text, &providers)?;
        Ok(setup)
    }

    /// Namespaces of client pods: each needs a copy of the password.
    pub(crate) fn pod_namespaces(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .pods
            .values()
            .map(|(pod, _)| pod.pod.namespace.as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The value of a Secret's key, where a manifest of this set-up makes the Secret.
    pub(crate) fn secret_value(&self, secret: &ObjectName, key: &str) -> Option<Vec<u8>> {
        let manifest = self.manifests.iter().find(|manifest| {
            manifest.gvk.kind == "Secret"
                && manifest.name == secret.name
                && manifest.namespace.as_deref().unwrap_or("default") == secret.namespace
        })?;
        let plain = manifest
            .object
            .get("stringData")
            .and_then(|data| data.get(key))
            .and_then(Value::as_str);
        let encoded = || {
            let value = manifest.object.get("data")?.get(key)?.clone();
            serde_json::from_value::<meshproof_cluster::ByteString>(value)
                .ok()
                .map(|bytes| bytes.0)
        };
        plain.map(|text| text.as_bytes().to_vec()).or_else(encoded)
    }
}

fn labels(injection: Injection, facts: &Facts) -> BTreeMap<String, String> {
    match injection {
        Injection::Enabled => BTreeMap::from([facts.injection.clone()]),
        Injection::Disabled => BTreeMap::new(),
    }
}

fn client_pod(
    scenario: &Scenario,
    cluster: &Cluster,
    name: &str,
    pod: &meshproof_scenario::Pod,
) -> (ClientPod, bool) {
    let password = &scenario.database.password;
    let secret = EnvSource::Secret {
        name: password.secret.name.clone(),
        key: password.key.value.clone(),
    };
    let mut env: BTreeMap<String, EnvSource> = pod
        .env
        .iter()
        .map(|(name, value)| (name.value.clone(), EnvSource::Value(value.value.clone())))
        .collect();
    env.insert(PASSWORD_VARIABLE.to_owned(), secret);
    let injected = cluster
        .namespaces
        .get(pod.namespace.value.as_str())
        .is_some_and(|ns| ns.injection == Injection::Enabled);
    let pod = ClientPod {
        pod: PodRef::new(&pod.namespace.value, name),
        image: pod.image.value.clone(),
        env,
        host_aliases: BTreeMap::new(),
        without_sidecar: false,
    };
    (pod, injected)
}

/// The formats of access logs by the mesh configuration and the `Telemetry` resources that go with
/// it. Where neither switches logs on, something else may have.
fn log_format(file: &str, text: &str, providers: &[&str]) -> Result<LogFormat, String> {
    let config: Option<MeshLogs> =
        serde_saphyr::from_str(text).map_err(|error| format!("{file}: {error}"))?;
    let written = config.unwrap_or_default().written_by(providers);
    match written {
        Ok(Written::Output(expected)) => Ok(Ok(expected)),
        Ok(Written::Nowhere(_)) => Ok(Ok(Expected::any_of_istio())),
        Err(error @ (MeshLogsError::Lacks { .. } | MeshLogsError::File { .. })) => {
            Ok(Err(format!("{file}: {error}")))
        }
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// Names of the log providers that `Telemetry` resources choose.
fn telemetry_providers(manifests: &[Manifest]) -> Vec<&str> {
    let telemetries = manifests
        .iter()
        .filter(|manifest| manifest.gvk.kind == "Telemetry");
    telemetries
        .filter_map(|manifest| {
            manifest
                .object
                .get("spec")?
                .get("accessLogging")?
                .as_array()
        })
        .flatten()
        .filter_map(|logging| logging.get("providers")?.as_array())
        .flatten()
        .filter_map(|provider| provider.get("name")?.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use meshproof_cluster::Manifest;

    use super::{LogFormat, log_format};

    const HOPS: &str =
        "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%";

    fn names(format: &LogFormat) -> Vec<String> {
        let candidates = format.as_ref().unwrap().candidates();
        let names = candidates.iter().map(|candidate| candidate.name.clone());
        names.collect()
    }

    #[test]
    fn the_mesh_configuration_tells_the_log_format() {
        let of = |text: &str| log_format("mesh.yaml", text, &[]);
        let own = of(&format!(
            "accessLogFile: /dev/stdout\naccessLogFormat: '{HOPS}'"
        ))
        .unwrap();
        assert_eq!(names(&own), ["accessLogFormat"]);
        let json = of("accessLogFile: /dev/stdout\naccessLogEncoding: JSON").unwrap();
        assert!(names(&json).iter().all(|name| name.ends_with(", JSON")));
        for off in ["", "# nothing\n", "rootNamespace: istio-system"] {
            assert_eq!(names(&of(off).unwrap()).len(), 9, "{off}");
        }
        let lacking = of("accessLogFile: /dev/stdout\naccessLogFormat: '%DURATION%'").unwrap();
        assert!(lacking.unwrap_err().contains("hops cannot be told"));
        let wrong = of("accessLogFile: /dev/stdout\naccessLogEncoding: XML").unwrap_err();
        assert!(
            wrong.starts_with("mesh.yaml: ") && wrong.contains("XML"),
            "{wrong}"
        );
        assert!(of("accessLogFile: [1]").is_err());
    }

    #[test]
    fn telemetry_resources_bring_their_providers_formats() {
        let config = format!(
            "extensionProviders:\n- name: mine\n  envoyFileAccessLog:\n    logFormat:\n      text: '{HOPS}'"
        );
        let telemetry = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata:\n  name: logs\nspec:\n  accessLogging:\n  - providers:\n    - name: mine\n";
        let manifests = Manifest::parse(Path::new("telemetry.yaml"), telemetry).unwrap();
        let providers = super::telemetry_providers(&manifests);
        let format = log_format("mesh.yaml", &config, &providers).unwrap();
        assert_eq!(
            names(&format),
            ["extensionProviders[mine].envoyFileAccessLog.logFormat.text"]
        );
    }
}
