//! What people read when a scenario is wrong. One snapshot for each kind of mistake, made in a
//! scenario that is right.
#![allow(clippy::unwrap_used, reason = "tests")]

use meshproof_scenario::{Source, parse};

const BASE: &str = include_str!("base.yaml");

/// The rendered errors of the text.
fn told(text: &str) -> String {
    parse(&Source::new("small.yaml", text))
        .unwrap_err()
        .render()
}

/// The scenario with one text replaced by another.
fn with(old: &str, new: &str) -> String {
    assert_eq!(
        BASE.matches(old).count(),
        1,
        "`{old}` must stand once in the scenario"
    );
    BASE.replacen(old, new, 1)
}

#[test]
fn the_scenario_that_the_mistakes_are_made_in_is_right() {
    parse(&Source::new("small.yaml", BASE)).unwrap();
}

/// A test for each mistake: what is replaced by what.
macro_rules! mistakes {
    ($($name:ident: $old:expr => $new:expr;)*) => {
        $(#[test]
        fn $name() {
            insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(stringify!($name), told(&with($old, $new)));
            });
        })*
    };
}

mistakes! {
    // Shape.
    unknown_key: "    sql: SELECT 1" => "    sqll: SELECT 1";
    unknown_key_at_top: "database:\n" => "databse:\n";
    unknown_key_in_binding: "loadBalancer:" => "loadbalancer:";
    unknown_key_in_expect: "      cause: not-tls" => "      reason: not-tls";
    duplicate_key: "    hold: 200ms\n" => "    hold: 200ms\n    hold: 300ms\n";
    duplicate_pod: "      outside: {" => "      inside: {";
    missing_key: "  port: 3306\n" => "";
    no_expect: "    expect:\n      outcome: refused\n      hop: ingress\n      cause: not-tls\n      database: nothing\n" => "";
    expects_nothing: "    expect:\n      outcome: refused\n      hop: ingress\n      cause: not-tls\n      database: nothing\n" => "    expect: {}\n";
    expects_null: "    expect:\n      outcome: refused\n      hop: ingress\n      cause: not-tls\n      database: nothing\n" => "    expect:\n";
    nothing_for_sql: "    sql: SELECT 1" => "    sql:";
    nothing_for_rows: "      rows: [[\"1\"]]" => "      rows:";
    nothing_for_path: "      path:\n        - {hop: client-sidecar}\n        - {hop: ingress, sni: \"${SERVICE_URL}\"}\n" => "      path:\n";
    nothing_for_database: "      database: nothing" => "      database:";
    nothing_for_speaks: "    speaks: plaintext" => "    speaks: ~";
    no_outcome: "      outcome: refused\n" => "";
    port_of_wrong_type: "  port: 3306\n" => "  port: default\n";
    port_too_large: "  port: 3306\n" => "  port: 70000\n";
    list_for_mapping: "database:\n  cluster: server\n" => "database:\n  - cluster: server\n";
    mapping_for_list: "    manifests:\n      - gateway.yaml" => "    manifests:\n      gateway: gateway.yaml";
    mapping_for_text: "  user: root" => "  user: {name: root}";
    text_for_mapping: "metadata:\n  name: small" => "metadata: small";
    nothing_for_text: "  user: root" => "  user:";
    number_for_binding: "  SERVICE_URL: ${INGRESS_HOST}.nip.io" => "  SERVICE_URL: 3306";
    yes_for_true: "      database: nothing" => "      resolves: yes";
    unknown_cluster: "  server:\n    meshConfig" => "  serve:\n    meshConfig";
    unknown_cluster_in_binding: "{cluster: server, service" => "{cluster: west, service";
    bad_object: "{service: istio-system/istio-egressgateway, json" => "{service: istio-egressgateway, json";
    bad_secret_key: "      istio-system/client-credential:" => "      client-credential:";
    bad_hop: "      hop: ingress\n" => "      hop: ingres\n";
    bad_cause: "      cause: not-tls" => "      cause: no-tls";
    bad_outcome: "      outcome: refused" => "      outcome: rejected";
    bad_injection: "default: {injection: enabled}\n      plain" => "default: {injection: true}\n      plain";
    bad_duration: "    hold: 200ms" => "    hold: 200";
    bad_duration_zero: "    hold: 200ms" => "    hold: 0ms";
    bad_database_expectation: "      database: nothing" => "      database: nobody";
    wrong_api_version: "meshproof.dev/v1alpha1\n" => "meshproof.dev/v1\ntests: []\n";
    wrong_kind: "kind: Scenario" => "kind: Suite";
    // YAML that has two readings, or is none.
    merge_key: "      inside: {namespace: default" => "      inside: {<<: {namespace: default}";
    anchor: "      inside: {namespace: default" => "      inside: {namespace: &ns default";
    tab: "  user: root" => "\tuser: root";
    tab_after_mapping: "    meshConfig: mesh.yaml\n    namespaces:\n      default: {injection: enabled}\n      plain" => "    meshConfig: mesh.yaml\n\tnamespaces:\n      default: {injection: enabled}\n      plain";
    tag: "  user: root" => "  user: !secret root";
    unclosed: "database: nothing" => "database: [nothing";
    second_document: "      database: nothing\n" => "      database: nothing\n---\nkind: Scenario\n";
    control_characters: "      hop: ingress\n" => "      \u{85}hop: \u{202e}ingress\n";
    // Bindings.
    undefined_binding: "    to: ${SERVICE_URL}:13306" => "    to: ${SERVICE_URI}:13306";
    undefined_binding_in_binding: "  SERVICE_URL: ${INGRESS_HOST}.nip.io" => "  SERVICE_URL: ${EGRESS_HOST}.nip.io";
    undefined_binding_in_block: "    sql: SELECT 1" => "    sql: |\n      SELECT 1;\n      SELECT '${WHO}';";
    undefined_binding_in_env: "env: {WHERE: \"${SERVICE_URL}\"}" => "env: {WHERE: \"${NOWHERE}\"}";
    malformed_binding: "    to: ${SERVICE_URL}:13306" => "    to: ${SERVICE_URL:-x}:13306";
    cyclic_bindings: "  SERVICE_URL: ${INGRESS_HOST}.nip.io" => "  SERVICE_URL: ${A}\n  A: ${B}\n  B: ${SERVICE_URL}";
    binding_of_itself: "  SERVICE_URL: ${INGRESS_HOST}.nip.io" => "  SERVICE_URL: ${SERVICE_URL}";
    binding_in_path: "      - gateway.yaml" => "      - ${SERVICE_URL}.yaml";
    binding_named_badly: "  SERVICE_URL: ${INGRESS_HOST}.nip.io" => "  SERVICE_URL: ${INGRESS_HOST}.nip.io\n  service-url: x";
    // Names.
    undeclared_pod: "    from: outside" => "    from: outsid";
    undeclared_namespace: "outside: {namespace: plain" => "outside: {namespace: unencrypted";
    duplicate_case: "  - name: refused" => "  - name: arrives";
    bad_case_name: "  - name: refused" => "  - name: Refused by ingress";
    database_in_client_cluster: "database:\n  cluster: server" => "database:\n  cluster: client";
    // Cases.
    no_control: "    control: arrives\n" => "";
    unknown_control: "    control: arrives" => "    control: arrive";
    negative_control: "    control: arrives" => "    control: refused";
    negative_without_hop_and_cause: "      hop: ingress\n      cause: not-tls\n" => "";
    negative_with_rows: "      database: nothing" => "      rows: []";
    positive_with_cause: "      outcome: connected\n" => "      outcome: connected\n      hop: ingress\n      cause: not-tls\n      database: nothing\n";
    nothing_to_do: "    speaks: plaintext\n" => "";
    sql_and_plaintext: "    speaks: plaintext\n" => "    speaks: plaintext\n    sql: SELECT 1; SELECT 2\n";
    target_without_port: "    to: ${SERVICE_URL}:13306" => "    to: ${SERVICE_URL}";
    target_with_bad_port: "    to: ${SERVICE_URL}:13306" => "    to: ${SERVICE_URL}:133060";
    path_backwards: "        - {hop: client-sidecar}\n" => "        - {hop: ingress}\n";
    path_through_no_proxy: "        - {hop: client-sidecar}\n" => "        - {hop: network}\n";
    leg_backwards: "{from: client-sidecar, to: ingress," => "{from: ingress, to: egress,";
    peer_without_certificate: "encrypted: mutual" => "encrypted: none";
    ragged_rows: "      rows: [[\"1\"]]" => "      rows: [[\"1\"], [\"2\", \"3\"]]";
}

