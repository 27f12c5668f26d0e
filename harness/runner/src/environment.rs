//! Setting up both clusters for a scenario: everything that can go on at the same time does, and what
//! takes longest (the database, then pods) is begun first.

use std::collections::BTreeMap;

use futures::future;
use meshproof_cluster::{Activation, Applied, ClientPod, ClusterAccess, Command, PodRef, Side};
use meshproof_record::Hop;
use meshproof_scenario::{Bindings, Loaded, ObjectName, Scenario};
use meshproof_sql::Dialect;

use crate::certificates::{self, Leaves};
use crate::database::{Database, Login};
use crate::observer::Event;
use crate::proxy_log::{HopLog, ProxyLogs};
use crate::setup::Setup;
use crate::side::{Clusters, from_scenario};
use crate::timing::Timing;

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

/// A scenario with all its values in place, and what goes into each cluster.
pub(crate) struct Bound {
    pub(crate) scenario: Scenario,
    pub(crate) bindings: Bindings,
    client: Setup,
    server: Setup,
}

/// A client pod that is ready for commands.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) side: Side,
    pub(crate) pod: PodRef,
    /// Its address, as routers see it.
    pub(crate) address: Option<String>,
    /// The MySQL client in it.
    pub(crate) dialect: Dialect,
    /// Its version, as it prints it.
    pub(crate) version: String,
}

/// Two clusters, ready for cases.
pub(crate) struct Environment {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) logs: ProxyLogs,
    /// The database's own side, or why it cannot be looked at.
    pub(crate) database: Result<Database, String>,
    /// Configuration that is not active, or not known to be.
    pub(crate) inactive: Vec<String>,
}

/// Looks up what bindings ask for and puts the values in place.
pub(crate) async fn bind(loaded: &Loaded, clusters: &Clusters) -> Result<Bound, SetupError> {
    const WHAT: &str = "resolve bindings";
    let lookups = loaded.scenario.lookups().map(|(name, lookup)| async move {
        let access = clusters.get(from_scenario(lookup.cluster));
        let service = &lookup.service;
        let address = access
            .load_balancer_address(&service.namespace, &service.name, access.facts.ready_within)
            .await?;
        Ok::<_, meshproof_cluster::Error>((name.to_owned(), address))
    });
    let found: BTreeMap<String, String> = future::try_join_all(lookups)
        .await
        .during(WHAT)?
        .into_iter()
        .collect();
    let bindings = loaded.scenario.resolve(&found).during(WHAT)?;
    let scenario = loaded
        .scenario
        .bind(&loaded.source, &bindings)
        .during(WHAT)?;
    let client = Setup::of(Side::Client, &scenario, loaded, &bindings).during("read manifests")?;
    let server = Setup::of(Side::Server, &scenario, loaded, &bindings).during("read manifests")?;
    Ok(Bound {
        scenario,
        bindings,
        client,
        server,
    })
}

