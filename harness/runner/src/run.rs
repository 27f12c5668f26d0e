//! A whole run of one scenario: plan, set-up, cases, record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use meshproof_record::{
    CaseRecord, Evidence, Missing, Phase, Problem, RunRecord, SCHEMA, ScenarioRecord, Status, Tool,
    WaitTotal,
};
use meshproof_scenario::{At, Case, ExpectedLink, Loaded, Scenario};

use crate::case::{self, Collected, Manner, Stage, Started};
use crate::environment::{self, Bound, Environment, SetupError, Wanted};
use crate::judge::not_run;
use crate::kept::Kept;
use crate::observer::{Event, Feed, Observer};
use crate::plan::{Plan, PlannedCase, plan};
use crate::side::Clusters;
use crate::stop::Stop;
use crate::timing::Timing;

/// What the caller wants.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a choice of the caller's by itself"
)]
pub struct Options {
    /// Names of the cases to run, with the controls they need; all for `None`.
    pub cases: Option<Vec<String>>,
    /// Timeouts are waited out even where a router's counters would settle the case.
    pub wait_timeouts: bool,
    /// What passed the link is kept for every case, not only for those that did not pass.
    pub captures: bool,
    /// Each case that has a sabotage runs once more under it, and must then fail.
    pub sabotage: bool,
    /// On clusters that others use too, cases that act on these others run all the same.
    pub disruptive: bool,
}

/// What became of one scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioRun {
    /// Its record, every planned case judged.
    pub scenario: ScenarioRecord,
    /// What kept it from finishing.
    pub problems: Vec<Problem>,
    /// Where the time went.
    pub phases: Vec<Phase>,
    /// What was waited for while cases ran.
    pub waits: Vec<WaitTotal>,
    /// What passed the link during cases, as pcapng, by the case's name.
    pub captures: Vec<(String, Vec<u8>)>,
    /// What took part.
    pub versions: BTreeMap<String, String>,
}

/// What a run record says beside its scenarios.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Unique name of the run.
    pub run_id: String,
    /// The program.
    pub tool: Tool,
    /// `embedded`, `kind`, `k3s`, `contexts`.
    pub provider: String,
    /// RFC 3339, UTC.
    pub started: String,
}

impl Header {
    /// Puts scenarios together into a run record that ends now.
    pub fn record(self, runs: Vec<ScenarioRun>) -> RunRecord {
        let mut record = RunRecord {
            schema: SCHEMA.to_owned(),
            run_id: self.run_id,
            tool: self.tool,
            provider: self.provider,
            started: self.started,
            finished: jiff::Timestamp::now().to_string(),
            versions: BTreeMap::new(),
            scenarios: Vec::new(),
            problems: Vec::new(),
            phases: Vec::new(),
            waits: Vec::new(),
            findings: Vec::new(),
        };
        for run in runs {
            record.versions.extend(run.versions);
            record.scenarios.push(run.scenario);
            record.problems.extend(run.problems);
            record.phases.extend(run.phases);
            record.waits.extend(run.waits);
        }
        record
    }
}

/// Runs a scenario on two clusters. Never fails: what goes wrong is in what it returns, beside all
/// that was found before. `file` is the scenario's path as the user gave it.
///
/// When `stop` is told, cases under way are given up and what this run made is taken back.
pub async fn run(
    loaded: &Loaded,
    file: &Path,
    clusters: &Clusters,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
) -> ScenarioRun {
    let mut kept = Kept::default();
    let run = run_after(&mut kept, loaded, file, clusters, options, observer, stop);
    Box::pin(run).await
}

/// As [`run`], in the environment that the scenario before has left on these clusters, if it has. Only on clusters
/// that vanish, and for scenarios of one group of [`crate::together`].
pub async fn run_after(
    kept: &mut Kept,
    loaded: &Loaded,
    file: &Path,
    clusters: &Clusters,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
) -> ScenarioRun {
    let plan = plan(loaded, options.cases.as_deref(), options.sabotage);
    let timing = Timing::new(Feed::new(observer));
    let cases = plan.cases.iter().map(|case| case.name.clone()).collect();
    timing.tell(&Event::Started {
        scenario: plan.scenario.clone(),
        cases,
    });
    let progress = Progress::default();
    let outcome = tokio::select! {
        biased;
        why = stop.wait() => Err(SetupError { during: "interrupted".to_owned(), message: why }),
        outcome = Box::pin(all(kept, loaded, &plan, clusters, options, &timing, &progress)) => outcome,
    };
    let mut problems: Vec<Problem> = outcome.err().into_iter().map(problem).collect();
    for access in clusters.both() {
        let left = access.tear_down().await;
        problems.extend(left.into_iter().map(|error| Problem {
            during: "clean up".to_owned(),
            message: error.to_string(),
        }));
    }
    let scenario = progress.record(loaded, file, &plan, problems.first());
    timing.tell(&Event::Finished);
    ScenarioRun {
        scenario,
        problems,
        phases: timing.phases(),
        waits: timing.waits(),
        captures: std::mem::take(&mut *locked(&progress.captures)),
        versions: versions(clusters, &progress),
    }
}

