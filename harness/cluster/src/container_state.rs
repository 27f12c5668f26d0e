//! Reading from a pod's status why it will not become ready, in words a person acts on.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// A container that will not get better by waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Name of the container.
    pub container: String,
    /// The kubelet's reason: `ErrImagePull`, `CrashLoopBackOff`, `Error`, ...
    pub reason: String,
    /// The kubelet's message, may be empty.
    pub message: String,
    /// The container ran and ended, so its last lines may tell why.
    pub crashed: bool,
}

/// Whether all of a pod's containers are ready and it is not on its way out.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let ready = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        });
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// The first container that will not get better. `first_pull_counts` says whether a first failed pull
/// is final: where images come from a registry, the kubelet tries again and may succeed.
pub(crate) fn trouble(pod: &Pod, first_pull_counts: bool) -> Option<Trouble> {
    statuses(pod)
        .find_map(|status| waiting_trouble(status, first_pull_counts))
        .or_else(|| failed(pod))
}

fn waiting_trouble(status: &ContainerStatus, first_pull_counts: bool) -> Option<Trouble> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone().unwrap_or_default();
    let hopeless = match reason.as_str() {
        "InvalidImageName" | "ErrImageNeverPull" | "ImagePullBackOff" | "CrashLoopBackOff"
        | "RunContainerError" => true,
        "ErrImagePull" => first_pull_counts,
        _ => false,
    };
    hopeless.then(|| Trouble {
        container: status.name.clone(),
        crashed: reason == "CrashLoopBackOff",
        reason,
        message: waiting.message.clone().unwrap_or_default(),
    })
}

/// A pod in phase `Failed`: a container ended and is not started again.
fn failed(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    let ended = statuses(pod).find_map(|container| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        Some(Trouble {
            container: container.name.clone(),
            reason: ended.reason.clone().unwrap_or_else(|| "Error".to_owned()),
            message: format!(
                "exit code {} {}",
                ended.exit_code,
                ended.message.as_deref().unwrap_or_default()
            ),
            crashed: true,
        })
    });
    ended.or_else(|| {
        Some(Trouble {
            container: String::new(),
            reason: status.reason.clone().unwrap_or_else(|| "Failed".to_owned()),
            message: status.message.clone().unwrap_or_default(),
            crashed: false,
        })
    })
}

/// One line about a pod's state, for messages when a deadline passes.
pub(crate) fn describe(pod: &Pod) -> String {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("unknown");
    let mut words = vec![format!("phase {phase}")];
    words.extend(unscheduled(pod));
    words.extend(
        statuses(pod)
            .filter(|status| !status.ready)
            .map(container_words),
    );
    words.join("; ")
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    Some(format!(
        "not scheduled: {}",
        condition.message.as_deref().unwrap_or_default()
    ))
}

fn container_words(status: &ContainerStatus) -> String {
    let state = status.state.as_ref();
    let words = if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or("waiting");
        waiting.message.as_deref().map_or_else(
            || reason.to_owned(),
            |message| format!("{reason}: {message}"),
        )
    } else if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        format!("ended with exit code {}", ended.exit_code)
    } else if state.and_then(|state| state.running.as_ref()).is_some() {
        "running, not ready".to_owned()
    } else {
        "no state yet".to_owned()
    };
    format!("container {}: {words}", status.name)
}

/// Statuses of all containers: sidecars may be init containers.
fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status
        .and_then(|status| status.init_container_statuses.as_ref())
        .into_iter()
        .flatten();
    init.chain(
        status
            .and_then(|status| status.container_statuses.as_ref())
            .into_iter()
            .flatten(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(phase: &str, state: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "status": {"phase": phase, "containerStatuses": [{
                "name": "mysql", "image": "mysql:5.6", "imageID": "", "ready": false, "restartCount": 0, "state": state,
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn a_first_failed_pull_is_final_only_where_no_registry_is_behind_it() {
        let pod = pod(
            "Pending",
            &json!({"waiting": {"reason": "ErrImagePull", "message": "unknown image"}}),
        );
        assert_eq!(trouble(&pod, false), None);
        assert_eq!(trouble(&pod, true).unwrap().message, "unknown image");
        assert_eq!(
            describe(&pod),
            "phase Pending; container mysql: ErrImagePull: unknown image"
        );
    }

    #[test]
    fn starting_is_no_trouble() {
        assert_eq!(
            trouble(
                &pod(
                    "Pending",
                    &json!({"waiting": {"reason": "ContainerCreating"}})
                ),
                true
            ),
            None
        );
    }

    #[test]
    fn a_failed_pod_names_its_container_and_exit_code() {
        let found = trouble(
            &pod(
                "Failed",
                &json!({"terminated": {"exitCode": 7, "reason": "Error"}}),
            ),
            false,
        )
        .unwrap();
        assert_eq!((found.container.as_str(), found.crashed), ("mysql", true));
        assert!(found.message.starts_with("exit code 7"));
    }
}
