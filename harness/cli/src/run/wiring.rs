//! What a run is made of: scenarios, programs, clusters, and the runner that joins them.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future;
use meshproof_pocket::{Pocket, Programs};
use meshproof_runner::{Clusters, Kept, Options, ScenarioRun};
use meshproof_scenario::Loaded;
use meshproof_toolchain::{Toolchain, find, prepared_datadir};

use super::embedded;
use super::journal::Journal;
use super::queue::{Queue, Waiting};
use super::stop::{Stop, stopped};
use super::watch::Watch;
use crate::args::RunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::scenarios;
use crate::show::live::Live;
use crate::toolchain::{Downloads, failure, options};

/// How long a runner that was told to stop is waited for, on clusters that vanish.
const HANDING_OVER: Duration = Duration::from_secs(3);

/// Runs every scenario on embedded clusters, on as many beside each other as the arguments say.
pub(crate) async fn run(
    args: &RunArgs,
    journal: &Journal,
    live: &Live,
    mut stop: Stop,
) -> Result<(), Failure> {
    let mut chosen = choose(scenarios::read(&args.paths)?, args)?;
    let begun = Instant::now();
    let (programs, versions) = tokio::select! {
        found = programs(args.any_envoy) => found?,
        exit = stop.wait() => return Err(stopped(exit)),
    };
    journal.phase("find programs", begun);
    let clusters = Programmed {
        args,
        programs: &programs,
        versions: &versions,
        journal,
        live,
        stop: &stop,
    };
    let queue = Queue::new(&mut chosen);
    let slow = queue.slow.iter().map(|one| clusters.lane(one, &queue));
    let lanes = (0..args.jobs()).map(|_| clusters.lanes(&queue));
    let done = future::try_join(future::try_join_all(slow), future::try_join_all(lanes)).await;
    let order: Vec<&str> = chosen
        .iter()
        .map(|(loaded, _)| loaded.source.file.as_str())
        .collect();
    journal.sort(&order);
    done.map(drop)
}

/// The scenarios that have cases to run, and which.
pub(super) fn choose(
    loaded: Vec<Loaded>,
    args: &RunArgs,
) -> Result<Vec<(Loaded, Options)>, Failure> {
    let mut chosen = Vec::new();
    for loaded in loaded {
        let cases = args.case.as_ref().map(|pattern| {
            let scenario = &loaded.scenario;
            let full = |case: &str| format!("{}::{case}", scenario.metadata.name);
            // A case and the same under sabotage are chosen by either's name: one says little without the other.
            let chosen = scenario.cases.iter().filter(|case| {
                meshproof_runner::names_of(case, args.sabotage)
                    .any(|name| pattern.is_match(&full(&name)))
            });
            chosen
                .map(|case| case.name.value.clone())
                .collect::<Vec<_>>()
        });
        if cases.as_ref().is_none_or(|cases| !cases.is_empty()) {
            chosen.push((
                loaded,
                Options {
                    cases,
                    wait_timeouts: args.wait_out_timeouts,
                    sabotage: args.sabotage,
                    captures: args.captures,
                    disruptive: args.disruptive,
                },
            ));
        }
    }
    match &args.case {
        Some(pattern) if chosen.is_empty() => {
            let message = format!("--case {pattern}: no case matches; `meshproof list` names them");
            Err(Failure::new(Exit::BadInput, message))
        }
        _ => Ok(chosen),
    }
}

/// Finds or fetches the programs, in a thread that may block.
pub(crate) async fn programs(
    any_envoy: bool,
) -> Result<(Programs, BTreeMap<String, String>), Failure> {
    let search = move || {
        let options = options(any_envoy)?;
        let progress = Downloads::default();
        let found = find(&options, &progress).map_err(|error| failure(&error))?;
        let datadir =
            prepared_datadir(&found, &options, &progress).map_err(|error| failure(&error))?;
        Ok((embedded::programs(&found, datadir)?, versions(&found)))
    };
    tokio::task::spawn_blocking(search)
        .await
        .map_err(|error| Failure::of(Exit::Internal, &error))?
}

fn versions(found: &Toolchain) -> BTreeMap<String, String> {
    let tools = [
        ("envoy", &found.envoy),
        ("mysqld", &found.mysqld),
        ("mysql", &found.mysql),
        ("nft", &found.nft),
    ];
    tools
        .into_iter()
        .map(|(name, tool)| (name.to_owned(), tool.version.clone()))
        .collect()
}

/// What every scenario of a run shares.
struct Programmed<'a> {
    args: &'a RunArgs,
    programs: &'a Programs,
    versions: &'a BTreeMap<String, String>,
    journal: &'a Journal,
    live: &'a Live,
    stop: &'a Stop,
}

