//! Two clusters that are there already, by contexts of a kubeconfig.

use std::sync::Arc;

use meshproof_provider::doctor::{self, Examined};
use meshproof_provider::kubeconfig::{self, Choice, Lookup};
use meshproof_provider::{Connected, Error, Manners, Trace};
use meshproof_record::Finding;

use crate::args::{ContextArgs, On};
use crate::exit::Exit;
use crate::failure::Failure;

/// What was found, and where every request is written down.
pub(crate) struct Looked {
    pub(crate) examined: Examined,
    trace: Option<Arc<Trace>>,
}

impl Looked {
    /// # Errors
    /// A request could not be written down.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let trace = self.trace.as_ref();
        let finished = trace.map_or(Ok(()), |trace| trace.finish());
        finished.map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))
    }
}

/// Looks at everything that a run needs. What is wrong with the kubeconfig is among the findings.
///
/// # Errors
/// The file for the trace cannot be written.
pub(crate) async fn look(args: &ContextArgs) -> Result<Looked, Failure> {
    let trace = args.trace_api.as_deref().map(Trace::create).transpose();
    let trace = trace.map_err(|error| Failure::of(Exit::BadInput, &error))?;
    let trace = trace.map(Arc::new);
    let settings = meshproof_provider::connect::Settings {
        manners: Manners::default(),
        trace: trace.clone(),
    };
    let choice = Choice {
        client: args.client_context.clone(),
        server: args.server_context.clone(),
    };
    let lookup = Lookup::here(args.kubeconfig.clone());
    let examined = match kubeconfig::contexts(&lookup, &choice) {
        Ok(offer) => Box::pin(doctor::examine(&offer, &settings)).await,
        Err(error) => Examined::refused(vec![error]),
    };
    Ok(Looked { examined, trace })
}

/// How a command ends that cannot go on from here; `None` where nothing is missing.
pub(crate) fn missing(examined: &Examined) -> Option<Failure> {
    if !examined.errors.is_empty() {
        let given = examined.errors.iter().all(Error::is_bad_input);
        let exit = if given {
            Exit::BadInput
        } else {
            Exit::EnvironmentFailed
        };
        let errors: Vec<String> = examined.errors.iter().map(Error::to_string).collect();
        return Some(Failure::new(exit, errors.join("\n")));
    }
    let missing: Vec<String> = examined
        .findings
        .iter()
        .filter(|finding| finding.state == meshproof_record::FindingState::Missing)
        .map(line)
        .collect();
    (!missing.is_empty()).then(|| {
        let message = format!(
            "nothing was created, as something is missing: {}",
            missing.join("; ")
        );
        Failure::new(Exit::EnvironmentFailed, message)
    })
}

/// Both clusters.
///
/// # Errors
/// They are not connected: what is missing.
pub(crate) fn connected(examined: &Examined) -> Result<&[Connected; 2], Failure> {
    examined.connected.as_ref().ok_or_else(|| {
        missing(examined).unwrap_or_else(|| {
            let message = "the clusters are neither connected nor missing";
            Failure::new(Exit::Internal, message)
        })
    })
}

fn line(finding: &Finding) -> String {
    let cluster = finding.cluster.as_ref();
    let cluster = cluster.map_or_else(String::new, |cluster| format!("cluster {cluster}: "));
    format!("{cluster}{}: {}", finding.point, finding.found)
}

/// # Errors
/// Options that mean nothing to the clusters that were asked for.
pub(crate) fn fit(on: On, given: Option<&'static str>) -> Result<(), Failure> {
    match given {
        Some(option) if on != On::Contexts => {
            let message = format!("{option} goes with --on contexts: add that, or leave it out");
            Err(Failure::new(Exit::BadInput, message))
        }
        _ => Ok(()),
    }
}
