//! Setting up both clusters for a scenario: everything that can go on at the same time does, and what
//! takes longest (the database, then pods) is begun first.

mod bound;
mod clients;
mod nip_io;
mod prober;
mod proxies;
mod server;
mod telling;
mod vary;

use std::collections::BTreeMap;

use futures::future;
use meshproof_cluster::{Activation, Applied, ClusterAccess, PodRef, Side};
use meshproof_record::Hop;

use clients::StartedClient;
use proxies::Own;
use server::DatabasePart;
use telling::{ACTIVE, Telling};
use vary::Varied;

pub(crate) use bound::{Bound, bind};
pub(crate) use clients::Client;
pub(crate) use nip_io::settle as settle_names;
pub(crate) use vary::{Wanted, overlays};

use crate::certificates::Certificates;
use crate::database::Database;
use crate::observer::Event;
use crate::proxy_log::{HopLog, ProxyLogs};
use crate::setup::Setup;
use crate::side::Clusters;
use crate::timing::Timing;
use crate::wire::Wire;

/// Why an environment could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{during}: {message}")]
pub(crate) struct SetupError {
    /// What was being done.
    pub(crate) during: String,
    /// The whole chain of causes.
    pub(crate) message: String,
}

/// Says what was being done when something failed.
trait During<T> {
    fn during(self, what: &str) -> Result<T, SetupError>;
}

impl<T, E: ToString> During<T> for Result<T, E> {
    fn during(self, what: &str) -> Result<T, SetupError> {
        self.map_err(|error| SetupError {
            during: what.to_owned(),
            message: error.to_string(),
        })
    }
}

/// Two clusters, ready for cases.
pub(crate) struct Environment {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) logs: ProxyLogs,
    /// The database's own side, or why it cannot be looked at.
    pub(crate) database: Result<Database, String>,
    /// Configuration that is not active, or not known to be.
    pub(crate) inactive: Vec<String>,
    /// What tells that a change is active, or why nothing does.
    pub(crate) telling: Result<Telling, String>,
    /// Why it is not known whether the last change is active, where it is not.
    unseen: Option<String>,
    /// The capture on the link, or why there is none.
    pub(crate) wire: Result<Wire, String>,
    /// The certificates of the run.
    pub(crate) certificates: Certificates,
    varied: Varied,
}

impl Environment {
    /// What is not there any more that a case of another scenario may need.
    pub(crate) async fn lacks(&self) -> Option<String> {
        let database = match &self.database {
            Ok(database) => database.lost().await,
            Err(why) => Some(why.clone()),
        };
        let captured = match &self.wire {
            Ok(wire) => wire.ended(),
            Err(why) => Some(why.clone()),
        };
        let inactive = self.inactive.first().cloned();
        database
            .or(captured)
            .or(inactive)
            .or_else(|| self.logs.lack())
    }
}

/// Sets up both clusters and waits until pods are ready and configuration is active.
pub(crate) async fn set_up(
    bound: &Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
) -> Result<Environment, SetupError> {
    let dns_name = &bound.scenario.certificates.dns_name;
    let certificates = Certificates::new(dns_name).during("make certificates")?;
    let work = Work {
        bound,
        clusters,
        timing,
        certificates: &certificates,
    };
    let (client, server, gateways) = future::try_join3(
        Box::pin(work.cluster(Side::Client)),
        Box::pin(work.cluster(Side::Server)),
        Box::pin(async { Ok(work.gateway_logs().await) }),
    )
    .await?;
    // The pods' own readiness has to reach the proxies too. What is known to be warming is not waited
    // for a second time.
    let settled = [(Side::Client, &client), (Side::Server, &server)].map(|(side, part)| {
        let due = part.inactive.is_empty();
        work.pods_active(clusters.get(side), due)
    });
    let late = future::try_join_all(settled).await?;
    // Active configuration means that the link is there: before, there is no interface to capture at.
    let wire = timing
        .step(
            None,
            "capture the link",
            Box::pin(Wire::open(&clusters.client)),
        )
        .await;
    let mut environment = Environment {
        certificates,
        wire,
        varied: Varied::default(),
        clients: BTreeMap::new(),
        logs: gateways,
        database: Err(String::new()),
        inactive: late.concat(),
        telling: Ok(Telling::Mesh),
        unseen: None,
    };
    let mut database = None;
    let mut proxies = Vec::new();
    for part in [client, server] {
        environment.inactive.extend(part.inactive);
        for (name, client, log) in part.clients {
            if let Some(log) = log {
                proxies.push((client.side, client.pod.clone(), Own::Run));
                environment.logs.add_sidecar(&name, log);
            }
            environment.clients.insert(name, client);
        }
        if let Some(found) = part.database {
            if found.log.is_ok() {
                let side = bound.database_side();
                proxies.extend(found.pods.into_iter().map(|pod| (side, pod, Own::Run)));
            }
            environment.logs.add(Hop::ServerSidecar, found.log);
            database = Some(found.database);
        }
    }
    let telling = Box::pin(telling::begin(bound, clusters, timing, proxies)).await;
    environment.tell_by(telling, timing)?;
    environment.database =
        database.unwrap_or_else(|| Err("the scenario's database is in neither cluster".to_owned()));
    Ok(environment)
}

/// What one cluster's set-up brings.
struct Part {
    clients: Vec<StartedClient>,
    database: Option<DatabasePart>,
    inactive: Vec<String>,
}