fn problem(error: SetupError) -> Problem {
    Problem {
        during: error.during,
        message: error.message,
    }
}

/// What is known so far; survives being interrupted.
#[derive(Default)]
struct Progress {
    bindings: Mutex<BTreeMap<String, String>>,
    versions: Mutex<BTreeMap<String, String>>,
    /// By place in the plan.
    done: Mutex<BTreeMap<usize, CaseRecord>>,
    /// Packets of cases, by name.
    captures: Mutex<Vec<(String, Vec<u8>)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn all(
    kept: &mut Kept,
    loaded: &Loaded,
    plan: &Plan,
    clusters: &Clusters,
    options: &Options,
    timing: &Timing<'_>,
    progress: &Progress,
) -> Result<(), SetupError> {
    let mut bound = timing
        .step(
            None,
            "resolve bindings",
            environment::bind(loaded, clusters),
        )
        .await?;
    environment::settle_names(&mut bound, clusters, timing).await?;
    let values = bound
        .bindings
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    *locked(&progress.bindings) = values.collect();
    let mut left = match kept.take() {
        Some(left) => left,
        None => kept.begin(new(&bound, clusters, timing).await?).await,
    };
    let environment = &mut left.environment;
    locked(&progress.versions).extend(environment_versions(environment));
    let work = Work {
        bound: &bound,
        clusters,
        manner: Manner {
            wait_timeouts: options.wait_timeouts,
        },
        disruptive: options.disruptive,
        timing,
    };
    for (at, planned) in plan.cases.iter().enumerate() {
        let Some(case) = bound.scenario.cases.get(planned.index) else {
            continue;
        };
        let (record, pcapng) = work.case(environment, planned, case).await;
        let name = record.name.clone();
        let status = finish(timing, progress, at, record);
        if !pcapng.is_empty() && (options.captures || status != Status::Pass) {
            locked(&progress.captures).push((name, pcapng));
        }
    }
    // What cases changed is taken back by the same way; on a cluster that vanishes with the run nobody
    // would see it.
    if clusters.both().iter().any(|access| !access.facts.ephemeral) {
        let wanted = Wanted::default();
        environment.vary(&wanted, clusters, timing).await?;
    }
    // What failed may have left more than can be seen.
    if progress.is_good()
        && let Err(why) = kept.keep(left).await
    {
        let text = format!("no other scenario follows on these clusters: {why}");
        timing.tell(&Event::Note {
            cluster: None,
            text,
        });
    }
    Ok(())
}

/// Sets up both clusters and prepares the database.
async fn new(
    bound: &Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
) -> Result<Environment, SetupError> {
    let setting_up = environment::set_up(bound, clusters, timing);
    let environment = timing.step(None, "set up", Box::pin(setting_up)).await?;
    prepare(bound, &environment).await?;
    Ok(environment)
}

/// Runs the statements that the scenario wants to have run before any case.
async fn prepare(bound: &Bound, environment: &Environment) -> Result<(), SetupError> {
    for statement in &bound.scenario.database.prepare {
        let ran = match &environment.database {
            Ok(database) => database.rows(statement).await.map(drop),
            Err(why) => Err(why.clone()),
        };
        ran.map_err(|message| SetupError {
            during: "prepare the database".to_owned(),
            message,
        })?;
    }
    Ok(())
}

/// What the cases of a run have in common.
pub(crate) struct Work<'a> {
    bound: &'a Bound,
    pub(crate) clusters: &'a Clusters,
    manner: Manner,
    /// Cases that act on others run all the same.
    disruptive: bool,
    pub(crate) timing: &'a Timing<'a>,
}

