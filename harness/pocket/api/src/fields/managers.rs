//! Entries of `metadata.managedFields`, and how a plain write changes them.

use serde_json::{Value, json};

use super::schema::root;
use super::set::{FieldSet, changed};
use crate::kinds::{Kind, KindInfo};
use crate::object::{self, metadata_mut};
use crate::store::now;

/// Who writes, by which API version and subresource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Name of the manager.
    pub manager: &'a str,
    /// `apiVersion` of the request.
    pub api_version: &'a str,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: String,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: String,
    pub(super) fields: FieldSet,
}

impl Entry {
    pub(super) fn new(writer: Writer<'_>, operation: &str) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            operation: operation.to_owned(),
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: now(),
            fields: FieldSet::default(),
        }
    }

    pub(super) fn is_of(&self, writer: Writer<'_>, operation: &str) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && self.api_version == writer.api_version
    }

    fn place(&self) -> (&str, &str, &str, &str) {
        (
            &self.operation,
            &self.time,
            &self.manager,
            &self.api_version,
        )
    }

    fn parse(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            operation: text("operation"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: FieldSet::parse(&value["fieldsV1"]),
        }
    }

    fn to_value(&self) -> Value {
        let mut value = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_value(),
        });
        if !self.time.is_empty() {
            value["time"] = self.time.clone().into();
        }
        if !self.subresource.is_empty() {
            value["subresource"] = self.subresource.clone().into();
        }
        value
    }
}

pub(super) fn read(object: &Value) -> Vec<Entry> {
    let entries = object::at(object, &["metadata", "managedFields"]).and_then(Value::as_array);
    entries.into_iter().flatten().map(Entry::parse).collect()
}

/// Writes the entries in Kubernetes' order: appliers first, then by time, then by name.
pub(super) fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.sort_by(|a, b| a.place().cmp(&b.place()));
    let kept: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .map(Entry::to_value)
        .collect();
    if kept.is_empty() {
        metadata_mut(object).shift_remove("managedFields");
    } else {
        metadata_mut(object).insert("managedFields".into(), kept.into());
    }
}

/// `object` without what nobody owns: identity, the server's metadata, and the other half of
/// an object with a status.
pub(super) fn ownable(info: &KindInfo, subresource: &str, object: &Value) -> Value {
    const SERVER: &[&str] = &[
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ];
    let mut copy = object.clone();
    let Some(map) = copy.as_object_mut() else {
        return copy;
    };
    map.retain(|key, _| match key.as_str() {
        "apiVersion" | "kind" => false,
        "status" => subresource == "status" || !info.has_status,
        "spec" if info.kind == Kind::Namespace => false,
        _ => subresource != "status",
    });
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !SERVER.contains(&key.as_str()));
    }
    copy
}

/// What Kubernetes' types always write, so that nobody becomes the owner of their presence.
fn blank(kind: Kind) -> Value {
    match kind {
        Kind::Pod => json!({ "metadata": {}, "spec": { "containers": [] }, "status": {} }),
        Kind::Deployment => json!({
            "metadata": {}, "status": {},
            "spec": { "strategy": {}, "template": { "metadata": {}, "spec": { "containers": [] } } },
        }),
        Kind::ReplicaSet => json!({
            "metadata": {}, "status": {},
            "spec": { "template": { "metadata": {}, "spec": { "containers": [] } } },
        }),
        Kind::Service => json!({ "metadata": {}, "spec": {}, "status": { "loadBalancer": {} } }),
        Kind::Event => json!({
            "metadata": {}, "involvedObject": {}, "source": {}, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        }),
        _ if kind.info().is_custom() => json!({ "metadata": {} }),
        _ => json!({ "metadata": {}, "spec": {}, "status": {} }),
    }
}

/// Records that `writer` changed `old` (`None`: created) into `object` by PUT, POST or a plain
/// patch. Entries that the client sent do not count: the stored ones are carried on.
pub(crate) fn record_update(
    info: &KindInfo,
    writer: Writer<'_>,
    old: Option<&Value>,
    object: &mut Value,
) {
    let mut entries = old.map(read).unwrap_or_default();
    let blank = blank(info.kind);
    let before = old.map_or(blank, |old| ownable(info, writer.subresource, old));
    let after = ownable(info, writer.subresource, object);
    let gained = changed(root(info.kind), Some(&before), &after);
    let lost = changed(root(info.kind), Some(&after), &before);
    for entry in &mut entries {
        let same_half = entry.subresource == writer.subresource || !info.has_status;
        if same_half {
            entry.fields.subtract(&lost_paths(&lost, &gained));
        }
        if !entry.is_of(writer, "Update") {
            entry.fields.subtract(&gained);
        }
    }
    add(&mut entries, writer, gained);
    write(object, entries);
}

/// Paths that are gone, without those that merely changed.
fn lost_paths(lost: &FieldSet, gained: &FieldSet) -> FieldSet {
    let mut gone = lost.clone();
    gone.subtract(gained);
    gone
}

fn add(entries: &mut Vec<Entry>, writer: Writer<'_>, gained: FieldSet) {
    if gained.is_empty() {
        return;
    }
    if let Some(entry) = entries
        .iter_mut()
        .find(|entry| entry.is_of(writer, "Update"))
    {
        entry.fields.union(&gained);
        entry.time = now();
        return;
    }
    let mut entry = Entry::new(writer, "Update");
    entry.fields = gained;
    entries.push(entry);
}
