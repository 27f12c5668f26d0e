//! The status of a pod, rendered from what its containers do.
//!
//! Pure. Shapes, reasons and the order of conditions are those recorded from Kubernetes 1.36.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// What one container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not started, and why.
    Waiting {
        /// `ContainerCreating`, `PodInitializing`, `ErrImagePull`, ...
        reason: &'static str,
        /// For readers.
        message: Option<String>,
    },
    /// Started and not ended.
    Running {
        /// RFC 3339.
        started: String,
    },
    /// Ended.
    Terminated(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Exit code; a signal is 128 + its number.
    pub code: i32,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub finished: String,
    /// Why it could not run at all, where that is the case.
    pub message: Option<String>,
}

/// One container of the pod.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// Its name.
    pub name: String,
    /// Its image as written.
    pub image: String,
    /// What it does.
    pub state: State,
    /// How the instance before ended.
    pub last: Option<Ended>,
    /// Passed its readiness probe, or needs none.
    pub ready: bool,
    /// Passed its start-up probe, or needs none, and runs.
    pub started: bool,
    /// Times it was started again.
    pub restarts: u32,
    /// A sidecar (an init container that stays).
    pub sidecar: bool,
    /// Identifier of the running or last instance.
    pub id: Option<String>,
}

/// The whole pod.
#[derive(Clone, Debug)]
pub(super) struct PodState {
    /// Init containers and sidecars, in order.
    pub init: Vec<Container>,
    /// Ordinary containers, in order.
    pub main: Vec<Container>,
    /// The pod's address, once it has one.
    pub ip: Option<Ipv4Addr>,
    /// The node's address.
    pub host_ip: Ipv4Addr,
    /// RFC 3339: when the node took the pod.
    pub started: String,
    /// `restartPolicy`.
    pub restart_policy: String,
}

impl PodState {
    /// `status.phase`.
    pub(super) fn phase(&self) -> &'static str {
        let ended = |c: &Container| match &c.state {
            State::Terminated(e) => Some(e.code),
            _ => None,
        };
        let init_failed = self
            .init
            .iter()
            .filter(|c| !c.sidecar)
            .any(|c| ended(c).is_some_and(|code| code != 0));
        if init_failed && self.restart_policy == "Never" {
            return "Failed";
        }
        let codes: Vec<Option<i32>> = self.main.iter().map(ended).collect();
        let all_ended = codes.iter().all(Option::is_some) && !codes.is_empty();
        let comes_back = match self.restart_policy.as_str() {
            "Never" => false,
            "OnFailure" => codes.iter().any(|c| *c != Some(0)),
            _ => true,
        };
        if all_ended && !comes_back {
            return if codes.iter().all(|c| *c == Some(0)) {
                "Succeeded"
            } else {
                "Failed"
            };
        }
        let any_started = self
            .main
            .iter()
            .any(|c| !matches!(c.state, State::Waiting { .. }) || c.last.is_some());
        if any_started { "Running" } else { "Pending" }
    }

    /// Whether the init containers are through.
    pub(super) fn initialized(&self) -> bool {
        self.init.iter().all(|c| match &c.state {
            State::Terminated(e) => !c.sidecar && e.code == 0,
            State::Running { .. } => c.sidecar && c.started,
            State::Waiting { .. } => false,
        })
    }

    /// Whether all containers are ready.
    pub(super) fn ready(&self) -> bool {
        self.initialized()
            && self.main.iter().all(|c| c.ready)
            && self.init.iter().filter(|c| c.sidecar).all(|c| c.ready)
    }

    /// `status`, as the API has it. `previous` keeps the times of conditions that did not change.
    pub(super) fn render(&self, previous: &Value, now: &str) -> Value {
        let mut status = json!({
            "phase": self.phase(),
            "conditions": self.conditions(previous, now),
            "hostIP": self.host_ip.to_string(),
            "hostIPs": [{"ip": self.host_ip.to_string()}],
            "startTime": self.started,
            "qosClass": "BestEffort",
            "containerStatuses": self.main.iter().map(container).collect::<Vec<_>>(),
        });
        if !self.init.is_empty() {
            status["initContainerStatuses"] = self.init.iter().map(container).collect();
        }
        if let Some(ip) = self.ip {
            status["podIP"] = json!(ip.to_string());
            status["podIPs"] = json!([{"ip": ip.to_string()}]);
        }
        status
    }

    fn conditions(&self, previous: &Value, now: &str) -> Vec<Value> {
        let phase = self.phase();
        let done = phase == "Succeeded";
        let over = done || phase == "Failed";
        let unready = names(
            self.main
                .iter()
                .chain(self.init.iter().filter(|c| c.sidecar)),
            |c| !c.ready,
        );
        let uninitialized = names(self.init.iter(), |c| match &c.state {
            State::Terminated(e) => e.code != 0,
            State::Running { .. } => !(c.sidecar && c.started),
            State::Waiting { .. } => true,
        });
        let not_ready = if done {
            ("PodCompleted", String::new())
        } else if over {
            ("PodFailed", String::new())
        } else {
            (
                "ContainersNotReady",
                format!("containers with unready status: [{unready}]"),
            )
        };
        let not_initialized = (
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{uninitialized}]"),
        );
        let ready = self.ready() && !over;
        [
            (
                "PodReadyToStartContainers",
                self.ip.is_some() && !over,
                ("", String::new()),
            ),
            ("Initialized", self.initialized() || done, not_initialized),
            ("Ready", ready, not_ready.clone()),
            ("ContainersReady", ready, not_ready),
            ("PodScheduled", true, ("", String::new())),
        ]
        .into_iter()
        .map(|(kind, holds, why)| condition(previous, now, kind, holds, &why))
        .collect()
    }
}

