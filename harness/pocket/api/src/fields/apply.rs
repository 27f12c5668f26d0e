//! Server-side apply: merging a configuration into an object, with owners.

use serde_json::{Map, Value, json};

use super::managers::{self, Entry, Writer};
use super::schema::{Place, Shape, item_shape, member_shape, root};
use super::set::{FieldSet, changed, key_step, stated};
use crate::kinds::KindInfo;
use crate::status::StatusError;

/// The outcome of an apply.
pub(crate) struct Applied {
    /// The merged object with its owners, not yet defaulted.
    pub object: Value,
}

/// Applies `configuration` on `old` (`None`: creates). 409 with one cause per field when
/// another manager owns a field with another value, unless `force`.
pub(crate) fn apply(
    info: &KindInfo,
    writer: Writer<'_>,
    old: Option<&Value>,
    configuration: &Value,
    force: bool,
) -> Result<Applied, StatusError> {
    let shape = root(info.kind);
    let wanted = managers::ownable(info, writer.subresource, configuration);
    let fields = without_empty_root(stated(shape, &wanted));
    let live = old.map_or_else(|| bare(configuration), Value::clone);
    let mut entries = managers::read(&live);
    let differing = changed(shape, Some(&live), &wanted);
    check_conflicts(
        &mut entries,
        writer,
        &differing.intersection(&fields),
        force,
    )?;

    let mut object = live.clone();
    merge(shape, &mut object, &wanted);
    let mut dropped = entries
        .iter()
        .find(|entry| entry.is_of(writer, "Apply"))
        .map(|entry| entry.fields.clone())
        .unwrap_or_default();
    dropped.subtract(&fields);
    for other in entries.iter().filter(|entry| !entry.is_of(writer, "Apply")) {
        dropped.subtract(&other.fields);
    }
    remove(shape, &mut object, &dropped);
    // Who states only what is so already has not changed anything at any time.
    let time = if old.is_some() && object == live {
        String::new()
    } else {
        crate::store::now()
    };
    set_entry(&mut entries, writer, fields, time);
    managers::write(&mut object, entries);
    Ok(Applied { object })
}

fn bare(configuration: &Value) -> Value {
    let metadata = &configuration["metadata"];
    let identity: Map<String, Value> = ["name", "namespace"]
        .iter()
        .filter_map(|key| {
            metadata
                .get(*key)
                .map(|value| ((*key).to_owned(), value.clone()))
        })
        .collect();
    json!({ "apiVersion": configuration["apiVersion"], "kind": configuration["kind"], "metadata": identity })
}

/// An empty `metadata` (all identity) states nothing.
fn without_empty_root(mut fields: FieldSet) -> FieldSet {
    if fields
        .children
        .get("f:metadata")
        .is_some_and(|metadata| metadata.children.is_empty())
    {
        fields.children.remove("f:metadata");
    }
    fields.member = false;
    fields
}

fn check_conflicts(
    entries: &mut [Entry],
    writer: Writer<'_>,
    differing: &FieldSet,
    force: bool,
) -> Result<(), StatusError> {
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for entry in entries
        .iter_mut()
        .filter(|entry| !entry.is_of(writer, "Apply"))
    {
        let contested = entry.fields.intersection(differing);
        if force {
            entry.fields.subtract(&contested);
        } else {
            conflicts.extend(
                contested
                    .paths()
                    .into_iter()
                    .map(|path| (describe(entry), path)),
            );
        }
    }
    if conflicts.is_empty() {
        Ok(())
    } else {
        Err(conflict(&conflicts))
    }
}

fn describe(entry: &Entry) -> String {
    if entry.operation == "Apply" && entry.subresource.is_empty() {
        return format!("conflict with {:?}", entry.manager);
    }
    let subresource = if entry.subresource.is_empty() {
        String::new()
    } else {
        format!(" with subresource {:?}", entry.subresource)
    };
    format!(
        "conflict with {:?}{subresource} using {}",
        entry.manager, entry.api_version
    )
}

fn conflict(conflicts: &[(String, String)]) -> StatusError {
    let text = match conflicts {
        [(who, path)] => format!("{who}: {path}"),
        many => {
            let mut text = String::new();
            let mut last = "";
            for (who, path) in many {
                if who != last {
                    text.push_str(if last.is_empty() { "" } else { "\n" });
                    text.push_str(who);
                    text.push(':');
                    last = who;
                }
                text.push_str("\n- ");
                text.push_str(path);
            }
            text
        }
    };
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(who, path)| json!({ "reason": "FieldManagerConflict", "message": who, "field": path }))
        .collect();
    let plural = if conflicts.len() == 1 {
        "conflict"
    } else {
        "conflicts"
    };
    StatusError::new(
        409,
        "Conflict",
        format!("Apply failed with {} {plural}: {text}", conflicts.len()),
    )
    .with_details(json!({ "causes": causes }))
}

