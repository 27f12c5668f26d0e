//! Defaults of Services, and their addresses and node ports.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::each;
use crate::object::{default_to, map_mut, text};
use crate::status::StatusError;

pub(super) fn apply(service: &mut Value) {
    if let Some(balancer) = service
        .get_mut("status")
        .and_then(|status| status.get_mut("loadBalancer"))
    {
        each(balancer.get_mut("ingress"), |ingress| {
            if ingress.contains_key("ip") {
                default_to(ingress, "ipMode", "VIP");
            }
        });
    }
    let spec = map_mut(service, "spec");
    default_to(spec, "sessionAffinity", "None");
    default_to(spec, "type", "ClusterIP");
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        default_to(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default_to(spec, "allocateLoadBalancerNodePorts", true);
    }
    if matches!(kind.as_str(), "LoadBalancer" | "NodePort") {
        default_to(spec, "externalTrafficPolicy", "Cluster");
    }
    each(spec.get_mut("ports"), |port| {
        default_to(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_default();
        default_to(port, "targetPort", number);
    });
}

/// First node port of Kubernetes' default range 30000 to 32767.
const FIRST_NODE_PORT: u32 = 30000;
const NODE_PORTS: u32 = 2768;

/// Hands out Service addresses (10.96.0.0/16, Kubernetes' default network) and node ports.
///
/// Addresses are given in order and come round after 65,000 Services of one run.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    given: AtomicU32,
    ports: AtomicU32,
}

impl Addresses {
    /// The first sixteen addresses stay free for the cluster's own Services.
    const RESERVED: u32 = 16;

    fn next_address(&self) -> Ipv4Addr {
        let room = (1 << 16) - Self::RESERVED - 1;
        let offset = Self::RESERVED + self.given.fetch_add(1, Ordering::Relaxed) % room;
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 0).to_bits() + offset)
    }

    fn next_port(&self) -> u32 {
        FIRST_NODE_PORT + self.ports.fetch_add(1, Ordering::Relaxed) % NODE_PORTS
    }

    /// Gives the Service what its type needs, keeping what it has.
    pub(crate) fn assign(
        &self,
        service: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), StatusError> {
        let kind = text(service, &["spec", "type"]).to_owned();
        if kind == "ExternalName" {
            return Ok(());
        }
        self.assign_address(service, old)?;
        let wants_ports = kind == "NodePort"
            || kind == "LoadBalancer"
                && service["spec"]["allocateLoadBalancerNodePorts"] != Value::Bool(false);
        if wants_ports {
            let known = old
                .map_or(&Value::Null, |old| &old["spec"]["ports"])
                .clone();
            each(map_mut(service, "spec").get_mut("ports"), |port| {
                let same = |other: &&Value| {
                    other["port"] == port["port"] && other["protocol"] == port["protocol"]
                };
                let kept = known
                    .as_array()
                    .and_then(|ports| ports.iter().find(same))
                    .map(|port| port["nodePort"].clone());
                let number = kept
                    .filter(Value::is_number)
                    .unwrap_or_else(|| self.next_port().into());
                default_to(port, "nodePort", number);
            });
        }
        Ok(())
    }

    fn assign_address(&self, service: &mut Value, old: Option<&Value>) -> Result<(), StatusError> {
        let known = old
            .map(|old| text(old, &["spec", "clusterIP"]))
            .unwrap_or_default();
        let asked = text(service, &["spec", "clusterIP"]);
        let address = match (asked, known) {
            ("", "") => self.next_address().to_string(),
            ("", known) => known.to_owned(),
            (asked, "" | "None") => asked.to_owned(),
            (asked, known) if asked == known => asked.to_owned(),
            (asked, _) => return Err(immutable(service, asked)),
        };
        let spec = map_mut(service, "spec");
        spec.insert("clusterIPs".into(), json!([address]));
        spec.insert("clusterIP".into(), address.into());
        default_to(spec, "ipFamilies", json!(["IPv4"]));
        default_to(spec, "ipFamilyPolicy", "SingleStack");
        Ok(())
    }
}

fn immutable(service: &Value, asked: &str) -> StatusError {
    let cause = crate::status::Cause::invalid(
        "spec.clusterIPs[0]",
        &json!([asked]),
        "may not change once set",
    );
    StatusError::invalid("", "Service", crate::object::name(service), &[cause])
}
