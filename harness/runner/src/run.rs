//! A whole run of one scenario: plan, set-up, cases, record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures::future;
use meshproof_record::{
    CaseRecord, Evidence, Missing, Phase, Problem, RunRecord, SCHEMA, ScenarioRecord, Status, Tool,
};
use meshproof_scenario::{At, Case, Loaded, Scenario};

use crate::case::{self, Manner, Stage, Started, Window};
use crate::database;
use crate::environment::{self, Bound, Environment, SetupError};
use crate::judge::not_run;
use crate::observer::{Event, Feed, Observer};
use crate::plan::{Plan, PlannedCase, plan};
use crate::side::Clusters;
use crate::stop::Stop;
use crate::timing::Timing;

/// What the caller wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of the cases to run, with the controls they need; all for `None`.
    pub cases: Option<Vec<String>>,
    /// Timeouts are waited out even where a router's counters would settle the case.
    pub wait_timeouts: bool,
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
        };
        for run in runs {
            record.versions.extend(run.versions);
            record.scenarios.push(run.scenario);
            record.problems.extend(run.problems);
            record.phases.extend(run.phases);
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
    let plan = plan(loaded, options.cases.as_deref());
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
        outcome = all(loaded, &plan, clusters, options, &timing, &progress) => outcome,
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
    done: Mutex<BTreeMap<usize, CaseRecord>>,
    /// Cases that ended while another in their window still ran: not yet judged.
    ended: Mutex<BTreeMap<usize, CaseRecord>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn all(
    loaded: &Loaded,
    plan: &Plan,
    clusters: &Clusters,
    options: &Options,
    timing: &Timing<'_>,
    progress: &Progress,
) -> Result<(), SetupError> {
    let bound = timing
        .step(
            None,
            "resolve bindings",
            environment::bind(loaded, clusters),
        )
        .await?;
    let values = bound
        .bindings
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    *locked(&progress.bindings) = values.collect();
    let environment = timing
        .step(
            None,
            "set up",
            Box::pin(environment::set_up(&bound, clusters, timing)),
        )
        .await?;
    locked(&progress.versions).extend(environment_versions(&environment));
    let stage = Stage {
        clusters,
        environment: &environment,
        user: &bound.scenario.database.user,
        manner: Manner {
            wait_timeouts: options.wait_timeouts,
        },
        timing,
    };
    let mut at = 0;
    while let Some(first) = plan.cases.get(at) {
        let beside = plan.cases.get(at + 1).filter(|next| next.beside_previous);
        let group: Vec<&PlannedCase> = std::iter::once(first).chain(beside).collect();
        at += group.len();
        run_group(&stage, &bound, &group, progress).await;
    }
    Ok(())
}

/// Runs cases beside each other in one window on the database. If the window is not empty, it does
/// not say which of them reached the database: then each is run again, alone.
async fn run_group(stage: &Stage<'_>, bound: &Bound, group: &[&PlannedCase], progress: &Progress) {
    let records = run_together(stage, &bound.scenario, group, progress).await;
    let shared = records.len() > 1
        && records
            .iter()
            .any(|record| !database::is_empty(&record.evidence));
    if !shared {
        return records
            .into_iter()
            .zip(group)
            .for_each(|(record, planned)| finish(stage, progress, planned, record));
    }
    for planned in group {
        for record in run_together(stage, &bound.scenario, &[planned], progress).await {
            finish(stage, progress, planned, record);
        }
    }
}

async fn run_together(
    stage: &Stage<'_>,
    scenario: &Scenario,
    group: &[&PlannedCase],
    progress: &Progress,
) -> Vec<CaseRecord> {
    let window = Window::open(stage).await;
    let window = &window;
    let cases = group
        .iter()
        .filter_map(|planned| Some((planned.index, scenario.cases.get(planned.index)?)));
    future::join_all(cases.map(|(index, case)| async move {
        let record = run_one(stage, case, window).await;
        locked(&progress.ended).insert(index, record.clone());
        record
    }))
    .await
}

async fn run_one(stage: &Stage<'_>, case: &At<Case>, window: &Window) -> CaseRecord {
    stage.timing.tell(&Event::CaseStarted {
        case: case.name.value.clone(),
    });
    let started = Started::now();
    let evidence = case::collect(stage, case, window)
        .await
        .unwrap_or_else(|why| Evidence {
            missing: vec![Missing {
                source: crate::judge::source::CLIENT.to_owned(),
                why,
            }],
            ..Evidence::default()
        });
    let took = started.instant.elapsed();
    stage
        .timing
        .record(format!("case {}", case.name), started.instant, took);
    let pod = stage
        .environment
        .clients
        .get(case.from.as_str())
        .map(|client| client.pod.to_string());
    case::record(
        case,
        pod.unwrap_or_else(|| case.from.value.clone()),
        evidence,
        started,
        took,
    )
}

fn control_of(done: &BTreeMap<usize, CaseRecord>, record: &CaseRecord) -> Option<Status> {
    let name = record.control.as_ref()?;
    let control = done.values().find(|other| other.name == *name)?;
    Some(control.verdict.status)
}

/// Judges a case and keeps it.
fn finish(stage: &Stage<'_>, progress: &Progress, planned: &PlannedCase, mut record: CaseRecord) {
    let mut done = locked(&progress.done);
    let control = control_of(&done, &record);
    case::settle(&mut record, control);
    stage.timing.tell(&Event::CaseDone {
        case: record.name.clone(),
        status: record.verdict.status,
        summary: record.verdict.summary.clone(),
        took: std::time::Duration::from_secs_f64(record.duration_ms / 1000.0),
    });
    done.insert(planned.index, record);
}

impl Progress {
    /// Judges what ended beside a case that was given up. What reached the database in a window that
    /// was shared and never closed may have been either's.
    fn settle_ended(&self) {
        let mut done = locked(&self.done);
        for (index, mut record) in std::mem::take(&mut *locked(&self.ended)) {
            if done.contains_key(&index) {
                continue;
            }
            if !database::is_empty(&record.evidence) {
                record.evidence.database = None;
                let why = "the run was stopped while another case shared the database".to_owned();
                let source = crate::judge::source::DATABASE.to_owned();
                record.evidence.missing.push(Missing { source, why });
            }
            let control = control_of(&done, &record);
            case::settle(&mut record, control);
            done.insert(index, record);
        }
    }

    /// The record in the order of the file; planned cases that were not reached are inconclusive.
    fn record(
        &self,
        loaded: &Loaded,
        file: &Path,
        plan: &Plan,
        problem: Option<&Problem>,
    ) -> ScenarioRecord {
        self.settle_ended();
        let mut done = locked(&self.done).clone();
        let mut planned: Vec<&PlannedCase> = plan.cases.iter().collect();
        planned.sort_by_key(|case| case.index);
        let cases = planned.into_iter().filter_map(|planned| {
            done.remove(&planned.index)
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
    let mut record = case::record(
        case,
        case.from.value.clone(),
        Evidence::default(),
        Started::now(),
        std::time::Duration::ZERO,
    );
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
