use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn after(found: Value, base: Value, state: Value) -> Result<Option<Value>, String> {
    let found = undone(Some(&found), Some(&base), &[Some(&state)]);
    found.map_err(|Overwritten(place)| place)
}

#[test]
fn what_the_run_changed_goes_back_and_what_others_changed_stays() {
    let cases = [
        // The run's own: changed, added, taken out.
        (
            json!({"a": 2}),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"a": 1}),
        ),
        (
            json!({"a": 1, "b": 2}),
            json!({"a": 1}),
            json!({"a": 1, "b": 2}),
            json!({"a": 1}),
        ),
        (json!({}), json!({"a": 1}), json!({}), json!({"a": 1})),
        // Others' beside it, also in a map that the run has made.
        (
            json!({"a": 2, "z": 9}),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"a": 1, "z": 9}),
        ),
        (
            json!({"m": {"x": 1, "y": 2}}),
            json!({}),
            json!({"m": {"x": 1}}),
            json!({"m": {"y": 2}}),
        ),
        (
            json!({"m": {}}),
            json!({}),
            json!({"m": {"x": 1}}),
            json!({}),
        ),
        (
            json!({"m": {"y": 2}}),
            json!({"m": {"x": 1}}),
            json!({}),
            json!({"m": {"y": 2, "x": 1}}),
        ),
        // Executed for one field and not for the other.
        (
            json!({"a": 1, "b": 2}),
            json!({"a": 1, "b": 1}),
            json!({"a": 2, "b": 2}),
            json!({"a": 1, "b": 1}),
        ),
    ];
    for (found, base, state, expected) in cases {
        assert_eq!(after(found, base, state), Ok(Some(expected)));
    }
}

/// Found, base, state, and what becomes of them or the place that was overwritten.
fn check<const N: usize>(cases: [(Value, Value, Value, Result<Value, &str>); N]) {
    for (found, base, state, expected) in cases {
        let told = format!("{found} {base} {state}");
        assert_eq!(
            after(found, base, state),
            expected.map(Some).map_err(str::to_owned),
            "{told}"
        );
    }
}

#[test]
fn items_with_names_are_found_wherever_they_are() {
    let port = |name: &str, port: u16| json!({"name": name, "port": port});
    let (a, b, c) = (port("a", 1), port("b", 2), port("c", 3));
    let defaulted = json!({"name": "b", "port": 2, "protocol": "TCP"});
    let cases = [
        // The run has added b.
        (
            json!([a, b, c]),
            json!([a]),
            json!([a, b]),
            Ok(json!([a, c])),
        ),
        (
            json!([c, b, a]),
            json!([a]),
            json!([a, b]),
            Ok(json!([c, a])),
        ),
        (
            json!([a, defaulted]),
            json!([a]),
            json!([a, b]),
            Ok(json!([a])),
        ),
        (
            json!([a, port("b", 9)]),
            json!([a]),
            json!([a, b]),
            Err("/b/port"),
        ),
        // The run has taken out a; somebody else has added c, or the way back was executed already.
        (
            json!([b, c]),
            json!([a, b]),
            json!([b]),
            Ok(json!([a, b, c])),
        ),
        (
            json!([c, a, b]),
            json!([a, b]),
            json!([b]),
            Ok(json!([c, a, b])),
        ),
        (
            json!([port("a", 9), b]),
            json!([a, b]),
            json!([b]),
            Err("/a/port"),
        ),
        // The run has changed a.
        (
            json!([b, port("a", 5)]),
            json!([a, b]),
            json!([port("a", 5), b]),
            Ok(json!([b, a])),
        ),
        (
            json!([b]),
            json!([a, b]),
            json!([port("a", 5), b]),
            Err("/a/port"),
        ),
    ];
    check(cases);
}

#[test]
fn items_without_names_go_back_only_where_their_places_are_certain() {
    let cases = [
        (
            json!([5, 2]),
            json!([1, 2]),
            json!([5, 2]),
            Ok(json!([1, 2])),
        ),
        (
            json!([5, 3, 4]),
            json!([1, 2]),
            json!([5, 2]),
            Ok(json!([1, 3, 4])),
        ),
        (json!([4, 5, 2]), json!([1, 2]), json!([5, 2]), Err("/0")),
        (json!([5]), json!([1, 2]), json!([5, 2]), Err("")),
        (json!([1, 2]), json!([1, 2]), json!([1]), Ok(json!([1, 2]))),
        (json!([1, 2, 3]), json!([1, 2]), json!([1]), Err("")),
        (
            json!([{"name": "a"}, {"name": "a"}]),
            json!([{"name": "a"}]),
            json!([]),
            Err(""),
        ),
    ];
    check(cases);
}

#[test]
fn the_place_is_a_pointer() {
    let of = |value: u8| json!({"labels": {"a/b~c": value}});
    assert_eq!(
        after(of(3), of(1), of(2)),
        Err("/labels/a~1b~0c".to_owned())
    );
}

