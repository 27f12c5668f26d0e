//! Control planes, and which namespaces get sidecars. Pure.
//!
//! Istio marks each control plane's objects with its revision (`istio.io/rev`; `default` without one), and each
//! revision has a webhook; a tag is a webhook more (`istio.io/tag`) that points to a revision: Istio's charts
//! `istio-control/istio-discovery` and `default`.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;

use super::labels::{self, Labels, matches};

/// Labels of istiod's Deployments.
pub(super) const ISTIOD: &str = "app=istiod";
/// Labels of webhooks that inject.
pub(super) const INJECTOR: &str = "app=sidecar-injector";
const REVISION: &str = "istio.io/rev";
const TAG: &str = "istio.io/tag";
/// Where Istio lives unless told otherwise.
pub(super) const ROOT: &str = "istio-system";
/// The revision of a control plane that was given none.
pub(super) const DEFAULT: &str = "default";

/// One control plane in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlane {
    /// Namespace of its Deployment.
    pub namespace: String,
    /// Name of its Deployment.
    pub name: String,
    /// `default` where it has none.
    pub revision: String,
    /// By its image's tag; `None` where the image is named by digest alone.
    pub version: Option<String>,
    /// Replicas that are ready.
    pub ready: i32,
}

/// One webhook configuration that injects sidecars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injector {
    /// The configuration's name.
    pub name: String,
    /// The control plane that it asks.
    pub revision: String,
    /// The tag that it is, where it is one.
    pub tag: Option<String>,
    /// It injects into pods of namespaces labelled `istio-injection=enabled`.
    pub by_injection_label: bool,
}

impl Injector {
    /// The label of a namespace whose pods it takes.
    pub fn label(&self) -> (String, String) {
        if self.by_injection_label {
            return ("istio-injection".to_owned(), "enabled".to_owned());
        }
        let revision = self.tag.as_ref().unwrap_or(&self.revision);
        (REVISION.to_owned(), revision.clone())
    }
}

/// The webhook whose sidecars a run gets: the one that takes `istio-injection=enabled`, else the only revision's.
pub fn chosen_injector(injectors: &[Injector]) -> Option<&Injector> {
    let by_label = injectors
        .iter()
        .find(|injector| injector.by_injection_label);
    by_label.or_else(|| {
        let first = injectors.first()?;
        let one = injectors
            .iter()
            .all(|injector| injector.revision == first.revision);
        one.then_some(first)
    })
}

/// Control planes, by their Deployments.
pub(super) fn control_planes(istiods: &[Deployment]) -> Vec<ControlPlane> {
    let found = istiods.iter().map(|istiod| {
        let spec = istiod.spec.template.spec.as_ref();
        let status = istiod.status.as_ref();
        ControlPlane {
            namespace: istiod.metadata.namespace.clone().unwrap_or_default(),
            name: istiod.metadata.name.clone().unwrap_or_default(),
            revision: revision(istiod.metadata.labels.as_ref()),
            version: spec.and_then(|spec| version(spec, "discovery")),
            ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
        }
    });
    found.collect()
}

/// Webhooks that inject.
pub(super) fn injectors(webhooks: &[MutatingWebhookConfiguration]) -> Vec<Injector> {
    let found = webhooks.iter().map(|configuration| {
        let labels = configuration.metadata.labels.as_ref();
        let mut webhooks = configuration.webhooks.iter().flatten();
        Injector {
            name: configuration.metadata.name.clone().unwrap_or_default(),
            revision: revision(labels),
            tag: labels.and_then(|labels| labels.get(TAG)).cloned(),
            by_injection_label: webhooks.any(injects_by_label),
        }
    });
    found.collect()
}

/// It takes a pod without labels in a namespace with the one label that scenarios ask for.
fn injects_by_label(webhook: &MutatingWebhook) -> bool {
    let namespace = labels::labels(&[("istio-injection", "enabled")]);
    matches(webhook.namespace_selector.as_ref(), &namespace)
        && matches(webhook.object_selector.as_ref(), &Labels::new())
}

/// The revision that a run's namespaces get: that of the webhook which takes their pods.
/// Where no webhook could be seen, the only control plane's.
pub(super) fn effective_revision(planes: &[ControlPlane], injectors: &[Injector]) -> String {
    let by_label = chosen_injector(injectors).map(|injector| injector.revision.clone());
    let only = match planes {
        [only] => Some(only.revision.clone()),
        _ => None,
    };
    by_label.or(only).unwrap_or_else(|| DEFAULT.to_owned())
}

/// Namespaces and names that objects of kind `ConfigMap` with a mesh configuration may have: `istio`, `istio-REVISION`, and those of
/// Google's managed control planes, which have no Deployment (`istio-asm-managed`, `-rapid`, `-stable`).
pub(super) fn mesh_config_names(
    istiods: &[Deployment],
    webhooks: &[MutatingWebhookConfiguration],
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for plane in control_planes(istiods) {
        found.push((plane.namespace, mesh_config_name(&plane.revision)));
    }
    for injector in injectors(webhooks) {
        found.push((ROOT.to_owned(), mesh_config_name(&injector.revision)));
    }
    found.push((ROOT.to_owned(), mesh_config_name(DEFAULT)));
    found.sort();
    found.dedup();
    found
}

/// The ConfigMap of a revision.
pub(super) fn mesh_config_name(revision: &str) -> String {
    match revision {
        DEFAULT => "istio".to_owned(),
        revision => format!("istio-{revision}"),
    }
}

