//! The embedded clusters as the runner wants them: two clients and a few facts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future;
use meshproof_cluster::{ActiveEvidence, ClusterAccess, Facts, PodRef, Side};
use meshproof_pocket::{ClusterName, Pocket, PocketError, PocketOptions, Programs, install};
use meshproof_pocket_node::{NodeError, Program};
use meshproof_runner::{Clusters, HostNames, Prober};
use meshproof_scenario::Loaded;
use meshproof_toolchain::Toolchain;

use crate::exit::Exit;
use crate::failure::{Failure, chain};

/// Images are local and pods are processes: what takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Envoy waits 15 s for a Secret that never existed before new configuration takes over.
const ACTIVE_WITHIN: Duration = Duration::from_secs(20);
/// The proxies write each access-log line at once; this is for the line's way to the reader.
const LOG_FLUSH: Duration = Duration::from_millis(20);

/// Starts both clusters with the mesh configuration that the scenario names.
pub(crate) async fn start(loaded: &Loaded, programs: Programs) -> Result<Pocket, Failure> {
    let clusters = &loaded.scenario.clusters;
    let mesh_config = [&clusters.client, &clusters.server].map(|cluster| {
        loaded
            .file(&cluster.mesh_config)
            .map(|file| file.text.clone())
    });
    Pocket::start(PocketOptions {
        programs,
        mesh_config,
        nip_io: true,
    })
    .await
    .map_err(|error| refused(&error))
}

/// Whether this machine allows them: starts two, waits until their gateways are ready, and stops them.
pub(crate) async fn trial(
    programs: Programs,
    versions: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let options = PocketOptions {
        programs,
        mesh_config: [None, None],
        nip_io: true,
    };
    let pocket = Pocket::start(options).await;
    let pocket = pocket.map_err(|error| refused(&error))?;
    let Clusters { client, server, .. } = clusters(&pocket, "doctor", versions, HostNames::Dns);
    let (egress, ingress) = (&client.facts.egress, &server.facts.ingress);
    let ready = future::try_join(
        client.wait_ready_pods(&egress.namespace, &egress.selector),
        server.wait_ready_pods(&ingress.namespace, &ingress.selector),
    );
    let ready = Box::pin(ready).await;
    pocket.stop().await.map_err(|error| refused(&error))?;
    let failed = |error| Failure::of(Exit::EnvironmentFailed, &error);
    ready.map(drop).map_err(failed)
}

/// Both clusters for the runner.
pub(crate) fn clusters(
    pocket: &Pocket,
    run_id: &str,
    versions: &BTreeMap<String, String>,
    host_names: HostNames,
) -> Clusters {
    let access = |side, name| {
        ClusterAccess::new(side, pocket.cluster(name).client(), facts(versions), run_id)
    };
    Clusters {
        client: access(Side::Client, ClusterName::Client),
        server: access(Side::Server, ClusterName::Server),
        host_names,
        prober: Prober::Named,
    }
}

/// The host's programs for pods.
pub(crate) fn programs(found: &Toolchain, data_directory: PathBuf) -> Result<Programs, Failure> {
    let own =
        std::env::current_exe().map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    // With `--any-envoy` the version may be unreadable: then it is newer than any known one.
    let envoy_version = found.envoy_version().unwrap_or((u32::MAX, 0));
    let libraries = found.library_path().map(|paths| {
        (
            "LD_LIBRARY_PATH".to_owned(),
            paths.to_string_lossy().into_owned(),
        )
    });
    Ok(Programs {
        envoy: found.envoy.path.clone(),
        envoy_version,
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
        own,
    })
}

fn facts(versions: &BTreeMap<String, String>) -> Facts {
    Facts {
        ephemeral: true,
        active: ActiveEvidence::Conditions,
        router_pod: Some(PodRef::new(install::SYSTEM_NAMESPACE, install::ROUTER_POD)),
        ready_within: READY_WITHIN,
        active_within: ACTIVE_WITHIN,
        log_flush: LOG_FLUSH,
        same_clock: true,
        versions: versions.clone(),
        ..Facts::istio_defaults("embedded")
    }
}

/// Why the clusters are not, or no longer, there.
pub(crate) fn refused(error: &PocketError) -> Failure {
    if let PocketError::Node(NodeError::NamespacesRefused { .. }) = error {
        let ways = "or use clusters of your own with --on contexts, or with --on kind in a version that has it";
        return Failure::new(Exit::NamespacesRefused, format!("{}; {ways}", chain(error)));
    }
    Failure::new(
        Exit::EnvironmentFailed,
        format!("the embedded clusters: {}", chain(error)),
    )
}
