//! What people read when a scenario is wrong. One snapshot for each kind of mistake, made in a
//! scenario that is right.
#![allow(clippy::unwrap_used, reason = "tests")]

use meshproof_scenario::{Source, parse};

const BASE: &str = include_str!("base.yaml");
const VARIED: &str = include_str!("varied.yaml");

/// The rendered errors of the text.
fn told(text: &str) -> String {
    parse(&Source::new("small.yaml", text))
        .unwrap_err()
        .render()
}

/// The scenario with one text replaced by another.
fn with(scenario: &str, old: &str, new: &str) -> String {
    assert_eq!(
        scenario.matches(old).count(),
        1,
        "`{old}` must stand once in the scenario"
    );
    scenario.replacen(old, new, 1)
}

#[test]
fn the_scenarios_that_the_mistakes_are_made_in_are_right() {
    for text in [BASE, VARIED] {
        parse(&Source::new("small.yaml", text))
            .unwrap_or_else(|error| panic!("{}", error.render()));
    }
}

/// A test for each mistake: what is replaced by what.
macro_rules! mistakes {
    ($scenario:ident; $($name:ident: $old:expr => $new:expr;)*) => {
        $(#[test]
        fn $name() {
            insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(stringify!($name), told(&with($scenario, $old, $new)));
            });
        })*
    };
}

