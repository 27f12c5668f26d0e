//! The tutorial's session through every recorded cluster, joined with the tutorial's other one: where it
//! ends. Certificates of those clusters are stand-ins, so what depends on them is assumed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use meshproof_mesh::{ClusterFile, MeshConfig};
use meshproof_trace::{Cluster, Opening, Query, Trace, trace};

fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../mesh/tests/oracle/cases")
}

fn cluster(case: &str) -> Cluster {
    changed(case, "", "")
}

/// The cluster with one piece of its text replaced.
fn changed(case: &str, from: &str, to: &str) -> Cluster {
    let read = |file: &str| fs::read_to_string(cases().join(case).join(file)).unwrap();
    let text = read("cluster.yaml");
    assert!(text.contains(from), "{case} has no {from}");
    let file = ClusterFile::read(case, &text.replace(from, to)).unwrap();
    let mesh = MeshConfig::from_yaml(&read("mesh.yaml")).unwrap();
    Cluster::new(case, mesh, file.objects())
}

fn traced(client: &str, server: &str, change: impl Fn(&mut Query)) -> Trace {
    traced_through([cluster(client), cluster(server)], change)
}

fn traced_through(clusters: [Cluster; 2], change: impl Fn(&mut Query)) -> Trace {
    let mut query = Query {
        from: "mysql-client-1".to_owned(),
        host: "203.0.113.10.nip.io".to_owned(),
        port: 3306,
        opening: Opening::ServerFirst,
        resolve: BTreeMap::new(),
        seen_as: None,
        at: 1_800_000_000,
    };
    change(&mut query);
    trace(&clusters, &query).unwrap()
}

#[test]
fn every_case() {
    let mut names: Vec<String> = fs::read_dir(cases())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut table = String::new();
    for name in names {
        let found = if name.starts_with("client") {
            traced(&name, "server-tutorial", |_| {})
        } else {
            traced("client-tutorial", &name, |_| {})
        };
        writeln!(table, "{name:31} {}", found.verdict()).unwrap();
        if found.verdict() != "connected" {
            writeln!(table, "{:31}   {}", "", found.why).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_whole_trace() {
    insta::assert_snapshot!(traced("client-tutorial", "server-tutorial", |_| {}));
}

#[test]
fn what_was_not_given_can_be_given() {
    let named = traced("client-weighted", "server-tutorial", |query| {
        let address = vec!["203.0.113.10".parse().unwrap()];
        query
            .resolve
            .insert("standby.example.com".to_owned(), address);
    });
    // It has no rule of its own, so what is sent there is plaintext.
    assert_eq!(named.verdict(), "refused by ingress: not-tls", "{named}");
    let policy = |seen: &str| {
        let seen = seen.parse().unwrap();
        let found = traced("client-tutorial", "server-ingress-policy", |q| {
            q.seen_as = Some(seen);
        });
        found.verdict()
    };
    assert_eq!(policy("203.0.113.7"), "connected");
    assert_eq!(policy("198.51.100.7"), "refused by ingress: policy-denied");
}

/// What the tutorial becomes with one change of the client's cluster.
fn with_client(from: &str, to: &str) -> String {
    let clusters = [
        changed("client-tutorial", from, to),
        cluster("server-tutorial"),
    ];
    let found = traced_through(clusters, |_| {});
    format!("{}: {}", found.verdict(), found.why)
}

#[test]
fn a_pod_that_is_not_ready_gets_nothing() {
    let ready = |status: &str| {
        format!("podIP: 10.1.0.4\n  conditions:\n  - type: Ready\n    status: \"{status}\"")
    };
    let with = |status: &str| with_client("podIP: 10.1.0.4", &ready(status));
    assert!(with("True").starts_with("connected"), "{}", with("True"));
    insta::assert_snapshot!(with("False"));
}

#[test]
fn what_is_not_followed_is_said() {
    let rule = "host: istio-egressgateway.istio-system.svc.cluster.local\n  subsets:\n";
    let policy = |policy: &str| {
        let host = "host: istio-egressgateway.istio-system.svc.cluster.local";
        format!("{host}\n  trafficPolicy:\n    {policy}\n  subsets:\n")
    };
    let http = [
        cluster("client-tutorial"),
        changed("server-tutorial", "protocol: TLS", "protocol: HTTPS"),
    ];
    let http = traced_through(http, |_| {});
    let outside = "  host: 203.0.113.10.nip.io\n  trafficPolicy:\n";
    let tunnel = "tunnel: {protocol: CONNECT, targetHost: a.example, targetPort: 80}";
    insta::assert_snapshot!(
        [
            with_client(rule, &policy("proxyProtocol: {version: V2}")),
            with_client(outside, &format!("{outside}    {tunnel}\n")),
            format!("{}: {}", http.verdict(), http.why),
        ]
        .join("\n")
    );
}

#[test]
fn questions_that_cannot_be_asked() {
    let clusters = [cluster("client-tutorial"), cluster("client-tutorial")];
    let ask = |from: &str| {
        let query = Query {
            from: from.to_owned(),
            host: "mysql".to_owned(),
            port: 3306,
            opening: Opening::ServerFirst,
            resolve: BTreeMap::new(),
            seen_as: None,
            at: 0,
        };
        trace(&clusters[..], &query)
    };
    insta::assert_snapshot!(ask("nobody").unwrap_err());
    insta::assert_snapshot!(ask("mysql-client-1").unwrap_err());
}

#[test]
fn names_that_nobody_has_and_addresses_of_nobody() {
    let to = |host: &str, port: u16| {
        let found = traced("client-tutorial", "server-tutorial", |q| {
            (q.host, q.port) = (host.to_owned(), port);
        });
        format!("{}: {}", found.verdict(), found.why)
    };
    insta::assert_snapshot!(
        [
            to("nosuch", 3306),
            to("nosuch.default.svc.cluster.local", 3306),
            to("mysql.example.com", 3306),
            to("198.51.100.1", 3306),
            to("10.2.0.8", 3306),
            to("10.96.1.33", 3306),
            to("203.0.113.10", 4000),
            to("istio-egressgateway.istio-system", 9999),
            to("203.0.113.10", 13306),
        ]
        .join("\n")
    );
}
