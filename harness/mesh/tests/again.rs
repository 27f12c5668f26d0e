//! Compiling again after changes gives what compiling from nothing gives, and compiles only what the
//! change touches.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/large.rs"]
mod large;

use std::{collections::BTreeMap, sync::Arc};

use meshproof_mesh::{Compiler, MeshConfig, Objects, ProxyConfig, ProxyId, compile};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A cluster that changes, and what is kept of it from round to round.
struct Rig {
    mesh: Arc<MeshConfig>,
    objects: Vec<Option<Arc<Value>>>,
    removed: Vec<Option<Arc<Value>>>,
    snapshot: Objects,
    compiler: Compiler,
}

/// What the mesh says, in turn.
const MESHES: [&str; 4] = [
    "outboundTrafficPolicy: {mode: ALLOW_ANY}",
    "outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
    "localityLbSetting: {failoverPriority: [version, topology.kubernetes.io/region]}",
    "localityLbSetting: {distribute: [{from: 'eu/*', to: {'eu/*': 70, 'us/*': 30}}]}",
];

fn mesh(says: &str) -> Arc<MeshConfig> {
    let text = format!("accessLogFile: /dev/stdout\n{says}\n");
    Arc::new(MeshConfig::from_yaml(&text).unwrap())
}

/// What an object of a kind can come to say besides what others of the kind say.
fn sayings(kind: &str) -> Vec<(&'static str, Value)> {
    let shared = "shared.example.com";
    match kind {
        "DestinationRule" => vec![
            ("/spec/host", json!("*.svc.cluster.local")),
            ("/spec/host", json!(shared)),
            (
                "/spec/trafficPolicy",
                json!({"outlierDetection": {"interval": "1s"},
                "loadBalancer": {"localityLbSetting": {"failoverPriority": ["version"]}}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"loadBalancer": {"consistentHash": {"useSourceIp": true}}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"loadBalancer": {"simple": "PASSTHROUGH"}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"outlierDetection": {"minHealthPercent": 10}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"tunnel": {"targetHost": "a.b", "targetPort": 1}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"proxyProtocol": {"version": "V2"}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"tls": {"mode": "ISTIO_MUTUAL"}}),
            ),
            (
                "/spec/trafficPolicy",
                json!({"tls": {"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k"}}),
            ),
        ],
        "ServiceEntry" => vec![
            (
                "/spec/workloadSelector",
                json!({"labels": {"version": "v0"}}),
            ),
            ("/spec/location", json!("MESH_INTERNAL")),
            (
                "/spec/addresses",
                json!(["240.9.9.1", "240.9.9.2", "240.9.0.0/16"]),
            ),
            ("/spec/hosts", json!([shared])),
            ("/spec/subjectAltNames", json!(["spiffe://x/ns/y/sa/z"])),
            (
                "/spec/endpoints",
                json!([{"address": "a.example.com", "serviceAccount": "a", "locality": "eu/a"},
                {"address": "192.0.2.9", "locality": "us/b", "labels": {"version": "v0"}}]),
            ),
        ],
        "Sidecar" => vec![
            ("/spec/egress", json!([{"hosts": ["./shared.example.com"]}])),
            (
                "/spec/egress",
                json!([{"hosts": ["*/*"], "port": {"number": 3306, "name": "t", "protocol": "TCP"}}]),
            ),
            ("/spec/outboundTrafficPolicy", json!({})),
            (
                "/spec/workloadSelector",
                json!({"labels": {"version": "v0"}}),
            ),
        ],
        "Service" => vec![
            ("/spec/internalTrafficPolicy", json!("Local")),
            ("/spec/publishNotReadyAddresses", json!(true)),
            ("/spec/type", json!("ExternalName")),
            ("/spec/externalName", json!(shared)),
        ],
        "Pod" => vec![
            ("/spec/nodeName", json!("n")),
            ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("/status/phase", json!("Succeeded")),
        ],
        "Node" => vec![
            (
                "/metadata/labels",
                json!({"topology.kubernetes.io/region": "eu"}),
            ),
            (
                "/metadata/labels",
                json!({"topology.kubernetes.io/region": "us"}),
            ),
        ],
        "WorkloadEntry" => vec![
            ("/spec/labels", json!({"version": "v0"})),
            ("/spec/address", json!("192.0.2.77")),
            ("/spec/serviceAccount", json!("vm")),
        ],
        "PeerAuthentication" => vec![("/spec/portLevelMtls", json!({"3306": {"mode": "DISABLE"}}))],
        _ => Vec::new(),
    }
}

