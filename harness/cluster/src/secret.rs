//! Secrets: made from bytes in memory, read back where the scenario names one.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Patch;
use kube::core::{ApiResource, ObjectMeta};

use crate::access::ClusterAccess;
use crate::apply::{Applied, parameters};
use crate::error::Result;
use crate::owned::{RUN_LABEL, Undo};

impl ClusterAccess {
    /// Writes an `Opaque` Secret with exactly these keys.
    pub async fn apply_secret(
        &self,
        namespace: &str,
        name: &str,
        data: BTreeMap<String, Vec<u8>>,
    ) -> Result<Applied> {
        let api = self.namespaced::<Secret>(namespace);
        let doing = format!("apply Secret {namespace}/{name}");
        let existed =
            self.facts.ephemeral || self.found(&doing, api.get_metadata(name).await)?.is_some();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                labels: Some(BTreeMap::from([(
                    RUN_LABEL.to_owned(),
                    self.run_id().to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(
                data.into_iter()
                    .map(|(key, value)| (key, ByteString(value)))
                    .collect(),
            ),
            ..Secret::default()
        };
        let result = api
            .patch(name, &parameters(), &Patch::Apply(&secret))
            .await
            .map_err(|error| self.api_error(doing, error))?;
        if !existed {
            self.owned.remember(Undo::Delete {
                resource: ApiResource::erase::<Secret>(&()),
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
            });
        }
        Ok(Applied::written(result.resource_version()))
    }

    /// One value of a Secret.
    ///
    /// # Errors
    /// No such Secret, or no such key in it; the message lists the keys, never a value.
    pub async fn secret_value(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>> {
        let doing = format!("read Secret {namespace}/{name}");
        let secret = self
            .namespaced::<Secret>(namespace)
            .get(name)
            .await
            .map_err(|error| self.api_error(&doing, error))?;
        let mut data = secret.data.unwrap_or_default();
        data.remove(key).map(|value| value.0).ok_or_else(|| {
            let keys: Vec<_> = data.keys().map(String::as_str).collect();
            self.failed(
                doing,
                format!("it has no key {key}, but has: {}", keys.join(", ")),
            )
        })
    }
}