fn revision(labels: Option<&Labels>) -> String {
    let revision = labels.and_then(|labels| labels.get(REVISION));
    let revision = revision.filter(|revision| !revision.is_empty());
    revision.map_or_else(|| DEFAULT.to_owned(), Clone::clone)
}

/// The version of a container's image, by its tag: `docker.io/istio/pilot:1.32.0-distroless` is 1.32.0.
pub(super) fn version(spec: &PodSpec, container: &str) -> Option<String> {
    let native = spec.init_containers.iter().flatten();
    let mut containers = spec.containers.iter().chain(native);
    let image = containers
        .find(|found| found.name == container)?
        .image
        .as_deref()?;
    let image = image.split('@').next()?;
    let (_, tag) = image
        .rsplit_once('/')
        .unwrap_or(("", image))
        .1
        .split_once(':')?;
    let flavour = ["-distroless", "-debug"]
        .iter()
        .find_map(|end| tag.strip_suffix(end));
    Some(flavour.unwrap_or(tag).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(image: &str) -> Option<String> {
        let spec = json!({"containers": [{"name": "discovery", "image": image}]});
        version(&serde_json::from_value(spec).unwrap(), "discovery")
    }

    #[test]
    fn versions_stand_in_tags() {
        assert_eq!(
            image("docker.io/istio/pilot:1.32.0").as_deref(),
            Some("1.32.0")
        );
        assert_eq!(image("pilot:1.30.1-distroless").as_deref(), Some("1.30.1"));
        let asm = "gcr.io/gke-release/asm/pilot:1.20.3-asm.4";
        assert_eq!(image(asm).as_deref(), Some("1.20.3-asm.4"));
        let port = "registry.local:5000/istio/pilot:1.32.0@sha256:00";
        assert_eq!(image(port).as_deref(), Some("1.32.0"));
        assert_eq!(image("registry.local:5000/istio/pilot"), None);
        assert_eq!(image("istio/pilot@sha256:00"), None);
    }

    #[test]
    fn a_native_sidecar_is_an_init_container() {
        let spec = json!({
            "containers": [{"name": "app", "image": "mysql:5.6"}],
            "initContainers": [{"name": "istio-proxy", "image": "istio/proxyv2:1.32.0"}],
        });
        let spec = serde_json::from_value(spec).unwrap();
        assert_eq!(version(&spec, "istio-proxy").as_deref(), Some("1.32.0"));
    }

    fn webhook(
        name: &str,
        labels: serde_json::Value,
        key: &str,
        value: &str,
    ) -> MutatingWebhookConfiguration {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "webhooks": [{
                "name": "namespace.sidecar-injector.istio.io",
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {},
                "namespaceSelector": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]},
                "objectSelector": {"matchExpressions": [
                    {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]},
                ]},
            }],
        }))
        .unwrap()
    }

    #[test]
    fn a_tag_points_to_a_revision() {
        let canary = json!({"app": "sidecar-injector", "istio.io/rev": "canary"});
        let tag = json!({"istio.io/rev": "canary", "istio.io/tag": "default"});
        let webhooks = [
            webhook(
                "istio-sidecar-injector-canary",
                canary,
                "istio.io/rev",
                "canary",
            ),
            webhook(
                "istio-revision-tag-default",
                tag,
                "istio-injection",
                "enabled",
            ),
        ];
        let found = injectors(&webhooks);
        assert!(!found[0].by_injection_label);
        assert!(found[1].by_injection_label);
        assert_eq!(found[1].tag.as_deref(), Some("default"));
        assert_eq!(effective_revision(&[], &found), "canary");
        assert_eq!(
            found[1].label(),
            ("istio-injection".to_owned(), "enabled".to_owned())
        );
        assert_eq!(
            mesh_config_names(&[], &webhooks),
            [("istio-system", "istio"), ("istio-system", "istio-canary")]
                .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        );
    }

    #[test]
    fn without_a_default_the_only_revision_takes_the_pods() {
        let revision = |name: &str| {
            let labels = json!({"app": "sidecar-injector", "istio.io/rev": name});
            webhook(
                &format!("istio-sidecar-injector-{name}"),
                labels,
                "istio.io/rev",
                name,
            )
        };
        let one = injectors(&[revision("1-32")]);
        let chosen = chosen_injector(&one).unwrap();
        assert_eq!(
            chosen.label(),
            ("istio.io/rev".to_owned(), "1-32".to_owned())
        );
        assert_eq!(effective_revision(&[], &one), "1-32");
        let two = injectors(&[revision("1-31"), revision("1-32")]);
        assert_eq!(chosen_injector(&two), None);
        let labels = json!({"istio.io/rev": "1-32", "istio.io/tag": "prod"});
        let tag = injectors(&[webhook("tag", labels, "istio.io/rev", "prod")]);
        assert_eq!(tag[0].label().1, "prod");
    }

    #[test]
    fn a_managed_control_plane_has_no_deployment() {
        let labels = json!({"app": "sidecar-injector", "istio.io/rev": "asm-managed"});
        let webhooks = [webhook(
            "istiod-asm-managed",
            labels,
            "istio.io/rev",
            "asm-managed",
        )];
        let names = mesh_config_names(&[], &webhooks);
        assert!(names.contains(&("istio-system".to_owned(), "istio-asm-managed".to_owned())));
    }
}