impl<'a> Work<'a> {
    /// Runs one case in the environment that it asks for.
    async fn case(
        &self,
        environment: &mut Environment,
        planned: &PlannedCase,
        case: &At<Case>,
    ) -> (CaseRecord, Vec<u8>) {
        self.timing.tell(&Event::CaseStarted {
            case: planned.name.clone(),
        });
        let started = Started::now();
        let lacks = self.lacks(environment, planned, case);
        if let Some(why) = lacks.or_else(|| self.forbids(planned, case)) {
            let source = case.from.value.clone();
            let took = started.instant.elapsed();
            let nothing = Evidence::default();
            let mut record = case::record(case, planned, source, nothing, started, took);
            record.verdict = not_run(Status::Skipped, why);
            return (record, Vec::new());
        }
        let evidence = self.evidence(environment, planned, case).await;
        let Collected { evidence, pcapng } = evidence.unwrap_or_else(|why| Collected {
            evidence: Evidence {
                missing: vec![Missing {
                    source: crate::judge::source::CLIENT.to_owned(),
                    why,
                }],
                ..Evidence::default()
            },
            pcapng: Vec::new(),
        });
        let took = started.instant.elapsed();
        self.timing
            .record(format!("case {}", planned.name), started.instant, took);
        let pod = environment
            .clients
            .get(case.from.as_str())
            .map(|client| client.pod.to_string());
        let source = pod.unwrap_or_else(|| case.from.value.clone());
        let record = case::record(case, planned, source, evidence, started, took);
        (record, pcapng)
    }

    /// What a case demands that nothing on these clusters can establish, whatever happens.
    fn lacks(
        &self,
        environment: &Environment,
        planned: &PlannedCase,
        case: &Case,
    ) -> Option<String> {
        let link = case.expect.link.as_ref().map(|link| link.value);
        if link == Some(ExpectedLink::Readable) && !self.clusters.can_capture() {
            return Some(format!(
                "`link: readable` shows that a capture between the clusters sees what crosses in clear, and the provider {} has none",
                self.clusters.client.facts.provider
            ));
        }
        let why = environment.telling.as_ref().err()?;
        let overlays = environment::overlays(&self.bound.scenario, case);
        let changes = !overlays.is_empty() || !case.during.is_empty() || planned.sabotage.is_some();
        // A verdict on what was there before the change would be about something else.
        changes.then(|| {
            format!("it changes configuration, and when a change is active is not known: {why}")
        })
    }

    /// Why a case does not run on clusters that others use too.
    fn forbids(&self, planned: &PlannedCase, case: &Case) -> Option<String> {
        let sabotaged = planned.sabotage.is_some();
        let found = self.bound.disruptive.why(case, sabotaged);
        let found = found.filter(|_| !self.disruptive)?;
        Some(format!(
            "others use these clusters, and {found}; with --disruptive it runs"
        ))
    }

    async fn evidence(
        &self,
        environment: &mut Environment,
        planned: &PlannedCase,
        case: &Case,
    ) -> Result<Collected, String> {
        let scenario = &self.bound.scenario;
        let mut overlays = environment::overlays(scenario, case);
        if planned.sabotage.is_some() {
            overlays.extend(case.sabotage.iter().map(|at| &at.value));
        }
        let wanted = Wanted {
            overlays: &overlays,
            unchanged: case.leaves_proxies_unchanged(),
            step: false,
        };
        environment
            .vary(&wanted, self.clusters, self.timing)
            .await
            .map_err(|error| error.to_string())?;
        let collected = if case.during.is_empty() {
            case::collect(&self.stage(environment), case).await?
        } else {
            Collected {
                evidence: case::rotation::collect(self, environment, case, &overlays).await?,
                pcapng: Vec::new(),
            }
        };
        let Collected {
            mut evidence,
            pcapng,
        } = collected;
        if let Err(why) = environment.still().await {
            evidence.missing.push(Missing {
                source: crate::judge::source::STEADY.to_owned(),
                why,
            });
        }
        let evidence = self.control_again(environment, case, evidence).await?;
        Ok(Collected { evidence, pcapng })
    }

