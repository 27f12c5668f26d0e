//! Where pods have the prober from: an image, or it is brought into pods of another one. Pure.

use std::collections::BTreeSet;

use meshproof_cluster::Manifest;
use meshproof_probe::{Portable, is_image};
use serde_json::{Value, json};

use crate::setup::Setup;

/// Where pods have the prober from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prober {
    /// From the image that the scenario names.
    #[default]
    Named,
    /// From this image, in place of the one that the scenario names.
    Image(String),
    /// From this program, which is copied into pods of the image that the other client pods have.
    Copied,
}

/// Where it has to be brought in one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Client pods, by their names in the scenario.
    pub(crate) pods: BTreeSet<String>,
    /// Deployments some of whose containers wait for it.
    pub(crate) workloads: Vec<Workload>,
}

/// A Deployment some of whose containers wait for the prober.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) containers: Vec<String>,
}

/// Puts `prober` in place of the image that both set-ups name.
///
/// # Errors
/// In words: there is no other image, or the prober cannot be brought where it is wanted.
pub(crate) fn place(prober: &Prober, setups: [&mut Setup; 2]) -> Result<(), String> {
    let instead = match prober {
        Prober::Named => return Ok(()),
        Prober::Image(image) => image.clone(),
        Prober::Copied => match stock(&setups) {
            Some(image) => image,
            None if setups.iter().any(|setup| wants(setup)) => {
                return Err(
                    "there is no client pod or database whose image the prober could be copied into; name an image that has it with --probe-image"
                        .to_owned(),
                );
            }
            None => return Ok(()),
        },
    };
    let copied = *prober == Prober::Copied;
    for setup in setups {
        for (name, (pod, _)) in &mut setup.pods {
            if is_image(&pod.image) {
                pod.image.clone_from(&instead);
                if copied {
                    setup.copies.pods.insert(name.clone());
                }
            }
        }
        for manifest in &mut setup.manifests {
            let containers = put(manifest, &instead, copied)?;
            if copied && !containers.is_empty() {
                setup.copies.workloads.push(Workload {
                    namespace: manifest
                        .namespace
                        .clone()
                        .unwrap_or_else(|| "default".to_owned()),
                    name: manifest.name.clone(),
                    containers,
                });
            }
        }
    }
    Ok(())
}

/// The image of the other client pods, else of what a manifest runs.
fn stock(setups: &[&mut Setup; 2]) -> Option<String> {
    let pods = setups.iter().flat_map(|setup| setup.pods.values());
    let mut pods = pods.map(|(pod, _)| pod.image.clone());
    let manifests = setups.iter().flat_map(|setup| &setup.manifests);
    let mut images = manifests.flat_map(|manifest| {
        let containers = containers(&manifest.object);
        let images = containers.filter_map(|one| one["image"].as_str());
        images.map(str::to_owned).collect::<Vec<_>>()
    });
    let other = |image: &String| !is_image(image);
    pods.find(other).or_else(|| images.find(other))
}

fn wants(setup: &Setup) -> bool {
    let pods = setup.pods.values().any(|(pod, _)| is_image(&pod.image));
    let manifests = setup.manifests.iter();
    let mut containers = manifests.flat_map(|manifest| containers(&manifest.object));
    pods || containers.any(|one| one["image"].as_str().is_some_and(is_image))
}

/// Containers of a pod template.
const CONTAINERS: &str = "/spec/template/spec/containers";

fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    let found = object.pointer(CONTAINERS).and_then(Value::as_array);
    found.into_iter().flatten()
}

/// Replaces the prober's image in an object; the names of containers where there was one.
fn put(manifest: &mut Manifest, instead: &str, copied: bool) -> Result<Vec<String>, String> {
    let kind = manifest.gvk.kind.as_str();
    let found = manifest.object.pointer_mut(CONTAINERS);
    let found = found.and_then(Value::as_array_mut).into_iter().flatten();
    let mut names = Vec::new();
    for container in found.filter(|one| one["image"].as_str().is_some_and(is_image)) {
        if copied && kind != "Deployment" {
            return Err(format!(
                "{kind} {}: the prober is copied into pods of Deployments alone; name an image that has it with --probe-image",
                manifest.name
            ));
        }
        container["image"] = json!(instead);
        names.push(container["name"].as_str().unwrap_or_default().to_owned());
        if copied {
            let args = arguments(container);
            container["command"] = json!(Portable::waiting(&args));
            if let Some(fields) = container.as_object_mut() {
                fields.remove("args");
            }
        }
    }
    Ok(names)
}

/// What the prober is called with: `command` begins with its name.
fn arguments(container: &Value) -> Vec<String> {
    let list = |key: &str| container[key].as_array().cloned().unwrap_or_default();
    let command = list("command").into_iter().skip(1);
    let all = command.chain(list("args"));
    all.filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn deployment(image: &str) -> Manifest {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: provider, namespace: istio-system}}\nspec: {{template: {{spec: {{containers: [{{name: endpoint, image: '{image}', command: [meshproof-probe, hush], args: ['3308']}}]}}}}}}\n"
        );
        Manifest::parse(Path::new("provider.yaml"), &text)
            .unwrap()
            .remove(0)
    }

    #[test]
    fn a_container_waits_for_the_prober_and_runs_it_as_it_would_have() {
        let mut manifest = deployment("meshproof/probe");
        assert_eq!(
            put(&mut manifest, "mysql:5.6", true),
            Ok(vec!["endpoint".to_owned()])
        );
        let container = containers(&manifest.object).next().unwrap();
        assert_eq!(container["image"], "mysql:5.6");
        assert_eq!(container.get("args"), None);
        let command: Vec<&str> = container["command"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(command[..2], ["sh", "-c"]);
        assert_eq!(command[3..], ["/tmp/meshproof/run", "hush", "3308"]);
    }

    #[test]
    fn another_image_takes_its_place_and_nothing_else_changes() {
        let mut manifest = deployment("meshproof/probe:1");
        assert_eq!(
            put(&mut manifest, "r/probe:2", false),
            Ok(vec!["endpoint".to_owned()])
        );
        assert_eq!(manifest.object, deployment("r/probe:2").object);
        let mut other = deployment("mysql:8");
        assert_eq!(put(&mut other, "r/probe:2", true), Ok(Vec::new()));
        assert_eq!(other.object, deployment("mysql:8").object);
    }

    #[test]
    fn what_nobody_can_bring_it_into_is_said() {
        let mut manifest = deployment("meshproof/probe");
        manifest.gvk.kind = "StatefulSet".to_owned();
        let refused = put(&mut manifest, "mysql:5.6", true).unwrap_err();
        assert!(refused.starts_with("StatefulSet provider: "), "{refused}");
    }
}
