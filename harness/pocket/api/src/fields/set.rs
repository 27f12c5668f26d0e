//! Sets of fields, and their form in `fieldsV1`.
//!
//! A node may be a member itself (`.`) and have children: `f:name` for map members,
//! `k:{...}` for items told apart by key, `v:...` for items of a set (structured-merge-diff's
//! serialisation).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::{Place, Shape, item_shape, key_of, member_shape};

/// One step of a path, in its written form.
pub(super) type Step = String;

/// A set of field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    pub(super) member: bool,
    pub(super) children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    fn attach(&mut self, step: Step, child: Self) {
        if !child.is_empty() {
            self.children.insert(step, child);
        }
    }

    /// From `fieldsV1`.
    pub(super) fn parse(value: &Value) -> Self {
        let mut set = Self::default();
        let Some(map) = value.as_object() else {
            return set;
        };
        for (step, child) in map {
            if step == "." {
                set.member = true;
            } else {
                let empty = child.as_object().is_none_or(Map::is_empty);
                set.children.insert(
                    step.clone(),
                    if empty {
                        Self::leaf()
                    } else {
                        Self::parse(child)
                    },
                );
            }
        }
        set
    }

    /// To `fieldsV1`.
    pub(super) fn to_value(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for (step, child) in &self.children {
            map.insert(step.clone(), child.to_value());
        }
        Value::Object(map)
    }

    /// Adds every path of `other`.
    pub(super) fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, child) in &other.children {
            self.children.entry(step.clone()).or_default().union(child);
        }
    }

    /// Removes every path of `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, child) in &other.children {
            if let Some(own) = self.children.get_mut(step) {
                own.subtract(child);
                if own.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// The paths that are in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut result = Self {
            member: self.member && other.member,
            children: BTreeMap::new(),
        };
        for (step, child) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                result.attach(step.clone(), child.intersection(theirs));
            }
        }
        result
    }

    /// Written paths of the members, such as `.spec.ports[port=80,protocol="TCP"].name`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (step, child) in &self.children {
            child.collect(&format!("{prefix}{}", readable(step)), paths);
        }
    }
}

fn readable(step: &str) -> String {
    match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", key)) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<String> = key
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("[{}]", parts.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        _ => step.to_owned(),
    }
}

/// The step of a keyed item; members in the order of their names.
pub(super) fn key_step(item: &Value, keys: &[&str]) -> Option<Step> {
    let mut key = key_of(item, keys)?;
    key.sort_by(|a, b| a.0.cmp(&b.0));
    let key: Map<String, Value> = key.into_iter().collect();
    Some(format!("k:{}", Value::Object(key)))
}

/// Fields of `new` that `old` lacks or has with another value: what an update owns.
pub(super) fn changed(shape: Shape, old: Option<&Value>, new: &Value) -> FieldSet {
    if old == Some(new) {
        return FieldSet::default();
    }
    let old = old.filter(|old| !old.is_null());
    match (shape, new) {
        (Shape::Granular(place), Value::Object(map)) => changed_map(place, old, map),
        (Shape::Keyed(keys, place), Value::Array(items)) => changed_items(keys, place, old, items),
        (Shape::Set, Value::Array(items)) => changed_set(old, items),
        _ => FieldSet::leaf(),
    }
}

fn changed_map(place: Place, old: Option<&Value>, new: &Map<String, Value>) -> FieldSet {
    let before = old.and_then(Value::as_object);
    let mut set = FieldSet {
        member: before.is_none(),
        children: BTreeMap::new(),
    };
    for (name, value) in new {
        let old = before.and_then(|before| before.get(name));
        set.attach(
            format!("f:{name}"),
            changed(member_shape(place, name), old, value),
        );
    }
    set
}

fn changed_items(keys: &[&str], place: Place, old: Option<&Value>, new: &[Value]) -> FieldSet {
    let before = old.and_then(Value::as_array);
    let mut set = FieldSet {
        member: before.is_none(),
        children: BTreeMap::new(),
    };
    for item in new {
        let Some(step) = key_step(item, keys) else {
            return FieldSet::leaf();
        };
        let same = |other: &&Value| key_step(other, keys).as_ref() == Some(&step);
        let old = before.and_then(|items| items.iter().find(same));
        set.attach(step, changed(item_shape(place), old, item));
    }
    set
}

fn changed_set(old: Option<&Value>, new: &[Value]) -> FieldSet {
    let before = old.and_then(Value::as_array);
    let mut set = FieldSet {
        member: before.is_none(),
        children: BTreeMap::new(),
    };
    for item in new {
        if !before.is_some_and(|items| items.contains(item)) {
            set.attach(format!("v:{item}"), FieldSet::leaf());
        }
    }
    set
}

/// The fields that an applied configuration states.
pub(super) fn stated(shape: Shape, value: &Value) -> FieldSet {
    match (shape, value) {
        (Shape::Granular(place), Value::Object(map)) if !map.is_empty() => {
            let mut set = FieldSet::default();
            for (name, value) in map {
                set.attach(
                    format!("f:{name}"),
                    stated(member_shape(place, name), value),
                );
            }
            set
        }
        (Shape::Keyed(keys, place), Value::Array(items)) if !items.is_empty() => {
            let mut set = FieldSet::default();
            for item in items {
                let Some(step) = key_step(item, keys) else {
                    return FieldSet::leaf();
                };
                let mut child = stated(item_shape(place), item);
                child.member = true;
                set.attach(step, child);
            }
            set
        }
        (Shape::Set, Value::Array(items)) if !items.is_empty() => {
            let mut set = FieldSet::default();
            for item in items {
                set.attach(format!("v:{item}"), FieldSet::leaf());
            }
            set
        }
        _ => FieldSet::leaf(),
    }
}
