//! Sessions made without a pause while the environment changes step by step: a rotation.

use std::collections::BTreeSet;
use std::future::Future;

use futures::future::{self, Either};
use meshproof_cluster::{ClientPod, Command, Output};
use meshproof_evidence::PATH;
use meshproof_record::{ClientEvidence, ContinuousEvidence, Evidence, Missing};
use meshproof_scenario::{Case, Overlay};
use meshproof_sql::{ClientEnd, client_end};
use tokio::sync::watch;

use super::{CLIENT_LIMIT, CONNECT_TIMEOUT, LINES_WITHIN, exec};
use crate::client::Login;
use crate::environment::{Client, Environment, Wanted};
use crate::judge::source;
use crate::run::Work;
use crate::side::Clusters;

/// Sessions that must end in each state before the next change, so that each state is seen.
const IN_EACH_STATE: u64 = 10;
/// Sessions that are made at the same time: with one alone nobody would connect in the moments between two.
const BESIDE: u64 = 2;
/// How many of the clients that failed are quoted.
const QUOTED: usize = 10;

/// What the sessions have come to.
#[derive(Clone, Debug, Default)]
struct Count {
    ended: u64,
    failed: u64,
    words: Vec<String>,
    first_failure: Option<ClientEvidence>,
    last: Option<ClientEvidence>,
    /// The harness could not even run the client.
    broken: Option<String>,
}

/// Runs the sessions, makes the changes, and returns what was found.
pub(crate) async fn collect(
    work: &Work<'_>,
    environment: &mut Environment,
    case: &Case,
    overlays: &[&Overlay],
) -> Result<Evidence, String> {
    let client = environment
        .clients
        .get(case.from.as_str())
        .ok_or_else(|| format!("there is no client pod {}", case.from))?
        .clone();
    let marks = environment.logs.mark(&case.from);
    let sessions = Sessions::of(work, &client, case)?;
    let (count, counted) = watch::channel(Count::default());
    let changes = changes(work, environment, case, overlays, counted);
    // The sessions never end by themselves; the changes do.
    let done = match future::select(Box::pin(sessions.run(&count)), Box::pin(changes)).await {
        Either::Left(((), _)) => Err("the sessions ended before the changes were made".to_owned()),
        Either::Right((done, _)) => done,
    }?;
    let count = count.borrow().clone();
    if let Some(why) = count.broken {
        return Err(why);
    }
    let mut evidence = Evidence {
        client: count.first_failure.or(count.last),
        continuous: Some(ContinuousEvidence {
            failed: count.failed,
            words: count.words,
            ..done
        }),
        ..Evidence::default()
    };
    let logs = &environment.logs;
    let within = logs.flush() + LINES_WITHIN;
    let hops = BTreeSet::from(PATH);
    let _came = logs.wait_path(&marks, &hops, within).await;
    logs.collect(&marks, &mut evidence);
    let why = "sessions of the case itself go on while it is judged";
    evidence.missing.push(Missing {
        source: source::DATABASE.to_owned(),
        why: why.to_owned(),
    });
    Ok(evidence)
}

/// Makes one change after the other, each when enough sessions have ended in the state before.
async fn changes(
    work: &Work<'_>,
    environment: &mut Environment,
    case: &Case,
    overlays: &[&Overlay],
    mut counted: watch::Receiver<Count>,
) -> Result<ContinuousEvidence, String> {
    let mut all = overlays.to_vec();
    let mut sessions = vec![enough(&mut counted).await?];
    let mut failed = counted.borrow().failed;
    for step in &case.during {
        all.push(&step.value);
        let wanted = Wanted {
            overlays: &all,
            unchanged: false,
            step: true,
        };
        environment
            .vary(&wanted, work.clusters, work.timing)
            .await
            .map_err(|error| error.to_string())?;
        failed = counted.borrow().failed;
        sessions.push(enough(&mut counted).await?);
    }
    let failed_at_the_end = counted.borrow().failed - failed;
    Ok(ContinuousEvidence {
        sessions,
        failed: 0,
        failed_at_the_end,
        words: Vec::new(),
        client_certificate: environment.presented(&all)?,
    })
}

/// Waits until enough more sessions have ended, and returns how many did.
async fn enough(counted: &mut watch::Receiver<Count>) -> Result<u64, String> {
    let before = counted.borrow().ended;
    // Those that are under way have begun before: they do not count.
    let wanted = before + BESIDE + IN_EACH_STATE;
    let reached = counted
        .wait_for(|count| count.broken.is_some() || count.ended >= wanted)
        .await;
    let count = reached.map_err(|_| "the sessions ended".to_owned())?;
    match &count.broken {
        Some(why) => Err(why.clone()),
        None => Ok(count.ended - before),
    }
}

/// Sessions from one pod, some at a time, each followed by another.
struct Sessions<'a> {
    clusters: &'a Clusters,
    client: &'a Client,
    argv: Vec<String>,
    stdin: Vec<u8>,
}

impl<'a> Sessions<'a> {
    fn of(work: &Work<'a>, client: &'a Client, case: &Case) -> Result<Self, String> {
        let target = case.target()?;
        let login = Login::of(case, work.user());
        Ok(Self {
            clusters: work.clusters,
            client,
            argv: crate::client::mysql(client.dialect, &target, &login, Some(CONNECT_TIMEOUT)),
            stdin: crate::client::input(case.sql.as_ref().map_or("SELECT 1", |sql| sql.as_str())),
        })
    }

    async fn run(&self, count: &watch::Sender<Count>) {
        future::join_all((0..BESIDE).map(|_| self.one_after_the_other(count))).await;
    }

    async fn one_after_the_other(&self, count: &watch::Sender<Count>) {
        loop {
            match self.one().await {
                Ok(output) => count.send_modify(|count| count.add(&self.argv, &output)),
                Err(why) => {
                    count.send_modify(|count| count.broken = Some(why));
                    return std::future::pending().await;
                }
            }
        }
    }

    fn one(&self) -> impl Future<Output = Result<Output, String>> {
        let command = Command {
            pod: self.client.pod.clone(),
            container: ClientPod::CONTAINER.to_owned(),
            argv: self.argv.clone(),
            stdin: self.stdin.clone(),
        };
        async move {
            let access = self.clusters.get(self.client.side);
            match tokio::time::timeout(CLIENT_LIMIT, access.run(&command)).await {
                Ok(ran) => ran.map_err(|error| error.to_string()),
                Err(_) => Err(format!(
                    "a session did not end within {} s",
                    CLIENT_LIMIT.as_secs()
                )),
            }
        }
    }
}

impl Count {
    fn add(&mut self, argv: &[String], output: &Output) {
        self.ended += 1;
        let evidence = exec::evidence(argv.to_vec(), output);
        if client_end(output.exit, &evidence.stderr) == ClientEnd::Connected {
            self.last = Some(evidence);
            return;
        }
        self.failed += 1;
        if self.words.len() < QUOTED {
            self.words.push(evidence.stderr.trim().to_owned());
        }
        self.first_failure.get_or_insert(evidence);
    }
}
