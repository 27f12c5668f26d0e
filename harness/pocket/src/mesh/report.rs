//! What the control plane writes into the store: a condition on each Istio object, and a ConfigMap
//! for all the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshproof_mesh::Conflict;
use meshproof_pocket_api::{Event, EventType, Kind, now};
use serde_json::{Value, json};

use super::culprit::{self, Concern};
use super::progress::{Progress, Rejection, Round};
use super::{Mesh, READ};
use crate::controllers::settle;
use crate::install::{ISTIO_SYSTEM, MESH_STATUS};

/// The condition on each Istio object.
const ACTIVE: &str = "meshproof.dev/Active";

/// An Istio object as it was compiled: a later generation of it is not active yet.
pub(super) struct Compiled {
    pub(super) kind: Kind,
    pub(super) object: Arc<Value>,
}

impl Mesh {
    /// Writes the status: a condition on each Istio object, and the ConfigMap for all the rest.
    pub(super) fn report(&self, progress: &Progress, round: &Round) {
        for Compiled { kind, object } in &round.compiled {
            let (concern, mut state) = progress.state(*kind, object);
            if let Some(lost) = lost(*kind, object, &round.conflicts) {
                state.message = format!("{}; but {lost}", state.message);
            }
            self.condition(*kind, object, concern, &state);
        }
        let before = self.store.get(Kind::ConfigMap, ISTIO_SYSTEM, MESH_STATUS);
        let active = before
            .as_ref()
            .and_then(|m| m.pointer("/data/activeResourceVersion").cloned());
        let active = if progress.is_active() {
            json!(round.revision.to_string())
        } else {
            active.unwrap_or_else(|| json!("0"))
        };
        let data = json!({"activeResourceVersion": active,
            "toldResourceVersion": round.revision.to_string(), "waiting": progress.waiting.join("\n"),
            "warming": progress.warming.join("\n"), "rejected": texts(&progress.rejected, "\n")});
        if before.is_some() {
            let changed = self
                .store
                .modify(Kind::ConfigMap, ISTIO_SYSTEM, MESH_STATUS, |o| {
                    o["data"] = data;
                });
            debug_assert!(changed.is_ok(), "{changed:?}");
        } else {
            let object =
                json!({"metadata": {"name": MESH_STATUS, "namespace": ISTIO_SYSTEM}, "data": data});
            let created = self.store.create(Kind::ConfigMap, object);
            debug_assert!(created.is_ok(), "{created:?}");
        }
    }

    /// An object that was active stays so while others of a later change are on their way, unless
    /// something that only it names was refused. What it loses to others is told when they are active too.
    fn condition(&self, kind: Kind, object: &Value, concern: Concern, state: &State) {
        let generation = &object["metadata"]["generation"];
        let text = |k: &str| {
            object["metadata"][k]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let Some(now_stored) = self.store.get(kind, &text("namespace"), &text("name")) else {
            return;
        };
        let old = now_stored
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|c| c["type"] == ACTIVE && c["observedGeneration"] == *generation);
        let stays = concern < Concern::Named && state.status != "True";
        let settled = stays && old.is_some_and(|c| c["status"] == "True");
        let said = |c: &Value| c["reason"] == state.reason && c["message"] == state.message;
        if settled || old.is_some_and(said) {
            return;
        }
        let State {
            status,
            reason,
            message,
        } = state;
        let condition = json!({"type": ACTIVE, "status": status, "reason": reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": now()});
        let written = self
            .store
            .modify(kind, &text("namespace"), &text("name"), |o| {
                let conditions = o["status"]["conditions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|c| c["type"] != ACTIVE);
                let all: Vec<Value> = conditions.cloned().chain([condition]).collect();
                o["status"]["conditions"] = Value::Array(all);
            });
        // It may have been deleted meanwhile, and then needs no condition.
        settle(written, &[404]);
    }
}

/// What the condition of an object says.
struct State {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Progress {
    /// How far an object is, and what the refusals have to do with it.
    fn state(&self, kind: Kind, object: &Value) -> (Concern, State) {
        let concern = |rejection: &Rejection| match &rejection.refused {
            Some(refused) => culprit::concern(refused, kind, object),
            None => Concern::Part,
        };
        let own = self.rejected.iter().map(|one| (concern(one), one));
        let own: Vec<_> = own
            .filter(|(concern, _)| *concern > Concern::None)
            .collect();
        let (status, reason, message) = if !own.is_empty() {
            (
                "False",
                "Rejected",
                texts(own.iter().map(|(_, one)| *one), "; "),
            )
        } else if !self.warming.is_empty() {
            ("False", "Warming", self.warming.join("; "))
        } else if !self.waiting.is_empty() {
            ("False", "Pushing", self.waiting.join("; "))
        } else {
            ("True", "Active", "active at every proxy".to_owned())
        };
        let state = State {
            status,
            reason,
            message,
        };
        let most = own.into_iter().map(|(concern, _)| concern).max();
        (most.unwrap_or(Concern::None), state)
    }
}

fn texts<'a>(rejections: impl IntoIterator<Item = &'a Rejection>, between: &str) -> String {
    let texts: Vec<&str> = rejections
        .into_iter()
        .map(|one| one.text.as_str())
        .collect();
    texts.join(between)
}

/// What of an object takes no effect because others win over it.
fn lost(kind: Kind, object: &Value, conflicts: &BTreeSet<Conflict>) -> Option<String> {
    let text = |k: &str| object["metadata"][k].as_str().unwrap_or_default();
    let name = format!(
        "{} {}/{}",
        kind.info().name,
        text("namespace"),
        text("name")
    );
    let lost: Vec<String> = conflicts
        .iter()
        .filter(|c| c.loser == name)
        .map(ToString::to_string)
        .collect();
    (!lost.is_empty()).then(|| lost.join("; "))
}

/// Whether an event is this controller's own writing.
pub(super) fn own(event: &Event) -> bool {
    (event.kind == Kind::ConfigMap && event.object["metadata"]["name"] == MESH_STATUS)
        || is_report(event)
}

/// Whether a change can matter to a proxy's configuration. A status that changes without its
/// specification is a report, except for a pod, whose address and readiness are in its status.
pub(super) fn concerns(event: &Event) -> bool {
    READ.contains(&event.kind) && !own(event)
}

fn is_report(event: &Event) -> bool {
    let generation = |o: &Value| o["metadata"]["generation"].clone();
    is_istio(event.kind)
        && event.event_type == EventType::Modified
        && event
            .previous
            .as_ref()
            .is_some_and(|p| generation(p) == generation(&event.object))
}

pub(super) fn is_istio(kind: Kind) -> bool {
    kind.info().group.ends_with(".istio.io")
}
