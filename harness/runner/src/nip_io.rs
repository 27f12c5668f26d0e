//! Names of nip.io where nobody resolves them: client pods get them in their hosts file, and entries of the mesh the
//! address in place of the name, so that nothing that others share is touched. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use indexmap::IndexMap;
use meshproof_cluster::Manifest;
use meshproof_scenario::{At, Bindings, Edit, ObjectKey, Scenario};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::setup::Setup;

/// How pods and proxies learn the address of a name of nip.io.
#[derive(Clone, Debug, Default)]
pub enum HostNames {
    /// Their cluster resolves it.
    #[default]
    Dns,
    /// It is written down for them, whatever their cluster resolves.
    Aliases,
    /// As a pod of the client's cluster finds out, once for all scenarios that share this.
    Ask(Arc<OnceCell<Answer>>),
}

impl HostNames {
    /// Nobody has asked yet.
    pub fn ask() -> Self {
        Self::Ask(Arc::default())
    }
}

/// What a pod found out about a name of nip.io.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the address that it says.
    Resolves,
    /// It has not, or nobody could ask; in words.
    Not(String),
}

impl Answer {
    /// What the addresses of `host` say of a cluster's DNS. A name that everything is called by is no answer.
    pub(crate) fn of(host: &str, wanted: Ipv4Addr, found: &[IpAddr]) -> Self {
        match found {
            [] => Self::Not(format!("no address for {host}")),
            found if found.iter().all(|found| *found == wanted) => Self::Resolves,
            found => {
                let found: Vec<String> = found.iter().map(IpAddr::to_string).collect();
                Self::Not(format!("{host} has the address {}", found.join(", ")))
            }
        }
    }
}

