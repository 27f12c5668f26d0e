//! `meshproof clean`: takes back what runs that were killed have left on clusters.

use std::collections::BTreeSet;

use meshproof_cluster::Error;
use meshproof_provider::Connected;

use crate::args::{CleanArgs, On};
use crate::contexts;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run;
use crate::show;
use crate::state::{self, Left};

/// Looks, cleans, and says what became of everything.
pub(crate) fn command(args: &CleanArgs) -> Result<Exit, Failure> {
    if args.on != On::Contexts {
        return Err(match args.on {
            On::Kind => run::not_built(args.on),
            _ => Failure::new(
                Exit::BadInput,
                "embedded clusters end with their run, however it ends: there is nothing to clean",
            ),
        });
    }
    let report = run::runtime()?.block_on(clean(args))?;
    let system = |error: std::io::Error| Failure::of(Exit::EnvironmentFailed, &error);
    show::out(&report.text()).map_err(system)?;
    Ok(if report.failed {
        Exit::EnvironmentFailed
    } else {
        Exit::Pass
    })
}

/// What was done, in lines.
#[derive(Debug, Default)]
struct Report {
    lines: Vec<String>,
    failed: bool,
}

impl Report {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn errors(&mut self, errors: &[Error]) {
        for error in errors {
            self.failed = true;
            self.line(format!("not taken back: {error}"));
        }
    }

    fn text(&self) -> String {
        if self.lines.is_empty() {
            return "nothing was left\n".to_owned();
        }
        let lines = self.lines.iter().map(|line| format!("{line}\n"));
        lines.collect()
    }
}

async fn clean(args: &CleanArgs) -> Result<Report, Failure> {
    let Left {
        found,
        going,
        unreadable,
    } = state::left()?;
    if let Some(run) = args.run.as_ref().filter(|run| going.contains(run)) {
        let message =
            format!("run {run} goes on on this machine: end it first, it cleans up by itself");
        return Err(Failure::new(Exit::BadInput, message));
    }
    let looked = Box::pin(contexts::look(&args.contexts)).await?;
    let connected = contexts::connected(&looked.examined)?;
    let mut report = Report::default();
    for why in unreadable {
        report.failed = true;
        report.line(format!("not read: {why}"));
    }
    let mut found = found;
    found.retain(|one| args.run.as_ref().is_none_or(|run| *run == one.run));
    let mut runs: BTreeSet<String> = found.iter().map(|one| one.run.clone()).collect();
    runs.extend(args.run.clone());
    for cluster in connected {
        let (here, elsewhere) = found
            .into_iter()
            .partition(|one| Some(one.cluster()) == cluster.seen.uid());
        found = elsewhere;
        for one in Vec::from_iter(here) {
            take_back(cluster, one, &mut report).await;
        }
        sweep(cluster, &runs, &going, &mut report).await;
    }
    for one in found {
        let (run, cluster) = (&one.run, one.cluster());
        report.line(format!(
            "run {run} has left something on another cluster: that whose namespace kube-system has the uid {cluster}"
        ));
    }
    looked.finish()?;
    Ok(report)
}

/// What a journal says.
async fn take_back(cluster: &Connected, one: meshproof_cluster::Found, report: &mut Report) {
    let (side, run) = (cluster.side, one.run.clone());
    let access = cluster.access(&run).taking_over(one);
    let errors = Box::pin(access.tear_down()).await;
    if errors.is_empty() {
        report.line(format!(
            "cluster {side}: what run {run} had noted is taken back"
        ));
    }
    report.errors(&errors);
}

/// What carries the label of a run, noted or not.
async fn sweep(
    cluster: &Connected,
    runs: &BTreeSet<String>,
    going: &[String],
    report: &mut Report,
) {
    let side = cluster.side;
    for run in runs {
        let access = cluster.access(run);
        let swept = Box::pin(access.sweep()).await;
        for gone in &swept.gone {
            report.line(format!("cluster {side}: {gone} of run {run} is deleted"));
        }
        if !swept.unseen.is_empty() {
            let unseen = swept.unseen.join(", ");
            report.line(format!(
                "cluster {side}: not looked for {unseen} of run {run}: listing them is not allowed"
            ));
        }
        report.errors(&swept.errors);
    }
    match Box::pin(cluster.access("clean").runs_here()).await {
        Ok(here) => {
            let others = here
                .iter()
                .filter(|run| !runs.contains(*run) && !going.contains(run));
            for run in others {
                report.line(format!(
                    "cluster {side}: run {run} has namespaces here, and was not started on this machine or has no journal: if it has ended, clean up after it with --run {run}"
                ));
            }
        }
        Err(error) => report.errors(&[error]),
    }
}
