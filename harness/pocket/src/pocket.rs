//! Bringing the two clusters up, and down.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use meshproof_pki::{MeshCa, PkiError};
use meshproof_pocket_api::{
    ApiServer, Kind, ListenError, Listening, StatusError, Store, TlsConfig,
};
use meshproof_pocket_node::{LinkEnd, LinkSpec, Node, NodeError, NodeOptions, RouterSpec};
use meshproof_pocket_xds::Ads;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::addresses::{AddressPlan, ClusterName};
use crate::admission::MeshAdmission;
use crate::controllers::reconcile;
use crate::dns::{self, Zone};
use crate::install;
use crate::kubelet::{Kubelet, Programs};
use crate::mesh::{Mesh, NetworkState};
use crate::network::{self, Network};
use crate::streams::PodStreams;

/// The trust domain of both meshes, Istio's default. Each has an authority of its own.
const TRUST_DOMAIN: &str = "cluster.local";

/// What the clusters are made of.
#[derive(Clone, Debug)]
pub struct PocketOptions {
    /// The programs that pods run.
    pub programs: Programs,
    /// The mesh configuration (YAML) of each cluster at its start; absent: [`install::DEFAULT_MESH_CONFIG`].
    pub mesh_config: [Option<String>; 2],
    /// Their name servers answer for `A.B.C.D.nip.io`, as public ones do.
    pub nip_io: bool,
}

/// Why the clusters could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum PocketError {
    /// Namespaces, network, or a socket in it.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A certificate.
    #[error("making the mesh's certificates: {0}")]
    Pki(#[from] PkiError),
    /// One of the first objects.
    #[error("creating {object} in the {cluster} cluster: {source}")]
    Install {
        /// Kind and name.
        object: String,
        /// The cluster.
        cluster: ClusterName,
        /// The API server's answer.
        source: StatusError,
    },
}

/// Two running clusters.
pub struct Pocket {
    node: Node,
    clusters: [Cluster; 2],
    /// What part of the clusters ended by itself, if one did.
    broken: watch::Receiver<Option<String>>,
    supervisor: AbortHandle,
}

/// One running cluster.
pub struct Cluster {
    /// Which of the two.
    pub name: ClusterName,
    /// Its API server.
    pub api: ApiServer,
}

/// The name of a cluster's router at the node.
fn router(cluster: ClusterName) -> String {
    format!("{cluster}/router")
}

impl Pocket {
    /// Brings up both clusters. Needs a tokio runtime with I/O and time, which must outlive them.
    pub async fn start(options: PocketOptions) -> Result<Self, PocketError> {
        let node = Node::start(NodeOptions {
            nft: options.programs.nft.clone(),
        })
        .await?;
        make_routers(&node).await?;
        let programs = Arc::new(options.programs);
        let mut tasks = JoinSet::new();
        let [client, server] = ClusterName::ALL;
        let [client_mesh, server_mesh] = options.mesh_config;
        let zone = || Zone::new(options.nip_io);
        let (tell_connected, connected) = watch::channel(false);
        let (client, server) = tokio::try_join!(
            start_cluster(
                client,
                &node,
                &programs,
                client_mesh,
                zone(),
                connected.clone()
            ),
            start_cluster(server, &node, &programs, server_mesh, zone(), connected),
        )?;
        // Pods start meanwhile. No configuration is reported active before the clusters are connected.
        let connecting = connect(node.clone(), tell_connected);
        tasks.spawn(
            connecting.map(|failure| format!("link between the clusters: {failure}, so it")),
        );
        let clusters = [client, server].map(|(cluster, work)| {
            for (part, task) in work {
                let part = format!("{part} of cluster {}", cluster.name);
                tasks.spawn(task.map(|()| part));
            }
            cluster
        });
        let (tell, broken) = watch::channel(None);
        let supervisor = tokio::spawn(supervise(tasks, tell)).abort_handle();
        Ok(Self {
            node,
            clusters,
            broken,
            supervisor,
        })
    }

    /// A cluster by name.
    pub fn cluster(&self, name: ClusterName) -> &Cluster {
        match name {
            ClusterName::Client => &self.clusters[0],
            ClusterName::Server => &self.clusters[1],
        }
    }

    /// Returns, with what it was, when a part of the clusters has ended by itself: the node killed or
    /// out of memory, or a fault in a controller.
    pub async fn ended(&self) -> String {
        let mut broken = self.broken.clone();
        tokio::select! {
            () = self.node.ended() => "the node ended".to_owned(),
            found = broken.wait_for(Option::is_some) => {
                found.ok().and_then(|found| found.clone()).unwrap_or_else(|| "the supervisor ended".to_owned())
            }
        }
    }

    /// Ends everything and returns when nothing is left.
    pub async fn stop(self) -> Result<(), PocketError> {
        self.node.stop().await?;
        Ok(())
    }
}