/// What the large cluster lacks.
fn outside() -> [Value; 2] {
    let vm = json!({"address": "vm.example.com", "labels": {"version": "v1"}, "locality": "us/a"});
    let of = |namespace: &str| json!({"name": "n", "namespace": namespace});
    [
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {}}}),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": of("n3"), "spec": vm}),
    ]
}

impl Rig {
    fn new(services: usize, proxies: usize) -> Self {
        let objects = large::cluster(services, proxies)
            .into_iter()
            .chain(outside());
        let objects: Vec<_> = objects.map(|o| Some(Arc::new(o))).collect();
        let mesh = mesh(MESHES[0]);
        let mut rig = Self {
            removed: vec![None; objects.len()],
            snapshot: Objects::new(Arc::clone(&mesh), objects.iter().flatten().cloned()),
            compiler: Compiler::default(),
            objects,
            mesh,
        };
        rig.round();
        rig
    }

    fn round(&mut self) -> BTreeMap<ProxyId, Arc<ProxyConfig>> {
        let objects = self.objects.iter().flatten().cloned();
        self.snapshot = self.snapshot.next(Arc::clone(&self.mesh), objects);
        self.compiler.round(&self.snapshot)
    }

    fn fresh(&self) -> BTreeMap<ProxyId, ProxyConfig> {
        let objects = self.objects.iter().flatten();
        let objects = objects.map(|o| Arc::new((**o).clone()));
        let snapshot = Objects::new(Arc::clone(&self.mesh), objects);
        let one = |id: ProxyId| (id.clone(), compile(&snapshot, &id));
        snapshot.proxies().into_iter().map(one).collect()
    }

    /// Changes an object and says what was compiled again.
    fn change(&mut self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let is = |o: &Value| o["kind"] == kind && o["metadata"]["name"] == name;
        let mut found = self.objects.iter_mut().flatten();
        let object = found.find(|o| is(o)).unwrap();
        change(Arc::make_mut(object));
        self.round();
        let mut made = self.compiler.made();
        made.sort();
        made
    }

    fn act(&mut self, (action, one, other): (Action, prop::sample::Index, prop::sample::Index)) {
        let index = one.index(self.objects.len());
        match action {
            Action::Remove => {
                if let Some(object) = self.objects[index].take() {
                    self.removed[index] = Some(object);
                }
            }
            Action::Restore => {
                if let Some(index) = (0..self.removed.len())
                    .filter(|i| self.removed[*i].is_some())
                    .nth(index % 4)
                {
                    self.objects[index] = self.removed[index].take();
                }
            }
            Action::Mesh => self.mesh = mesh(MESHES[index % MESHES.len()]),
            Action::Say => self.say(index, other),
            Action::Touch => self.set(index, "/status/conditions", &json!([{"type": "Other"}])),
            Action::Unready => {
                let no = json!([{"type": "Ready", "status": "False"}]);
                self.set(index, "/status/conditions", &no);
            }
            Action::Take(place) => self.take(index, other, place),
        }
    }

