//! What a cluster's router does: services, masquerade, and the border to the other cluster.
//!
//! Two tables. `meshproof` has the border and its counters and is loaded once; `meshproof_services` is
//! replaced as a whole whenever a Service or its endpoints change, which leaves the counters alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Everything that decides a router's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterRules {
    /// Interface of the link to the other cluster's router.
    pub link: String,
    /// The router's own address towards pods, as which clients from outside appear to them
    /// (`externalTrafficPolicy: Cluster`).
    pub node_address: Ipv4Addr,
    /// Ports of `ClusterIP` addresses.
    pub services: Vec<ServicePort>,
    /// Ports of load balancer addresses: the only ones that pass from the link.
    pub load_balancers: Vec<LoadBalancerPort>,
}

/// Transport of a service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port of a `ClusterIP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `clusterIP` and `port`.
    pub address: SocketAddrV4,
    /// Transport.
    pub protocol: Protocol,
    /// Ready pods and their target ports. None: connections are refused, as kube-proxy does.
    pub endpoints: Vec<SocketAddrV4>,
}

/// A TCP port of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerPort {
    /// `status.loadBalancer.ingress[].ip` and `port`.
    pub address: SocketAddrV4,
    /// Ready pods and their target ports. None: nothing answers whoever comes from outside, as on two real
    /// clusters (Kubernetes 1.36) whose ingress gateway was down.
    pub endpoints: Vec<SocketAddrV4>,
}

impl RouterRules {
    /// The border: what leaves over the link is counted (first SYNs and their repetitions, before
    /// masquerade) and masqueraded; what arrives and is for no load balancer port, or for one without a pod
    /// behind it, is counted and dropped silently. Loading it again clears the counters.
    pub fn border(&self) -> String {
        let link = &self.link;
        let key = "ip saddr . ip daddr . tcp dport";
        let set = "type ipv4_addr . ipv4_addr . inet_service; flags dynamic; counter; size 65536;";
        format!(
            "table ip meshproof
delete table ip meshproof
table ip meshproof {{
  set left {{ {set} }}
  set dropped {{ {set} }}
  chain arriving {{
    type filter hook prerouting priority 0; policy accept;
    iifname != \"{link}\" accept
    ct state established,related accept
    ct status dnat accept
    tcp flags & (syn | ack) == syn update @dropped {{ {key} }}
    drop
  }}
  chain leaving {{
    type filter hook forward priority 10; policy accept;
    oifname \"{link}\" tcp flags & (syn | ack) == syn update @left {{ {key} }}
  }}
  chain masquerading {{
    type nat hook postrouting priority 100; policy accept;
    oifname \"{link}\" masquerade
  }}
}}
"
        )
    }

    /// Address translation for services and load balancers.
    pub fn services(&self) -> String {
        let mut text = String::from(
            "table ip meshproof_services\ndelete table ip meshproof_services\ntable ip meshproof_services {\n",
        );
        self.sets(&mut text);
        text.push_str("  chain services {\n");
        for port in &self.services {
            translate(&mut text, port.address, port.protocol, &port.endpoints);
        }
        for port in &self.load_balancers {
            translate(&mut text, port.address, Protocol::Tcp, &port.endpoints);
        }
        text.push_str("  }\n");
        text.push_str(&self.hooks());
        text.push_str("}\n");
        text
    }

    /// Both tables in one transaction.
    pub fn whole(&self) -> String {
        self.border() + &self.services()
    }

    fn sets(&self, text: &mut String) {
        let own = |endpoints: &[SocketAddrV4]| -> Vec<String> {
            endpoints
                .iter()
                .map(|e| format!("{0} . {0}", e.ip()))
                .collect()
        };
        let services = self.services.iter().flat_map(|s| own(&s.endpoints));
        let hairpin = services.chain(self.load_balancers.iter().flat_map(|l| own(&l.endpoints)));
        set(text, "hairpin", "ipv4_addr . ipv4_addr", hairpin);
        let empty = self
            .services
            .iter()
            .filter(|s| s.endpoints.is_empty())
            .map(|s| (s.address, s.protocol));
        let balancers = self
            .load_balancers
            .iter()
            .filter(|l| l.endpoints.is_empty());
        let empty = empty.chain(balancers.map(|l| (l.address, Protocol::Tcp)));
        let empty =
            empty.map(|(a, protocol)| format!("{} . {} . {}", a.ip(), protocol.word(), a.port()));
        set(
            text,
            "without_endpoints",
            "ipv4_addr . inet_proto . inet_service",
            empty,
        );
        set(
            text,
            "cluster_addresses",
            "ipv4_addr",
            self.services.iter().map(|s| s.address.ip().to_string()),
        );
        let balancers = self
            .load_balancers
            .iter()
            .map(|l| l.address.ip().to_string());
        set(text, "balancer_addresses", "ipv4_addr", balancers);
    }