impl Bound {
    fn setup(&self, side: Side) -> &Setup {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn database_side(&self) -> Side {
        from_scenario(self.scenario.database.cluster.value)
    }
}

/// Sets up both clusters and waits until pods are ready and configuration is active.
pub(crate) async fn set_up(
    bound: &Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
) -> Result<Environment, SetupError> {
    // Milliseconds, and everything else needs it: made before the first request goes out.
    let leaves = timing
        .step(None, "make certificates", async {
            certificates::make(&bound.scenario.certificates.dns_name)
        })
        .await
        .during("make certificates")?;
    let work = Work {
        bound,
        clusters,
        timing,
        leaves: &leaves,
    };
    let (client, server, gateways) = future::try_join3(
        Box::pin(work.cluster(Side::Client)),
        Box::pin(work.cluster(Side::Server)),
        Box::pin(async { Ok(work.gateway_logs().await) }),
    )
    .await?;
    let mut environment = Environment {
        clients: BTreeMap::new(),
        logs: gateways,
        database: Err(String::new()),
        inactive: Vec::new(),
    };
    let mut database = None;
    for part in [client, server] {
        environment.inactive.extend(part.inactive);
        for (name, client, log) in part.clients {
            if let Some(log) = log {
                environment.logs.add_sidecar(&name, log);
            }
            environment.clients.insert(name, client);
        }
        if let Some(found) = part.database {
            environment.logs.add(Hop::ServerSidecar, found.log);
            database = Some(found.database);
        }
    }
    environment.database =
        database.unwrap_or_else(|| Err("the scenario's database is in neither cluster".to_owned()));
    Ok(environment)
}

/// A client pod's name in the scenario, the pod, and its sidecar's log where it has one.
type StartedClient = (String, Client, Option<Result<HopLog, String>>);

/// What one cluster's set-up brings.
struct Part {
    clients: Vec<StartedClient>,
    database: Option<DatabasePart>,
    inactive: Vec<String>,
}

struct DatabasePart {
    database: Result<Database, String>,
    log: Result<HopLog, String>,
}

struct Work<'a> {
    bound: &'a Bound,
    clusters: &'a Clusters,
    timing: &'a Timing<'a>,
    leaves: &'a Leaves,
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
        let (inactive, clients, database) = future::try_join3(
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
                let data = self.leaves.of(*certificate).clone();
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

    async fn active(
        &self,
        access: &ClusterAccess,
        applied: &Applied,
    ) -> Result<Vec<String>, SetupError> {
        let text = match access
            .wait_active(applied)
            .await
            .during("wait for active configuration")?
        {
            Activation::Active => return Ok(Vec::new()),
            Activation::Warming { names, waited } => {
                format!(
                    "cluster {}: after {:.0} s still not active: {names}",
                    access.side,
                    waited.as_secs_f64()
                )
            }
            Activation::NotAvailable(why) => format!(
                "cluster {}: whether configuration is active is not known: {why}",
                access.side
            ),
        };
        self.timing.tell(&Event::Note {
            cluster: Some(access.side),
            text: text.clone(),
        });
        Ok(vec![text])
    }

    async fn clients(&self, side: Side) -> Result<Vec<StartedClient>, SetupError> {
        let setup = self.bound.setup(side);
        if setup.pods.is_empty() {
            return Ok(Vec::new());
        }
        self.copy_password(side).await?;
        future::try_join_all(
            setup
                .pods
                .iter()
                .map(|(name, (pod, injected))| self.client(side, name, pod, *injected)),
        )
        .await
    }

    async fn client(
        &self,
        side: Side,
        name: &str,
        pod: &ClientPod,
        injected: bool,
    ) -> Result<StartedClient, SetupError> {
        let access = self.clusters.get(side);
        access
            .create_client_pod(pod)
            .await
            .during("create client pods")?;
        access
            .wait_pod_ready(&pod.pod)
            .await
            .during("start client pods")?;
        let log = async {
            if injected {
                Some(self.follow(side, std::slice::from_ref(&pod.pod)).await)
            } else {
                None
            }
        };
        let (version, address, log) =
            future::join3(version(access, &pod.pod), access.pod_ip(&pod.pod), log).await;
        let (dialect, version) = version.during("find the MySQL client")?;
        let address = address.during("read the client pod's address")?;
        Ok((
            name.to_owned(),
            Client {
                side,
                pod: pod.pod.clone(),
                address,
                dialect,
                version,
            },
            log,
        ))
    }

    async fn follow(&self, side: Side, pods: &[PodRef]) -> Result<HopLog, String> {
        HopLog::follow(
            self.clusters.get(side),
            pods,
            self.bound.setup(side).log_format.clone(),
        )
        .await
    }

    /// Copies the database's password into the namespaces of client pods, as a Secret of the same name.
    async fn copy_password(&self, side: Side) -> Result<(), SetupError> {
        const WHAT: &str = "copy the database's password";
        let password = self.password().await?;
        let wanted = &self.bound.scenario.database.password;
        let secret = &wanted.secret.value;
        let here = |namespace: &&str| {
            !(side == self.bound.database_side() && *namespace == secret.namespace)
        };
        let namespaces = self.bound.setup(side).pod_namespaces();
        future::try_join_all(namespaces.into_iter().filter(here).map(|namespace| {
            let data = BTreeMap::from([(wanted.key.value.clone(), password.clone())]);
            self.clusters
                .get(side)
                .apply_secret(namespace, &secret.name, data)
        }))
        .await
        .map(drop)
        .during(WHAT)
    }

    /// From the manifest that makes it, else from the cluster that has it.
    async fn password(&self) -> Result<Vec<u8>, SetupError> {
        let wanted = &self.bound.scenario.database.password;
        let (secret, key): (&ObjectName, &str) = (&wanted.secret.value, &wanted.key.value);
        let side = self.bound.database_side();
        if let Some(value) = self.bound.setup(side).secret_value(secret, key) {
            return Ok(value);
        }
        let access = self.clusters.get(side);
        access
            .secret_value(&secret.namespace, &secret.name, key)
            .await
            .during("read the database's password")
    }

    async fn database(&self, side: Side) -> Result<Option<DatabasePart>, SetupError> {
        if side != self.bound.database_side() {
            return Ok(None);
        }
        let access = self.clusters.get(side);
        let wanted = &self.bound.scenario.database;
        let (namespace, name) = (&wanted.workload.namespace, &wanted.workload.name);
        let pods = Box::pin(access.wait_deployment_pods(namespace, name))
            .await
            .during("start the database")?;
        let Some(pod) = pods.first() else {
            return Err("no pod of it is ready").during("start the database");
        };
        let password =
            String::from_utf8(self.password().await?).during("read the database's password")?;
        let login = Login {
            port: wanted.port.value,
            user: wanted.user.value.clone(),
            password,
        };
        let container = access
            .first_container(pod)
            .await
            .during("start the database")?;
        let own_log = access.follow_log(pod, &container).await.ok();
        let (database, log) = future::join(
            Database::connect(
                access,
                pod,
                own_log.as_ref(),
                &login,
                access.facts.ready_within,
            ),
            self.follow(side, &pods),
        )
        .await;
        Ok(Some(DatabasePart { database, log }))
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
                Ok(pods) => self.follow(side, &pods).await,
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

/// The MySQL client of a pod, by its own words.
async fn version(access: &ClusterAccess, pod: &PodRef) -> Result<(Dialect, String), String> {
    let command = Command {
        pod: pod.clone(),
        container: ClientPod::CONTAINER.to_owned(),
        argv: vec!["mysql".to_owned(), "--version".to_owned()],
        stdin: Vec::new(),
    };
    let output = access
        .run(&command)
        .await
        .map_err(|error| error.to_string())?;
    let printed = output.stdout_text();
    let dialect = Dialect::detect(&printed).map_err(|error| {
        format!(
            "pod {pod}: {error}; it said: {}",
            output.stderr_text().trim()
        )
    })?;
    Ok((dialect, printed.trim().to_owned()))
}