fn names<'a>(
    all: impl Iterator<Item = &'a Container>,
    which: impl Fn(&Container) -> bool,
) -> String {
    all.filter(|c| which(c))
        .map(|c| c.name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn condition(previous: &Value, now: &str, kind: &str, holds: bool, why: &(&str, String)) -> Value {
    let status = if holds { "True" } else { "False" };
    let before = previous["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == kind);
    let since = before
        .filter(|c| c["status"] == status)
        .and_then(|c| c["lastTransitionTime"].as_str())
        .unwrap_or(now);
    let mut condition =
        json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    if !holds && !why.0.is_empty() {
        condition["reason"] = json!(why.0);
        if !why.1.is_empty() {
            condition["message"] = json!(why.1);
        }
    }
    condition
}

fn container(c: &Container) -> Value {
    let mut status = json!({
        "name": c.name,
        "image": c.image,
        "imageID": "",
        "ready": c.ready,
        "started": c.started,
        "restartCount": c.restarts,
        "lastState": c.last.as_ref().map_or_else(|| json!({}), |e| json!({"terminated": terminated(e, c.id.as_deref())})),
        "state": match &c.state {
            State::Waiting { reason, message } => {
                let mut waiting = json!({"reason": reason});
                if let Some(message) = message {
                    waiting["message"] = json!(message);
                }
                json!({"waiting": waiting})
            }
            State::Running { started } => json!({"running": {"startedAt": started}}),
            State::Terminated(e) => json!({"terminated": terminated(e, c.id.as_deref())}),
        },
    });
    if let Some(id) = &c.id {
        status["containerID"] = json!(format!("pocket://{id}"));
    }
    status
}

fn terminated(e: &Ended, id: Option<&str>) -> Value {
    let reason = match (e.code, &e.message) {
        (_, Some(_)) => "StartError",
        (0, None) => "Completed",
        (_, None) => "Error",
    };
    let mut state = json!({"exitCode": e.code, "reason": reason, "startedAt": e.started, "finishedAt": e.finished});
    if let Some(message) = &e.message {
        state["message"] = json!(message);
    }
    if let Some(id) = id {
        state["containerID"] = json!(format!("pocket://{id}"));
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(name: &str, sidecar: bool) -> Container {
        Container {
            name: name.into(),
            image: "mysql:5.6".into(),
            state: State::Running {
                started: "t1".into(),
            },
            last: None,
            ready: true,
            started: true,
            restarts: 0,
            sidecar,
            id: Some("1".into()),
        }
    }

    fn ended(code: i32) -> State {
        State::Terminated(Ended {
            code,
            started: "t1".into(),
            finished: "t2".into(),
            message: None,
        })
    }

    fn pod(init: Vec<Container>, main: Vec<Container>, restart_policy: &str) -> PodState {
        PodState {
            init,
            main,
            ip: Some(Ipv4Addr::new(10, 1, 0, 4)),
            host_ip: Ipv4Addr::new(10, 1, 0, 1),
            started: "t0".into(),
            restart_policy: restart_policy.into(),
        }
    }

    fn ready(status: &Value) -> &Value {
        &status["conditions"]
            .as_array()
            .expect("list")
            .iter()
            .find(|c| c["type"] == "Ready")
            .expect("Ready")["status"]
    }

    #[test]
    fn a_pod_is_ready_when_sidecar_and_program_are() {
        let mut state = pod(
            vec![running("istio-proxy", true)],
            vec![running("mysql", false)],
            "Always",
        );
        assert_eq!(
            (state.phase(), ready(&state.render(&json!({}), "t3"))),
            ("Running", &json!("True"))
        );
        state.init[0].ready = false;
        assert_eq!(ready(&state.render(&json!({}), "t3")), "False");
        state.init[0].started = false;
        assert!(!state.initialized());
    }

    #[test]
    fn phases_follow_exit_codes_and_restart_policy() {
        for (policy, code, phase) in [
            ("Never", 0, "Succeeded"),
            ("Never", 7, "Failed"),
            ("Always", 0, "Running"),
            ("OnFailure", 0, "Succeeded"),
            ("OnFailure", 7, "Running"),
        ] {
            let mut state = pod(vec![], vec![running("a", false)], policy);
            state.main[0].state = ended(code);
            assert_eq!(state.phase(), phase, "{policy} {code}");
        }
    }

    #[test]
    fn a_condition_keeps_the_time_of_its_last_change() {
        let state = pod(vec![], vec![running("a", false)], "Always");
        let first = state.render(&json!({}), "t1");
        let second = state.render(&first, "t2");
        assert_eq!(first["conditions"], second["conditions"]);
    }
}
