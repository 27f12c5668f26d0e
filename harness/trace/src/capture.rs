//! Which connections a sidecar captures: all TCP, less what its pod's annotations leave out
//! (`tools/istio-iptables`, annotations `traffic.sidecar.istio.io/*`).

use std::net::IpAddr;

use meshproof_mesh::Pod;

/// Whether a connection from the pod goes to its own sidecar first.
pub(crate) fn takes_outbound(pod: &Pod, to: IpAddr, port: u16) -> bool {
    if to.is_loopback() || has_port(pod, "excludeOutboundPorts", port) {
        return false;
    }
    if has_block(pod, "excludeOutboundIPRanges", to) {
        return false;
    }
    let ranges = said(pod, "includeOutboundIPRanges");
    let in_range = ranges.is_none_or(|r| r == "*" || blocks(r).any(|b| contains(b, to)));
    in_range || has_port(pod, "includeOutboundPorts", port)
}

/// Whether a connection to the pod goes to its own sidecar first.
pub(crate) fn takes_inbound(pod: &Pod, port: u16) -> bool {
    let included =
        said(pod, "includeInboundPorts").is_none_or(|p| p == "*" || ports(p).any(|n| n == port));
    included && !has_port(pod, "excludeInboundPorts", port)
}

fn said<'a>(pod: &'a Pod, annotation: &str) -> Option<&'a str> {
    let key = format!("traffic.sidecar.istio.io/{annotation}");
    pod.annotations().get(&key).map(String::as_str)
}

fn ports(list: &str) -> impl Iterator<Item = u16> {
    list.split(',').filter_map(|p| p.trim().parse().ok())
}

fn has_port(pod: &Pod, annotation: &str, port: u16) -> bool {
    said(pod, annotation).is_some_and(|list| ports(list).any(|p| p == port))
}

fn blocks(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|b| !b.is_empty())
}

fn has_block(pod: &Pod, annotation: &str, address: IpAddr) -> bool {
    said(pod, annotation).is_some_and(|list| blocks(list).any(|b| contains(b, address)))
}

/// Whether a block such as `10.0.0.0/8`, or a lone address, contains an address.
pub(crate) fn contains(block: &str, address: IpAddr) -> bool {
    let (start, bits) = match block.split_once('/') {
        Some((start, bits)) => (start, bits.parse::<u32>().ok()),
        None => (block, None),
    };
    let mask = |width: u32| {
        let bits = bits.unwrap_or(width).min(width);
        u128::MAX.checked_shl(width - bits).unwrap_or(0)
    };
    match (start.parse(), address) {
        (Ok(IpAddr::V4(start)), IpAddr::V4(address)) => {
            let mask = mask(32);
            u128::from(u32::from(start)) & mask == u128::from(u32::from(address)) & mask
        }
        (Ok(IpAddr::V6(start)), IpAddr::V6(address)) => {
            let mask = mask(128);
            u128::from(start) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let within = |block: &str, address: &str| contains(block, address.parse().unwrap());
        assert!(within("10.0.0.0/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("0.0.0.0/0", "203.0.113.9") && within("203.0.113.9", "203.0.113.9"));
        assert!(!within("203.0.113.9", "203.0.113.8") && !within("nonsense/8", "10.0.0.1"));
        assert!(within("2001:db8::/32", "2001:db8::1") && !within("2001:db8::/32", "10.0.0.1"));
    }
}
