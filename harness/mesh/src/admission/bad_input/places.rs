//! The places of a kind where a value can stand.

use serde_json::{Map, Value, json};

use crate::api::schema::{Field, Shape};

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Field(&'static str),
    /// The first item of a list.
    Index,
    /// One member of a map.
    Key,
}

/// The name of the member of maps that is looked at; a number, as some maps want.
const KEY: &str = "80";

/// A place in a spec.
pub(super) struct Place {
    pub(super) steps: Vec<Step>,
    pub(super) shape: &'static Shape,
    pub(super) required: bool,
}

/// Every field, and every item of its lists and maps, down to the last.
pub(super) fn places(fields: &'static [Field]) -> Vec<Place> {
    let mut found = Vec::new();
    below(fields, &[], &mut found);
    found
}

fn below(fields: &'static [Field], steps: &[Step], found: &mut Vec<Place>) {
    for field in fields {
        let mut steps = steps.to_vec();
        steps.push(Step::Field(field.name));
        inside(&field.shape, steps, field.required, found);
    }
}

fn inside(shape: &'static Shape, steps: Vec<Step>, required: bool, found: &mut Vec<Place>) {
    let next = |step: Step| steps.iter().cloned().chain([step]).collect();
    let place = Place {
        steps: steps.clone(),
        shape,
        required,
    };
    found.push(place);
    match shape {
        Shape::List(item) => inside(item, next(Step::Index), false, found),
        Shape::Map(item) => inside(item, next(Step::Key), false, found),
        Shape::Object(fields) => below(fields, &steps, found),
        _ => {}
    }
}

impl Place {
    /// As errors write it.
    pub(super) fn path(&self) -> String {
        path(&self.steps)
    }

    /// The name of the field; an item of a list or a map has none.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.steps.last() {
            Some(Step::Field(name)) => Some(name),
            _ => None,
        }
    }

    /// The name of the field, or of the one that the item is in.
    pub(super) fn field(&self) -> &'static str {
        let names = self.steps.iter().rev().filter_map(|step| match step {
            Step::Field(name) => Some(*name),
            _ => None,
        });
        names.into_iter().next().unwrap_or_default()
    }

    /// Whether the number of a port stands here.
    pub(super) fn is_port(&self) -> bool {
        let path = self.path();
        matches!(self.shape, Shape::Uint)
            && ["number", "port", "targetPort", "ports.80"]
                .iter()
                .any(|end| path.ends_with(end))
    }

    /// `spec` with `value` here; what leads to it is made where it is missing.
    pub(super) fn set(&self, spec: &Value, value: Value) -> Value {
        let mut spec = spec.clone();
        *reach(&mut spec, &self.steps) = value;
        spec
    }

    /// `spec` without the field. An item leaves an empty list or map.
    pub(super) fn removed(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        let (last, way) = self.steps.split_last().unwrap();
        let parent = reach(&mut spec, way);
        match last {
            Step::Field(name) => {
                member(parent, name);
                drop(parent.as_object_mut().map(|o| o.remove(*name)));
            }
            Step::Index => *parent = json!([]),
            Step::Key => *parent = json!({}),
        }
        spec
    }

    /// The name with each letter left out in turn, in another case, and with one letter more.
    pub(super) fn misspelt(&self) -> Vec<String> {
        let Some(name) = self.name() else {
            return Vec::new();
        };
        let mut names: Vec<String> = (0..name.len())
            .map(|i| format!("{}{}", &name[..i], &name[i + 1..]))
            .filter(|n| !n.is_empty())
            .collect();
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        names.extend([capital, name.to_uppercase(), format!("{name}s")]);
        // Leaving one of two equal letters out gives the same name twice; another field's name is none.
        names.dedup();
        names.retain(|n| n != name && !KNOWN_TWINS.contains(&n.as_str()));
        names
    }

    /// `spec` with the field's value under another name, and the path of that.
    pub(super) fn renamed(&self, spec: &Value, name: &str) -> (Value, String) {
        let mut spec = self.removed(spec);
        let (_, way) = self.steps.split_last().unwrap();
        let parent = reach(&mut spec, way);
        if !parent.is_object() {
            *parent = Value::Object(Map::new());
        }
        parent[name] = json!("x");
        let way = path(way);
        (spec, format!("{way}.{name}"))
    }
}

/// Misspellings that are names of other fields.
const KNOWN_TWINS: &[&str] = &[
    "targetRefs",
    "targetRef",
    "credentialNames",
    "credentialName",
];

fn path(steps: &[Step]) -> String {
    let mut path = "spec".to_owned();
    for step in steps {
        match step {
            Step::Field(name) => path.extend([".", name]),
            Step::Index => path.push_str("[0]"),
            Step::Key => path.extend([".", KEY]),
        }
    }
    path
}

fn reach<'a>(value: &'a mut Value, steps: &[Step]) -> &'a mut Value {
    let Some((step, rest)) = steps.split_first() else {
        return value;
    };
    let inner = match step {
        Step::Field(name) => member(value, name),
        Step::Key => member(value, KEY),
        Step::Index => {
            if value.as_array().is_none_or(Vec::is_empty) {
                *value = json!([null]);
            }
            &mut value[0]
        }
    };
    reach(inner, rest)
}

fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    &mut value[name]
}
