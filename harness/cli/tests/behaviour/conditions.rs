//! What the mesh says on an Istio object.

use std::time::Duration;

use meshproof_cluster::Side;
use serde_json::Value;

use crate::wait::until;
use crate::world::World;

/// The condition `meshproof.dev/Active` of an object's newest generation.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl World {
    async fn condition(&self, side: Side, kind: &str, name: &str) -> Option<Condition> {
        let object = self.get(side, kind, name).await;
        let conditions = object.pointer("/status/conditions")?.as_array()?;
        let active = |one: &&Value| {
            one["type"] == "meshproof.dev/Active"
                && one["observedGeneration"] == object["metadata"]["generation"]
        };
        let found = conditions.iter().find(active)?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Some(Condition {
            reason: text("reason"),
            message: text("message"),
        })
    }

    /// Waits until the condition of an object, `NAMESPACE/NAME`, has a reason.
    pub(crate) async fn says(&self, side: Side, kind: &str, name: &str, reason: &str) -> Condition {
        let what = format!("{kind} {name} to be {reason}");
        until(&what, Duration::from_secs(20), async || {
            match self.condition(side, kind, name).await {
                Some(found) if found.reason == reason => Ok(found),
                found => Err(format!("{found:?}")),
            }
        })
        .await
    }
}
