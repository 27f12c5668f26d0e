//! The routers between the clusters, where a provider lets them be looked into.
//!
//! A router pod has a command `meshproof-router drops --follow`. It prints a line at once and one
//! more whenever a count changes; each line is the whole state, a JSON array of
//! `{"saddr": "10.17.0.9", "daddr": "203.0.113.10", "dport": 3306, "syns": 1, "drops": 1}`:
//! TCP packets with SYN that came in from `saddr`, and how many of them were dropped because no
//! Service declares the port.

use futures::future;
use meshproof_cluster::{ClusterAccess, Command, Lines};
use meshproof_record::NetworkEvidence;
use serde::Deserialize;

/// The container in a router pod.
const CONTAINER: &str = "router";

/// One count of a router.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    saddr: String,
    daddr: String,
    dport: u16,
    syns: u64,
    drops: u64,
}

/// The state of a router, as one line of its output.
fn read(line: &str) -> Result<Vec<Count>, String> {
    serde_json::from_str(line).map_err(|error| format!("the router printed {line:?}: {error}"))
}

/// What is looked for: packets of one pod to one target.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Address of the client's pod.
    pub(crate) source: String,
    /// Addresses of the target.
    pub(crate) targets: Vec<String>,
    /// Port of the target.
    pub(crate) port: u16,
}

impl Flow {
    fn to_target(&self, count: &Count) -> bool {
        count.dport == self.port && self.targets.contains(&count.daddr)
    }

    /// SYNs of the pod itself: behind its own cluster's router it has another address.
    fn syns(&self, counts: &[Count]) -> u64 {
        counts
            .iter()
            .filter(|count| self.to_target(count) && count.saddr == self.source)
            .map(|count| count.syns)
            .sum()
    }

    fn drops(&self, counts: &[Count]) -> u64 {
        counts
            .iter()
            .filter(|count| self.to_target(count))
            .map(|count| count.drops)
            .sum()
    }
}

/// The counters of all routers that can be looked into, from now on.
pub(crate) struct Routers {
    watched: Vec<Watched>,
}

struct Watched {
    pod: String,
    lines: Lines,
    first: Vec<Count>,
    now: Vec<Count>,
}

impl Routers {
    /// Opens the counters of every cluster that has a router pod; `None` where none has.
    pub(crate) async fn open(clusters: [&ClusterAccess; 2]) -> Result<Option<Self>, String> {
        let opened = future::try_join_all(clusters.into_iter().filter_map(Watched::open)).await?;
        Ok(Some(opened)
            .filter(|opened| !opened.is_empty())
            .map(|watched| Self { watched }))
    }

    /// Returns when a SYN of the flow came in and one was dropped.
    pub(crate) async fn wait_dropped(&mut self, flow: &Flow) -> Result<NetworkEvidence, String> {
        loop {
            let found = self.evidence(flow);
            if found.syns > 0 && found.drops > 0 {
                return Ok(found);
            }
            let (changed, ..) = future::select_all(
                self.watched
                    .iter_mut()
                    .map(|router| Box::pin(router.change())),
            )
            .await;
            changed?;
        }
    }

    /// What was counted of the flow since the counters were opened.
    pub(crate) fn evidence(&self, flow: &Flow) -> NetworkEvidence {
        let grown = |count: &dyn Fn(&[Count]) -> u64| {
            self.watched
                .iter()
                .map(|router| count(&router.now).saturating_sub(count(&router.first)))
                .sum()
        };
        NetworkEvidence {
            syns: grown(&|counts| flow.syns(counts)),
            drops: grown(&|counts| flow.drops(counts)),
            counted_by: self
                .watched
                .iter()
                .map(|router| router.pod.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

impl Watched {
    fn open(access: &ClusterAccess) -> Option<impl Future<Output = Result<Self, String>>> {
        let pod = access.facts.router_pod.clone()?;
        Some(async move {
            let name = format!("{} of cluster {}", pod, access.side);
            let argv = ["meshproof-router", "drops", "--follow"]
                .map(str::to_owned)
                .to_vec();
            let command = Command {
                pod,
                container: CONTAINER.to_owned(),
                argv,
                stdin: Vec::new(),
            };
            let mut lines = access
                .exec_lines(&command)
                .await
                .map_err(|error| error.to_string())?;
            let first = next(&mut lines, &name).await?;
            Ok(Self {
                pod: name,
                lines,
                now: first.clone(),
                first,
            })
        })
    }

    async fn change(&mut self) -> Result<(), String> {
        self.now = next(&mut self.lines, &self.pod).await?;
        Ok(())
    }
}

async fn next(lines: &mut Lines, pod: &str) -> Result<Vec<Count>, String> {
    let line = lines.next().await.map_err(|error| error.to_string())?;
    read(&line.ok_or_else(|| format!("the router {pod} stopped printing its counters"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_pods_syns_and_every_drop_towards_the_target() {
        let line = r#"[
            {"saddr": "10.17.0.9", "daddr": "203.0.113.10", "dport": 3306, "syns": 2, "drops": 0},
            {"saddr": "192.0.2.1", "daddr": "203.0.113.10", "dport": 3306, "syns": 2, "drops": 2},
            {"saddr": "10.17.0.9", "daddr": "203.0.113.10", "dport": 13306, "syns": 5, "drops": 0}
        ]"#;
        let counts = read(line).unwrap();
        let flow = Flow {
            source: "10.17.0.9".to_owned(),
            targets: vec!["203.0.113.10".to_owned()],
            port: 3306,
        };
        assert_eq!((flow.syns(&counts), flow.drops(&counts)), (2, 2));
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        assert!(
            read(r#"[{"saddr": "a", "daddr": "b", "dport": 1, "syns": 1, "drops": 1, "x": 1}]"#)
                .is_err()
        );
    }
}
