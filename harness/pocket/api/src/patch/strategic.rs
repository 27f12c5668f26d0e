//! Strategic merge patch: a merge patch that merges lists of maps by their key.
//!
//! The keys are those of the `patchMergeKey` tags of Kubernetes' Go types, which differ from
//! the keys of server-side apply for some lists (ports merge by number alone). Directives:
//! `$patch: replace|delete|merge`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`,
//! `$retainKeys`.

use serde_json::{Map, Value};

use crate::kinds::Kind;
use crate::status::StatusError;

const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

pub(super) fn apply(_kind: Kind, object: &mut Value, patch: &Value) -> Result<(), StatusError> {
    merge_value("", object, patch)
}

/// The merge key of a list of maps; `None`: the list is replaced.
fn merge_key(parent: &str, list: &str) -> Option<&'static str> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        "conditions" => "type",
        "ownerReferences" => "uid",
        "podIPs" | "hostIPs" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "ports" if parent == "spec" => "port",
        "ports" if parent == "containers" || parent == "initContainers" => "containerPort",
        "addresses" if parent == "status" => "type",
        _ => return None,
    })
}

/// Lists of scalars that merge as sets.
fn merges_as_set(list: &str) -> bool {
    list == "finalizers"
}

fn merge_value(name: &str, live: &mut Value, patch: &Value) -> Result<(), StatusError> {
    let Value::Object(patch) = patch else {
        *live = patch.clone();
        return Ok(());
    };
    match patch
        .get("$patch")
        .map(|directive| directive.as_str().unwrap_or_default())
    {
        Some("replace") => {
            *live = Value::Object(without_directives(patch));
            return Ok(());
        }
        Some("delete") => {
            *live = Value::Object(Map::new());
            return Ok(());
        }
        None | Some("merge") => {}
        Some(other) => {
            return Err(StatusError::bad_request(format!(
                "unknown patch type: {other}"
            )));
        }
    }
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    match live.as_object_mut() {
        Some(live) => merge_map(name, live, patch),
        None => Ok(()),
    }
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn merge_map(
    parent: &str,
    live: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), StatusError> {
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        live.retain(|key, _| kept.iter().any(|name| name == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE) {
            delete_scalars(live.get_mut(list), value);
        } else if !key.starts_with('$') {
            merge_member(parent, live, key, value)?;
        }
    }
    for (key, order) in patch {
        if let Some(list) = key.strip_prefix(ORDER) {
            reorder(live.get_mut(list), order, merge_key(parent, list));
        }
    }
    Ok(())
}

fn merge_member(
    parent: &str,
    live: &mut Map<String, Value>,
    key: &str,
    value: &Value,
) -> Result<(), StatusError> {
    match value {
        Value::Null => {
            live.shift_remove(key);
            Ok(())
        }
        Value::Object(_) => merge_value(
            key,
            live.entry(key.to_owned()).or_insert(Value::Null),
            value,
        ),
        Value::Array(items) => {
            let slot = live
                .entry(key.to_owned())
                .or_insert_with(|| Value::Array(Vec::new()));
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            let Some(list) = slot.as_array_mut() else {
                return Ok(());
            };
            if let Some(merge_key) = merge_key(parent, key) {
                merge_list(key, merge_key, list, items)
            } else if merges_as_set(key) {
                let new: Vec<Value> = items
                    .iter()
                    .filter(|item| !list.contains(item))
                    .cloned()
                    .collect();
                list.extend(new);
                Ok(())
            } else {
                list.clone_from(items);
                Ok(())
            }
        }
        scalar => {
            live.insert(key.to_owned(), scalar.clone());
            Ok(())
        }
    }
}

fn merge_list(
    name: &str,
    key: &str,
    live: &mut Vec<Value>,
    patch: &[Value],
) -> Result<(), StatusError> {
    if patch.iter().any(|item| {
        item.get("$patch")
            .is_some_and(|directive| directive == "replace")
    }) {
        *live = patch
            .iter()
            .filter(|item| item.get("$patch").is_none())
            .cloned()
            .collect();
        return Ok(());
    }
    for item in patch {
        let Some(identity) = item.get(key) else {
            return Err(StatusError::bad_request(format!(
                "map: {item} does not contain declared merge key: {key}"
            )));
        };
        let position = live
            .iter()
            .position(|other| other.get(key) == Some(identity));
        let deletes = item
            .get("$patch")
            .is_some_and(|directive| directive == "delete");
        match (position, deletes) {
            (Some(position), true) => {
                live.remove(position);
            }
            (None, true) => {}
            (Some(position), false) => merge_value(name, &mut live[position], item)?,
            // Items that are new go through the merge too, so that no directive is stored.
            (None, false) => {
                let mut fresh = Value::Object(Map::new());
                merge_value(name, &mut fresh, item)?;
                // Kubernetes puts new items of an unordered patch in front.
                live.insert(0, fresh);
            }
        }
    }
    Ok(())
}

fn delete_scalars(live: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(live)), Value::Array(gone)) = (live, gone) {
        live.retain(|item| !gone.contains(item));
    }
}

