//! Who is let in: `AuthorizationPolicy` (`pilot/pkg/security/authz`) and `PeerAuthentication`
//! (`pilot/pkg/security/authn/policy_applier.go`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{MESH, chains, compiled, in_namespace, istio, pod, service, with};

/// The filters before the `tcp_proxy` of the sidecar's first own chain.
fn filters(mesh: &str, objects: Vec<Value>) -> Vec<Value> {
    let config = compiled(mesh, with(objects), "mysql");
    let own = chains(&config, "virtualInbound")
        .iter()
        .find(|c| c["name"] == "0.0.0.0_3306")
        .unwrap();
    let mut filters = own["filters"].as_array().unwrap().clone();
    filters.pop();
    filters
}

fn policy(name: &str, spec: Value) -> Value {
    istio("AuthorizationPolicy", name, spec)
}

/// The names of policies; Envoy looks through them by name, in whatever order they come.
fn keys(policies: &Value) -> BTreeSet<&str> {
    let policies = policies.as_object().unwrap();
    policies.keys().map(String::as_str).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<&str> {
    BTreeSet::from(names)
}

#[test]
fn actions_stand_in_istios_order_and_policies_of_the_mesh_are_with_the_others() {
    let spec = |action: &str| json!({"action": action, "rules": [{}]});
    let found = filters(
        MESH,
        vec![
            policy("allow", spec("ALLOW")),
            policy("deny", spec("DENY")),
            policy("audit", spec("AUDIT")),
            in_namespace("AuthorizationPolicy", "all", "istio-system", spec("DENY")),
            in_namespace("AuthorizationPolicy", "elsewhere", "other", spec("DENY")),
        ],
    );
    let actions: Vec<&Value> = found
        .iter()
        .map(|f| &f["typed_config"]["rules"]["action"])
        .collect();
    assert_eq!(actions, [&json!("LOG"), &json!("DENY"), &Value::Null]);
    assert_eq!(
        keys(&found[1]["typed_config"]["rules"]["policies"]),
        set([
            "ns[default]-policy[deny]-rule[0]",
            "ns[istio-system]-policy[all]-rule[0]"
        ])
    );
}

#[test]
fn a_policy_that_is_only_tried_decides_nothing() {
    for (said, tried) in [("true", true), ("T", true), ("1", true), ("false", false)] {
        let mut deny = policy("d", json!({"action": "DENY", "rules": [{}]}));
        deny["metadata"]["annotations"] = json!({"istio.io/dry-run": said});
        let found = filters(MESH, vec![deny]);
        let config = &found[0]["typed_config"];
        assert_eq!(config["rules"].is_null(), tried, "{said}");
        assert_eq!(!config["shadow_rules"].is_null(), tried, "{said}");
    }
}

#[test]
fn a_rule_that_tcp_cannot_judge_allows_nothing_and_denies_more() {
    let rules = json!([{"to": [{"operation": {"methods": ["GET"], "ports": ["3306"]}}]}]);
    let allow = filters(MESH, vec![policy("p", json!({"rules": rules}))]);
    assert_eq!(allow[0]["typed_config"]["rules"], json!({"policies": {}}));
    let deny = filters(
        MESH,
        vec![policy("p", json!({"action": "DENY", "rules": rules}))],
    );
    assert_eq!(
        deny[0]["typed_config"]["rules"]["policies"]["ns[default]-policy[p]-rule[0]"]["permissions"],
        json!([{"and_rules": {"rules": [{"or_rules": {"rules": [{"destination_port": 3306}]}}]}}])
    );
}

#[test]
fn aliases_are_in_the_order_in_which_istiod_keeps_them() {
    let mesh = "{trustDomain: m, trustDomainAliases: [z, a, z]}";
    let rule = json!({"from": [{"source": {"principals": ["cluster.local/ns/x/sa/y"]}}, {"source": {"trustDomains": ["m", "a", "other"]}}]});
    let found = filters(mesh, vec![policy("p", json!({"rules": [rule]}))]);
    let principals = &found[0]["typed_config"]["rules"]["policies"]["ns[default]-policy[p]-rule[0]"]
        ["principals"];
    let text = |index: usize, kind: &str| -> Vec<Value> {
        principals[index]["and_ids"]["ids"][0]["or_ids"]["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["authenticated"]["principal_name"][kind].clone())
            .collect()
    };
    assert_eq!(
        text(0, "exact"),
        [
            "spiffe://m/ns/x/sa/y",
            "spiffe://a/ns/x/sa/y",
            "spiffe://z/ns/x/sa/y"
        ]
    );
    assert_eq!(
        text(1, "prefix"),
        [
            "spiffe://m/",
            "spiffe://a/",
            "spiffe://z/",
            "spiffe://other/"
        ]
    );
}

const AUTHORIZERS: &str = "extensionProviders:
- {name: ask, envoyExtAuthzGrpc: {service: judge.default.svc.cluster.local, port: 9000, failOpen: true}}
- {name: web, envoyExtAuthzHttp: {service: judge.default.svc.cluster.local, port: 80}}
- {name: lost, envoyExtAuthzGrpc: {service: nobody.example.com, port: 9000}}
";

fn custom(provider: &str) -> Value {
    policy(
        &format!("by-{provider}"),
        json!({"action": "CUSTOM", "provider": {"name": provider}, "rules": [{}]}),
    )
}

fn judge() -> Vec<Value> {
    vec![
        pod("judge", "10.0.0.3", "sidecar"),
        service("judge", json!([{"name": "grpc", "port": 9000}])),
    ]
}

#[test]
fn a_server_is_asked_about_what_its_policies_match() {
    let mut objects = judge();
    objects.push(custom("ask"));
    objects.push(policy("d", json!({"action": "DENY", "rules": [{}]})));
    let found = filters(AUTHORIZERS, objects);
    let names: Vec<&str> = found.iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "envoy.filters.network.rbac",
            "envoy.filters.network.ext_authz",
            "envoy.filters.network.rbac"
        ]
    );
    let shadow = &found[0]["typed_config"];
    assert!(shadow["rules"].is_null());
    assert_eq!(shadow["shadow_rules_stat_prefix"], "istio_ext_authz_");
    assert_eq!(
        keys(&shadow["shadow_rules"]["policies"]),
        set(["istio-ext-authz-ask-ns[default]-policy[by-ask]-rule[0]"])
    );
    let question = &found[1]["typed_config"];
    assert_eq!(question["failure_mode_allow"], true);
    assert_eq!(
        question["grpc_service"],
        json!({"envoy_grpc": {"cluster_name": "outbound|9000||judge.default.svc.cluster.local",
            "authority": "judge.default.svc.cluster.local"}, "timeout": "600s"})
    );
    assert_eq!(
        question["filter_enabled_metadata"]["value"]["string_match"]["prefix"],
        "istio-ext-authz-ask"
    );
}