impl Programmed<'_> {
    /// Runs scenarios until none waits.
    async fn lanes(&self, queue: &Queue<'_>) -> Result<(), Failure> {
        while let Some(first) = queue.next(None) {
            Box::pin(self.lane(&first, queue)).await?;
        }
        Ok(())
    }

    /// Clusters up, a scenario on them and others of its group as long as nothing is left behind, clusters down.
    async fn lane(&self, first: &Waiting<'_>, queue: &Queue<'_>) -> Result<(), Failure> {
        let begun = Instant::now();
        let name = &first.loaded.scenario.metadata.name.value;
        let who = format!("{name}: clusters");
        let mut stop = self.stop.clone();
        self.live.doing(&who, "starting");
        let pocket = tokio::select! {
            pocket = embedded::start(first.loaded, self.programs.clone()) => pocket?,
            exit = stop.wait() => return Err(stopped(exit)),
        };
        let took = begun.elapsed().as_millis();
        self.live.done(&who, &format!("up after {took} ms"));
        self.journal
            .phase(&format!("{name}: start clusters"), begun);
        let done = Box::pin(self.scenarios(first, queue, &pocket)).await;
        let ending = Instant::now();
        pocket
            .stop()
            .await
            .map_err(|error| embedded::refused(&error))?;
        self.journal
            .phase(&format!("{name}: stop clusters"), ending);
        done
    }

    /// Runs one scenario after the other until they are done, a signal comes, or the clusters end by themselves.
    async fn scenarios(
        &self,
        first: &Waiting<'_>,
        queue: &Queue<'_>,
        pocket: &Pocket,
    ) -> Result<(), Failure> {
        let (run_id, host_names) = (self.journal.run_id(), self.args.host_names());
        let clusters = embedded::clusters(pocket, &run_id, self.versions, host_names);
        let mut kept = first.group.map_or_else(Kept::default, |_| Kept::wanted());
        let mut one = *first;
        loop {
            let ended = async {
                let part = pocket.ended().await;
                let message = format!("the embedded clusters ended by themselves: {part}");
                Failure::new(Exit::EnvironmentFailed, message)
            };
            let work = Work {
                loaded: one.loaded,
                options: one.options,
                clusters: &clusters,
                handing_over: HANDING_OVER,
            };
            let (journal, live) = (self.journal, self.live);
            cases(&work, &mut kept, journal, live, self.stop.clone(), ended).await?;
            let group = one.group.filter(|_| kept.is_left());
            match group.and_then(|group| queue.next(Some(group))) {
                Some(next) => one = next,
                None => return Ok(()),
            }
        }
    }
}

/// One scenario and where it runs.
pub(super) struct Work<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) options: &'a Options,
    pub(super) clusters: &'a Clusters,
    /// How long a runner that was told to stop may take to hand over what it found.
    pub(super) handing_over: Duration,
}

/// Runs the cases of a scenario on two clusters until they are done, a signal comes, or the clusters have ended.
pub(super) async fn cases(
    work: &Work<'_>,
    kept: &mut Kept,
    journal: &Journal,
    live: &Live,
    mut stop: Stop,
    ended: impl Future<Output = Failure>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let (watch, told) = (Watch::new(live), meshproof_runner::Stop::new());
    let Work {
        loaded,
        options,
        clusters,
        handing_over,
    } = *work;
    let file = Path::new(&loaded.source.file);
    let mut work = pin!(meshproof_runner::run_after(
        kept, loaded, file, clusters, options, &watch, &told
    ));
    let failure = tokio::select! {
        done = &mut work => {
            journal.add(done, begun);
            return Ok(());
        }
        exit = stop.wait() => stopped(exit),
        failure = ended => failure,
    };
    told.stop(failure.message.clone());
    // What was found until now is worth a moment, but no more than that.
    let found: Option<ScenarioRun> = tokio::time::timeout(handing_over, work).await.ok();
    if let Some(found) = found {
        journal.add(found, begun);
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    /// The cases of the tutorial that a pattern chooses.
    fn chosen(options: &[&str]) -> Option<Vec<String>> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mysql-mtls.yaml");
        let command = ["meshproof", "run"]
            .into_iter()
            .chain(options.iter().copied());
        let Command::Run(args) = Args::parse_from(command).command else {
            unreachable!()
        };
        let chosen = choose(scenarios::read(&[file]).unwrap(), &args).ok()?;
        chosen[0].1.cases.clone()
    }

    #[test]
    fn either_name_chooses_a_case_that_is_sabotaged() {
        let port = || Some(vec!["no-sidecar-mysql-port".to_owned()]);
        let name = "^mysql-mtls::no-sidecar-mysql-port$";
        let sabotaged = r"^mysql-mtls::no-sidecar-mysql-port\.sabotaged$";
        assert_eq!(chosen(&["--case", name]), port());
        assert_eq!(chosen(&["--sabotage", "--case", name]), port());
        assert_eq!(chosen(&["--sabotage", "--case", sabotaged]), port());
        // Without sabotage there is no case of that name.
        assert_eq!(chosen(&["--case", sabotaged]), None);
    }
}
