//! The mesh's control plane: what istiod does. Watches the store, compiles every proxy's
//! configuration, pushes it, and says in the store how far the proxies have followed.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meshproof_mesh::{MeshConfig, Objects, ProxyConfig, ProxyId, SecretValue, compile};
use meshproof_pki::MeshCa;
use meshproof_pocket_api::{Event, EventType, KINDS, Kind, Store, Watch, now};
use meshproof_pocket_node::Node;
use meshproof_pocket_xds::admin::Admin;
use meshproof_pocket_xds::{AckError, Ads, ProxyStatus, Snapshot, Version};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::addresses::ClusterName;
use crate::install::{DEFAULT_MESH_CONFIG, ISTIO_SYSTEM, MESH_CONFIG_MAP, MESH_STATUS};

/// What the mesh reads.
const READ: [Kind; 14] = [
    Kind::Namespace,
    Kind::Pod,
    Kind::Service,
    Kind::ServiceAccount,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Gateway,
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::ServiceEntry,
    Kind::Sidecar,
    Kind::PeerAuthentication,
    Kind::AuthorizationPolicy,
    Kind::Telemetry,
];

/// How often a proxy that warms is asked whether it still does. Envoy ends its wait for a secret by
/// its own clock and tells nobody.
const RECHECK: Duration = Duration::from_millis(100);

/// The condition on each Istio object.
const ACTIVE: &str = "meshproof.dev/Active";

/// Envoy's admin port in every proxy's pod.
pub(crate) const ADMIN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 15000);

/// The control plane of one cluster.
pub(crate) struct Mesh {
    store: Arc<Store>,
    ads: Ads,
    ca: MeshCa,
    node: Node,
    certificates: Mutex<HashMap<String, Value>>,
    cluster: ClusterName,
}

/// What the proxies have been told last.
struct Round {
    proxies: Vec<Told>,
    problems: Vec<String>,
    /// Everything up to this revision of the store is in it.
    revision: u64,
}

/// One proxy and what it was told.
struct Told {
    proxy: ProxyId,
    version: Version,
    status: watch::Receiver<ProxyStatus>,
}

/// How far the proxies are.
#[derive(Default)]
struct Progress {
    waiting: Vec<String>,
    warming: Vec<String>,
    rejected: Vec<String>,
}

impl Progress {
    fn is_active(&self) -> bool {
        self.waiting.is_empty() && self.warming.is_empty() && self.rejected.is_empty()
    }
}

