//! What compiling costs, beside the limits that it is to keep: `cargo bench -p meshproof-mesh`.
//!
//! Prints and asserts nothing: times belong to a machine. How much is compiled again after a change is
//! asserted by `tests/again.rs`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/large.rs"]
mod large;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use meshproof_mesh::{Compiler, MeshConfig, Objects, compile};
use serde_json::{Value, json};

const SERVICES: usize = 1000;
const PROXIES: usize = 200;
const ROUNDS: u32 = 200;

fn main() {
    one_large_cluster();
    tutorial();
}

fn mesh() -> Arc<MeshConfig> {
    Arc::new(MeshConfig::from_yaml("accessLogFile: /dev/stdout").unwrap())
}

fn tutorial() {
    println!("one proxy of the tutorial, from its objects (limit 2 ms)");
    for case in ["client-tutorial", "server-tutorial"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/oracle/cases")
            .join(case)
            .join("cluster.yaml");
        let text = fs::read_to_string(path).unwrap();
        let objects = serde_saphyr::from_multiple::<Value>(&text).unwrap();
        let objects: Vec<Arc<Value>> = objects.into_iter().map(Arc::new).collect();
        let mesh = mesh();
        for proxy in Objects::new(Arc::clone(&mesh), objects.clone()).proxies() {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let snapshot = Objects::new(Arc::clone(&mesh), objects.clone());
                assert!(!compile(&snapshot, &proxy).clusters.is_empty());
            }
            println!("  {proxy:<45} {}", ms(start.elapsed() / ROUNDS));
        }
    }
}

fn one_large_cluster() {
    let mesh = mesh();
    let mut objects: Vec<Arc<Value>> = large::cluster(SERVICES, PROXIES)
        .into_iter()
        .map(Arc::new)
        .collect();
    let before = peak();
    let busy = cpu();
    let start = Instant::now();
    let mut snapshot = Objects::new(Arc::clone(&mesh), objects.clone());
    let read = start.elapsed();
    let mut compiler = Compiler::default();
    let configs = compiler.round(&snapshot);
    let all = start.elapsed();
    let used = cpu().saturating_sub(busy);
    let resources: usize = configs
        .values()
        .map(|c| c.listeners.len() + c.clusters.len() + c.endpoints.len())
        .sum();
    println!(
        "{SERVICES} services, {} proxies (limit 1 s, 100 MB)",
        configs.len()
    );
    println!(
        "  objects read                                  {}",
        ms(read)
    );
    println!(
        "  with all proxies compiled                     {}",
        ms(all)
    );
    println!(
        "  the same as time on a processor               {}",
        ms(used)
    );
    println!(
        "  resources at proxies, and compiled parts      {resources}, {}",
        compiler.made().len()
    );
    println!(
        "  peak memory above that of the objects         {:.1} MB",
        peak() - before
    );
    println!("one resource changed: objects read, proxies compiled; parts compiled again");
    for (what, change) in changes() {
        let index = objects.iter().position(|o| is(o, what)).unwrap();
        change(Arc::make_mut(&mut objects[index]));
        let start = Instant::now();
        snapshot = snapshot.next(Arc::clone(&mesh), objects.clone());
        let read = start.elapsed();
        let next = compiler.round(&snapshot);
        let all = start.elapsed();
        let other = next
            .iter()
            .filter(|(id, c)| !Arc::ptr_eq(c, &configs[*id]))
            .count();
        println!(
            "  {what:<36} {} {} {:>5} parts, {other} proxies other than at first",
            ms(read),
            ms(all.saturating_sub(read)),
            compiler.made().len()
        );
    }
}

type Change = fn(&mut Value);

fn changes() -> [(&'static str, Change); 7] {
    [
        ("Service n3/s3", |o| {
            o["spec"]["ports"][0]["port"] = 8080.into();
        }),
        ("Pod n5/p5", |o| {
            o["status"]["conditions"][0]["status"] = "False".into();
        }),
        ("DestinationRule n3/destinationrule-3", |o| {
            o["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"] = 99.into();
        }),
        ("VirtualService n1/virtualservice-1", |o| {
            o["spec"]["tcp"][0]["match"][0]["sourceLabels"] = json!({"version": "v1"});
        }),
        ("PeerAuthentication n3/peerauthentication-3", |o| {
            o["spec"]["mtls"]["mode"] = "PERMISSIVE".into();
        }),
        ("AuthorizationPolicy n3/authorizationpolicy-3", |o| {
            o["spec"]["action"] = "DENY".into();
        }),
        ("Secret istio-system/cert", |o| {
            o["data"]["tls.crt"] = "ZA==".into();
        }),
    ]
}

fn is(object: &Value, what: &str) -> bool {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let meta = &object["metadata"];
    format!(
        "{} {}/{}",
        text(&object["kind"]),
        text(&meta["namespace"]),
        text(&meta["name"])
    ) == what
}

fn ms(time: Duration) -> String {
    format!("{:>8.2} ms", time.as_secs_f64() * 1000.0)
}

/// How long this thread ran by now. Beside wall time it tells what else the machine did.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// The most memory that this process had by now, in MB, as the kernel counts it.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1000.0
}