    /// Runs the control once more, in the environment that it asks for.
    async fn control_again(
        &self,
        environment: &mut Environment,
        case: &Case,
        mut evidence: Evidence,
    ) -> Result<Evidence, String> {
        let again = case.control_again.as_ref().is_some_and(|again| again.value);
        let control = case.control.as_ref().filter(|_| again);
        let scenario = &self.bound.scenario;
        let Some(control) = control.and_then(|name| scenario.case(name)) else {
            return Ok(evidence);
        };
        let overlays = environment::overlays(scenario, control);
        let wanted = Wanted {
            overlays: &overlays,
            unchanged: control.leaves_proxies_unchanged(),
            step: false,
        };
        environment
            .vary(&wanted, self.clusters, self.timing)
            .await
            .map_err(|error| error.to_string())?;
        let started = Started::now();
        let found = case::collect(&self.stage(environment), control)
            .await?
            .evidence;
        let planned = PlannedCase::again(control);
        let took = started.instant.elapsed();
        let mut record = case::record(control, &planned, String::new(), found, started, took);
        case::settle(&mut record, None);
        evidence.control_after = Some(record.verdict.status);
        Ok(evidence)
    }

    /// The user that clients log in as.
    pub(crate) fn user(&self) -> &'a str {
        &self.bound.scenario.database.user
    }

    fn stage<'s>(&'s self, environment: &'s Environment) -> Stage<'s> {
        Stage {
            clusters: self.clusters,
            environment,
            user: self.user(),
            manner: self.manner,
            timing: self.timing,
        }
    }
}

fn control_of(done: &BTreeMap<usize, CaseRecord>, record: &CaseRecord) -> Option<Status> {
    let name = record.control.as_ref()?;
    let control = done.values().find(|other| other.name == *name)?;
    Some(control.verdict.status)
}

/// Judges a case and keeps it.
fn finish(timing: &Timing<'_>, progress: &Progress, at: usize, mut record: CaseRecord) -> Status {
    let mut done = locked(&progress.done);
    if record.verdict.status != Status::Skipped {
        let control = control_of(&done, &record);
        case::settle(&mut record, control);
    }
    timing.tell(&Event::CaseDone {
        case: record.name.clone(),
        status: record.verdict.status,
        summary: record.verdict.summary.clone(),
        took: std::time::Duration::from_secs_f64(record.duration_ms / 1000.0),
    });
    let status = record.verdict.status;
    done.insert(at, record);
    status
}

impl Progress {
    /// Whether every case that ran has passed.
    fn is_good(&self) -> bool {
        let done = locked(&self.done);
        let mut ran = done.values().map(|record| record.verdict.status);
        ran.all(|status| matches!(status, Status::Pass | Status::Skipped))
    }

    /// The record in the order of the file; planned cases that were not reached are inconclusive.
    fn record(
        &self,
        loaded: &Loaded,
        file: &Path,
        plan: &Plan,
        problem: Option<&Problem>,
    ) -> ScenarioRecord {
        let mut done = locked(&self.done).clone();
        let mut planned: Vec<(usize, &PlannedCase)> = plan.cases.iter().enumerate().collect();
        planned.sort_by_key(|(at, case)| (case.index, *at));
        let cases = planned.into_iter().filter_map(|(at, planned)| {
            done.remove(&at)
                .or_else(|| unreached(&loaded.scenario, planned, problem))
        });
        let metadata = &loaded.scenario.metadata;
        ScenarioRecord {
            name: metadata.name.value.clone(),
            file: file.display().to_string(),
            description: metadata.description.as_ref().map(|text| text.value.clone()),
            labels: metadata
                .labels
                .iter()
                .map(|label| label.value.clone())
                .collect(),
            bindings: locked(&self.bindings).clone(),
            cases: cases.collect(),
        }
    }
}

fn unreached(
    scenario: &Scenario,
    planned: &PlannedCase,
    problem: Option<&Problem>,
) -> Option<CaseRecord> {
    let case = scenario.cases.get(planned.index)?;
    let why = problem.map_or_else(
        || "not run".to_owned(),
        |problem| format!("not run: {}: {}", problem.during, problem.message),
    );
    let source = case.from.value.clone();
    let nothing = Evidence::default();
    let took = std::time::Duration::ZERO;
    let mut record = case::record(case, planned, source, nothing, Started::now(), took);
    record.verdict = not_run(Status::Inconclusive, why);
    Some(record)
}

fn environment_versions(environment: &Environment) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    if let Ok(database) = &environment.database {
        versions.insert("mysqld".to_owned(), database.version.clone());
    }
    if let Some(client) = environment.clients.values().next() {
        versions.insert("mysql".to_owned(), client.version.clone());
    }
    versions
}

/// What providers say of their clusters, and what the run saw itself.
fn versions(clusters: &Clusters, progress: &Progress) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for access in clusters.both() {
        versions.extend(access.facts.versions.clone());
    }
    versions.extend(locked(&progress.versions).clone());
    versions
}
