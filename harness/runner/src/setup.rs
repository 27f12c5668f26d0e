//! What a bound scenario puts into each cluster, as objects ready to be sent. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use json_patch::Patch as JsonPatch;
use meshproof_cluster::{ClientPod, EnvSource, Manifest, PodRef, Side};
use meshproof_scenario::{Bindings, Cluster, Injection, Loaded, ObjectName, Scenario, substitute};
use meshproof_sql::PASSWORD_VARIABLE;
use serde_json::Value;

/// Everything for one cluster.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Labels by namespace.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Which certificate goes into which Secret.
    pub(crate) certificates: Vec<(ObjectName, meshproof_scenario::Certificate)>,
    pub(crate) patches: Vec<(ObjectName, JsonPatch)>,
    pub(crate) manifests: Vec<Manifest>,
    /// Client pods by their name in the scenario, and whether they get a sidecar.
    pub(crate) pods: BTreeMap<String, (ClientPod, bool)>,
    /// Access-log format that the mesh configuration names.
    pub(crate) log_format: Option<String>,
}

impl Setup {
    /// # Errors
    /// In words, with file and line: a patch or manifest that is none with the values in place.
    pub(crate) fn of(
        side: Side,
        scenario: &Scenario,
        loaded: &Loaded,
        bindings: &Bindings,
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
                .map(|(name, ns)| (name.value.clone(), labels(ns.injection)))
                .collect(),
            certificates: cluster
                .secrets
                .iter()
                .map(|(name, secret)| (name.value.clone(), secret.certificate))
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
            log_format: log_format(loaded, &cluster.mesh_config.value)?,
            ..Self::default()
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

fn labels(injection: Injection) -> BTreeMap<String, String> {
    match injection {
        Injection::Enabled => {
            BTreeMap::from([("istio-injection".to_owned(), "enabled".to_owned())])
        }
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
    };
    (pod, injected)
}

/// The format of access-log lines: the mesh configuration's own, `json`, or `None` for Istio's
/// default, whose release is then told from the lines.
fn log_format(loaded: &Loaded, path: &str) -> Result<Option<String>, String> {
    let source = loaded
        .file(path)
        .ok_or_else(|| format!("{path}: this file was not loaded with the scenario"))?;
    let config: Value = serde_saphyr::from_str(&source.text)
        .map_err(|error| format!("{}: {error}", source.file))?;
    let text = |key: &str| {
        config
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    if text("accessLogEncoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("json")) {
        return match text("accessLogFormat") {
            None => Ok(Some("json".to_owned())),
            Some(_) => Err(format!(
                "{}: JSON access logs with a format of their own cannot be read; use accessLogEncoding TEXT or leave accessLogFormat out",
                source.file
            )),
        };
    }
    Ok(text("accessLogFormat").map(str::to_owned))
}