#[test]
fn no_half_is_made_of_what_others_took_out() {
    let cases = [
        (
            json!({"m": {"x": 1, "y": 1}}),
            json!({"m": {"y": 1}}),
            Err("/m".to_owned()),
        ),
        (
            json!({"m": [{"name": "b", "x": 1}]}),
            json!({"m": [{"name": "b"}]}),
            Err("/m/b".to_owned()),
        ),
        (
            json!({"m": {"y": 1}}),
            json!({"m": {"x": 1, "y": 1}}),
            Ok(Some(json!({}))),
        ),
    ];
    for (base, state, expected) in cases {
        assert_eq!(after(json!({}), base, state), expected);
    }
}

/// Any small value, with lists of both sorts.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![(0..3_u8).prop_map(|n| json!(n)), Just(json!("x"))];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let fields = prop::collection::btree_map("[a-c]", inner.clone(), 0..3);
        let maps = fields.prop_map(|fields| json!(fields));
        let lists = prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array);
        let named = prop::collection::vec(("[a-c]", inner), 0..3).prop_map(|items| {
            let items = items.into_iter();
            items
                .map(|(name, v)| json!({"name": name, "v": v}))
                .collect()
        });
        prop_oneof![maps, lists, named]
    })
}

fn objects() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-c]", values(), 0..3).prop_map(|fields| json!(fields))
}

/// The fields of an object with maps in maps and nothing else: a field is there or not, maps come by themselves.
type Fields = Vec<Option<u8>>;

const PLACES: [&str; 6] = ["/a", "/b", "/m/x", "/m/y", "/m/n/x", "/m/n/y"];

fn fields() -> impl Strategy<Value = Fields> {
    prop::collection::vec(prop::option::of(0..3_u8), PLACES.len())
}

fn object(fields: &Fields) -> Value {
    let mut object = json!({});
    for (place, value) in PLACES.iter().zip(fields) {
        let Some(value) = value else { continue };
        let mut here = &mut object;
        for step in place[1..].split('/') {
            if here.is_null() {
                *here = json!({});
            }
            here = &mut here[step];
        }
        *here = json!(value);
    }
    object
}

fn read(object: &Value) -> Fields {
    let number = |value: &Value| value.as_u64().map(|n| u8::try_from(n).unwrap());
    let at = |place: &&str| object.pointer(place).and_then(number);
    PLACES.iter().map(at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_nobody_else_every_object_ends_as_it_was(base in objects(), state in objects(), other in objects()) {
        for found in [&base, &state, &other] {
            let left = undone(Some(found), Some(&base), &[Some(&state), Some(&other)]);
            prop_assert_eq!(left, Ok(Some(base.clone())));
        }
    }

    #[test]
    fn nothing_of_the_run_is_left_where_no_overwrite_is_told(
        found in objects(), base in objects(), state in objects(),
    ) {
        let states = [Some(&state)];
        if let Ok(left) = undone(Some(&found), Some(&base), &states) {
            prop_assert_eq!(undone(left.as_ref(), Some(&base), &states), Ok(left));
        }
    }

    #[test]
    fn an_object_ends_as_it_was_with_others_changes_or_they_are_told(
        base in fields(), state in fields(), executed in any::<bool>(),
        theirs in prop::collection::btree_map(0..PLACES.len(), prop::option::of(0..5_u8), 0..4),
    ) {
        let mut found = if executed { state.clone() } else { base.clone() };
        for (place, value) in &theirs {
            found[*place] = *value;
        }
        let touched = |place: &usize| base[*place] != state[*place];
        let ours = |place: &usize| found[*place] == base[*place] || found[*place] == state[*place];
        let overwritten: BTreeSet<&str> = (0..PLACES.len())
            .filter(|place| touched(place) && !ours(place))
            .map(|place| PLACES[place])
            .collect();
        let expected: Fields = (0..PLACES.len())
            .map(|place| if touched(&place) { base[place] } else { found[place] })
            .collect();
        let (found, base, state) = (object(&found), object(&base), object(&state));
        // Others took out the whole map, of which the run had taken out a part.
        let halved = |place: &str| {
            let expected = object(&expected);
            let all = [&base, &state, &expected].iter().all(|side| side.pointer(place).is_some());
            let changed = base.pointer(place) != state.pointer(place);
            all && changed && found.pointer(place).is_none()
        };
        let told = |place: &str| overwritten.contains(place) || halved(place);
        match undone(Some(&found), Some(&base), &[Some(&state)]) {
            Ok(left) => {
                prop_assert!(overwritten.is_empty(), "{overwritten:?}");
                prop_assert!(!["/m", "/m/n"].into_iter().any(halved));
                prop_assert_eq!(read(&left.unwrap()), expected);
            }
            Err(Overwritten(place)) => prop_assert!(told(&place), "{place}"),
        }
    }
}
