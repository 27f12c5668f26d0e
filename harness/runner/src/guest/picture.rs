//! What a bound scenario is in both clusters, line by line, before and after it gets its run's names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use meshproof_cluster::Side;
use meshproof_scenario::{Bindings, Loaded, Overlay, Scenario};
use serde_json::{Map, Value, json};

use super::{Guest, RunName};
use crate::setup::Setup;

/// Both set-ups of a bound scenario.
fn setups(scenario: &Scenario, loaded: &Loaded, bindings: &Bindings) -> [Setup; 2] {
    let facts = meshproof_cluster::Facts::istio_defaults("contexts");
    [Side::Client, Side::Server]
        .map(|side| Setup::of(side, scenario, loaded, bindings, &facts).unwrap())
}

fn picture(scenario: &Scenario, setups: &[Setup; 2]) -> Value {
    let clusters = setups.iter().map(|setup| {
        let pods = setup.pods.iter().map(|(name, (pod, _))| {
            json!({"name": name, "pod": pod.pod.to_string(), "env": format!("{:?}", pod.env)})
        });
        let secrets = setup.certificates.iter().map(|(name, secret)| {
            json!({"name": name.to_string(), "dnsName": secret.dns_name.as_ref().map(|at| &at.value)})
        });
        json!({
            "namespaces": setup.namespaces.keys().collect::<Vec<_>>(),
            "secrets": secrets.collect::<Vec<_>>(),
            "patches": setup.patches.iter().map(|(service, patch)| json!([service.to_string(), patch])).collect::<Vec<_>>(),
            "manifests": setup.manifests.iter().map(|manifest| &manifest.object).collect::<Vec<_>>(),
            "pods": pods.collect::<Vec<_>>(),
        })
    });
    let database = &scenario.database;
    let overlays = scenario.overlays.values();
    json!({
        "certificates": scenario.certificates.dns_name.value,
        "clusters": clusters.collect::<Vec<_>>(),
        "database": [database.workload.to_string(), database.password.secret.to_string()],
        "overlays": overlays.map(|at| overlay(&at.value)).collect::<Vec<_>>(),
        "cases": scenario.cases.iter().map(|case| {
            let all = case.with.iter().chain(&case.sabotage).chain(&case.during);
            let expect = &case.expect;
            let path = expect.path.iter().map(|hop| json!([
                hop.cluster.as_ref().map(|at| &at.value), hop.upstream.as_ref().map(|at| &at.value),
                hop.sni.as_ref().map(|at| &at.value)]));
            json!({
                "to": case.to.value,
                "sni": case.tls.as_ref().and_then(|tls| tls.sni.as_ref()).map(|at| &at.value),
                "overlays": all.map(|at| overlay(&at.value)).collect::<Vec<_>>(),
                "path": path.collect::<Vec<_>>(),
                "peers": expect.legs.iter().map(|leg| leg.peer.as_ref().map(|at| &at.value)).collect::<Vec<_>>(),
            })
        }).collect::<Vec<_>>(),
    })
}

fn overlay(overlay: &Overlay) -> Value {
    let edits = overlay.edits().map(|(side, key, edit)| {
        let set = edit.set.iter();
        let set: Map<String, Value> = set
            .map(|(at, value)| (at.value.clone(), value.value.clone()))
            .collect();
        let remove: Vec<&str> = edit.remove.iter().map(|at| at.as_str()).collect();
        let create = edit.create.as_ref().map(|at| &at.value);
        json!([side.as_str(), key.to_string(), set, remove, create])
    });
    edits.collect()
}

/// Every leaf by its JSON pointer.
fn leaves(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let mut step = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        leaves(&format!("{at}/{key}"), value, found);
    };
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| step(&index.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| step(key, field)),
        leaf => {
            let text = leaf
                .as_str()
                .map_or_else(|| leaf.to_string(), str::to_owned);
            found.insert(at.to_owned(), text);
        }
    }
}

/// One of the repository's scenarios before and after.
struct Both {
    loaded: Loaded,
    guest: Guest,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
}

const RUN: &str = "20260301-101112-034-3f9a";

