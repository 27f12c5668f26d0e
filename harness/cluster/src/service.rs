//! Services: patching them so that it can be taken back, and their load-balancer addresses.

use std::time::Duration;

use json_patch::Patch as JsonPatch;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::Value;

use crate::access::ClusterAccess;
use crate::apply::{Applied, FIELD_MANAGER};
use crate::error::Result;
use crate::owned::Undo;
use crate::ports;

impl ClusterAccess {
    /// Applies a JSON patch (RFC 6902) to a Service. On clusters that others use too it may only add ports: one that
    /// is there already stays whose it is, and one that several runs need goes with the last of them.
    ///
    /// # Errors
    /// The server refuses; the patch does not fit, or wants a port that leads elsewhere.
    pub async fn patch_service(
        &self,
        namespace: &str,
        name: &str,
        patch: JsonPatch,
    ) -> Result<Applied> {
        if !self.facts.ephemeral {
            return self.claim_ports(namespace, name, &patch).await;
        }
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .namespaced::<Service>(namespace)
            .patch(name, &parameters, &Patch::<Value>::Json(patch))
            .await;
        let doing = format!("patch Service {namespace}/{name}");
        let after = patched.map_err(|error| self.api_error(&doing, error))?;
        Ok(Applied::written(after.resource_version()))
    }

    async fn claim_ports(&self, namespace: &str, name: &str, patch: &JsonPatch) -> Result<Applied> {
        let doing = format!("add ports to Service {namespace}/{name}");
        loop {
            let service = self.service(namespace, name, &doing).await?;
            let service = service.ok_or_else(|| self.failed(&doing, "there is no such Service"))?;
            let claim = ports::claim(&service, patch, self.run_id());
            let claim = claim.map_err(|why| self.failed(&doing, why))?;
            let Some(patch) = claim.patch else {
                return Ok(Applied::default());
            };
            // Before the write: a run that ends during it may have the port or not.
            self.owned.remember(Undo::Release {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ports: claim.ports,
            });
            if let Some(written) = self.merge(namespace, name, &patch, &doing).await? {
                return Ok(Applied::written(written.resource_version()));
            }
        }
    }

    /// Gives ports back that this run has claimed. A Service that is gone has none.
    pub(crate) async fn release_ports(
        &self,
        namespace: &str,
        name: &str,
        claimed: &[u64],
    ) -> Result<()> {
        let doing = format!("take ports from Service {namespace}/{name}");
        loop {
            let Some(service) = self.service(namespace, name, &doing).await? else {
                return Ok(());
            };
            let Some(patch) = ports::release(&service, claimed, self.run_id()) else {
                return Ok(());
            };
            if self.merge(namespace, name, &patch, &doing).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Services in a namespace from which a run has yet to take ports, and which.
    pub(crate) async fn claimed_ports(&self, namespace: &str) -> Result<Vec<(String, Vec<u64>)>> {
        let services = self.namespaced::<Service>(namespace);
        let listed = services.list(&ListParams::default()).await;
        let doing = format!("list Services of namespace {namespace}");
        let listed = listed.map_err(|error| self.api_error(&doing, error))?;
        let mut found = Vec::new();
        for service in listed {
            let name = service.name_any();
            let value = serde_json::to_value(service);
            let value = value.map_err(|error| self.failed(&doing, error.to_string()))?;
            let claimed = ports::claimed(&value, self.run_id());
            if !claimed.is_empty() {
                found.push((name, claimed));
            }
        }
        Ok(found)
    }

    async fn service(&self, namespace: &str, name: &str, doing: &str) -> Result<Option<Value>> {
        let found = self.namespaced::<Service>(namespace).get(name).await;
        let found = self.found(doing, found)?;
        let value = found.map(serde_json::to_value).transpose();
        value.map_err(|error| self.failed(doing, error.to_string()))
    }

    /// Writes where nobody else has written meanwhile; `None` where somebody has.
    async fn merge(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
        doing: &str,
    ) -> Result<Option<Service>> {
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.namespaced::<Service>(namespace);
        match api.patch(name, &parameters, &Patch::Merge(patch)).await {
            Ok(written) => Ok(Some(written)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(self.api_error(doing, error)),
        }
    }

    /// Waits for a ready pod behind a Service and returns its address.
    ///
    /// # Errors
    /// There is no such Service, it selects nothing, or none of its pods is ready in time.
    pub async fn endpoint_address(&self, namespace: &str, name: &str) -> Result<String> {
        let doing = format!("find a pod of Service {namespace}/{name}");
        let service = self.namespaced::<Service>(namespace).get(name).await;
        let service = service.map_err(|error| self.api_error(&doing, error))?;
        let selector = service.spec.and_then(|spec| spec.selector);
        let selector: Vec<String> = selector
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if selector.is_empty() {
            return Err(self.failed(doing, "it has no selector"));
        }
        let pods = self.wait_ready_pods(namespace, &selector.join(",")).await?;
        let Some(pod) = pods.first() else {
            return Err(self.failed(doing, "no pod of it is ready"));
        };
        let address = self.pod_ip(pod).await?;
        address.ok_or_else(|| self.failed(doing, format!("pod {pod} has no address")))
    }

    /// Waits for the address of a `LoadBalancer` Service: its IP, else its host name.
    pub async fn load_balancer_address(
        &self,
        namespace: &str,
        name: &str,
        within: Duration,
    ) -> Result<String> {
        self.watch_until(
            self.namespaced::<Service>(namespace),
            name,
            &format!("an address of the load balancer of Service {namespace}/{name}"),
            within,
            |service| Ok(service.and_then(address)),
            |service| match service {
                None => "there is no such Service".to_owned(),
                Some(service) => format!(
                    "its type is {}, its status has no address",
                    service
                        .spec
                        .as_ref()
                        .and_then(|spec| spec.type_.as_deref())
                        .unwrap_or("ClusterIP")
                ),
            },
        )
        .await
    }
}

fn address(service: &Service) -> Option<String> {
    let first = service
        .status
        .as_ref()?
        .load_balancer
        .as_ref()?
        .ingress
        .as_ref()?
        .first()?;
    first.ip.clone().or_else(|| first.hostname.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_name_serves_where_there_is_no_ip() {
        let service: Service = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Service",
            "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}},
        }))
        .unwrap();
        assert_eq!(address(&service).as_deref(), Some("lb.example"));
    }
}