#[test]
fn a_server_that_cannot_be_asked_denies_and_one_for_http_is_not_asked() {
    for provider in ["lost", "unknown"] {
        let mut objects = judge();
        objects.push(custom(provider));
        let found = filters(AUTHORIZERS, objects);
        let rules = &found[0]["typed_config"]["rules"];
        assert_eq!(rules["action"], "DENY");
        let name = format!(
            "istio-ext-authz-{provider}-ns[default]-policy[by-{provider}]-rule[0]-deny-due-to-bad-CUSTOM-action"
        );
        assert_eq!(keys(&rules["policies"]), set([&name]));
    }
    let mut objects = judge();
    objects.push(custom("web"));
    assert_eq!(filters(AUTHORIZERS, objects), Vec::<Value>::new());
    let mut objects = judge();
    objects.extend([custom("web"), custom("ask")]);
    let found = filters(AUTHORIZERS, objects);
    assert_eq!(found.len(), 2, "more than one server for a workload");
    assert!(
        found
            .iter()
            .all(|f| f["typed_config"]["rules"]["action"] == "DENY")
    );
}

/// How many of the sidecar's chains for its port end mesh TLS, pass TLS on, and take plaintext.
fn ways(policies: Vec<Value>) -> (usize, usize, usize) {
    let config = compiled(MESH, with(policies), "mysql");
    let own = |c: &&Value| c["name"] == "0.0.0.0_3306";
    let all: Vec<&Value> = chains(&config, "virtualInbound")
        .iter()
        .filter(own)
        .collect();
    let tls = |c: &&&Value| c["filter_chain_match"]["transport_protocol"] == "tls";
    let ends = |c: &&&Value| !c["transport_socket"].is_null();
    (
        all.iter().filter(ends).count(),
        all.iter().filter(tls).filter(|c| !ends(c)).count(),
        all.iter().filter(|c| !tls(c)).count(),
    )
}