    fn set(&mut self, index: usize, place: &str, value: &Value) {
        let Some(object) = &mut self.objects[index] else {
            return;
        };
        let (parent, field) = place.rsplit_once('/').unwrap();
        let object = Arc::make_mut(object);
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.insert(field.to_owned(), value.clone());
        } else if let Some(object) = object.as_object_mut() {
            object.insert(
                parent.trim_start_matches('/').to_owned(),
                json!({ (field): value }),
            );
        }
    }

    fn say(&mut self, index: usize, other: prop::sample::Index) {
        let kind = self.objects[index].as_ref().map(|o| o["kind"].clone());
        let kind = kind.unwrap_or_default();
        let all = sayings(kind.as_str().unwrap_or_default());
        if let Some((place, value)) = all.get(other.index(all.len().max(1))) {
            self.set(index, place, value);
        }
    }

    /// Takes over what another object of the same kind says.
    fn take(&mut self, index: usize, other: prop::sample::Index, place: &str) {
        let Some(object) = &self.objects[index] else {
            return;
        };
        let alike = |o: &&Arc<Value>| o["kind"] == object["kind"];
        let all: Vec<&Arc<Value>> = self.objects.iter().flatten().filter(alike).collect();
        let value = all[other.index(all.len())].pointer(place).cloned();
        if let Some(value) = value {
            self.set(index, place, &value);
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Remove,
    Restore,
    Mesh,
    Touch,
    Unready,
    Say,
    Take(&'static str),
}

fn actions() -> impl Strategy<Value = Action> {
    let places = vec![
        "/spec",
        "/spec",
        "/spec/ports",
        "/spec/host",
        "/spec/hosts",
        "/spec/selector",
        "/spec/clusterIP",
        "/spec/exportTo",
        "/spec/tcp",
        "/metadata/labels",
        "/metadata/annotations",
        "/status/podIP",
        "/data",
    ];
    prop_oneof![
        2 => Just(Action::Remove),
        2 => Just(Action::Restore),
        1 => Just(Action::Mesh),
        1 => Just(Action::Touch),
        2 => Just(Action::Unready),
        8 => Just(Action::Say),
        10 => prop::sample::select(places).prop_map(Action::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rounds_give_what_compiling_from_nothing_gives(
        changes in prop::collection::vec(
            prop::collection::vec((actions(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
            1..9),
    ) {
        let mut rig = Rig::new(50, 14);
        for round in changes {
            for action in round {
                rig.act(action);
            }
            let (again, fresh) = (rig.round(), rig.fresh());
            prop_assert_eq!(again.len(), fresh.len());
            for (id, config) in &fresh {
                prop_assert_eq!(&*again[id], config, "{}", id);
            }
        }
    }
}

#[test]
fn nothing_changed_compiles_nothing_and_keeps_every_configuration() {
    let mut rig = Rig::new(90, 24);
    let (first, second) = (rig.round(), rig.round());
    assert_eq!(rig.compiler.made(), [""; 0]);
    assert!(
        first
            .iter()
            .all(|(id, config)| Arc::ptr_eq(config, &second[id]))
    );
    // Reports on objects and copies of them say nothing new either.
    for object in rig.objects.iter_mut().flatten() {
        let object = Arc::make_mut(object);
        object["metadata"]["resourceVersion"] = "7".into();
        if object["kind"] != "Pod" {
            object["status"] = json!({"conditions": [{"type": "meshproof.dev/Active"}]});
        }
    }
    let third = rig.round();
    assert_eq!(rig.compiler.made(), [""; 0]);
    assert!(
        first
            .iter()
            .all(|(id, config)| Arc::ptr_eq(config, &third[id]))
    );
}

#[test]
fn proxies_share_what_is_the_same_for_them() {
    let mut rig = Rig::new(90, 24);
    let configs = rig.round();
    let of = |name: &str, namespace: &str| {
        let config = &configs[&ProxyId {
            namespace: namespace.into(),
            name: name.into(),
        }];
        let named = |c: &&Arc<Value>| c["name"] == "outbound|3306||s10.n10.svc.cluster.local";
        Arc::clone(config.clusters.iter().find(named).unwrap())
    };
    assert!(Arc::ptr_eq(&of("p2", "n2"), &of("p6", "n6")));
}

#[test]
fn a_change_compiles_what_it_touches() {
    let mut rig = Rig::new(90, 24);
    let mut change = |kind: &str, name: &str, place: &str, value: Value| {
        rig.change(kind, name, |o| *o.pointer_mut(place).unwrap() = value)
            .join(", ")
    };
    // A service's port: its clusters, the listener that it leaves and the one that it comes to, and the
    // pods behind it.
    let made = change("Service", "s10", "/spec/ports/0/port", 3399.into());
    assert_eq!(
        made,
        "listener 10.96.0.11_3399, proxy n10/p10, service s10.n10.svc.cluster.local"
    );
    // A pod that is no longer ready: its services, and what they come with.
    let made = change("Pod", "p10", "/status/conditions/0/status", "False".into());
    assert_eq!(
        made,
        "listener 0.0.0.0_80, listener 10.96.0.11_3399, proxy n10/p10, \
         service s10.n10.svc.cluster.local, service s58.n10.svc.cluster.local"
    );
    let made = change(
        "AuthorizationPolicy",
        "authorizationpolicy-5",
        "/spec/rules",
        json!([{}]),
    );
    assert_eq!(made, "proxy n5/p5");
    // A rule for clients of one namespace: what they have of its service, here one without an address.
    let made = change(
        "DestinationRule",
        "destinationrule-1",
        "/spec/subsets/0/name",
        "v9".into(),
    );
    assert_eq!(
        made,
        "listener 10.1.0.56_8443, listener 10.1.0.8_8443, service s7.n7.svc.cluster.local"
    );
    // A route: the listener of its host, for the clients that it is for and for the others.
    let made = change(
        "VirtualService",
        "virtualservice-1",
        "/spec/tcp/0/route/0/destination/host",
        "s12.n12.svc.cluster.local".into(),
    );
    assert_eq!(made, "listener 10.96.0.6_3306, listener 10.96.0.6_3306");
    // Nothing is compiled for a secret: it is served as it is.
    assert_eq!(change("Secret", "cert", "/data/tls.crt", "ZA==".into()), "");
}
