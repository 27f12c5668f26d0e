//! Embedded clusters for tests that speak to them directly, as the command makes them.
//!
//! Tests are ignored with the reason where the machine lacks what clusters need; in CI that is a
//! failure.

mod programs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Completion, Failed};
use meshproof_cluster::{ActiveEvidence, Facts, PodRef};
use meshproof_pocket::{Pocket, PocketError, PocketOptions, install};
use meshproof_pocket_node::NodeError;
use meshproof_scenario::Loaded;

/// What a test program does before anything else: it is the node's child, the routers' program and the
/// prober too.
pub(crate) fn entry() -> Option<ExitCode> {
    meshproof_pocket_node::entry();
    meshproof_pocket::router::entry().or_else(meshproof_probe::entry)
}

/// The tutorial's scenario.
pub(crate) fn scenario() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .unwrap()
        .join("scenarios/mysql-mtls.yaml")
}

/// Brings clusters up for a test, which ends them.
pub(crate) fn trial(test: impl AsyncFnOnce(Pocket, &Loaded)) -> Result<Completion, Failed> {
    trial_on(true, test)
}

/// As [`trial`]; without `nip_io` the clusters resolve no names of nip.io.
pub(crate) fn trial_on(
    nip_io: bool,
    test: impl AsyncFnOnce(Pocket, &Loaded),
) -> Result<Completion, Failed> {
    let loaded = meshproof_scenario::load(&scenario()).map_err(|error| format!("{error:?}"))?;
    let programs = match programs::find_programs() {
        Ok(programs) => programs,
        Err(why) => return lacking(&why),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clusters = &loaded.scenario.clusters;
        let mesh_config = [&clusters.client, &clusters.server]
            .map(|cluster| Some(loaded.file(&cluster.mesh_config).unwrap().text.clone()));
        let options = PocketOptions {
            programs,
            mesh_config,
            nip_io,
        };
        let pocket = match Pocket::start(options).await {
            Ok(pocket) => pocket,
            Err(PocketError::Node(error @ NodeError::NamespacesRefused { .. })) => {
                return lacking(&error.to_string());
            }
            Err(error) => panic!("starting clusters: {error}"),
        };
        test(pocket, &loaded).await;
        Ok(Completion::Completed)
    })
}

fn lacking(why: &str) -> Result<Completion, Failed> {
    if std::env::var_os("CI").is_some() {
        return Err(format!("this machine cannot run scenarios, and CI must\n{why}").into());
    }
    eprintln!("skipped: {why}");
    Ok(Completion::ignored_with(
        why.lines().next().unwrap_or_default(),
    ))
}

/// What the command says of its embedded clusters.
pub(crate) fn facts() -> Facts {
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
