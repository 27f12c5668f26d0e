//! What the four proxies log, and what that says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meshproof_cluster::{LogFollower, Mark, PodRef};
use meshproof_evidence::{BuiltIn, HopLine, HopLogs, Opening, Reader, attribute};
use meshproof_record::{Cause, Hop};
use meshproof_runner::Clusters;
use serde_json::Value;

use crate::wait::until;
use crate::world::gateway;

const CONTAINER: &str = "istio-proxy";

/// The logs of all four proxies, from their beginning.
pub(crate) struct Logs(BTreeMap<Hop, LogFollower>);

/// A place in each log.
pub(crate) type Marks = BTreeMap<Hop, Mark>;

impl Logs {
    pub(crate) async fn follow(clusters: &Clusters, client: &PodRef) -> Self {
        let mut logs = Self(BTreeMap::new());
        let sidecar = clusters.client.follow_log(client, CONTAINER).await;
        logs.0.insert(Hop::ClientSidecar, sidecar.unwrap());
        logs.follow_database(clusters).await;
        for hop in [Hop::Egress, Hop::Ingress] {
            logs.follow_gateway(clusters, hop).await;
        }
        logs
    }

    /// Follows the sidecar of the database's pod that is ready now.
    pub(crate) async fn follow_database(&mut self, clusters: &Clusters) {
        let database = clusters.server.wait_deployment_pods("default", "mysql");
        let database = database.await.unwrap().remove(0);
        let sidecar = clusters.server.follow_log(&database, CONTAINER).await;
        self.0.insert(Hop::ServerSidecar, sidecar.unwrap());
    }

    /// Follows the gateway's pod that is ready now.
    pub(crate) async fn follow_gateway(&mut self, clusters: &Clusters, hop: Hop) {
        let (side, gateway) = gateway(clusters, hop);
        let access = clusters.get(side);
        let pods = access.wait_ready_pods(&gateway.namespace, &gateway.selector);
        let pod = pods.await.unwrap().remove(0);
        let log = access.follow_log(&pod, CONTAINER).await.unwrap();
        self.0.insert(hop, log);
    }

    pub(crate) fn mark(&self) -> Marks {
        let marks = self.0.iter().map(|(hop, log)| (*hop, log.mark()));
        marks.collect()
    }

    /// The lines after the marks.
    pub(crate) fn since(&self, marks: &Marks) -> HopLogs {
        let reader = reader();
        // Envoy's own lines stand between those of the access log.
        let lines = |(hop, log): (&Hop, &LogFollower)| {
            let lines = log.since(marks[hop]);
            let lines = lines.iter().filter_map(|line| reader.read(&line.text).ok());
            (*hop, lines.collect())
        };
        self.0.iter().map(lines).collect()
    }

    /// Waits for the lines of one refused session, which name who refused it and why.
    pub(crate) async fn refusal(&self, marks: &Marks) -> (Hop, Cause) {
        until(
            "lines that name the cause",
            Duration::from_secs(5),
            async || {
                let lines = self.since(marks);
                let found = attribute(&lines, &[], Opening::ServerFirst);
                let certain = found.certain().map(|found| (found.hop, found.cause));
                certain.ok_or_else(|| format!("{:#?}", shapes(&lines)))
            },
        )
        .await
    }

    /// Waits until the lines after the marks say exactly this.
    pub(crate) async fn say(&self, marks: &Marks, wanted: &Shapes) {
        until("the recorded lines", Duration::from_secs(5), async || {
            let found = shapes(&self.since(marks));
            let same = (found == *wanted).then_some(());
            same.ok_or_else(|| format!("{found:#?}\nrecorded: {wanted:#?}"))
        })
        .await;
    }

    /// Waits for a line of a hop that `wanted` says yes to.
    pub(crate) async fn line(&self, marks: &Marks, hop: Hop, wanted: impl Fn(&HopLine) -> bool) {
        until("a line", Duration::from_secs(5), async || {
            let lines = self.since(marks);
            let found = lines[&hop].iter().any(&wanted);
            found
                .then_some(())
                .ok_or_else(|| format!("{:#?}", shapes(&lines)))
        })
        .await;
    }
}

/// What lines say, without times, addresses and byte counts, each once.
pub(crate) type Shapes = BTreeMap<Hop, BTreeSet<String>>;

fn shapes(logs: &HopLogs) -> Shapes {
    let all = logs
        .iter()
        .map(|(hop, lines)| (*hop, lines.iter().map(shape).collect()));
    all.filter(|(_, lines): &(_, BTreeSet<_>)| !lines.is_empty())
        .collect()
}

fn shape(line: &HopLine) -> String {
    format!(
        "{:?} {:?} upstream {} of {:?}, SNI {:?}, downstream {:?}",
        line.flags,
        line.upstream_failure.text(),
        if line.upstream_host.is_absent() {
            "none"
        } else {
            "some"
        },
        line.upstream_cluster.text(),
        line.sni.text(),
        line.downstream_failure.text(),
    )
}

/// What a recording of real clusters says, in the same form, for the service `url`.
pub(crate) fn recorded(id: &str, url: &str) -> Shapes {
    const RECORDINGS: &str =
        include_str!("../../../evidence/tests/data/failures/istio-1.32-envoy-1.40.jsonl");
    let reader = Reader::from(BuiltIn::Failures);
    let all = RECORDINGS.lines().map(serde_json::from_str::<Value>);
    let found = all.map(Result::unwrap).find(|one| one["id"] == id).unwrap();
    let hops = [
        ("client", Hop::ClientSidecar),
        ("egress", Hop::Egress),
        ("ingress", Hop::Ingress),
        ("server", Hop::ServerSidecar),
    ];
    let name = found["target"].as_str().unwrap().split(':').next().unwrap();
    let lines = |hop: &str| {
        let lines = found["logs"][hop].as_array().unwrap().iter();
        let lines = lines.map(|line| line.as_str().unwrap().replace(name, url));
        lines.map(|line| reader.read(&line).unwrap()).collect()
    };
    shapes(&hops.map(|(name, hop)| (hop, lines(name))).into())
}

/// Reads the format that the scenario's mesh configuration sets: its last line.
fn reader() -> Reader {
    const MESH_CONFIG: &str = include_str!("../../../../fixtures/istio/mesh-config.yaml");
    let format = MESH_CONFIG.lines().last().unwrap_or_default().trim_start();
    Reader::new(&format!("{format}\n")).unwrap()
}
