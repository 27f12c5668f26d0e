//! What an overlay makes of an object. Pure.

use meshproof_scenario::{Edit, ObjectKey};
use serde_json::{Map, Value, json};

use crate::certificates::SecretData;

/// The object after an edit; `None` where there is none.
///
/// # Errors
/// In words: the edit does not fit what is there.
pub(crate) fn edited(
    key: &ObjectKey,
    before: Option<Value>,
    edit: &Edit,
    secret: Option<&SecretData>,
) -> Result<Option<Value>, String> {
    if edit.delete.as_ref().is_some_and(|delete| delete.value) {
        return Ok(None);
    }
    if let Some(new) = &edit.create {
        return match before {
            Some(_) => Err("it is there already, `create` wants a new one; use `set`".to_owned()),
            None => created(key, &new.value).map(Some),
        };
    }
    if let Some(data) = secret {
        return Ok(Some(with_data(key, before, data)));
    }
    let mut object = before.ok_or("there is no such object; use `create`")?;
    for pointer in &edit.remove {
        remove(&mut object, pointer).map_err(|why| format!("removing {pointer}: {why}"))?;
    }
    for (pointer, value) in &edit.set {
        set(&mut object, pointer, value.value.clone())
            .map_err(|why| format!("setting {pointer}: {why}"))?;
    }
    Ok(Some(object))
}

fn header(key: &ObjectKey) -> Value {
    json!({"apiVersion": key.api_version(), "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace}})
}

fn created(key: &ObjectKey, new: &Value) -> Result<Value, String> {
    let mut object = header(key);
    let fields = new.as_object().ok_or("`create` is no mapping")?;
    for (name, value) in fields {
        if object.get(name).is_none() {
            object[name.as_str()] = value.clone();
        } else if name == "metadata" {
            let own = object["metadata"].clone();
            object["metadata"] = value.clone();
            for (name, value) in own.as_object().into_iter().flatten() {
                object["metadata"][name.as_str()] = value.clone();
            }
        }
    }
    Ok(object)
}

/// The Secret with exactly these data.
fn with_data(key: &ObjectKey, before: Option<Value>, data: &SecretData) -> Value {
    let mut object = before.unwrap_or_else(|| {
        let mut new = header(key);
        new["type"] = json!("Opaque");
        new
    });
    let encoded: Map<String, Value> = data
        .iter()
        .map(|(name, bytes)| {
            (
                name.clone(),
                json!(meshproof_cluster::ByteString(bytes.clone())),
            )
        })
        .collect();
    object["data"] = Value::Object(encoded);
    object
}

/// Splits a JSON pointer into the pointer of the parent and the last step, unescaped.
fn split(pointer: &str) -> Result<(&str, String), String> {
    let (parent, last) = pointer.rsplit_once('/').ok_or("a pointer starts with /")?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn index(step: &str, length: usize) -> Result<usize, String> {
    let index: usize = step
        .parse()
        .map_err(|_| format!("`{step}` is no place in a list"))?;
    if index < length {
        Ok(index)
    } else {
        Err(format!("the list has {length} items, there is no {index}"))
    }
}

fn remove(object: &mut Value, pointer: &str) -> Result<(), String> {
    let (parent, last) = split(pointer)?;
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields
            .remove(&last)
            .map(drop)
            .ok_or_else(|| "nothing is there".to_owned()),
        Some(Value::Array(items)) => {
            let index = index(&last, items.len())?;
            items.remove(index);
            Ok(())
        }
        _ => Err("nothing is there".to_owned()),
    }
}

fn set(object: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let (parent, last) = split(pointer)?;
    make(object, parent)?;
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) if last == "-" => {
            items.push(value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let index = index(&last, items.len())?;
            items[index] = value;
            Ok(())
        }
        _ => Err(format!("{parent} is neither a mapping nor a list")),
    }
}

/// Makes the mappings on the way that are not there. Lists are not made: which place is meant?
fn make(object: &mut Value, pointer: &str) -> Result<(), String> {
    if pointer.is_empty() || object.pointer(pointer).is_some() {
        return Ok(());
    }
    let (parent, last) = split(pointer)?;
    make(object, parent)?;
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.insert(last, json!({}));
            Ok(())
        }
        _ => Err(format!("there is no {pointer}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn edit(text: &str) -> Edit {
        let overlay: meshproof_scenario::Overlay =
            serde_saphyr::from_str(&format!("client: {{{}: {text}}}", key())).unwrap();
        let (_, _, edit) = overlay.edits().next().unwrap();
        edit.value.clone()
    }

    fn key() -> ObjectKey {
        "Gateway/default/g".parse().unwrap()
    }

    fn after(before: Option<Value>, text: &str) -> Result<Option<Value>, String> {
        edited(&key(), before, &edit(text), None)
    }

    #[test]
    fn values_are_put_taken_out_and_appended() {
        let before = json!({"spec": {"servers": [{"tls": {"mode": "MUTUAL", "x": 1}}]}});
        let found = after(
            Some(before),
            r#"{"set": {"/spec/servers/0/tls/mode": "SIMPLE", "/spec/servers/-": 1, "/metadata/labels/a~1b": "c"},
                "remove": ["/spec/servers/0/tls/x"]}"#,
        );
        let expected = json!({"metadata": {"labels": {"a/b": "c"}}, "spec": {"servers": [{"tls": {"mode": "SIMPLE"}}, 1]}});
        assert_eq!(found, Ok(Some(expected)));
    }

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        let before = Some(json!({"spec": {"servers": []}}));
        assert!(after(before.clone(), r#"{"set": {"/spec/servers/0/x": 1}}"#).is_err());
        assert!(after(before.clone(), r#"{"remove": ["/spec/x"]}"#).is_err());
        assert!(after(None, r#"{"set": {"/spec/x": 1}}"#).is_err());
        assert!(after(before, r#"{"create": {"spec": {}}}"#).is_err());
    }

    #[test]
    fn objects_are_created_deleted_and_filled() {
        let created = after(None, r#"{"create": {"spec": {"a": 1}}}"#)
            .unwrap()
            .unwrap();
        assert_eq!(
            created["metadata"],
            json!({"name": "g", "namespace": "default"})
        );
        assert_eq!(created["apiVersion"], "networking.istio.io/v1");
        assert_eq!(after(Some(created), r#"{"delete": true}"#), Ok(None));
        let data = BTreeMap::from([("tls.crt".to_owned(), b"x".to_vec())]);
        let filled = edited(&key(), None, &Edit::default(), Some(&data))
            .unwrap()
            .unwrap();
        assert_eq!(filled["data"], json!({"tls.crt": "eA=="}));
    }
}
