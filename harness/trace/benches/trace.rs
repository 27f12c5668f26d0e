//! How long one trace takes, everything included: reading both clusters, compiling the proxies on the way,
//! walking. `cargo bench -p meshproof-trace`; at most 5 ms are aimed at.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use meshproof_mesh::{ClusterFile, MeshConfig};
use meshproof_trace::{Cluster, Ending, Opening, Query, trace};

const ROUNDS: usize = 50;

fn main() {
    let texts = ["client-tutorial", "server-tutorial"].map(|case| {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mesh/tests/oracle/cases");
        let text = fs::read_to_string(cases.join(case).join("cluster.yaml")).unwrap();
        (case, text)
    });
    let query = Query {
        from: "mysql-client-1".to_owned(),
        host: "203.0.113.10.nip.io".to_owned(),
        port: 3306,
        opening: Opening::ServerFirst,
        resolve: BTreeMap::new(),
        seen_as: None,
        at: 1_800_000_000,
    };
    let (mut whole, mut walk) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let clusters: Vec<Cluster> = texts.iter().map(|(n, t)| cluster(n, t)).collect();
        let read = Instant::now();
        assert_eq!(trace(&clusters, &query).unwrap().outcome, Ending::Connected);
        walk.push(read.elapsed().as_secs_f64());
        whole.push(start.elapsed().as_secs_f64());
    }
    println!("trace of the tutorial's path, median of {ROUNDS}:");
    println!(
        "  reading, compiling, walking  {:6.2} ms (aim: 5 ms)",
        median(whole)
    );
    println!("  compiling and walking        {:6.2} ms", median(walk));
}

fn cluster(name: &str, text: &str) -> Cluster {
    let mesh = MeshConfig::from_yaml("accessLogFile: /dev/stdout").unwrap();
    Cluster::new(name, mesh, ClusterFile::read(name, text).unwrap().objects())
}

/// In milliseconds.
fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2] * 1000.0
}
