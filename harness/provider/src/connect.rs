//! From an offer to two clients, with what is there.

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use meshproof_cluster::kube::client::ClientBuilder;
use meshproof_cluster::kube::config::{AuthInfo, KubeConfigOptions};
use meshproof_cluster::kube::{self, Client, Config};
use meshproof_cluster::{ClusterAccess, Facts, Side};

use crate::discover::{self, Seen};
use crate::error::{Error, Result, chain, told};
use crate::exec_plugin;
use crate::manners::{Door, Manners, Open, Requests, Trace, polite};
use crate::offer::{Offer, Offered};

/// An API server that does not even take a connection for so long is not there.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// How to speak to both clusters.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The bounds of what the clients do.
    pub manners: Manners,
    /// Where to write down every request.
    pub trace: Option<Arc<Trace>>,
}

/// One cluster: the way in, and what was found.
#[derive(Clone)]
pub struct Connected {
    /// Which of the two.
    pub side: Side,
    /// The context's name.
    pub context: String,
    /// The API server's URL.
    pub server: String,
    /// The way in.
    pub client: Client,
    /// What goes through it.
    pub requests: Requests,
    /// What was found there.
    pub seen: Seen,
    /// What its provider knows, and what follows from what was found.
    pub facts: Facts,
}

impl Connected {
    /// The cluster for the run `run_id`; each call begins with nothing made.
    pub fn access(&self, run_id: &str) -> ClusterAccess {
        ClusterAccess::new(self.side, self.client.clone(), self.facts.clone(), run_id)
    }
}

/// Connects to both clusters and looks at what is there. What is not there, or cannot be seen, is no error here:
/// [`doctor`](crate::doctor) tells.
///
/// # Errors
/// Contexts are incomplete, plugins fail, or both are the same cluster: everything that is wrong with either.
pub async fn connect(offer: &Offer, settings: &Settings) -> Result<[Connected; 2], Vec<Error>> {
    let opened = [Side::Client, Side::Server].map(|side| one(side, offer.get(side), settings));
    let [client, server] = opened.map(Box::pin);
    match future::join(client, server).await {
        (Ok(client), Ok(server)) => {
            distinct(&client, &server).map_err(|error| vec![error])?;
            Ok([client, server])
        }
        (client, server) => Err([client.err(), server.err()].into_iter().flatten().collect()),
    }
}

/// Connects to one cluster.
async fn one(side: Side, offered: &Offered, settings: &Settings) -> Result<Connected> {
    let config = config(side, offered).await?;
    let server = config.cluster_url.to_string();
    let requests = Requests::default();
    let door = door(side, &offered.context, config).await?;
    let trace = settings.trace.clone();
    let client = polite(side, door, settings.manners, requests.clone(), trace);
    let seen = discover::look(&client).await;
    let facts = discover::facts(offered.facts.clone(), &seen);
    Ok(Connected {
        side,
        context: offered.context.clone(),
        server,
        client,
        requests,
        seen,
        facts,
    })
}

async fn config(side: Side, offered: &Offered) -> Result<Config> {
    let options = KubeConfigOptions {
        context: Some(offered.context.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(offered.kubeconfig.clone(), &options).await;
    let mut config = config.map_err(|source| Error::Context {
        cluster: side.to_string(),
        context: offered.context.clone(),
        why: told(&source),
    })?;
    exec_plugin::listen(&mut config.auth_info);
    config.connect_timeout = Some(CONNECTED_WITHIN);
    // It repeats what may have been executed; `manners` repeats what may be repeated.
    config.default_retry = false;
    Ok(config)
}

/// The first client of a configuration. A plugin is a program and may take its time: it is waited for elsewhere.
async fn door(side: Side, context: &str, config: Config) -> Result<Door> {
    let user = config.auth_info.clone();
    let renewable = exec_plugin::is_renewable(&user);
    let open: Arc<Open> = Arc::new(move || {
        let builder = ClientBuilder::try_from(config.clone())?;
        Ok(builder.build())
    });
    let first = Arc::clone(&open);
    let opened = tokio::task::spawn_blocking(move || first()).await;
    let opened = opened.unwrap_or_else(|error| Err(kube::Error::Service(Box::new(error))));
    let client = opened.map_err(|source| refused(side, context, &user, source))?;
    let told = move |error| without_secrets(&user, error);
    Ok(Door {
        client,
        renew: renewable.then_some(open),
        told: Box::new(told),
    })
}

fn refused(side: Side, context: &str, user: &AuthInfo, source: kube::Error) -> Error {
    let (cluster, context) = (side.to_string(), context.to_owned());
    match exec_plugin::failure(user, &source) {
        Some(why) => Error::ExecPlugin {
            cluster,
            context,
            why,
        },
        None => Error::Client {
            cluster,
            context,
            why: chain(&source),
        },
    }
}

/// kube's errors of plugins have the command's environment and output in them.
fn without_secrets(user: &AuthInfo, error: kube::Error) -> kube::Error {
    match exec_plugin::failure(user, &error) {
        Some(why) => kube::Error::Service(why.into()),
        None => error,
    }
}

fn distinct(client: &Connected, server: &Connected) -> Result<()> {
    match (client.seen.uid(), server.seen.uid()) {
        (Some(one), Some(other)) if one == other => Err(Error::SameCluster {
            client: client.context.clone(),
            server: server.context.clone(),
            uid: one.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use meshproof_cluster::kube::config::Kubeconfig;

    use super::*;

    /// kube's own retry sends again what may have been executed.
    #[tokio::test]
    async fn nothing_below_our_manners_repeats_requests() {
        let text = "{clusters: [{name: c, cluster: {server: 'https://c'}}], \
                    contexts: [{name: c, context: {cluster: c}}]}";
        let offered = Offered {
            kubeconfig: Kubeconfig::from_yaml(text).unwrap(),
            context: "c".to_owned(),
            facts: Facts::istio_defaults("contexts"),
        };
        let config = config(Side::Client, &offered).await.unwrap();
        assert!(!config.default_retry);
    }
}
