//! The requests: a handful of lists, all at once, each of which may be refused without the others suffering.

use futures::future;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::apimachinery::pkg::version::Info;
use meshproof_cluster::kube::api::{Api, ListParams};
use meshproof_cluster::kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use meshproof_cluster::kube::{self, Client, Resource};
use serde::de::DeserializeOwned;

use super::{gateways, istio, mesh};
use crate::error::chain;

/// What was asked for, or why it is not known.
pub type Look<T> = Result<T, Unseen>;

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The user may not look. The API server's words.
    Forbidden(String),
    /// The API server does not know the user. Its words.
    Unauthorized(String),
    /// The API server has no such kind.
    NotServed,
    /// No answer, or one that is none.
    Failed(String),
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forbidden(words) | Self::Unauthorized(words) | Self::Failed(words) => {
                f.write_str(words)
            }
            Self::NotServed => f.write_str("the API server has no such kind"),
        }
    }
}

/// The objects that tell what a cluster is like.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The API server's version.
    pub version: Look<Info>,
    /// Namespace `kube-system`: its uid tells clusters apart. `None` where there is none.
    pub kube_system: Look<Option<Namespace>>,
    /// Deployments of istiod, of any revision.
    pub istiods: Look<Vec<Deployment>>,
    /// Webhooks that may inject sidecars.
    pub webhooks: Look<Vec<MutatingWebhookConfiguration>>,
    /// Each `ConfigMap` with a mesh configuration.
    pub mesh_configs: Look<Vec<ConfigMap>>,
    /// `Telemetry` objects, which may switch access logs on.
    pub telemetries: Look<Vec<DynamicObject>>,
    /// Pods with a gateway's labels.
    pub gateway_pods: Look<Vec<Pod>>,
    /// Services with a gateway's labels.
    pub gateway_services: Look<Vec<Service>>,
}

impl Seen {
    /// What tells clusters apart.
    pub fn uid(&self) -> Option<&str> {
        let namespace = self.kube_system.as_ref().ok()?.as_ref()?;
        namespace.metadata.uid.as_deref()
    }
}

/// Asks a cluster.
pub async fn look(client: &Client) -> Seen {
    // Without an API server there are no answers: one attempt at each question would only take time.
    let version = client.apiserver_version().await.map_err(unseen);
    if let Err(why @ (Unseen::Failed(_) | Unseen::Unauthorized(_))) = &version {
        return nothing(version.clone(), why);
    }
    let istiods = all::<Deployment>(client, &[istio::ISTIOD]);
    let webhooks = all::<MutatingWebhookConfiguration>(client, &[istio::INJECTOR]);
    let namespaces = Api::<Namespace>::all(client.clone());
    let kube_system = async { namespaces.get_opt("kube-system").await.map_err(unseen) };
    let (kube_system, istiods, webhooks, telemetries, gateway_pods, gateway_services) = tokio::join!(
        kube_system,
        istiods,
        webhooks,
        telemetries(client),
        all::<Pod>(client, &gateways::SELECTORS),
        all::<Service>(client, &gateways::SELECTORS),
    );
    let names = istio::mesh_config_names(
        istiods.as_deref().unwrap_or_default(),
        webhooks.as_deref().unwrap_or_default(),
    );
    let mesh_configs = mesh_configs(client, names).await;
    Seen {
        version,
        kube_system,
        istiods,
        webhooks,
        mesh_configs,
        telemetries,
        gateway_pods,
        gateway_services,
    }
}

fn nothing(version: Look<Info>, why: &Unseen) -> Seen {
    Seen {
        version,
        kube_system: Err(why.clone()),
        istiods: Err(why.clone()),
        webhooks: Err(why.clone()),
        mesh_configs: Err(why.clone()),
        telemetries: Err(why.clone()),
        gateway_pods: Err(why.clone()),
        gateway_services: Err(why.clone()),
    }
}

/// Every object that one of the selectors matches, once.
async fn all<K>(client: &Client, selectors: &[&str]) -> Look<Vec<K>>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    let api = Api::<K>::all(client.clone());
    let lists = selectors.iter().map(|selector| {
        let parameters = ListParams::default().labels(selector);
        let api = api.clone();
        async move { api.list(&parameters).await }
    });
    let lists = future::try_join_all(lists).await.map_err(unseen)?;
    let mut found: Vec<K> = Vec::new();
    for object in lists.into_iter().flatten() {
        let key = |object: &K| {
            let meta = object.meta();
            (meta.namespace.clone(), meta.name.clone())
        };
        if !found.iter().any(|known| key(known) == key(&object)) {
            found.push(object);
        }
    }
    Ok(found)
}

async fn telemetries(client: &Client) -> Look<Vec<DynamicObject>> {
    let kind = GroupVersionKind::gvk("telemetry.istio.io", "v1", "Telemetry");
    let resource = ApiResource::from_gvk_with_plural(&kind, "telemetries");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let list = api.list(&ListParams::default()).await.map_err(unseen)?;
    Ok(list.items)
}

/// Each `ConfigMap` of these names that exists; by name, as nothing else of their namespace concerns us.
async fn mesh_configs(client: &Client, names: Vec<(String, String)>) -> Look<Vec<ConfigMap>> {
    let found = stream::iter(names).then(|(namespace, name)| async move {
        let api = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
        api.get_opt(&name).await.map_err(unseen)
    });
    let found: Vec<Look<Option<ConfigMap>>> = found.collect().await;
    let found: Look<Vec<Option<ConfigMap>>> = found.into_iter().collect();
    let found = found?.into_iter().flatten();
    Ok(found.filter(mesh::is_mesh_config).collect())
}

fn unseen(error: kube::Error) -> Unseen {
    match error {
        kube::Error::Api(status) => {
            let words = if status.message.is_empty() {
                format!("HTTP {} {}", status.code, status.reason)
            } else {
                status.message.clone()
            };
            match status.code {
                401 => Unseen::Unauthorized(words),
                403 => Unseen::Forbidden(words),
                404 => Unseen::NotServed,
                _ => Unseen::Failed(words),
            }
        }
        other => Unseen::Failed(chain(&other)),
    }
}
