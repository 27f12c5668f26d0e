//! Services: patching them so that it can be taken back, and their load-balancer addresses.

use std::time::Duration;

use json_patch::Patch as JsonPatch;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::access::ClusterAccess;
use crate::apply::{Applied, FIELD_MANAGER};
use crate::error::Result;
use crate::owned::Undo;

impl ClusterAccess {
    /// Applies a JSON patch (RFC 6902) to a Service and remembers how to take back what it changed.
    pub async fn patch_service(
        &self,
        namespace: &str,
        name: &str,
        patch: JsonPatch,
    ) -> Result<Applied> {
        let api = self.namespaced::<Service>(namespace);
        let doing = format!("patch Service {namespace}/{name}");
        let before = if self.facts.ephemeral {
            None
        } else {
            Some(
                api.get(name)
                    .await
                    .map_err(|error| self.api_error(&doing, error))?,
            )
        };
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let after = api
            .patch(name, &parameters, &Patch::<Value>::Json(patch))
            .await
            .map_err(|error| self.api_error(&doing, error))?;
        if let Some(before) = before {
            self.owned.remember(Undo::Restore {
                resource: ApiResource::erase::<Service>(&()),
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
                patch: reverse(&ports(&before), &ports(&after)),
            });
        }
        Ok(Applied::written(after.resource_version()))
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

fn ports(service: &Service) -> Vec<Value> {
    let ports = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.clone())
        .unwrap_or_default();
    ports
        .iter()
        .map(|port| serde_json::to_value(port).unwrap_or_default())
        .collect()
}

/// A patch that turns ports `after` into `before`. Each removal is preceded by a test of the port
/// that is to go, so that it fails instead of removing what somebody else put there meanwhile.
fn reverse(before: &[Value], after: &[Value]) -> JsonPatch {
    let mut operations = Vec::new();
    for (index, port) in after
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, port)| !before.contains(port))
    {
        let path = format!("/spec/ports/{index}");
        operations
            .push(json!({"op": "test", "path": format!("{path}/port"), "value": port["port"]}));
        operations.push(json!({"op": "remove", "path": path}));
    }
    for (index, port) in before
        .iter()
        .enumerate()
        .filter(|(_, port)| !after.contains(port))
    {
        operations
            .push(json!({"op": "add", "path": format!("/spec/ports/{index}"), "value": port}));
    }
    serde_json::from_value(Value::Array(operations)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reverse_of_an_added_port_removes_it_after_a_look() {
        let before = vec![json!({"name": "http2", "port": 80})];
        let mut after = before.clone();
        after.insert(0, json!({"name": "tls-mysql", "port": 13306}));
        let patch = reverse(&before, &after);
        let mut service = json!({"spec": {"ports": after}});
        json_patch::patch(&mut service, &patch).unwrap();
        assert_eq!(service["spec"]["ports"], json!(before));
        let mut changed = json!({"spec": {"ports": [{"port": 81}, {"port": 80}]}});
        assert!(json_patch::patch(&mut changed, &patch).is_err());
    }

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
