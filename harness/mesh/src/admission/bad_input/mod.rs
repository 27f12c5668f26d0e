//! Every field of every kind with every sort of bad value, made from the tables: an error with the path,
//! or an acceptance that is on a list with its reason; never a panic, never silence.
#![allow(clippy::print_stdout, reason = "how much was tried is worth knowing")]

mod bases;
mod places;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Admission, admit};
use crate::{
    MeshConfig, Objects,
    api::{
        schema::{Kind, Shape},
        tables::KINDS,
    },
    compile,
    files::ClusterFile,
};
use places::{Place, Step, places};

/// How a value is wrong, and the value.
type Case = (&'static str, Value);

/// Values of a type that the shape does not have, beyond its range, or unknown to it.
fn wrong(place: &Place) -> Vec<Case> {
    let all = [
        ("boolean", json!(true)),
        ("integer", json!(3)),
        ("number", json!(0.5)),
        ("string", json!("text")),
        ("array", json!([1])),
        ("object", json!({"a": 1})),
    ];
    let mut cases: Vec<Case> = all
        .into_iter()
        .filter(|(name, _)| *name != type_name(place.shape))
        .collect();
    match place.shape {
        // Every whole number is a number.
        Shape::Number => cases.retain(|(what, _)| *what != "integer"),
        Shape::Int => cases.extend([
            ("too large", json!(2_147_483_648_i64)),
            ("too small", json!(-2_147_483_649_i64)),
            ("far too large", json!(1e300)),
            ("more than 64 bits", json!(u64::MAX)),
        ]),
        Shape::Uint => cases.extend([
            ("negative", json!(-1)),
            ("too large", json!(4_294_967_296_i64)),
            ("far too large", json!(1e300)),
            ("more than 64 bits", json!(u64::MAX)),
        ]),
        Shape::Enum(names) => {
            let first = names.first().copied().unwrap_or_default();
            cases.extend([
                ("not among the names", json!("NOPE")),
                ("in lower case", json!(first.to_lowercase())),
                ("empty", json!("")),
            ]);
        }
        Shape::Duration => {
            cases.extend([
                ("no duration", json!("10")),
                ("another unit", json!("1d")),
                ("beyond 64 bits", json!("9999999999999h")),
                ("empty", json!("")),
            ]);
        }
        _ => {}
    }
    if matches!(place.steps.last(), Some(Step::Index)) {
        cases.push(("null in a list", Value::Null));
    }
    cases
}

fn type_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Duration | Shape::Enum(_) => "string",
        Shape::Bool => "boolean",
        Shape::Int | Shape::Uint => "integer",
        Shape::Number => "number",
        Shape::List(_) => "array",
        Shape::Map(_) | Shape::Object(_) => "object",
        Shape::Opaque(name) => name,
        Shape::Free => "",
    }
}

fn object(kind: &Kind, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{}/{}", kind.group, kind.versions[0]), "kind": kind.kind,
        "metadata": {"name": "x", "namespace": "default"}, "spec": spec,
    })
}

/// Listeners, clusters and endpoints of a proxy.
type Compiled = [Vec<Arc<Value>>; 3];

/// What admission says; of an accepted object also what it compiles to.
fn outcome(kind: &Kind, spec: &Value) -> (Admission, Option<Vec<Compiled>>) {
    let mesh = Arc::new(MeshConfig::default());
    let object = object(kind, spec);
    let answer = admit(&object, &mesh);
    if answer.error.is_some() {
        return (answer, None);
    }
    let all = bases::cluster().into_iter().chain([object]);
    let snapshot = Objects::new(mesh, all.map(Arc::new));
    let proxies = snapshot.proxies();
    let compiled: Vec<_> = proxies
        .iter()
        .map(|p| compile(&snapshot, p))
        .map(|c| [c.listeners, c.clusters, c.endpoints])
        .collect();
    assert_eq!(compiled.len(), 3, "a proxy was not compiled");
    (answer, Some(compiled))
}

fn kinds() -> impl Iterator<Item = (&'static Kind, Vec<Place>)> {
    KINDS
        .iter()
        .filter_map(|kind| Some((kind, places(kind.spec?))))
}

/// Calls `check` for every place of every kind, prints how many there were, and fails where one had none.
fn for_every_place(what: &str, mut check: impl FnMut(&Kind, &Place) -> usize) {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (kind, places) in kinds() {
        for place in &places {
            let done = check(kind, place);
            assert!(done > 0, "{} {}: nothing tried", kind.kind, place.path());
            let count = counts.entry(kind.kind).or_default();
            *count = (count.0 + 1, count.1 + done);
        }
    }
    assert_eq!(
        counts.len(),
        KINDS.iter().filter(|k| k.spec.is_some()).count()
    );
    let lines = counts
        .iter()
        .map(|(kind, (f, c))| format!("{kind} {c} on {f} places"));
    println!("{what}: {}", lines.collect::<Vec<_>>().join(", "));
}

#[test]
fn bases_are_good() {
    for (kind, _) in kinds() {
        let (answer, compiled) = outcome(kind, &bases::spec(kind.kind));
        assert_eq!(answer, Admission::default(), "{}", kind.kind);
        assert!(compiled.is_some());
    }
}

#[test]
fn wrong_types_and_ranges() {
    for_every_place("wrong values", |kind, place| {
        let cases = wrong(place);
        for (what, value) in &cases {
            let spec = place.set(&bases::spec(kind.kind), value.clone());
            let (answer, _) = outcome(kind, &spec);
            let error = answer.error.unwrap_or_default();
            let label = format!("{} {} {what}: {error:?}", kind.kind, place.path());
            assert!(!error.is_empty(), "silence: {label}");
            assert!(error.contains(&place.path()), "no path: {label}");
        }
        cases.len()
    });
}