fn both(file: &Path) -> Both {
    let loaded = meshproof_scenario::load(file).unwrap();
    let run = RunName::of(RUN, &loaded.scenario.metadata.name);
    let lookups = loaded.scenario.lookups();
    let found: BTreeMap<String, String> = lookups
        .map(|(name, whose, _)| {
            let address = match whose {
                meshproof_scenario::AddressOf::LoadBalancer => "203.0.113.10",
                meshproof_scenario::AddressOf::Endpoint => "10.17.0.9",
            };
            (name.to_owned(), address.to_owned())
        })
        .collect();
    let bound = |bindings: &Bindings| loaded.scenario.bind(&loaded.source, bindings).unwrap();
    let mut flat = [BTreeMap::new(), BTreeMap::new()];
    let own = loaded.scenario.resolve(&found).unwrap();
    let scenario = bound(&own);
    leaves(
        "",
        &picture(&scenario, &setups(&scenario, &loaded, &own)),
        &mut flat[0],
    );
    let hosts = loaded
        .scenario
        .resolve_as(&found, |value| run.host(&value))
        .unwrap();
    let mut scenario = bound(&hosts);
    let [client, server] = setups(&scenario, &loaded, &hosts);
    let gateways = ["istio-system", "istio-system"];
    let guest = Guest::new(&run, gateways, &scenario, [&client, &server]).unwrap();
    guest.scenario(&mut scenario);
    let mut renamed = setups(&scenario, &loaded, &hosts);
    guest.manifests(meshproof_scenario::Side::Client, &mut renamed[0].manifests);
    guest.manifests(meshproof_scenario::Side::Server, &mut renamed[1].manifests);
    leaves("", &picture(&scenario, &renamed), &mut flat[1]);
    let [before, after] = flat;
    Both {
        loaded,
        guest,
        before,
        after,
    }
}

fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    assert!(files.len() >= 12, "{files:?}");
    files
}

/// What is otherwise afterwards, and what runs only when asked for.
impl std::fmt::Display for Both {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, after) in &self.after {
            match self.before.get(at) {
                Some(before) if before == after => {}
                Some(before) => writeln!(f, "{at}: {before} -> {after}")?,
                None => writeln!(f, "{at}: + {after}")?,
            }
        }
        for (at, before) in &self.before {
            if !self.after.contains_key(at) {
                writeln!(f, "{at}: - {before}")?;
            }
        }
        for case in self.loaded.scenario.cases.iter() {
            for sabotaged in [false, true] {
                let why = self.guest.disruptive.why(case, sabotaged);
                let known = sabotaged && self.guest.disruptive.why(case, false).is_some();
                if let Some(why) = why.filter(|_| !known) {
                    let name = &case.name;
                    let end = if sabotaged { ".sabotaged" } else { "" };
                    writeln!(f, "{name}{end}: disruptive: {why}")?;
                }
            }
        }
        Ok(())
    }
}

#[test]
fn every_scenario_of_the_repository_as_a_guest() {
    for file in files() {
        let both = both(&file);
        let name = both.loaded.scenario.metadata.name.value.clone();
        insta::assert_snapshot!(format!("guest-{name}"), both);
    }
}

/// Forms in which a name of the scenario's own would still stand there.
#[test]
fn no_name_of_the_scenarios_own_is_left() {
    for file in files() {
        let both = both(&file);
        let clusters = both.loaded.scenario.clusters.iter();
        let namespaces: Vec<String> = clusters
            .flat_map(|(_, cluster)| cluster.namespaces.keys().map(|name| name.value.clone()))
            .collect();
        assert!(!namespaces.is_empty());
        let prefix = RunName::of(RUN, &both.loaded.scenario.metadata.name).prefix();
        let host = format!("{prefix}.203.0.113.10.nip.io");
        let mut left = String::new();
        for (at, text) in &both.after {
            let last = at.rsplit('/').next().unwrap_or_default();
            let is_left = namespaces.iter().any(|namespace| {
                let forms = [
                    format!(".{namespace}.svc"),
                    format!("/ns/{namespace}/"),
                    format!("/{namespace}/"),
                ];
                let exact = text == namespace && ["namespace", "sourceNamespace"].contains(&last);
                exact
                    || text.starts_with(&format!("{namespace}/"))
                    || forms.iter().any(|form| text.contains(form.as_str()))
            });
            let without = text.replace(&host, "");
            if is_left
                || without.contains(".nip.io")
                || at.contains("nip.io") && !at.contains(&host)
            {
                writeln!(left, "{at}: {text}").unwrap();
            }
        }
        assert_eq!(left, "", "{}", file.display());
        shared(&both, &prefix[3..]);
    }
}

/// What is made in the gateways' namespace bears the run's name, and so does what names it.
fn shared(both: &Both, run: &str) {
    for (at, text) in &both.after {
        let made = at.ends_with("/metadata/namespace") && text == "istio-system";
        if made {
            let name = at.replace("/namespace", "/name");
            assert!(
                both.after[&name].contains(run),
                "{name}: {}",
                both.after[&name]
            );
        }
        let names = ["credentialName", "secretName"];
        let last = at.rsplit('/').next().unwrap_or_default();
        let of_gateway = names.contains(&last) && text != "mysql-tls";
        let of_sidecar = both.loaded.scenario.metadata.name.value == "origination"
            && at.starts_with("/overlays");
        if of_gateway && !of_sidecar {
            assert!(text.ends_with(run), "{at}: {text}");
        }
    }
}
