//! Embedded clusters behind HTTPS, and the runner's view of them from their kubeconfigs alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use meshproof_cluster::kube::config::{KubeConfigOptions, Kubeconfig};
use meshproof_cluster::kube::{Client, Config};
use meshproof_cluster::{ActiveEvidence, ClusterAccess, Facts, PodRef, Side};
use meshproof_pki::{Authority, Leaf};
use meshproof_pocket::{ClusterName, Pocket, PocketError, PocketOptions, Programs, install};
use meshproof_pocket_api::{Listening, TlsConfig};
use meshproof_pocket_node::{NodeError, Program};
use meshproof_runner::Clusters;
use meshproof_scenario::Loaded;
use meshproof_toolchain::{Options, Silent, ToolchainError, find, prepared_datadir};

/// Why this machine cannot have clusters.
pub(crate) struct Lacking(pub(crate) String);

/// Two clusters, each behind a listener with a certificate and a token of its own.
pub(crate) struct Served {
    pocket: Pocket,
    client: Door,
    server: Door,
}

struct Door {
    listening: Listening,
    token: String,
}

impl Served {
    pub(crate) async fn start(loaded: &Loaded, programs: Programs) -> Result<Self, Lacking> {
        let clusters = &loaded.scenario.clusters;
        let mesh_config = [&clusters.client, &clusters.server]
            .map(|cluster| Some(loaded.file(&cluster.mesh_config).unwrap().text.clone()));
        let options = PocketOptions {
            programs,
            mesh_config,
        };
        let pocket = match Pocket::start(options).await {
            Ok(pocket) => pocket,
            Err(PocketError::Node(error @ NodeError::NamespacesRefused { .. })) => {
                return Err(Lacking(error.to_string()));
            }
            Err(error) => panic!("starting clusters: {error}"),
        };
        let client = Door::open(&pocket, ClusterName::Client).await;
        let server = Door::open(&pocket, ClusterName::Server).await;
        Ok(Self {
            pocket,
            client,
            server,
        })
    }

    fn door(&self, side: Side) -> &Door {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn token(&self, side: Side) -> &str {
        &self.door(side).token
    }

    /// The client configuration that the cluster's kubeconfig gives.
    pub(crate) async fn config(&self, side: Side) -> Config {
        let kubeconfig = Kubeconfig::from_yaml(&self.door(side).listening.kubeconfig).unwrap();
        let options = KubeConfigOptions {
            context: Some(side.name().to_owned()),
            ..KubeConfigOptions::default()
        };
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap()
    }

    /// Both clusters for the runner.
    pub(crate) async fn clusters(&self) -> Clusters {
        let access = async |side| {
            let client = Client::try_from(self.config(side).await).unwrap();
            ClusterAccess::new(side, client, facts(), "https")
        };
        Clusters {
            client: access(Side::Client).await,
            server: access(Side::Server).await,
        }
    }

    pub(crate) async fn stop(self) {
        self.pocket.stop().await.unwrap();
    }
}

impl Door {
    async fn open(pocket: &Pocket, name: ClusterName) -> Self {
        let authority = Authority::root("the API of a test").unwrap();
        let leaf = Leaf::server("localhost").and_ip(Ipv4Addr::LOCALHOST.into());
        let credential = authority.issue(&leaf).unwrap();
        let token = token();
        let tls = TlsConfig {
            cluster: name.to_string(),
            certificate_chain_pem: credential.chain_pem(),
            private_key_pem: credential.key().pem(),
            ca_pem: authority.pem(),
            token: token.clone(),
        };
        let listening = pocket.cluster(name).listen(tls).await.unwrap();
        Self { listening, token }
    }
}

/// 244 random bits.
fn token() -> String {
    let uuid = || std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    format!("{}{}", uuid().trim(), uuid().trim())
}

/// What the command says of its embedded clusters.
fn facts() -> Facts {
    Facts {
        ephemeral: true,
        active: ActiveEvidence::Conditions,
        router_pod: Some(PodRef::new(install::SYSTEM_NAMESPACE, install::ROUTER_POD)),
        ready_within: Duration::from_secs(30),
        active_within: Duration::from_secs(20),
        log_flush: Duration::from_millis(20),
        versions: BTreeMap::new(),
        ..Facts::istio_defaults("embedded")
    }
}

/// The host's programs for pods, as the command finds them, or why there are none.
pub(crate) fn programs() -> Result<Programs, String> {
    let told = |error: ToolchainError| error.to_string();
    let options = Options::current().map_err(told)?;
    let found = find(&options, &Silent).map_err(told)?;
    let data_directory = prepared_datadir(&found, &options, &Silent).map_err(told)?;
    let libraries = found.library_path().map(|paths| {
        let paths = paths.to_str().unwrap().to_owned();
        ("LD_LIBRARY_PATH".to_owned(), paths)
    });
    Ok(Programs {
        envoy: found.envoy.path.clone(),
        envoy_version: found.envoy_version().unwrap(),
        mysqld: found.mysqld.path.clone(),
        mysql: found.mysql.path.clone(),
        libraries: found.library_paths.clone(),
        share: found
            .mysql_basedir
            .as_ref()
            .map(|prefix| prefix.join("share/mysql")),
        data_directory,
        nft: Program {
            path: found.nft.path.clone(),
            env: libraries.into_iter().collect(),
        },
        own: std::env::current_exe().unwrap(),
    })
}