mistakes! { BASE;
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

mistakes! { VARIED;
    // Overlays: names, objects, edits.
    undeclared_overlay_in_each: "    controlAgain: true\n    each: [tls12, tls13]" => "    controlAgain: true\n    each: [tls12, tls31]";
    undeclared_overlay_in_uses: "    uses: [tls13, denied]" => "    uses: [tls13, denid]";
    overlay_twice_in_each: "    controlAgain: true\n    each: [tls12, tls13]" => "    controlAgain: true\n    each: [tls12, tls12]";
    overlay_twice_in_uses: "    uses: [tls13, denied]" => "    uses: [denied, denied]";
    overlay_in_each_and_uses: "    controlAgain: true\n    each: [tls12, tls13]" => "    controlAgain: true\n    each: [tls12, tls13]\n    uses: [tls12]";
    overlay_named_badly: "  denied:\n" => "  Denied:\n    client: {Service/default/mysql: {delete: true}}\n  denied:\n";
    expanded_name_too_long: "  - name: expired" => "  - name: expired-certificates-of-clients-are-refused-by-the-ingress";
    case_called_as_one_of_each: "  - name: probed" => "  - name: arrives-tls12";
    control_that_has_each: "    control: arrives-tls13" => "    control: arrives";
    empty_overlay: "  denied:\n" => "  nothing: {}\n  denied:\n";
    empty_with: "    uses: [tls13, denied]\n" => "    uses: [tls13, denied]\n    sabotage: {client: {}}\n";
    no_with: "    uses: [tls13, denied]\n" => "    uses: [tls13, denied]\n    sabotage:\n";
    empty_edit: "{delete: true}" => "{}";
    unknown_key_in_edit: "{delete: true}" => "{deleted: true}";
    unknown_key_in_overlay: "Service/default/mysql: {delete: true}" => "Service/default/mysql: {delete: true}\n      sever: {}";
    unknown_kind_in_overlay: "Service/default/mysql: {delete" => "Servis/default/mysql: {delete";
    object_without_kind: "Service/default/mysql: {delete" => "default/mysql: {delete";
    object_with_bad_namespace: "Service/default/mysql: {delete" => "Service/Default/mysql: {delete";
    create_beside_set: "{delete: true}" => "{set: {/spec/type: ClusterIP}, create: {spec: {}}}";
    delete_beside_remove: "{delete: true}" => "{remove: [/spec/type], delete: true}";
    delete_false: "{delete: true}" => "{delete: false}";
    secret_in_service: "{delete: true}" => "{secret: {certificate: client}}";
    create_no_mapping: "{delete: true}" => "{create: [1]}";
    create_with_kind: "{delete: true}" => "{create: {kind: Service, spec: {}}}";
    create_with_name: "{delete: true}" => "{create: {metadata: {name: mysql}, spec: {}}}";
    create_with_binding_as_key: "{delete: true}" => "{create: {metadata: {labels: {\"${SERVICE_URL}\": x}}}}";
    pointer_without_slash: "{delete: true}" => "{set: {spec/type: ClusterIP}}";
    pointer_to_everything: "{delete: true}" => "{remove: [\"\"]}";
    pointer_with_bad_escape: "{delete: true}" => "{set: {/metadata/labels/a~2b: c}}";
    pointer_with_binding: "{delete: true}" => "{set: {\"/metadata/labels/${SERVICE_URL}\": c}}";
    pointer_to_name: "{delete: true}" => "{set: {/metadata/name: other}}";
    pointer_without_value: "{delete: true}" => "{set: {/spec/type: }}";
    pointer_set_and_removed: "{delete: true}" => "{set: {/spec/type: ClusterIP}, remove: [/spec/type]}";
    pointers_that_overlap: "{delete: true}" => "{set: {/spec/ports: [], /spec/ports/0/port: 1}}";
    pointer_removed_behind_the_end: "{delete: true}" => "{remove: [/spec/ports/-]}";
    undefined_binding_in_overlay: "      Gateway/default/gateway-mysql:\n        set: {/spec/servers/0/tls/maxProtocolVersion: TLSV1_2}" => "      Gateway/default/gateway-mysql:\n        set: {/spec/servers/0/tls/maxProtocolVersion: \"${SERVICE_URI}\"}";
    created_twice: "          remove: [/spec/servers/0/tls/cipherSuites]\n" => "          remove: [/spec/servers/0/tls/cipherSuites]\n        AuthorizationPolicy/default/nobody: {create: {}}\n";
    changed_after_deletion: "    uses: [tls13, denied]\n" => "    uses: [tls13, denied]\n    sabotage:\n      server:\n        Service/default/mysql: {set: {/spec/type: ClusterIP}}\n";
    // Sabotage.
    sabotage_of_two: "          set: {/spec/servers/0/tls/mode: SIMPLE}\n" => "          set: {/spec/servers/0/tls/mode: SIMPLE}\n        Service/default/mysql: {set: {/spec/type: ClusterIP}}\n";
    sabotage_as_with: "      server:\n        Gateway/default/gateway-mysql:\n          set: {/spec/servers/0/tls/mode: SIMPLE}\n" => "      client:\n        Secret/istio-system/client-credential:\n          secret: {certificate: client, but: expired}\n";
    control_again_without_control: "    control: arrives\n    controlAgain: true\n" => "    controlAgain: true\n";
    proxies_unchanged_without_changes: "    from: neighbour\n" => "    from: neighbour\n    proxiesUnchanged: true\n";
    // Secrets.
    self_signed_by_an_authority: "but: expired" => "but: self-signed, authority: new";
    other_name_with_name: "but: expired" => "but: other-name, dnsName: x.example";
    unknown_flaw: "but: expired" => "but: outdated";
    unknown_certificate: "but: expired" => "but: expired, revokes: [server]";
    unknown_key_left_out: "without: [ca.crt]" => "without: [ca.cert]";
    left_out_twice: "without: [ca.crt]" => "without: [ca.crt, ca.crt]";
    trusts_without_authorities: "without: [ca.crt]" => "without: [ca.crt], trusts: [run]";
    flaw_of_nothing: "but: expired" => "but: expired, without: [tls.crt]";
    empty_dns_name: "but: expired" => "dnsName: \"\"";
    flaws_in_a_secret_of_a_cluster: "{certificate: client, trusts: [run, new]}" => "{certificate: client, trusts: [run, run]}";
    // What the client does.
    tls_of_a_mysql_client: "    client: {wrongPassword: true}" => "    tls: {sni: x.example}";
    speaks_tls_without_tls: "    tls: {malformed: true}\n" => "";
    malformed_with_name: "{malformed: true}" => "{malformed: true, sni: x.example}";
    versions_backwards: "      min: \"1.2\"\n      max: \"1.3\"" => "      min: \"1.3\"\n      max: \"1.2\"";
    version_as_number: "      min: \"1.2\"" => "      min: 1.4";
    empty_sni: "      sni: ${SERVICE_URL}" => "      sni: \"\"";
    empty_alpn: "[istio-peer-exchange]" => "[\"\"]";
    prober_that_trusts: "leaf: 1}" => "trusts: [run], without: [ca.crt]}";
    login_of_a_prober: "    tls: {malformed: true}\n" => "    tls: {malformed: true}\n    client: {user: root}\n";
    empty_login: "    client: {wrongPassword: true}" => "    client: {}";
    empty_user: "    client: {wrongPassword: true}" => "    client: {user: \"\"}";
    sql_of_a_prober: "    tls: {malformed: true}\n" => "    tls: {malformed: true}\n    sql: SELECT 1; SELECT 3\n";
    prober_without_its_image: "image: \"meshproof/probe:1\"" => "image: \"mysql:5.6\"";
    mysql_from_a_prober: "    control: arrives-tls13\n" => "    control: arrives-tls13\n    description: x\n    speaks: plaintext\n";
    sql_from_a_prober: "  - name: policy\n    from: inside" => "  - name: policy\n    from: prober";
    empty_statement_in_prepare: "    - CREATE USER reader" => "    - \"\"";
    // Changes during sessions.
    failures_without_during: "      link: nothing\n" => "      link: nothing\n      failures: none\n";
    failures_of_nobody: "failures: none" => "failures: some";
    refused_without_failures: "cause: unknown-ca, failures: some" => "cause: unknown-ca";
    failures_that_reach_nobody: "{outcome: refused, hop: ingress, cause: unknown-ca" => "{outcome: unreachable, hop: ingress, cause: unknown-ca";
    failures_without_cause: "hop: ingress, cause: unknown-ca, failures: some" => "failures: some";
    during_of_a_prober: "    hold: 200ms\n" => "    during: [{client: {Service/default/mysql: {delete: true}}}]\n";
    hold_beside_during: "    control: rotated\n" => "    control: rotated\n    hold: 1s\n";
    nothing_during: "cause: unknown-ca, failures: some" => "cause: unknown-ca, failures: some, database: nothing, link: nothing";
    empty_step: "    control: rotated\n    sql: SELECT 1\n    during:\n" => "    control: rotated\n    sql: SELECT 1\n    during:\n      - {}\n";
    // The link.
    link_of_neighbours: "cause: not-tls, link: nothing}" => "cause: not-tls, link: quiet}";
    nothing_crosses_but_connects: "    expect: {outcome: connected, failures: none}" => "    expect: {outcome: connected, failures: none, link: nothing}";
    nothing_crosses_but_arrives: "      link: secret\n  - name: probed" => "      link: nothing\n  - name: probed";
    secret_inside_a_cluster: "      link: nothing\n" => "      link: secret\n";
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

#[test]
fn more_overlays_than_one_case_can_have() {
    let names: Vec<String> = (0..65).map(|n| format!("o{n}")).collect();
    let overlay =
        |name: &String| format!("  {name}: {{client: {{Service/a/b: {{delete: true}}}}}}\n");
    let overlays: String = names.iter().map(overlay).collect();
    let text = with(VARIED, "  denied:\n", &format!("{overlays}  denied:\n"));
    let many = format!("    controlAgain: true\n    each: [{}]", names.join(", "));
    let text = with(
        &text,
        "    controlAgain: true\n    each: [tls12, tls13]",
        &many,
    );
    insta::assert_snapshot!(told(&text));
}

#[test]
fn overlays_that_do_not_fit_on_each_other() {
    let again =
        "  again:\n    server: {AuthorizationPolicy/default/nobody: {create: {}}}\n  denied:\n";
    let text = with(VARIED, "  denied:\n", again);
    let text = with(
        &text,
        "    uses: [tls13, denied]",
        "    uses: [tls13, denied, again]",
    );
    insta::assert_snapshot!(told(&text));
}
