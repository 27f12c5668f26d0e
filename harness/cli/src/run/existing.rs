//! A run on clusters that were there already and stay: one scenario after the other on the same pair.

use std::future;
use std::time::{Duration, Instant};

use meshproof_cluster::ClusterAccess;
use meshproof_provider::{Connected, Totals};
use meshproof_runner::{Clusters, Kept};

use super::journal::Journal;
use super::stop::{Stop, stopped};
use super::wiring::{Work, cases, choose};
use crate::args::RunArgs;
use crate::contexts;
use crate::failure::Failure;
use crate::scenarios;
use crate::show::live::Live;
use crate::state::State;

/// How long a runner that was told to stop may take to take back what it made and to hand over what it found: the
/// clusters stay, and so would what it made.
const HANDING_OVER: Duration = Duration::from_mins(1);

/// Looks at what is there, and runs every scenario where nothing is missing.
pub(crate) async fn run(
    args: &RunArgs,
    journal: &Journal,
    live: &Live,
    mut stop: Stop,
) -> Result<(), Failure> {
    let chosen = choose(scenarios::read(&args.paths)?, args)?;
    let begun = Instant::now();
    live.doing("clusters", "looking at what is there");
    let looked = tokio::select! {
        looked = contexts::look(&args.contexts) => looked?,
        exit = stop.wait() => return Err(stopped(exit)),
    };
    journal.phase("look at the clusters", begun);
    journal.findings(&looked.examined.findings);
    if let Some(failure) = contexts::missing(&looked.examined) {
        return Err(failure);
    }
    let connected = contexts::connected(&looked.examined)?;
    let took = begun.elapsed().as_millis();
    live.done("clusters", &format!("nothing is missing, after {took} ms"));
    let host_names = args.host_names();
    let state = State::of_run(&journal.run_id())?;
    for (at, (loaded, options)) in chosen.iter().enumerate() {
        let before = sent(connected);
        let [client, server] = connected;
        let run_id = journal.run_id();
        let clusters = Clusters {
            client: noting(client, &run_id, &state, at),
            server: noting(server, &run_id, &state, at),
            host_names: host_names.clone(),
            prober: args.prober(),
        };
        let work = Work {
            loaded,
            options,
            clusters: &clusters,
            handing_over: HANDING_OVER,
        };
        let mut kept = Kept::default();
        let (stop, ended) = (stop.clone(), future::pending());
        let done = cases(&work, &mut kept, journal, live, stop, ended).await;
        let name = &loaded.scenario.metadata.name.value;
        let ran = loaded.scenario.cases.len();
        live.note(&format!("{name}: {}", told(sent(connected) - before, ran)));
        done?;
    }
    looked.finish()
}

/// A cluster for one scenario. What is made and changed in it stands in a file until it is taken back.
fn noting(cluster: &Connected, run_id: &str, state: &State, at: usize) -> ClusterAccess {
    let access = cluster.access(run_id);
    match cluster.seen.uid() {
        Some(uid) => access.noting(state.journal(cluster.side, at, uid)),
        // Nobody could tell later which cluster it was.
        None => access,
    }
}

/// What both clusters were asked until now.
fn sent(connected: &[Connected; 2]) -> Totals {
    let mut all = Totals::default();
    for cluster in connected {
        all += cluster.requests.totals();
    }
    all
}

fn told(sent: Totals, cases: usize) -> String {
    let per_case = sent.plain.checked_div(cases as u64).unwrap_or(0);
    let Totals {
        plain,
        again,
        watches,
        logs,
        execs,
        port_forwards,
    } = sent;
    format!(
        "{plain} API requests ({per_case} a case, set-up included; {again} of all sent again), \
         {watches} watches, {logs} logs, {execs} programs, {port_forwards} ports"
    )
}
