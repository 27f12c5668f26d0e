//! Why a pod did not become ready: its containers' states, its warnings, the last lines it printed.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};

use crate::access::{ClusterAccess, PodRef};
use crate::container_state::{self, Trouble};
use crate::error::chain;

/// How many last lines of a crashed container are shown.
const LAST_LINES: i64 = 20;
/// How long looking for the reason of a failure may take.
const DIAGNOSIS: Duration = Duration::from_secs(5);

impl ClusterAccess {
    pub(crate) async fn pods_words(&self, namespace: &str, selector: &str) -> String {
        match self.list_pods(namespace, selector).await {
            Ok(pods) if pods.is_empty() => format!("there is no pod with label {selector}"),
            Ok(pods) => {
                let mut words = Vec::new();
                for pod in &pods {
                    let name = PodRef::new(namespace, pod.name_any());
                    let state = container_state::describe(pod);
                    let events = self.event_words(&name, &state).await;
                    words.push(format!("pod {name}: {state}{events}"));
                }
                words.join("; ")
            }
            Err(error) => error.to_string(),
        }
    }

    /// The reason of a failure with the container's last lines where it ran, and the pod's warnings.
    pub(crate) async fn diagnose(&self, pod: &PodRef, trouble: &Trouble) -> String {
        let mut words = format!("container {}: {}", trouble.container, trouble.reason);
        if !trouble.message.trim().is_empty() {
            words.push_str(": ");
            words.push_str(trouble.message.trim());
        }
        if trouble.crashed {
            words.push_str(&self.last_lines(pod, &trouble.container).await);
        }
        let events = self.event_words(pod, &words).await;
        words.push_str(&events);
        words
    }

    async fn last_lines(&self, pod: &PodRef, container: &str) -> String {
        let parameters = |previous| LogParams {
            container: Some(container.to_owned()),
            tail_lines: Some(LAST_LINES),
            previous,
            ..LogParams::default()
        };
        let api = self.namespaced::<Pod>(&pod.namespace);
        let reading = async {
            match api.logs(&pod.name, &parameters(true)).await {
                Ok(text) if !text.trim().is_empty() => Ok(text),
                _ => api.logs(&pod.name, &parameters(false)).await,
            }
        };
        match tokio::time::timeout(DIAGNOSIS, reading).await {
            Ok(Ok(text)) if text.trim().is_empty() => "; it printed nothing".to_owned(),
            Ok(Ok(text)) => format!("; its last lines:\n{}", text.trim_end()),
            Ok(Err(error)) => format!("; its last lines cannot be read: {}", chain(&error)),
            Err(_) => "; its last lines did not come".to_owned(),
        }
    }

    /// The pod's warnings, each once, in order, without those whose text is in `told` already.
    pub(crate) async fn event_words(&self, pod: &PodRef, told: &str) -> String {
        let selector = format!("involvedObject.kind=Pod,involvedObject.name={}", pod.name);
        let parameters = ListParams::default().fields(&selector);
        let api = self.namespaced::<Event>(&pod.namespace);
        let Ok(Ok(events)) = tokio::time::timeout(DIAGNOSIS, api.list(&parameters)).await else {
            return "; its events cannot be read".to_owned();
        };
        let mut words = Vec::new();
        for event in events
            .items
            .iter()
            .filter(|event| event.type_.as_deref() == Some("Warning"))
        {
            let message = event.message.as_deref().unwrap_or_default();
            let reason = event.reason.as_deref().unwrap_or_default();
            let text = format!("{reason}: {message}");
            let repeated = !message.is_empty() && told.contains(message);
            if !repeated && !words.contains(&text) {
                words.push(text);
            }
        }
        if words.is_empty() {
            String::new()
        } else {
            format!("; events: {}", words.join("; "))
        }
    }
}