    fn hooks(&self) -> String {
        let node = self.node_address;
        let refusal = "    ip daddr . meta l4proto . th dport @without_endpoints reject
    ip daddr @cluster_addresses reject";
        format!(
            "  chain forwarded {{
    type nat hook prerouting priority -100; policy accept;
    jump services
  }}
  chain own {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain masquerading {{
    type nat hook postrouting priority 90; policy accept;
    ct status dnat ct original ip daddr @balancer_addresses snat to {node}
    ct status dnat ip saddr . ip daddr @hairpin snat to {node}
  }}
  chain refusing {{
    type filter hook forward priority 0; policy accept;
{refusal}
  }}
  chain refusing_own {{
    type filter hook output priority 0; policy accept;
{refusal}
  }}
"
        )
    }
}

fn line(text: &mut String, rule: &str) {
    text.push_str("    ");
    text.push_str(rule);
    text.push('\n');
}

/// One endpoint of a port is chosen at random for each connection, as kube-proxy does.
fn translate(text: &mut String, to: SocketAddrV4, protocol: Protocol, endpoints: &[SocketAddrV4]) {
    let from = format!(
        "ip daddr {} {} dport {}",
        to.ip(),
        protocol.word(),
        to.port()
    );
    match endpoints {
        [] => {}
        [only] => line(text, &format!("{from} dnat to {only}")),
        many => {
            let choices: Vec<_> = many
                .iter()
                .enumerate()
                .map(|(n, e)| format!("{n} : {} . {}", e.ip(), e.port()))
                .collect();
            let (count, choices) = (many.len(), choices.join(", "));
            line(
                text,
                &format!("{from} dnat ip to numgen random mod {count} map {{ {choices} }}"),
            );
        }
    }
}

fn set(text: &mut String, name: &str, key: &str, elements: impl Iterator<Item = String>) {
    let elements: BTreeSet<String> = elements.collect();
    let elements = elements.into_iter().collect::<Vec<_>>().join(", ");
    let elements = if elements.is_empty() {
        elements
    } else {
        format!(" elements = {{ {elements} }}")
    };
    // Writing to a String does not fail.
    let _ = writeln!(text, "  set {name} {{ type {key};{elements} }}");
}

#[cfg(test)]
mod tests {
    use super::{LoadBalancerPort, Protocol, RouterRules, ServicePort};

    pub(super) fn example() -> RouterRules {
        let at = |text: &str| text.parse().unwrap();
        RouterRules {
            link: "link".into(),
            node_address: [10, 2, 0, 1].into(),
            services: vec![
                ServicePort {
                    address: at("10.97.0.5:3306"),
                    protocol: Protocol::Tcp,
                    endpoints: vec![at("10.2.0.8:3306"), at("10.2.0.9:3307")],
                },
                ServicePort {
                    address: at("10.97.0.6:53"),
                    protocol: Protocol::Udp,
                    endpoints: vec![],
                },
            ],
            load_balancers: vec![
                LoadBalancerPort {
                    address: at("203.0.113.10:13306"),
                    endpoints: vec![at("10.2.0.3:13306")],
                },
                LoadBalancerPort {
                    address: at("203.0.113.10:80"),
                    endpoints: vec![],
                },
            ],
        }
    }

    #[test]
    fn border() {
        insta::assert_snapshot!(example().border());
    }

    #[test]
    fn services() {
        insta::assert_snapshot!(example().services());
    }

    #[test]
    fn a_router_without_services_has_empty_sets() {
        let rules = RouterRules {
            services: vec![],
            load_balancers: vec![],
            ..example()
        };
        insta::assert_snapshot!(rules.services());
    }
}
