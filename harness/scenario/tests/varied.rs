//! A scenario with variations, as it is read: overlays, and the cases that `each` makes.
#![allow(clippy::unwrap_used, reason = "tests")]

use meshproof_scenario::{Scenario, Side, Source, parse, plan_order};

const VARIED: &str = include_str!("varied.yaml");

fn varied() -> Scenario {
    parse(&Source::new("varied.yaml", VARIED))
        .unwrap_or_else(|errors| panic!("{}", errors.render()))
}

#[test]
fn each_overlay_makes_a_case_with_its_own_control() {
    let scenario = varied();
    let made: Vec<_> = scenario.cases[..4]
        .iter()
        .map(|case| {
            let uses: Vec<&str> = case.uses.iter().map(|name| name.as_str()).collect();
            let control = case.control.as_ref().map(|name| name.as_str());
            (case.name.as_str(), uses, control, case.name.line())
        })
        .collect();
    let expected = [
        ("arrives-tls12", vec!["tls12"], None, 57),
        ("arrives-tls13", vec!["tls13"], None, 57),
        ("expired-tls12", vec!["tls12"], Some("arrives-tls12"), 70),
        ("expired-tls13", vec!["tls13"], Some("arrives-tls13"), 70),
    ];
    assert_eq!(made, expected);
    assert!(scenario.cases.iter().all(|case| case.each.is_empty()));
    assert_eq!(
        plan_order(&scenario),
        (0..scenario.cases.len()).collect::<Vec<_>>()
    );
}

#[test]
fn a_control_that_other_overlays_made_is_no_control() {
    let text = VARIED.replacen(
        "    controlAgain: true\n    each: [tls12, tls13]",
        "    controlAgain: true\n    each: [tls12, denied]",
        1,
    );
    let error = parse(&Source::new("varied.yaml", text)).unwrap_err();
    insta::assert_snapshot!(error, @"varied.yaml:74:14: control `arrives` is several cases, by its `each`; name one of `arrives-tls12`, `arrives-tls13`, or give this case the same overlays under `each`");
}

#[test]
fn bindings_reach_the_values_of_overlays_and_logins() {
    let text = VARIED.replacen("user: reader", "user: \"${SERVICE_URL}\"", 1);
    let source = Source::new("varied.yaml", text);
    let scenario = parse(&source).unwrap();
    let found = scenario
        .lookups()
        .map(|(name, ..)| (name.to_owned(), "192.0.2.9".to_owned()));
    let bindings = scenario.resolve(&found.collect()).unwrap();
    let bound = scenario.bind(&source, &bindings).unwrap();
    let debug = format!(
        "{:?} {:?} {:?}",
        bound.overlays, bound.cases, bound.clusters
    );
    assert!(!debug.contains("${"), "{debug}");
    assert_eq!(
        bound.cases[0]
            .client
            .as_ref()
            .unwrap()
            .user
            .as_ref()
            .unwrap()
            .value,
        "192.0.2.9.nip.io"
    );
}

#[test]
fn overlays_are_told_in_words() {
    let scenario = varied();
    let words: Vec<String> = scenario
        .overlays
        .values()
        .map(|overlay| overlay.summary())
        .chain(
            scenario
                .cases
                .iter()
                .filter_map(|case| case.with.as_ref().map(|with| with.summary())),
        )
        .collect();
    insta::assert_snapshot!(words.join("\n"), @r#"
    server Gateway/default/gateway-mysql: /spec/servers/0/tls/maxProtocolVersion = "TLSV1_2"
    server Gateway/default/gateway-mysql: /spec/servers/0/tls/minProtocolVersion = "TLSV1_3"
    server AuthorizationPolicy/default/nobody: created
    client Secret/istio-system/client-credential: the client certificate but expired
    client Secret/istio-system/client-credential: the client certificate but expired
    server Gateway/default/gateway-mysql: without /spec/servers/0/tls/cipherSuites; server Service/default/mysql: deleted
    "#);
}

#[test]
fn values_of_secrets_are_not_told() {
    let text = VARIED.replacen(
        "        Service/default/mysql: {delete: true}",
        "        Secret/default/mysql-root: {set: {/data/password: aHVudGVyMg==}}",
        1,
    );
    let scenario = parse(&Source::new("varied.yaml", text)).unwrap();
    let with = scenario.case("policy").unwrap().with.as_ref().unwrap();
    let (side, key, edit) = with.edits().nth(1).unwrap();
    assert_eq!((side, key.api_version()), (Side::Server, "v1"));
    assert!(format!("{edit:?}").contains("aHVudGVyMg=="));
    assert!(
        !with.summary().contains("aHVudGVyMg=="),
        "{}",
        with.summary()
    );
}