fn peers(namespace: &str, name: &str, spec: Value) -> Value {
    in_namespace("PeerAuthentication", name, namespace, spec)
}

#[test]
fn the_narrowest_peer_authentication_stands_and_what_is_unset_is_inherited() {
    const STRICT: (usize, usize, usize) = (1, 0, 0);
    const PERMISSIVE: (usize, usize, usize) = (1, 1, 1);
    const DISABLE: (usize, usize, usize) = (0, 0, 1);
    let mode = |m: &str| json!({"mtls": {"mode": m}});
    let own = |mut spec: Value| {
        spec["selector"] = json!({"matchLabels": {"app": "mysql"}});
        spec
    };
    let mesh = peers("istio-system", "m", mode("STRICT"));
    assert_eq!(ways(vec![mesh.clone()]), STRICT);
    assert_eq!(
        ways(vec![mesh.clone(), peers("default", "n", mode("UNSET"))]),
        STRICT
    );
    assert_eq!(
        ways(vec![mesh.clone(), peers("default", "n", mode("DISABLE"))]),
        DISABLE
    );
    let port = own(json!({"portLevelMtls": {"3306": {"mode": "PERMISSIVE"}}}));
    assert_eq!(
        ways(vec![mesh.clone(), peers("default", "w", port)]),
        PERMISSIVE
    );
    let unset =
        own(json!({"mtls": {"mode": "DISABLE"}, "portLevelMtls": {"3306": {"mode": "UNSET"}}}));
    assert_eq!(
        ways(vec![mesh.clone(), peers("default", "w", unset)]),
        DISABLE
    );
    // A selector in the root namespace selects nothing.
    let root = peers("istio-system", "w", own(mode("DISABLE")));
    assert_eq!(ways(vec![mesh, root]), STRICT);
    // Of two for a namespace the older, then the first by name.
    let two = vec![
        peers("default", "b", mode("STRICT")),
        peers("default", "a", mode("DISABLE")),
    ];
    assert_eq!(ways(two), DISABLE);
}

#[test]
fn a_policy_with_a_target_holds_for_that_gateway_and_for_nothing_else() {
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"});
    let deny = policy(
        "p",
        json!({"action": "DENY", "targetRefs": [target], "rules": [{}]}),
    );
    assert_eq!(filters(MESH, vec![deny.clone()]), Vec::<Value>::new());
    let mut objects = with(vec![
        deny,
        crate::gateway("a", json!([crate::server("t", "h.example.com")])),
        crate::route("v", "a"),
    ]);
    let rbac = |objects: &[Value]| {
        let config = compiled(MESH, objects.to_vec(), "gw");
        chains(&config, "0.0.0.0_13306")[0]["filters"][0]["name"].clone()
    };
    assert_eq!(rbac(&objects), "envoy.filters.network.tcp_proxy");
    objects[0]["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] = "edge".into();
    assert_eq!(rbac(&objects), "envoy.filters.network.rbac");
}
