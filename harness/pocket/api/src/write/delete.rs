//! Deletion: grace periods of pods, finalizers, namespaces.

use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::object::{self, metadata_mut};
use crate::store::{Change, now};

/// Grace of a pod that names none, in seconds (`terminationGracePeriodSeconds`).
const DEFAULT_GRACE: i64 = 30;

/// How dependents are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They go after the owner.
    Background,
    /// They go before the owner.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

/// What a deletion may do to one object.
#[derive(Debug, Clone, Copy)]
pub struct DeleteHow {
    /// Seconds that a pod's processes get; `None` for the pod's own choice.
    pub grace_seconds: Option<i64>,
    /// What becomes of dependents.
    pub propagation: Propagation,
}

impl Default for DeleteHow {
    fn default() -> Self {
        Self {
            grace_seconds: None,
            propagation: Propagation::Background,
        }
    }
}

/// The change that deleting `current` amounts to. `dependents` tells whether something blocks
/// a foreground deletion or needs orphaning.
pub(crate) fn decide(kind: Kind, current: &Value, how: DeleteHow) -> Change {
    if kind == Kind::Namespace {
        return terminate_namespace(current);
    }
    let mut object = current.clone();
    let grace = if kind == Kind::Pod {
        grace(current, how.grace_seconds)
    } else {
        0
    };
    add_propagation_finalizer(&mut object, how.propagation);
    if grace == 0 && !object::has_finalizers(&object) {
        if kind == Kind::Pod {
            mark(&mut object, 0);
        }
        return Change::Remove(object);
    }
    if object::is_deleting(current) && !shortens(current, grace, kind) && object == *current {
        return Change::Keep;
    }
    if !object::is_deleting(current) || shortens(current, grace, kind) {
        mark(&mut object, grace);
    }
    Change::Put(object)
}

fn terminate_namespace(current: &Value) -> Change {
    if object::is_deleting(current) {
        return Change::Keep;
    }
    let mut object = current.clone();
    metadata_mut(&mut object).insert("deletionTimestamp".into(), now().into());
    object["status"]["phase"] = "Terminating".into();
    Change::Put(object)
}

fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let running = !object::text(pod, &["spec", "nodeName"]).is_empty();
    let ended = matches!(
        object::text(pod, &["status", "phase"]),
        "Succeeded" | "Failed"
    );
    if !running || ended {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(DEFAULT_GRACE);
    // A negative grace means "at once, but let the node confirm": one second, as Kubernetes does.
    match asked.unwrap_or(own) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

fn shortens(current: &Value, grace: i64, kind: Kind) -> bool {
    kind == Kind::Pod
        && current["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .is_some_and(|now| grace < now)
}

fn mark(object: &mut Value, grace: i64) {
    let until = jiff::Timestamp::now().as_second().saturating_add(grace);
    let until = jiff::Timestamp::from_second(until).map_or_else(|_| now(), |time| time.to_string());
    let metadata = metadata_mut(object);
    metadata.insert("deletionTimestamp".into(), until.into());
    metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".into(), (generation + 1).into());
    }
}

fn add_propagation_finalizer(object: &mut Value, propagation: Propagation) {
    let finalizer = match propagation {
        Propagation::Background => return,
        Propagation::Foreground => "foregroundDeletion",
        Propagation::Orphan => "orphan",
    };
    let finalizers = metadata_mut(object)
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|entry| entry == finalizer)
    {
        list.push(finalizer.into());
    }
}

/// After an update: an object that is being deleted and lost its last finalizer goes.
pub(crate) fn after_update(kind: Kind, object: Value) -> Change {
    let pending_grace = kind == Kind::Pod
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0)
            > 0;
    let namespace_content = kind == Kind::Namespace;
    if object::is_deleting(&object)
        && !object::has_finalizers(&object)
        && !pending_grace
        && !namespace_content
    {
        Change::Remove(object)
    } else {
        Change::Put(object)
    }
}
