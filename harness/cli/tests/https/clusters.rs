//! Embedded clusters behind HTTPS, and the runner's view of them from their kubeconfigs alone.

use std::net::Ipv4Addr;

use meshproof_cluster::kube::config::{KubeConfigOptions, Kubeconfig};
use meshproof_cluster::kube::{Client, Config};
use meshproof_cluster::{ClusterAccess, Side};
use meshproof_pki::{Authority, Leaf};
use meshproof_pocket::{ClusterName, Pocket};
use meshproof_pocket_api::{Listening, TlsConfig};
use meshproof_runner::{Clusters, HostNames, Prober};

use crate::support::facts;

/// Two clusters, each behind a listener with a certificate and a token of its own.
pub(crate) struct Served {
    pub(crate) pocket: Pocket,
    client: Door,
    server: Door,
}

struct Door {
    listening: Listening,
    token: String,
}

impl Served {
    pub(crate) async fn open(pocket: Pocket) -> Self {
        let client = Door::open(&pocket, ClusterName::Client).await;
        let server = Door::open(&pocket, ClusterName::Server).await;
        Self {
            pocket,
            client,
            server,
        }
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

    /// The cluster's kubeconfig, with the one context of the side's name.
    pub(crate) fn kubeconfig(&self, side: Side) -> &str {
        &self.door(side).listening.kubeconfig
    }

    /// The client configuration that the cluster's kubeconfig gives.
    pub(crate) async fn config(&self, side: Side) -> Config {
        let kubeconfig = Kubeconfig::from_yaml(self.kubeconfig(side)).unwrap();
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
            host_names: HostNames::Dns,
            prober: Prober::Named,
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
