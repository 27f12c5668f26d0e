//! The mesh's control plane: what istiod does. Watches the store, compiles every proxy's
//! configuration, pushes it, and says in the store how far the proxies have followed.

mod culprit;
mod kept;
mod progress;
mod report;
mod secrets;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use meshproof_mesh::ProxyConfig;
use meshproof_pki::MeshCa;
use meshproof_pocket_api::{Event, KINDS, Kind, Store, Watch};
use meshproof_pocket_node::Node;
use meshproof_pocket_xds::{Ads, Snapshot};
use serde_json::Value;
use tokio::sync::watch;

use self::kept::Kept;
pub(crate) use self::kept::{default_mesh_config, mesh_config};
use self::progress::{RECHECK, Round, Told};
use self::report::{Compiled, concerns, is_istio, own};
use self::secrets::Secrets;
use crate::addresses::ClusterName;

/// What the mesh reads.
const READ: [Kind; 16] = [
    Kind::Namespace,
    Kind::Node,
    Kind::Pod,
    Kind::Service,
    Kind::ServiceAccount,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Gateway,
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::ServiceEntry,
    Kind::WorkloadEntry,
    Kind::Sidecar,
    Kind::PeerAuthentication,
    Kind::AuthorizationPolicy,
    Kind::Telemetry,
];

/// How long changes are gathered before they are compiled: a change seldom comes alone, and each push
/// costs every proxy. istiod gathers for 100 ms (`PILOT_DEBOUNCE_AFTER`).
const DEBOUNCE: Duration = Duration::from_millis(3);

/// Envoy's admin port in every proxy's pod.
pub(crate) const ADMIN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 15000);

/// The control plane of one cluster.
pub(crate) struct Mesh {
    store: Arc<Store>,
    ads: Ads,
    secrets: Secrets,
    node: Node,
    cluster: ClusterName,
    network: NetworkState,
}

/// How far the network is: configuration is not active before it.
#[derive(Clone)]
pub(crate) struct NetworkState {
    /// Whether the clusters are connected yet.
    pub(crate) connected: watch::Receiver<bool>,
    /// The revision of the store that the router's rules and the names are true at.
    pub(crate) followed: watch::Receiver<u64>,
}

impl Mesh {
    /// The control plane of `cluster`.
    pub(crate) fn new(
        store: Arc<Store>,
        ads: Ads,
        ca: MeshCa,
        node: Node,
        cluster: ClusterName,
        network: NetworkState,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            ads,
            secrets: Secrets::new(ca),
            node,
            cluster,
            network,
        })
    }

    /// The name under which a pod's proxy is known to ADS.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        crate::kubelet::sandbox(self.cluster, namespace, name)
    }

    /// Follows the store; never returns by itself.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut network = self.network.clone();
        let kinds: Vec<Kind> = KINDS.iter().map(|info| info.kind).collect();
        let mut kept = Kept::default();
        loop {
            let (_, mut watch) = self.store.list_and_watch(&kinds);
            let mut round = self.push(watch.revision(), &mut kept);
            let mut reported = 0;
            loop {
                let progress = self.progress(&mut round).await;
                if reported < round.revision || !progress.is_active() {
                    self.report(&progress, &round);
                    reported = if progress.is_active() {
                        round.revision
                    } else {
                        0
                    };
                }
                tokio::select! {
                    event = watch.next() => match event {
                        Ok(event) => {
                            tokio::time::sleep(DEBOUNCE).await;
                            self.follow(&event, &mut watch, &mut round, &mut kept);
                        }
                        Err(_lagged) => break,
                    },
                    () = round.changed() => {}
                    Ok(()) = network.connected.changed() => {}
                    Ok(()) = network.followed.changed(), if !progress.is_active() => {}
                    () = tokio::time::sleep(RECHECK), if !progress.warming.is_empty() => {}
                }
            }
        }
    }

    /// Takes in an event and all that came with it.
    fn follow(&self, first: &Event, watch: &mut Watch, round: &mut Round, kept: &mut Kept) {
        let (mut stale, mut any) = (concerns(first), !own(first));
        while let Ok(Some(event)) = watch.try_next() {
            stale |= concerns(&event);
            any |= !own(&event);
        }
        if stale {
            *round = self.push(watch.revision(), kept);
        } else if any {
            round.revision = watch.revision();
        }
    }

    /// Compiles what changed and hands everything to ADS, which pushes what changed.
    fn push(&self, revision: u64, kept: &mut Kept) -> Round {
        let mut problems = Vec::new();
        let mesh = kept.mesh(&self.store, &mut problems);
        let all = READ.map(|kind| (kind, self.store.snapshot(kind)));
        let istio = all.iter().filter(|(kind, _)| is_istio(*kind));
        let compiled = istio.flat_map(|(kind, objects)| {
            let object = |object: &Arc<Value>| Compiled {
                kind: *kind,
                object: Arc::clone(object),
            };
            objects.iter().map(object)
        });
        let compiled = compiled.collect();
        let configs = kept.compile(mesh, all.into_iter().flat_map(|(_, objects)| objects));
        let mut proxies = Vec::new();
        let mut conflicts = BTreeSet::new();
        for (proxy, config) in configs {
            conflicts.extend(config.conflicts.iter().cloned());
            let snapshot = self.snapshot(&config, &mut problems);
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
        self.secrets.tidy();
        Round {
            proxies,
            compiled,
            problems,
            conflicts,
            revision,
        }
    }

    fn snapshot(&self, config: &ProxyConfig, problems: &mut Vec<String>) -> Snapshot {
        let secrets = config.secrets.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            self.secrets
                .secret(name, value)
                .map_err(|e| problems.push(format!("secret {name}: {e}")))
                .ok()
        });
        Snapshot {
            secrets: secrets.collect(),
            listeners: config.listeners.clone(),
            clusters: config.clusters.clone(),
            endpoints: config.endpoints.clone(),
        }
    }
}