fn set_entry(entries: &mut Vec<Entry>, writer: Writer<'_>, fields: FieldSet, time: String) {
    let found = entries
        .iter_mut()
        .find(|entry| entry.is_of(writer, "Apply"));
    if let Some(entry) = found {
        entry.fields = fields;
        if !time.is_empty() {
            entry.time = time;
        }
        return;
    }
    let mut entry = Entry::new(writer, "Apply");
    entry.fields = fields;
    entry.time = time;
    entries.push(entry);
}

/// Merges `wanted` into `live` by the kind's shapes.
fn merge(shape: Shape, live: &mut Value, wanted: &Value) {
    match (shape, wanted) {
        (Shape::Granular(place), Value::Object(wanted)) if live.is_object() => {
            let Some(live) = live.as_object_mut() else {
                return;
            };
            for (name, value) in wanted {
                merge(
                    member_shape(place, name),
                    live.entry(name.clone()).or_insert(Value::Null),
                    value,
                );
            }
        }
        (Shape::Keyed(keys, place), Value::Array(wanted)) if live.is_array() => {
            merge_items(keys, place, live, wanted);
        }
        (Shape::Set, Value::Array(wanted)) if live.is_array() => {
            let Some(live) = live.as_array_mut() else {
                return;
            };
            for item in wanted {
                if !live.contains(item) {
                    live.push(item.clone());
                }
            }
        }
        _ => *live = wanted.clone(),
    }
}

fn merge_items(keys: &[&str], place: Place, live: &mut Value, wanted: &[Value]) {
    let Some(live) = live.as_array_mut() else {
        return;
    };
    for item in wanted {
        let step = key_step(item, keys);
        let found = live
            .iter_mut()
            .find(|other| step.is_some() && key_step(other, keys) == step);
        match found {
            Some(other) => merge(item_shape(place), other, item),
            None => live.push(item.clone()),
        }
    }
}

/// Takes the fields of `gone` out of `value`.
fn remove(shape: Shape, value: &mut Value, gone: &FieldSet) {
    match (shape, value) {
        (Shape::Granular(place), Value::Object(map)) => {
            for (step, child) in &gone.children {
                let Some(name) = step.strip_prefix("f:") else {
                    continue;
                };
                if child.member {
                    map.shift_remove(name);
                } else if let Some(value) = map.get_mut(name) {
                    remove(member_shape(place, name), value, child);
                }
            }
        }
        (Shape::Keyed(keys, place), Value::Array(items)) => {
            items.retain_mut(|item| {
                let Some(child) = key_step(item, keys).and_then(|step| gone.children.get(&step))
                else {
                    return true;
                };
                if !child.member {
                    remove(item_shape(place), item, child);
                }
                !child.member
            });
        }
        (Shape::Set, Value::Array(items)) => {
            items.retain(|item| !gone.children.contains_key(&format!("v:{item}")));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn by(manager: &str) -> Writer<'_> {
        Writer {
            manager,
            api_version: "v1",
            subresource: "",
        }
    }

    fn map(data: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "s" }, "data": data })
    }

    fn run(
        manager: &str,
        old: Option<&Value>,
        data: Value,
        force: bool,
    ) -> Result<Value, StatusError> {
        apply(Kind::ConfigMap.info(), by(manager), old, &map(&data), force)
            .map(|applied| applied.object)
    }

    #[test]
    fn owners_conflict_and_what_is_given_up_goes() {
        let one = run("one", None, json!({ "a": "1", "b": "1" }), false).unwrap();
        let refused = run("two", Some(&one), json!({ "a": "2" }), false).unwrap_err();
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"one\": .data.a"
        );
        let forced = run("two", Some(&one), json!({ "a": "2" }), true).unwrap();
        let shared = run("three", Some(&forced), json!({ "b": "1" }), false).unwrap();
        let left = run("one", Some(&shared), json!({}), false).unwrap();
        assert_eq!(left["data"], json!({ "a": "2", "b": "1" }));
        let gone = run("three", Some(&left), json!({}), false).unwrap();
        assert_eq!(gone["data"], json!({ "a": "2" }));
    }
}