impl Mesh {
    /// The control plane of `cluster`.
    pub(crate) fn new(
        store: Arc<Store>,
        ads: Ads,
        ca: MeshCa,
        node: Node,
        cluster: ClusterName,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            ads,
            ca,
            node,
            certificates: Mutex::default(),
            cluster,
        })
    }

    /// The name under which a pod's proxy is known to ADS.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        crate::kubelet::sandbox(self.cluster, namespace, name)
    }

    /// Follows the store; never returns by itself.
    pub(crate) async fn run(self: Arc<Self>) {
        let kinds: Vec<Kind> = KINDS.iter().map(|info| info.kind).collect();
        loop {
            let (_, mut watch) = self.store.list_and_watch(&kinds);
            let mut round = self.push(watch.revision());
            let mut reported = 0;
            loop {
                let progress = self.progress(&mut round).await;
                if reported < round.revision || !progress.is_active() {
                    self.report(&progress, round.revision);
                    reported = if progress.is_active() {
                        round.revision
                    } else {
                        0
                    };
                }
                tokio::select! {
                    event = watch.next() => match event {
                        Ok(event) => self.follow(&event, &mut watch, &mut round),
                        Err(_lagged) => break,
                    },
                    () = round.changed() => {}
                    () = tokio::time::sleep(RECHECK), if !progress.warming.is_empty() => {}
                }
            }
        }
    }

    /// Takes in an event and all that came with it.
    fn follow(&self, first: &Event, watch: &mut Watch, round: &mut Round) {
        let (mut stale, mut any) = (concerns(first), !own(first));
        while let Ok(Some(event)) = watch.try_next() {
            stale |= concerns(&event);
            any |= !own(&event);
        }
        if stale {
            *round = self.push(watch.revision());
        } else if any {
            round.revision = watch.revision();
        }
    }

    /// The mesh configuration in force; a broken one is reported and the default used.
    fn mesh_config(&self, problems: &mut Vec<String>) -> MeshConfig {
        let map = self
            .store
            .get(Kind::ConfigMap, ISTIO_SYSTEM, MESH_CONFIG_MAP);
        let text = map
            .as_ref()
            .and_then(|m| m.pointer("/data/mesh"))
            .and_then(Value::as_str)
            .unwrap_or(DEFAULT_MESH_CONFIG);
        MeshConfig::from_yaml(text).unwrap_or_else(|error| {
            problems.push(format!(
                "configmap {ISTIO_SYSTEM}/{MESH_CONFIG_MAP}: {error}"
            ));
            default_mesh_config()
        })
    }

    /// Compiles everything and hands it to ADS, which pushes what changed.
    fn push(&self, revision: u64) -> Round {
        let mut problems = Vec::new();
        let mesh = Arc::new(self.mesh_config(&mut problems));
        let objects = READ.iter().flat_map(|kind| self.store.snapshot(*kind));
        let objects = Objects::new(mesh, objects);
        let mut proxies = Vec::new();
        for proxy in objects.proxies() {
            let snapshot = self.snapshot(compile(&objects, &proxy), &mut problems);
            let key = self.key(&proxy.namespace, &proxy.name);
            match self.ads.set(key.clone(), &snapshot) {
                Ok(version) => proxies.push(Told {
                    proxy,
                    version,
                    status: self.ads.subscribe(key),
                }),
                Err(error) => problems.push(format!("configuration of proxy {proxy}: {error}")),
            }
        }
        Round {
            proxies,
            problems,
            revision,
        }
    }

    fn snapshot(&self, config: ProxyConfig, problems: &mut Vec<String>) -> Snapshot {
        let secrets = config.secrets.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            self.secret(name, value)
                .map_err(|e| problems.push(format!("secret {name}: {e}")))
                .ok()
        });
        Snapshot {
            secrets: secrets.collect(),
            listeners: config.listeners,
            clusters: config.clusters,
            endpoints: config.endpoints,
        }
    }

    /// A secret as SDS carries it.
    fn secret(&self, name: &str, value: &SecretValue) -> Result<Value, String> {
        let inline = |bytes: &[u8]| json!({"inline_bytes": base64(bytes)});
        Ok(match value {
            SecretValue::KeyPair {
                certificate_chain,
                private_key,
            } => json!({"name": name, "tls_certificate": {
                "certificate_chain": inline(certificate_chain), "private_key": inline(private_key)}}),
            SecretValue::Authorities { trusted_ca, crl } => {
                let mut context = json!({"trusted_ca": inline(trusted_ca)});
                if let Some(crl) = crl {
                    context["crl"] = inline(crl);
                }
                json!({"name": name, "validation_context": context})
            }
            SecretValue::Root => json!({"name": name, "validation_context": {
                "trusted_ca": inline(self.ca.root_pem().as_bytes())}}),
            SecretValue::Workload { spiffe_id } => {
                json!({"name": name, "tls_certificate": self.workload(spiffe_id)?})
            }
        })
    }

    /// A workload's certificate, made once for each identity.
    fn workload(&self, spiffe_id: &str) -> Result<Value, String> {
        let mut issued = self
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = issued.get(spiffe_id) {
            return Ok(certificate.clone());
        }
        let (namespace, account) = self.account(spiffe_id)?;
        let leaf = self
            .ca
            .issue(namespace, account)
            .map_err(|e| e.to_string())?;
        let certificate = json!({
            "certificate_chain": {"inline_bytes": base64(leaf.chain_pem().as_bytes())},
            "private_key": {"inline_bytes": base64(leaf.key().pem().as_bytes())},
        });
        issued.insert(spiffe_id.to_owned(), certificate.clone());
        Ok(certificate)
    }

    /// Namespace and service account of an identity of this mesh.
    fn account<'a>(&self, spiffe_id: &'a str) -> Result<(&'a str, &'a str), String> {
        let domain = self.ca.trust_domain();
        spiffe_id
            .strip_prefix("spiffe://")
            .and_then(|id| id.strip_prefix(domain)?.strip_prefix("/ns/")?.split_once("/sa/"))
            .ok_or_else(|| format!("{spiffe_id} is not an identity of the trust domain {domain} that the mesh's authority serves"))
    }

    /// How far the proxies that run are. One that has not connected yet is not waited for: it gets
    /// everything at once when it does, and its pod is not ready before.
    async fn progress(&self, round: &mut Round) -> Progress {
        let mut progress = Progress {
            rejected: round.problems.clone(),
            ..Progress::default()
        };
        for told in &mut round.proxies {
            let (connected, unanswered) = {
                let status = told.status.borrow_and_update();
                (status.connected, status.unanswered.clone())
            };
            if !connected {
                continue;
            }
            let key = self.key(&told.proxy.namespace, &told.proxy.name);
            match self
                .ads
                .acknowledged(key, told.version, Instant::now())
                .await
            {
                Ok(()) => {}
                Err(AckError::Rejected(error)) => progress
                    .rejected
                    .push(format!("proxy {}: {error}", told.proxy)),
                Err(AckError::Deadline { waiting_for }) => {
                    progress
                        .waiting
                        .push(format!("proxy {}: {waiting_for}", told.proxy));
                }
            }
            if !unanswered.is_empty() {
                let names: Vec<&str> = unanswered.iter().map(|u| u.name.as_str()).collect();
                progress
                    .warming
                    .extend(self.warming(&told.proxy, &names.join(", ")).await);
            }
        }
        progress
    }

    /// What a proxy still warms, in words.
    async fn warming(&self, proxy: &ProxyId, names: &str) -> Option<String> {
        let sandbox = self.key(&proxy.namespace, &proxy.name);
        let found = match self.node.connect_tcp(&sandbox, ADMIN).await {
            Ok(stream) => match Admin::connect(stream).await {
                Ok(mut admin) => admin.warming().await.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(found) if found.is_done() => None,
            Ok(_) => Some(format!("proxy {proxy} waits for {names}")),
            Err(error) => Some(format!("proxy {proxy} waits for {names}; {error}")),
        }
    }

    /// Writes the status: a condition on each Istio object, and the ConfigMap for all the rest.
    fn report(&self, progress: &Progress, revision: u64) {
        let (status, reason, message) = if !progress.rejected.is_empty() {
            ("False", "Rejected", progress.rejected.join("; "))
        } else if !progress.warming.is_empty() {
            ("False", "Warming", progress.warming.join("; "))
        } else if !progress.waiting.is_empty() {
            ("False", "Pushing", progress.waiting.join("; "))
        } else {
            ("True", "Active", "active at every proxy".to_owned())
        };
        for kind in READ.into_iter().filter(|kind| is_istio(*kind)) {
            for object in self.store.snapshot(kind) {
                self.condition(kind, &object, (status, reason, &message));
            }
        }
        let before = self.store.get(Kind::ConfigMap, ISTIO_SYSTEM, MESH_STATUS);
        let active = before
            .as_ref()
            .and_then(|m| m.pointer("/data/activeResourceVersion").cloned());
        let active = if progress.is_active() {
            json!(revision.to_string())
        } else {
            active.unwrap_or_else(|| json!("0"))
        };
        let data = json!({"activeResourceVersion": active,
            "warming": progress.warming.join("\n"), "rejected": progress.rejected.join("\n")});
        if before.is_some() {
            let changed = self
                .store
                .modify(Kind::ConfigMap, ISTIO_SYSTEM, MESH_STATUS, |o| {
                    o["data"] = data;
                });
            debug_assert!(changed.is_ok(), "{changed:?}");
        } else {
            let object =
                json!({"metadata": {"name": MESH_STATUS, "namespace": ISTIO_SYSTEM}, "data": data});
            let created = self.store.create(Kind::ConfigMap, object);
            debug_assert!(created.is_ok(), "{created:?}");
        }
    }

    /// An object that was active stays so while others of a later change are on their way.
    fn condition(&self, kind: Kind, object: &Value, (status, reason, message): (&str, &str, &str)) {
        let generation = &object["metadata"]["generation"];
        let old = object
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|c| c["type"] == ACTIVE);
        let settled =
            old.is_some_and(|c| c["observedGeneration"] == *generation && c["status"] == "True");
        if settled
            || old.is_some_and(|c| {
                c["observedGeneration"] == *generation
                    && c["reason"] == reason
                    && c["message"] == message
            })
        {
            return;
        }
        let condition = json!({"type": ACTIVE, "status": status, "reason": reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": now()});
        let text = |k: &str| {
            object["metadata"][k]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let written = self
            .store
            .modify(kind, &text("namespace"), &text("name"), |o| {
                let conditions = o["status"]["conditions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|c| c["type"] != ACTIVE);
                let all: Vec<Value> = conditions.cloned().chain([condition]).collect();
                o["status"]["conditions"] = Value::Array(all);
            });
        // It may have been deleted meanwhile, and then needs no condition.
        debug_assert!(
            written.as_ref().err().is_none_or(|e| e.code == 404),
            "{written:?}"
        );
    }
}

impl Round {
    /// Returns when any proxy's side of the stream changes.
    async fn changed(&mut self) {
        let changes: Vec<_> = self
            .proxies
            .iter_mut()
            .map(|told| Box::pin(told.status.changed()))
            .collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        drop(futures::future::select_all(changes).await);
    }
}

/// The mesh configuration of a cluster without one.
pub(crate) fn default_mesh_config() -> MeshConfig {
    MeshConfig::from_yaml(DEFAULT_MESH_CONFIG).expect("the default mesh configuration is valid")
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Whether an event is this controller's own writing.
fn own(event: &Event) -> bool {
    (event.kind == Kind::ConfigMap && event.object["metadata"]["name"] == MESH_STATUS)
        || is_report(event)
}

/// Whether a change can matter to a proxy's configuration. A status that changes without its
/// specification is a report, except for a pod, whose address and readiness are in its status.
fn concerns(event: &Event) -> bool {
    READ.contains(&event.kind) && !own(event)
}

fn is_report(event: &Event) -> bool {
    let generation = |o: &Value| o["metadata"]["generation"].clone();
    is_istio(event.kind)
        && event.event_type == EventType::Modified
        && event
            .previous
            .as_ref()
            .is_some_and(|p| generation(p) == generation(&event.object))
}

fn is_istio(kind: Kind) -> bool {
    kind.info().group.ends_with(".istio.io")
}
