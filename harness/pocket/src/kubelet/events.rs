//! Events: what the node says about a pod, for people who ask why.

use meshproof_pocket_api::{Kind, Store, now};
use serde_json::{Value, json};

/// Records a warning about `pod`. Nothing is recorded about a pod that is gone.
pub(super) fn warning(store: &Store, pod: Option<&Value>, reason: &str, message: &str) {
    let Some(pod) = pod else { return };
    let metadata = &pod["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or("default");
    let name = metadata["name"].as_str().unwrap_or_default();
    let time = now();
    let seed = format!("{name}{reason}{message}");
    let event_name = format!("{name}.{}", crate::controllers::generated(&seed, 16));
    let seen = store.modify(Kind::Event, namespace, &event_name, |event| {
        event["count"] = json!(event["count"].as_u64().unwrap_or(1) + 1);
        event["lastTimestamp"] = json!(time);
    });
    if seen.is_ok() {
        return;
    }
    let event = json!({
        "metadata": {"name": event_name, "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": name, "namespace": namespace,
            "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        "type": "Warning", "reason": reason, "message": message, "count": 1,
        "firstTimestamp": time, "lastTimestamp": time, "eventTime": null,
        "reportingComponent": "kubelet", "reportingInstance": crate::install::NODE_NAME,
        "source": {"component": "kubelet", "host": crate::install::NODE_NAME},
    });
    let created = store.create(Kind::Event, event);
    debug_assert!(created.is_ok(), "{created:?}");
}
