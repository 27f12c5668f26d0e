//! Bringing the prober into containers whose image does not have it.

use meshproof_cluster::{ClusterAccess, Command, PodRef, Side};
use meshproof_probe::{Parcel, Portable};
use tokio::sync::Mutex;

use super::{During, SetupError, Work};

/// A parcel is as large as the program: one at a time.
static ONE: Mutex<()> = Mutex::const_new(());
/// How the prober ends without a command: it says what it knows.
const NO_COMMAND: i32 = 2;

/// Copies the prober into a container and starts it once.
///
/// # Errors
/// In words: it does not arrive, or does not run there.
pub(super) async fn bring(
    access: &ClusterAccess,
    pod: &PodRef,
    container: &str,
) -> Result<(), String> {
    let _one = ONE.lock().await;
    let parcel = tokio::task::spawn_blocking(|| Portable::of_this_program()?.parcel());
    let parcel = parcel.await.map_err(|error| error.to_string())?;
    let Parcel { argv, stdin } = parcel.map_err(|error| format!("read the prober: {error}"))?;
    let run = async |argv: Vec<String>, stdin: Vec<u8>, wanted: i32| {
        let command = Command {
            pod: pod.clone(),
            container: container.to_owned(),
            argv,
            stdin,
        };
        let output = Box::pin(access.run(&command)).await;
        let output = output.map_err(|error| error.to_string())?;
        if output.exit == Some(wanted) {
            return Ok(());
        }
        let said = output.stderr_text();
        let (exit, said) = (output.exit, said.trim());
        Err(format!(
            "in container {container} of pod {pod} it ended with {exit:?}: {said}"
        ))
    };
    run(argv, stdin, 0)
        .await
        .map_err(|why| format!("copy the prober: {why}"))?;
    let started = run(vec![Portable::command()], Vec::new(), NO_COMMAND).await;
    started.map_err(|why| format!("start the prober that was copied: {why}"))
}

impl Work<'_> {
    /// Brings the prober into Deployments whose containers wait for it.
    pub(super) async fn workloads(&self, side: Side) -> Result<(), SetupError> {
        const WHAT: &str = "bring the prober into a Deployment";
        let access = self.clusters.get(side);
        for workload in &self.bound.setup(side).copies.workloads {
            let pods = access.wait_deployment_pods(&workload.namespace, &workload.name);
            for pod in Box::pin(pods).await.during(WHAT)? {
                for container in &workload.containers {
                    bring(access, &pod, container).await.during(WHAT)?;
                }
            }
        }
        Ok(())
    }
}
