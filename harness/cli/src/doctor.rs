//! `meshproof doctor`: what is there, what is missing, what to do.

use meshproof_provider::doctor::{stops, text};
use meshproof_record::{Finding, FindingState};
use serde::Serialize;

use crate::args::{DoctorArgs, On, Output};
use crate::contexts;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run;
use crate::show;

/// The list for programs.
#[derive(Serialize)]
struct List<'a> {
    /// Nothing is missing.
    ok: bool,
    findings: &'a [Finding],
}

/// Looks, prints the list, and ends as a run would that finds the same.
pub(crate) fn command(args: &DoctorArgs) -> Result<Exit, Failure> {
    contexts::fit(args.on, args.contexts.given())?;
    let system = |error: std::io::Error| Failure::of(Exit::EnvironmentFailed, &error);
    let (findings, exit) = run::runtime()?.block_on(look(args))?;
    let text = match args.output {
        Output::Text => text(&findings),
        Output::Json => {
            let ok = !stops(&findings);
            let list = List {
                ok,
                findings: &findings,
            };
            let json = serde_json::to_string_pretty(&list);
            let json = json.map_err(|error| Failure::of(Exit::Internal, &error))?;
            format!("{json}\n")
        }
    };
    show::out(&text).map_err(system)?;
    Ok(exit)
}

async fn look(args: &DoctorArgs) -> Result<(Vec<Finding>, Exit), Failure> {
    match args.on {
        On::Kind => Err(run::not_built(args.on)),
        On::Contexts => {
            let looked = contexts::look(&args.contexts).await?;
            looked.finish()?;
            let failure = contexts::missing(&looked.examined);
            let exit = failure.map_or(Exit::Pass, |failure| failure.exit);
            Ok((looked.examined.findings, exit))
        }
        On::Embedded => Ok(Box::pin(embedded(args.any_envoy)).await),
    }
}

/// The programs, and the clusters themselves: whether this machine allows them is found out by starting them.
async fn embedded(any_envoy: bool) -> (Vec<Finding>, Exit) {
    let mut findings = Vec::new();
    let (programs, versions) = match run::programs(any_envoy).await {
        Ok(found) => found,
        Err(failure) => {
            findings.push(finding("programs", FindingState::Missing, failure.message));
            return (findings, failure.exit);
        }
    };
    for (name, version) in &versions {
        findings.push(finding(name, FindingState::Ok, version.clone()));
    }
    let exit = match Box::pin(run::trial(programs, &versions)).await {
        Ok(()) => {
            let found = "two started, with gateways, and stopped".to_owned();
            findings.push(finding("clusters", FindingState::Ok, found));
            Exit::Pass
        }
        Err(failure) => {
            findings.push(finding("clusters", FindingState::Missing, failure.message));
            failure.exit
        }
    };
    (findings, exit)
}

fn finding(point: &str, state: FindingState, found: String) -> Finding {
    Finding {
        cluster: None,
        point: point.to_owned(),
        state,
        found,
        to_do: None,
    }
}