/// The address that nip.io gives a name: `A.B.C.D.nip.io`, with or without labels before it.
pub(crate) fn address(host: &str) -> Option<Ipv4Addr> {
    let mut labels = host.strip_suffix(".nip.io")?.rsplitn(5, '.');
    let mut octet = || labels.next()?.parse::<u8>().ok();
    let (d, c, b, a) = (octet()?, octet()?, octet()?, octet()?);
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Every name of nip.io that a scenario uses, with its address.
pub(crate) fn hosts(
    scenario: &Scenario,
    bindings: &Bindings,
    setups: [&Setup; 2],
) -> BTreeMap<String, Ipv4Addr> {
    let mut texts: Vec<&str> = bindings.iter().map(|(_, value)| value).collect();
    for case in &scenario.cases.value {
        let (host, _) = case.to.rsplit_once(':').unwrap_or((&case.to, ""));
        texts.push(host);
    }
    for setup in setups {
        for manifest in setup.manifests.iter().filter(|one| is_entry(one)) {
            let hosts = manifest.object.pointer("/spec/hosts");
            let hosts = hosts.and_then(Value::as_array).into_iter().flatten();
            texts.extend(hosts.filter_map(Value::as_str));
        }
    }
    let known = |host: &str| Some((host.to_owned(), address(host)?));
    texts.into_iter().filter_map(known).collect()
}

fn is_entry(manifest: &Manifest) -> bool {
    manifest.gvk.kind == "ServiceEntry"
}

/// Writes addresses down wherever a pod or a proxy would ask for a name.
///
/// # Errors
/// In words: an entry has hosts of several addresses and does not say where they are.
pub(crate) fn write_down(
    hosts: &BTreeMap<String, Ipv4Addr>,
    scenario: &mut Scenario,
    setups: [&mut Setup; 2],
) -> Result<(), String> {
    for setup in setups {
        for (pod, _) in setup.pods.values_mut() {
            pod.host_aliases.clone_from(hosts);
        }
        for manifest in setup.manifests.iter_mut().filter(|one| is_entry(one)) {
            let name = &manifest.name;
            let spec = manifest.object.get_mut("spec");
            spec.map_or(Ok(()), entry)
                .map_err(|why| format!("ServiceEntry {name}: {why}"))?;
        }
    }
    for overlay in scenario.all_overlays_mut() {
        edits(&mut overlay.client)?;
        edits(&mut overlay.server)?;
    }
    Ok(())
}

fn edits(edits: &mut IndexMap<At<ObjectKey>, At<Edit>>) -> Result<(), String> {
    for (key, edit) in edits
        .iter_mut()
        .filter(|(key, _)| key.kind == "ServiceEntry")
    {
        let edit = &mut edit.value;
        let wrong = |why| format!("line {}: {}: {why}", key.pos.line, key.value);
        if let Some(spec) = edit
            .create
            .as_mut()
            .and_then(|new| new.value.get_mut("spec"))
        {
            entry(spec).map_err(wrong)?;
        }
        for (pointer, value) in &mut edit.set {
            set(pointer, &mut value.value).map_err(wrong)?;
        }
    }
    Ok(())
}

/// A part of an entry, by the pointer to it.
fn set(pointer: &str, value: &mut Value) -> Result<(), String> {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps.as_slice() {
        ["spec"] => entry(value)?,
        ["spec", "endpoints"] => value
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(endpoint),
        ["spec", "endpoints", _] => endpoint(value),
        ["spec", "endpoints", _, "address"] => numeric(value),
        _ => {}
    }
    Ok(())
}

/// An entry whose proxies would ask for a name.
fn entry(spec: &mut Value) -> Result<(), String> {
    let asks = |resolution: &str| matches!(resolution, "DNS" | "DNS_ROUND_ROBIN");
    if !spec["resolution"].as_str().is_some_and(asks) {
        return Ok(());
    }
    let endpoints = spec.get_mut("endpoints").and_then(Value::as_array_mut);
    if let Some(endpoints) = endpoints.filter(|endpoints| !endpoints.is_empty()) {
        endpoints.iter_mut().for_each(endpoint);
        return Ok(());
    }
    // Without endpoints the hosts are asked for themselves.
    let hosts = spec["hosts"].as_array().into_iter().flatten();
    let mut found: Vec<Option<Ipv4Addr>> = hosts.map(|host| address(host.as_str()?)).collect();
    found.dedup();
    match found.as_slice() {
        [Some(ip)] => spec["endpoints"] = json!([{ "address": ip }]),
        found if found.iter().all(Option::is_none) => {}
        _ => {
            return Err(
                "its hosts have different addresses and its pods' cluster does not resolve names of nip.io; \
                 give it endpoints, or make an entry of each host"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn endpoint(endpoint: &mut Value) {
    if let Some(address) = endpoint.get_mut("address") {
        numeric(address);
    }
}

fn numeric(value: &mut Value) {
    if let Some(ip) = value.as_str().and_then(address) {
        *value = json!(ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_nip_io_has_the_address_in_it() {
        let ip = Ipv4Addr::new(203, 0, 113, 10);
        for host in [
            "203.0.113.10.nip.io",
            "mp-x.203.0.113.10.nip.io",
            "a.b.203.0.113.10.nip.io",
        ] {
            assert_eq!(address(host), Some(ip), "{host}");
        }
        for host in [
            "nip.io",
            "0.113.10.nip.io",
            "203.0.113.10",
            "203.0.113.256.nip.io",
            "db.example",
        ] {
            assert_eq!(address(host), None, "{host}");
        }
    }

    #[test]
    fn a_cluster_resolves_when_the_address_is_the_one_in_the_name() {
        let (host, ip) = ("203.0.113.10.nip.io", Ipv4Addr::new(203, 0, 113, 10));
        assert_eq!(
            Answer::of(host, ip, &[ip.into(), ip.into()]),
            Answer::Resolves
        );
        assert_eq!(
            Answer::of(host, ip, &[]),
            Answer::Not("no address for 203.0.113.10.nip.io".to_owned())
        );
        // A search domain that has every name.
        let other = Ipv4Addr::new(198, 51, 100, 1);
        assert_eq!(
            Answer::of(host, ip, &[other.into()]),
            Answer::Not("203.0.113.10.nip.io has the address 198.51.100.1".to_owned())
        );
    }

    #[test]
    fn entries_get_the_address_in_place_of_the_name() {
        let (name, other) = ("mp-x.203.0.113.10.nip.io", "198.51.100.7.nip.io");
        let made = |mut spec: Value| entry(&mut spec).map(|()| spec);
        let named = json!({"resolution": "DNS", "hosts": [name], "endpoints": [{"address": name, "ports": {"tls": 13306}}, {"address": "db.example"}]});
        let numbered = json!({"resolution": "DNS", "hosts": [name], "endpoints": [{"address": "203.0.113.10", "ports": {"tls": 13306}}, {"address": "db.example"}]});
        assert_eq!(made(named), Ok(numbered));
        let bare = |hosts: Value| json!({"resolution": "DNS", "hosts": hosts});
        let full = json!({"resolution": "DNS", "hosts": [name, name], "endpoints": [{"address": "203.0.113.10"}]});
        assert_eq!(made(bare(json!([name, name]))), Ok(full));
        for untouched in [
            bare(json!(["db.example"])),
            bare(json!([])),
            json!({"resolution": "STATIC", "hosts": [name], "endpoints": [{"address": "10.0.0.1"}]}),
            json!({"resolution": "NONE", "hosts": [name]}),
            json!({"hosts": [name]}),
        ] {
            assert_eq!(made(untouched.clone()), Ok(untouched));
        }
        assert!(
            made(bare(json!([name, other])))
                .unwrap_err()
                .contains("different addresses")
        );
        assert!(made(bare(json!([name, "db.example"]))).is_err());
    }

    #[test]
    fn parts_that_a_variation_sets_too() {
        let done = |pointer: &str, mut value: Value| {
            set(pointer, &mut value).unwrap();
            value
        };
        let (name, ip) = ("203.0.113.10.nip.io", "203.0.113.10");
        assert_eq!(done("/spec/endpoints/0/address", json!(name)), json!(ip));
        assert_eq!(
            done("/spec/endpoints/0", json!({"address": name})),
            json!({"address": ip})
        );
        assert_eq!(
            done("/spec/endpoints", json!([{"address": name}])),
            json!([{"address": ip}])
        );
        let whole = done("/spec", json!({"resolution": "DNS", "hosts": [name]}));
        assert_eq!(whole["endpoints"], json!([{"address": ip}]));
        assert_eq!(done("/spec/hosts/0", json!(name)), json!(name));
    }
}
