//! The database's pod: waited for, looked into past its sidecar, its sidecar's log followed.

use futures::future;
use meshproof_cluster::{PodRef, Side};

use super::{During, SetupError, Work};
use crate::database::{Database, Login};
use crate::proxy_log::HopLog;

/// What the set-up of the database brings.
pub(super) struct DatabasePart {
    pub(super) database: Result<Database, String>,
    pub(super) log: Result<HopLog, String>,
    pub(super) pods: Vec<PodRef>,
}

impl Work<'_> {
    pub(super) async fn database(&self, side: Side) -> Result<Option<DatabasePart>, SetupError> {
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
        let opened = future::join(
            Database::connect(
                access,
                pod,
                own_log.as_ref(),
                &login,
                access.facts.ready_within,
            ),
            self.follow(side, &pods),
        );
        // Without a readiness probe a pod is ready as soon as it runs, also one that is about to die.
        let (database, log) = tokio::select! {
            opened = opened => opened,
            trouble = access.pod_trouble(pod) => return Err(trouble).during("start the database"),
        };
        Ok(Some(DatabasePart {
            database,
            log,
            pods,
        }))
    }
}
