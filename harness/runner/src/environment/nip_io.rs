//! Whether pods of the client's cluster resolve names of nip.io, and what is written down for them where not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use meshproof_cluster::{ClientPod, ClusterAccess, Command, PodRef, Side};
use tokio::time::timeout;

use super::{Bound, During, SetupError, namespaces};
use crate::client;
use crate::nip_io::{Answer, HostNames};
use crate::observer::Event;
use crate::setup::Setup;
use crate::side::Clusters;
use crate::timing::Timing;

/// The pod that asks. It stands in a namespace of the run beside the scenario's pods.
const POD: &str = "meshproof-names";
/// A resolver gives a server five seconds and asks again once (resolv.conf(5)).
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

/// Gives pods and proxies of a bound scenario the addresses of names that their clusters do not resolve.
///
/// # Errors
/// The pod that asks does not start; an entry of the scenario cannot be written without names.
pub(crate) async fn settle(
    bound: &mut Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
) -> Result<(), SetupError> {
    let hosts = bound.hosts();
    let Some((host, ip)) = hosts.iter().next() else {
        return Ok(());
    };
    let written = match &clusters.host_names {
        HostNames::Dns => false,
        HostNames::Aliases => true,
        HostNames::Ask(answer) => {
            let asking = answer.get_or_try_init(|| ask(bound, clusters, timing, host, *ip));
            *Box::pin(asking).await? != Answer::Resolves
        }
    };
    if written {
        bound.write_down(&hosts).during("write names down")?;
    }
    Ok(())
}

/// Asks from a pod in the client's cluster.
async fn ask(
    bound: &Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
    host: &str,
    ip: Ipv4Addr,
) -> Result<Answer, SetupError> {
    let access = &clusters.client;
    let setup = bound.setup(Side::Client);
    let answer = match asking(setup) {
        Some(pod) => {
            let found = addresses(access, setup, &pod, host);
            let found = Box::pin(found);
            let found = timing.step(Some(Side::Client), "ask whether names resolve", found);
            match found.await? {
                Ok(found) => Answer::of(host, ip, &found),
                Err(why) => {
                    Answer::Not(format!("whether {host} has an address is not known: {why}"))
                }
            }
        }
        None => Answer::Not("there is no client pod to ask from".to_owned()),
    };
    if let Answer::Not(why) = &answer {
        let text = format!(
            "{why}, so that names of nip.io are written down: `hostAliases` of client pods, addresses in ServiceEntries"
        );
        timing.tell(&Event::Note {
            cluster: Some(Side::Client),
            text,
        });
    }
    Ok(answer)
}

/// A pod like one of the scenario's, without a sidecar: what a proxy knows is not what a cluster resolves.
fn asking(setup: &Setup) -> Option<ClientPod> {
    let (like, _) = setup.pods.values().next()?;
    Some(ClientPod {
        pod: PodRef::new(&like.pod.namespace, POD),
        image: like.image.clone(),
        env: BTreeMap::new(),
        host_aliases: BTreeMap::new(),
        without_sidecar: true,
    })
}

/// The addresses of `host` in a pod, or why it could not be asked.
async fn addresses(
    access: &ClusterAccess,
    setup: &Setup,
    pod: &ClientPod,
    host: &str,
) -> Result<Result<Vec<IpAddr>, String>, SetupError> {
    const WHAT: &str = "start a pod that asks whether names resolve";
    namespaces(access, setup).await?;
    access.create_client_pod(pod).await.during(WHAT)?;
    access.wait_pod_ready(&pod.pod).await.during(WHAT)?;
    let command = Command {
        pod: pod.pod.clone(),
        container: ClientPod::CONTAINER.to_owned(),
        argv: client::resolve(host),
        stdin: Vec::new(),
    };
    let asked = timeout(ANSWERED_WITHIN, access.run(&command)).await;
    Ok(match asked {
        Err(_) => Err(format!("no answer in {} s", ANSWERED_WITHIN.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(output)) => {
            let found = client::resolved(&output);
            found.map(|found| found.iter().filter_map(|text| text.parse().ok()).collect())
        }
    })
}