#[test]
fn no_cases() {
    let text = BASE.split("cases:").next().unwrap();
    insta::assert_snapshot!("no_cases_key", told(text));
    insta::assert_snapshot!("no_cases", told(&format!("{text}cases: []\n")));
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(told(""));
}

#[test]
fn a_file_that_is_too_large() {
    insta::assert_snapshot!(told(&format!("{BASE}# {}\n", "x".repeat(1024 * 1024))));
}

#[test]
fn files_that_nest_too_deep_are_errors() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("\n- ", ""), ("? ", "")] {
        let deep = |n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
        for n in [10, 100, 10_000] {
            let error = told(&BASE.replacen(
                "      rows: [[\"1\"]]",
                &format!("      rows: {}", deep(n)),
                1,
            ));
            assert!(error.starts_with("error: "), "{error}");
            assert!(error.len() < 1000, "{error}");
        }
    }
}

#[test]
fn bindings_that_double_each_other() {
    let doubled = |n: usize| format!("  B{}: \"${{B{n}}}${{B{n}}}\"\n", n + 1);
    let bindings: String = (0..40).map(doubled).collect();
    let bindings = format!("  B0: xxxxxxxxxxxxxxxx\n{bindings}");
    insta::assert_snapshot!(told(&BASE.replacen(
        "bindings:\n",
        &format!("bindings:\n{bindings}"),
        1
    )));
}

#[test]
fn everything_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = BASE
        .replacen("    from: outside", "    from: nobody", 1)
        .replacen("    to: ${SERVICE_URL}:3306", "    to: ${NOWHERE}:3306", 1)
        .replacen("    control: arrives\n", "", 1);
    insta::assert_snapshot!(told(&text));
}
