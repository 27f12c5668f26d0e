//! A pod's traffic is redirected to its sidecar.

use crate::spec::Cidr;

/// The rules of Istio's `istio-iptables` in REDIRECT mode (`tools/istio-iptables/pkg/capture/run.go`), with
/// the proxy known by a socket mark where Istio knows it by user id: every program of the embedded
/// clusters has the same user id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRules {
    /// Where outbound connections go: the listener `virtualOutbound`.
    pub outbound_port: u16,
    /// Where inbound connections go: the listener `virtualInbound`.
    pub inbound_port: u16,
    /// `SO_MARK` of the proxy's own connections.
    pub mark: u32,
    /// `traffic.sidecar.istio.io/excludeInboundPorts`.
    pub excluded_inbound_ports: Vec<u16>,
    /// `traffic.sidecar.istio.io/excludeOutboundPorts`.
    pub excluded_outbound_ports: Vec<u16>,
    /// `traffic.sidecar.istio.io/excludeOutboundIPRanges`.
    pub excluded_outbound_ranges: Vec<Cidr>,
}

/// Istio's own: tunnel, Prometheus, health, merged telemetry.
const NEVER_INBOUND: [u16; 4] = [15008, 15020, 15021, 15090];

impl Default for CaptureRules {
    fn default() -> Self {
        Self {
            outbound_port: 15001,
            inbound_port: 15006,
            mark: 1337,
            excluded_inbound_ports: Vec::new(),
            excluded_outbound_ports: Vec::new(),
            excluded_outbound_ranges: Vec::new(),
        }
    }
}

impl CaptureRules {
    /// The ruleset; replaces an earlier one.
    pub fn ruleset(&self) -> String {
        let (mark, inbound, outbound) = (self.mark, self.inbound_port, self.outbound_port);
        let excluded = self.outbound_exclusions();
        let kept = ports(NEVER_INBOUND.iter().chain(&self.excluded_inbound_ports));
        format!(
            "table ip meshproof_capture
delete table ip meshproof_capture
table ip meshproof_capture {{
  chain outbound {{
    type nat hook output priority -100; policy accept;
    meta l4proto != tcp return
    oifname \"lo\" ip saddr 127.0.0.6 return
    oifname \"lo\" ip daddr != 127.0.0.1 tcp dport != 15008 meta mark {mark} redirect to :{inbound}
    oifname \"lo\" meta mark != {mark} return
    meta mark {mark} return
    ip daddr 127.0.0.1 return
{excluded}    meta l4proto tcp redirect to :{outbound}
  }}
  chain inbound {{
    type nat hook prerouting priority -100; policy accept;
    meta l4proto != tcp return
    tcp dport {{ {kept} }} return
    meta l4proto tcp redirect to :{inbound}
  }}
}}
"
        )
    }

    fn outbound_exclusions(&self) -> String {
        let ranges = self
            .excluded_outbound_ranges
            .iter()
            .map(|range| format!("    ip daddr {range} return\n"));
        let ports = self
            .excluded_outbound_ports
            .iter()
            .map(|port| format!("    tcp dport {port} return\n"));
        ranges.chain(ports).collect()
    }
}

fn ports<'a>(all: impl Iterator<Item = &'a u16>) -> String {
    let all: std::collections::BTreeSet<_> = all.collect();
    all.into_iter()
        .map(u16::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::CaptureRules;

    #[test]
    fn capture() {
        insta::assert_snapshot!(CaptureRules::default().ruleset());
    }

    #[test]
    fn exclusions() {
        let rules = CaptureRules {
            excluded_inbound_ports: vec![22, 15020],
            excluded_outbound_ports: vec![3307],
            excluded_outbound_ranges: vec!["10.96.0.0/12".parse().unwrap()],
            ..CaptureRules::default()
        };
        insta::assert_snapshot!(rules.ruleset());
    }
}