struct Work<'a> {
    bound: &'a Bound,
    clusters: &'a Clusters,
    timing: &'a Timing<'a>,
    certificates: &'a Certificates,
}

impl Work<'_> {
    async fn cluster(&self, side: Side) -> Result<Part, SetupError> {
        let access = self.clusters.get(side);
        let setup = self.bound.setup(side);
        let mut applied = self
            .timing
            .step(Some(side), "create namespaces", namespaces(access, setup))
            .await?;
        let objects = async {
            let found = self
                .timing
                .step(Some(side), "apply", self.objects(access, setup))
                .await?;
            applied.merge(found);
            self.timing
                .step(
                    Some(side),
                    "wait for active configuration",
                    self.active(access, &applied),
                )
                .await
        };
        let (inactive, clients, database, ()) = future::try_join4(
            objects,
            self.timing.step(
                Some(side),
                "start client pods",
                Box::pin(self.clients(side)),
            ),
            self.timing.step(
                Some(side),
                "start the database",
                Box::pin(self.database(side)),
            ),
            Box::pin(self.workloads(side)),
        )
        .await?;
        Ok(Part {
            clients,
            database,
            inactive,
        })
    }

    /// Manifests, Secrets and patches, all at once.
    async fn objects(&self, access: &ClusterAccess, setup: &Setup) -> Result<Applied, SetupError> {
        let manifests = async {
            access
                .apply(&setup.manifests, "default")
                .await
                .during("apply")
        };
        let secrets =
            future::try_join_all(setup.certificates.iter().map(|(name, certificate)| async {
                let data = self
                    .certificates
                    .secret(certificate)
                    .during("make certificates")?;
                access
                    .apply_secret(&name.namespace, &name.name, data)
                    .await
                    .during("apply certificates")
            }));
        let patches = async {
            // One Service may be patched twice, so in their order.
            let mut applied = Applied::default();
            for (service, patch) in &setup.patches {
                let one = access
                    .patch_service(&service.namespace, &service.name, patch.clone())
                    .await;
                applied.merge(one.during("patch services")?);
            }
            Ok(applied)
        };
        let (mut applied, secrets, patches) =
            future::try_join3(manifests, secrets, patches).await?;
        applied.merge(patches);
        for one in secrets {
            applied.merge(one);
        }
        Ok(applied)
    }

    /// Waits until the proxies know the pods that are ready by now.
    async fn pods_active(
        &self,
        access: &ClusterAccess,
        due: bool,
    ) -> Result<Vec<String>, SetupError> {
        if !due {
            return Ok(Vec::new());
        }
        let waiting = async {
            let pods = access.pods_applied().await.during("list pods")?;
            match pods.version() {
                0 => Ok(Vec::new()),
                _ => self.active(access, &pods).await,
            }
        };
        let what = "wait for ready pods to be endpoints";
        self.timing.step(Some(access.side), what, waiting).await
    }

    async fn active(
        &self,
        access: &ClusterAccess,
        applied: &Applied,
    ) -> Result<Vec<String>, SetupError> {
        activation(access, applied, self.timing).await
    }

    async fn follow(&self, side: Side, pods: &[PodRef]) -> Result<HopLog, String> {
        HopLog::follow(
            self.clusters.get(side),
            pods,
            &self.bound.setup(side).log_format,
        )
        .await
    }

    /// Logs of both gateways; what cannot be followed is missing evidence, not an error.
    async fn gateway_logs(&self) -> ProxyLogs {
        let follow = |side: Side, hop: Hop| async move {
            let facts = &self.clusters.get(side).facts;
            let gateway = if hop == Hop::Egress {
                &facts.egress
            } else {
                &facts.ingress
            };
            let pods = self
                .clusters
                .get(side)
                .wait_ready_pods(&gateway.namespace, &gateway.selector)
                .await;
            match pods {
                Ok(pods) => {
                    let log = self.follow(side, &pods).await;
                    log.map(|log| log.only(self.bound.server_names.clone()))
                }
                Err(error) => Err(error.to_string()),
            }
        };
        let opened = future::join(
            Box::pin(follow(Side::Client, Hop::Egress)),
            Box::pin(follow(Side::Server, Hop::Ingress)),
        );
        let (egress, ingress) = self
            .timing
            .step(None, "follow the gateways' logs", opened)
            .await;
        let mut logs = ProxyLogs::default();
        logs.add(Hop::Egress, egress);
        logs.add(Hop::Ingress, ingress);
        logs
    }
}

/// Waits until something is active; what is not, in words.
async fn activation(
    access: &ClusterAccess,
    applied: &Applied,
    timing: &Timing<'_>,
) -> Result<Vec<String>, SetupError> {
    let text = match access.wait_active(applied).await.during(ACTIVE)? {
        Activation::Active | Activation::AtProxies => return Ok(Vec::new()),
        Activation::Warming { names, waited } => {
            format!(
                "cluster {}: after {:.0} s still not active: {names}",
                access.side,
                waited.as_secs_f64()
            )
        }
    };
    timing.tell(&Event::Note {
        cluster: Some(access.side),
        text: text.clone(),
    });
    Ok(vec![text])
}

async fn namespaces(access: &ClusterAccess, setup: &Setup) -> Result<Applied, SetupError> {
    let created = setup
        .namespaces
        .iter()
        .map(|(name, labels)| access.ensure_namespace(name, labels));
    let mut applied = Applied::default();
    future::try_join_all(created)
        .await
        .during("create namespaces")?
        .into_iter()
        .for_each(|one| applied.merge(one));
    Ok(applied)
}