impl Drop for Pocket {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// No part of a cluster ends by itself. If one does, it is said, and the others end too.
async fn supervise(mut tasks: JoinSet<String>, tell: watch::Sender<Option<String>>) {
    let ended = match tasks.join_next().await {
        Some(Ok(part)) => format!("the {part} ended"),
        Some(Err(error)) => format!("a fault in meshproof itself: {error}"),
        None => return,
    };
    tell.send_replace(Some(ended));
}

impl Cluster {
    /// A client for this cluster, in memory.
    pub fn client(&self) -> kube::Client {
        self.api.in_memory_client()
    }

    /// Serves the API over loopback TLS too. The kubeconfig in the answer holds a token.
    pub async fn listen(&self, tls: TlsConfig) -> Result<Listening, ListenError> {
        self.api.listen(tls).await
    }
}

async fn make_routers(node: &Node) -> Result<(), NodeError> {
    for name in ClusterName::ALL {
        let addresses = vec![AddressPlan::router(name), AddressPlan::dns(name)];
        node.create_router(RouterSpec {
            name: router(name),
            hostname: install::NODE_NAME.to_owned(),
            addresses,
        })
        .await?;
    }
    Ok(())
}

/// Connects the clusters and stays; returns only what keeps them apart.
async fn connect(node: Node, connected: watch::Sender<bool>) -> NodeError {
    match link(&node).await {
        Ok(()) => {
            connected.send_replace(true);
            // Without the sender, nobody could wait for the value.
            let _held = connected;
            std::future::pending().await
        }
        Err(error) => error,
    }
}

/// The link, with both borders closed first: nothing crosses that no rule has seen.
async fn link(node: &Node) -> Result<(), NodeError> {
    let [client, server] = ClusterName::ALL.map(|name| close_border(node, name));
    tokio::try_join!(client, server)?;
    let ends = ClusterName::ALL.map(|name| LinkEnd {
        router: router(name),
        interface: network::LINK.to_owned(),
        address: network::link_address(name),
        routes: network::routes(name),
    });
    node.link(LinkSpec { ends }).await
}

async fn close_border(node: &Node, cluster: ClusterName) -> Result<(), NodeError> {
    node.nft(&router(cluster), &network::rules(cluster).border())
        .await
}

/// The parts of a cluster that run for as long as it does, by name.
type Work = Vec<(&'static str, BoxFuture<'static, ()>)>;

async fn start_cluster(
    name: ClusterName,
    node: &Node,
    programs: &Arc<Programs>,
    mesh_config: Option<String>,
    zone: Zone,
    connected: watch::Receiver<bool>,
) -> Result<(Cluster, Work), PocketError> {
    let store = Arc::new(Store::new());
    let ads = Ads::new();
    let ca = MeshCa::new(TRUST_DOMAIN)?;
    let root = ca.root_pem().clone();
    let zone = Arc::new(zone);
    let network = Network::new(
        name,
        Arc::clone(&store),
        node.clone(),
        router(name),
        Arc::clone(&zone),
    );
    let dns = network::dns_sockets(node, name, &router(name)).await?;
    let kubelet = Kubelet::new(
        name,
        Arc::clone(&store),
        node.clone(),
        ads.clone(),
        Arc::clone(programs),
        router(name),
    );
    let (tell_followed, followed) = watch::channel(0);
    let network_state = NetworkState {
        connected,
        followed,
    };
    let mesh = Mesh::new(
        Arc::clone(&store),
        ads,
        ca,
        node.clone(),
        name,
        network_state,
    );
    let admission = Arc::new(MeshAdmission::new(Arc::clone(&store)));
    let api = ApiServer::new(
        Arc::clone(&store),
        admission,
        Arc::new(PodStreams(Arc::clone(&kubelet))),
    );
    install(
        name,
        &store,
        mesh_config
            .as_deref()
            .unwrap_or(install::DEFAULT_MESH_CONFIG),
    )?;
    let (udp, tcp) = dns;
    let tcp_zone = Arc::clone(&zone);
    let garbage = api.clone();
    let work: Work = vec![
        (
            "name server (UDP)",
            async move { drop(dns::serve_udp(zone, udp).await) }.boxed(),
        ),
        (
            "name server (TCP)",
            async move { drop(dns::serve_tcp(tcp_zone, tcp).await) }.boxed(),
        ),
        ("garbage collector", garbage.collect_garbage().boxed()),
        (
            "controllers",
            reconcile::run(Arc::clone(&store), root).boxed(),
        ),
        ("network", network.run(tell_followed).boxed()),
        ("kubelet", kubelet.run().boxed()),
        ("control plane", mesh.run().boxed()),
    ];
    Ok((Cluster { name, api }, work))
}

/// Creates the first objects, past admission, as an installer with all rights does.
fn install(cluster: ClusterName, store: &Store, mesh_config: &str) -> Result<(), PocketError> {
    for object in install::objects(cluster, mesh_config) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let kind = text(&object["kind"]);
        let title = format!("{kind} {}", text(&object["metadata"]["name"]));
        let found = meshproof_pocket_api::KINDS
            .iter()
            .find(|info| info.name == kind && !info.group.ends_with(".istio.io"));
        let kind = found.map_or(Kind::ConfigMap, |info| info.kind);
        store
            .create(kind, object)
            .map_err(|source| PocketError::Install {
                object: title,
                cluster,
                source,
            })?;
    }
    Ok(())
}