#[test]
fn misspelt_and_miscased_names() {
    for_every_place("misspelt names", |kind, place| {
        let mut done = 0;
        for name in place.misspelt() {
            let (spec, path) = place.renamed(&bases::spec(kind.kind), &name);
            let error = outcome(kind, &spec).0.error.unwrap_or_default();
            let want = format!("unknown field \"{path}\"");
            assert!(error.contains(&want), "{} {want}: {error}", kind.kind);
            done += 1;
        }
        // An item of a list or a map has no name of its own.
        done.max(usize::from(place.name().is_none()))
    });
}

#[test]
fn missing_fields() {
    let mut tried = 0;
    for (kind, places) in kinds() {
        for place in places.iter().filter(|p| p.required) {
            let spec = place.removed(&place.set(&bases::spec(kind.kind), Value::Null));
            let error = outcome(kind, &spec).0.error.unwrap_or_default();
            let want = format!("{}: Required value", place.path());
            assert!(error.contains(&want), "{} {want}: {error}", kind.kind);
            tried += 1;
        }
    }
    println!("required fields: {tried}");
    assert!(tried > 15);
}

/// A null is no value to the API server.
#[test]
fn nulls_are_nothing() {
    for_every_place("nulls", |kind, place| {
        if place.name().is_none() {
            return 1;
        }
        let base = bases::spec(kind.kind);
        let (with, without) = (place.set(&base, Value::Null), place.removed(&base));
        let (a, b) = (outcome(kind, &with), outcome(kind, &without));
        assert_eq!(a, b, "{} {}", kind.kind, place.path());
        1
    });
}

/// To Istio, a text without characters and a list without items are not there. Where the API server asks for more, it says
/// the path.
#[test]
fn empty_values() {
    for_every_place("empty values", |kind, place| {
        let empty = match place.shape {
            Shape::Text => json!(""),
            Shape::List(_) | Shape::Opaque("array") => json!([]),
            Shape::Map(_) | Shape::Object(_) | Shape::Opaque(_) => json!({}),
            _ => return 1,
        };
        let base = bases::spec(kind.kind);
        let (answer, compiled) = outcome(kind, &place.set(&base, empty.clone()));
        assert!(answer.error.is_none_or(|e| !e.is_empty()));
        let absent = outcome(kind, &place.removed(&base));
        let means_something = empty.is_object() || place.name().is_none();
        if let (Some(one), Some(other), false) = (compiled, absent.1, means_something) {
            assert!(
                one == other,
                "{} {}: empty is not absent",
                kind.kind,
                place.path()
            );
        }
        1
    });
}

/// Numbers of ports outside of 1..65535, all of which Istio or the API server refuses.
#[test]
fn numbers_of_ports() {
    let mut tried = 0;
    for (kind, places) in kinds() {
        for place in places.iter().filter(|p| p.is_port()) {
            for number in [0, 65_536, u32::MAX] {
                let spec = place.set(&bases::spec(kind.kind), json!(number));
                let accepted = outcome(kind, &spec).0.error.is_none();
                let path = &*place.path();
                let unset = number == 0 && bases::ZERO_IS_UNSET.contains(&path);
                let listed = unset || bases::ANY_PORT.contains(&path);
                assert_eq!(accepted, listed, "{} {path} {number}", kind.kind);
                tried += 1;
            }
        }
    }
    println!("ports: {tried}");
    assert!(tried > 30);
}

/// A megabyte of text, and ten thousand items.
#[test]
fn huge_values() {
    let mut unused: Vec<_> = bases::WITHOUT_BOUND.to_vec();
    for_every_place("huge values", |kind, place| {
        let value = match place.shape {
            Shape::Text | Shape::Enum(_) | Shape::Duration => json!("x".repeat(1 << 20)),
            Shape::List(Shape::Text) => json!(vec!["x.example.com"; 10_000]),
            Shape::List(_) | Shape::Opaque("array") => json!(vec![json!({}); 10_000]),
            Shape::Map(_) => (0..10_000).map(|i| (format!("k{i}"), json!("v"))).collect(),
            _ => return 1,
        };
        let (answer, _) = outcome(kind, &place.set(&bases::spec(kind.kind), value));
        if answer.error.is_none() {
            let listed = |row: &(&str, &str, &str)| row.0 == kind.kind && row.1 == place.field();
            let known = bases::WITHOUT_BOUND.iter().any(listed);
            assert!(
                known,
                "accepted, not listed: {} {}",
                kind.kind,
                place.path()
            );
            unused.retain(|row| !listed(row));
        }
        1
    });
    assert_eq!(unused, [], "listed, and never accepted");
}

#[test]
fn repeated_keys() {
    for_every_place("repeated keys", |kind, place| {
        let Some(name) = place.name() else { return 1 };
        let object = object(kind, &place.set(&json!({}), json!("\u{1}")));
        let text = object.to_string().replace(
            &format!("\"{name}\":\"\\u0001\""),
            &format!("\n  \"{name}\": 1,\n  \"{name}\": 2"),
        );
        let error = ClusterFile::read("c.yaml", &text).unwrap_err().to_string();
        assert!(
            error.starts_with("c.yaml:3:") && error.contains(name),
            "{} {}: {error}",
            kind.kind,
            place.path()
        );
        1
    });
}
