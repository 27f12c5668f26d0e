//! `meshproof plan`: what a run would do, in order, without doing it.

use std::fmt::{self, Write};

use meshproof_scenario::{Loaded, Side, plan_order};

use crate::args::FilesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints the plan of each scenario.
pub(crate) fn command(args: &FilesArgs) -> Result<Exit, Failure> {
    let mut text = String::new();
    for loaded in scenarios::read(&args.paths)? {
        // Writing to a string cannot fail.
        let _ = plan(&loaded, &mut text);
    }
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}

fn plan(loaded: &Loaded, out: &mut String) -> fmt::Result {
    let scenario = &loaded.scenario;
    writeln!(out, "{} ({})", scenario.metadata.name, loaded.source.file)?;
    for (side, cluster) in scenario.clusters.iter() {
        let name = match side {
            Side::Client => "client",
            Side::Server => "server",
        };
        writeln!(
            out,
            "  cluster {name}, mesh configuration {}",
            cluster.mesh_config
        )?;
        for (namespace, settings) in &cluster.namespaces {
            writeln!(
                out,
                "    namespace {namespace}, injection {:?}",
                settings.injection
            )?;
        }
        for (secret, made) in &cluster.secrets {
            writeln!(
                out,
                "    secret {secret} from the {:?} certificate",
                made.certificate
            )?;
        }
        for patch in &cluster.patches {
            writeln!(out, "    patch service {} by {}", patch.service, patch.json)?;
        }
        for manifest in &cluster.manifests {
            writeln!(out, "    apply {manifest}")?;
        }
        for (pod, spec) in &cluster.pods {
            writeln!(
                out,
                "    pod {}/{pod}, image {}",
                spec.namespace, spec.image
            )?;
        }
    }
    cases(loaded, out)
}

fn cases(loaded: &Loaded, out: &mut String) -> fmt::Result {
    let scenario = &loaded.scenario;
    for (nth, index) in plan_order(scenario).into_iter().enumerate() {
        let case = &scenario.cases[index];
        write!(
            out,
            "  {}. {}: from {} to {}, expect {:?}",
            nth + 1,
            case.name,
            case.from,
            case.to,
            *case.expect.outcome
        )?;
        if let Some(control) = &case.control {
            write!(out, ", control {control}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