fn reorder(live: Option<&mut Value>, order: &Value, key: Option<&str>) {
    let (Some(Value::Array(live)), Value::Array(order)) = (live, order) else {
        return;
    };
    let rank = |item: &Value| {
        let same = |entry: &Value| match key {
            Some(key) => entry.get(key) == item.get(key),
            None => entry == item,
        };
        order.iter().position(same).unwrap_or(usize::MAX)
    };
    // Items that the order does not name keep their place behind the named ones.
    live.sort_by_key(rank);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn patched(object: &Value, patch: &Value) -> Value {
        let mut object = object.clone();
        apply(Kind::Pod, &mut object, patch).unwrap();
        object
    }

    #[test]
    fn lists_merge_by_key() {
        let pod = json!({ "spec": { "containers": [{ "name": "a", "image": "x", "env": [{ "name": "E", "value": "1" }] }] } });
        let patch = json!({ "spec": { "containers": [{ "name": "a", "env": [{ "name": "F", "value": "2" }] }] } });
        let env = &patched(&pod, &patch)["spec"]["containers"][0]["env"];
        assert_eq!(env.as_array().unwrap().len(), 2);
        let delete = json!({ "spec": { "containers": [{ "name": "a", "env": [{ "name": "E", "$patch": "delete" }] }] } });
        assert_eq!(
            patched(&pod, &delete)["spec"]["containers"][0]["env"],
            json!([])
        );
        let replace = json!({ "spec": { "$patch": "replace", "nodeName": "n" } });
        assert_eq!(
            patched(&pod, &replace),
            json!({ "spec": { "nodeName": "n" } })
        );
    }

    #[test]
    fn order_is_as_asked() {
        let service = json!({ "spec": { "ports": [{ "port": 1 }, { "port": 2 }] } });
        let patch = json!({ "spec": { "$setElementOrder/ports": [{ "port": 2 }, { "port": 1 }], "ports": [{ "port": 1, "name": "a" }] } });
        assert_eq!(
            patched(&service, &patch)["spec"]["ports"],
            json!([{ "port": 2 }, { "port": 1, "name": "a" }])
        );
    }

    #[test]
    fn a_missing_key_is_an_error() {
        let mut object = json!({ "spec": { "containers": [] } });
        assert!(
            apply(
                Kind::Pod,
                &mut object,
                &json!({ "spec": { "containers": [{ "image": "x" }] } })
            )
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn without_lists_it_is_a_merge_patch(a in "[a-c]", b in "[a-c]", n in 0..5, gone: bool) {
            let object = json!({ "data": { a: { "x": 1 } } });
            let patch = json!({ "data": { b: if gone { Value::Null } else { json!({ "y": n }) } } });
            let mut merged = object.clone();
            json_patch::merge(&mut merged, &patch);
            prop_assert_eq!(patched(&object, &patch), merged);
        }
    }
}
