//! Client pods: their password, their readiness, the MySQL client in them, their sidecar's log.

use std::collections::BTreeMap;

use futures::future;
use meshproof_cluster::{ClientPod, ClusterAccess, Command, PodRef, Side};
use meshproof_probe::{COMMAND, Portable};
use meshproof_scenario::ObjectName;
use meshproof_sql::Dialect;

use super::{During, SetupError, Work, prober};
use crate::proxy_log::HopLog;

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
    /// The program that is the prober, or why there is none.
    pub(crate) prober: Result<String, String>,
}

/// A client pod's name in the scenario, the pod, and its sidecar's log where it has one.
pub(super) type StartedClient = (String, Client, Option<Result<HopLog, String>>);

impl Work<'_> {
    pub(super) async fn clients(&self, side: Side) -> Result<Vec<StartedClient>, SetupError> {
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
        let prober = async {
            if self.bound.setup(side).copies.pods.contains(name) {
                let brought = prober::bring(access, &pod.pod, ClientPod::CONTAINER).await;
                brought.map(|()| Portable::command())
            } else {
                Ok(COMMAND.to_owned())
            }
        };
        let log = async {
            if injected {
                Some(self.follow(side, std::slice::from_ref(&pod.pod)).await)
            } else {
                None
            }
        };
        let (version, address, log, prober) = future::join4(
            version(access, &pod.pod),
            access.pod_ip(&pod.pod),
            log,
            Box::pin(prober),
        )
        .await;
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
                prober,
            },
            log,
        ))
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
    pub(super) async fn password(&self) -> Result<Vec<u8>, SetupError> {
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
