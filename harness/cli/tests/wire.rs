//! The capture on the link of embedded clusters: what the tutorial's sessions leave on it, and that the
//! detector fires.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::process::{Command as Program, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use meshproof_cluster::{ClientPod, ClusterAccess, Command, Facts, PodRef, Side};
use meshproof_evidence::wire::gaps;
use meshproof_pocket::{ClusterName, Pocket};
use meshproof_record::{
    Check, Status, WireConnection, WireEvidence, WireOpening, WireSeen, WireSide, WireSpeech,
};
use meshproof_runner::{Clusters, HostNames, Nobody, Options, Prober, ScenarioRun, Stop, Wire};
use meshproof_scenario::{ExpectedLink, Loaded};

/// The content of the row that the tutorial's session writes and reads.
const CANARY: &str = "Crypto Hi";
/// A word that only this test sends, in clear.
const LOUD: &str = "Crypto Loudspeaker";
/// Connections end behind their clients.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if let Some(code) = support::entry() {
        return code;
    }
    let trials = vec![
        Trial::ignorable_test("the_link_is_captured", || {
            support::trial(the_link_is_captured)
        }),
        Trial::ignorable_test("without_a_router_the_gateways_say_what_crosses", || {
            support::trial(without_a_router_the_gateways_say_what_crosses)
        }),
        Trial::ignorable_test(
            "without_a_router_what_only_a_capture_shows_is_skipped",
            || support::trial(without_a_router_what_only_a_capture_shows_is_skipped),
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn clusters(pocket: &Pocket, facts: &Facts, run: &str) -> Clusters {
    let access = |side, name| {
        let client = pocket.cluster(name).client();
        ClusterAccess::new(side, client, facts.clone(), run)
    };
    Clusters {
        client: access(Side::Client, ClusterName::Client),
        server: access(Side::Server, ClusterName::Server),
        host_names: HostNames::Dns,
        prober: Prober::Named,
    }
}

/// Runs the scenario, which must come to its end.
async fn run(loaded: &Loaded, clusters: &Clusters, options: &Options) -> ScenarioRun {
    let (file, stop) = (support::scenario(), Stop::new());
    let running = meshproof_runner::run(loaded, &file, clusters, options, &Nobody, &stop);
    let done = Box::pin(running).await;
    assert_eq!(done.problems, []);
    done
}

async fn the_link_is_captured(pocket: Pocket, loaded: &Loaded) {
    let clusters = clusters(&pocket, &support::facts(), "wire");
    let wire = Wire::open(&clusters.client).await.unwrap();
    let canaries = [CANARY, LOUD].map(str::to_owned);
    let mark = wire.mark().await.unwrap();
    let options = Options::default();
    let done = run(loaded, &clusters, &options).await;
    for case in &done.scenario.cases {
        assert_eq!(case.verdict.status, Status::Pass, "{:#?}", case.verdict);
    }
    let over = |found: &WireEvidence| {
        let ended = |c: &WireConnection| c.is_over() || c.opening == WireOpening::Unanswered;
        found.connections.iter().all(ended)
    };
    let found = wire.collect_when(&mark, &canaries, PATIENCE, over);
    let found = found.await.unwrap();
    nothing_in_clear(&found);
    the_session(&found);
    the_refusals(&found);
    tshark_reads(&wire.pcapng(&mark));
    a_big_answer_is_captured_whole(&wire, &clusters, &done.scenario.bindings["SERVICE_URL"]).await;
    the_detector_fires(&wire, &clusters, &done.scenario.bindings["INGRESS_HOST"]).await;
    drop(wire);
    pocket.stop().await.unwrap();
}

/// The same clusters, of which nobody says that there is a router: the ingress gateway's log stands in for the
/// capture, and the check says so.
async fn without_a_router_the_gateways_say_what_crosses(pocket: Pocket, loaded: &Loaded) {
    let (clusters, options) = blind(&pocket);
    let done = run(loaded, &clusters, &options).await;
    let verdict = &done.scenario.cases[0].verdict;
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    let link = |check: &&Check| check.what == "crossing stays secret";
    let check = verdict.checks.iter().find(link).unwrap();
    assert!(
        check.detail.contains("the link itself was not captured"),
        "{check:?}"
    );
    pocket.stop().await.unwrap();
}

/// Clusters of a provider without a router, and the one case to run.
fn blind(pocket: &Pocket) -> (Clusters, Options) {
    let facts = Facts {
        router_pod: None,
        ..support::facts()
    };
    let options = Options {
        cases: Some(vec!["sql-crosses-encrypted".to_owned()]),
        ..Options::default()
    };
    (clusters(pocket, &facts, "blind"), options)
}

async fn without_a_router_what_only_a_capture_shows_is_skipped(pocket: Pocket, loaded: &Loaded) {
    let (clusters, options) = blind(&pocket);
    let mut readable = loaded.clone();
    let expect = &mut readable.scenario.cases.value[0].value.expect.value;
    expect.link.as_mut().unwrap().value = ExpectedLink::Readable;
    let done = run(&readable, &clusters, &options).await;
    let verdict = &done.scenario.cases[0].verdict;
    assert_eq!(verdict.status, Status::Skipped, "{verdict:#?}");
    let why = "`link: readable` shows that a capture between the clusters sees what crosses in clear, and the provider embedded has none";
    assert_eq!(verdict.summary, why);
    pocket.stop().await.unwrap();
}

fn nothing_in_clear(found: &WireEvidence) {
    assert_eq!(gaps(found), Vec::<String>::new());
    assert!(found.packets > 20, "{found:#?}");
    for canary in &found.canaries {
        assert_eq!(canary.times, 0, "{canary:?}");
    }
}

/// The session with SQL, from the egress gateway behind the masquerade.
fn the_session(found: &WireEvidence) {
    let tls = found.connections.iter().filter(|c| c.tls.is_some());
    let [session] = tls.collect::<Vec<_>>()[..] else {
        panic!("one session crosses: {:#?}", found.connections);
    };
    assert_eq!(session.client.ip().to_string(), "198.18.0.1");
    assert_eq!(session.server.to_string(), "203.0.113.10:13306");
    assert_eq!(found.tls_servers, [session.server]);
    assert!(session.is_over() && session.is_whole());
    for side in WireSide::BOTH {
        let sent = session.from(side);
        assert_eq!((sent.speaks, sent.strays_at), (WireSpeech::Tls, None));
        assert!(sent.bytes > 1_000, "{sent:?}");
    }
    let tls = session.tls.as_ref().unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(tls.sni.as_deref(), Some("203.0.113.10.nip.io"));
    assert_eq!(tls.certificate_requested, WireSeen::NotVisible);
}

/// Nobody answers on the port of MySQL, and the gateway's port refuses what is no TLS without a word.
fn the_refusals(found: &WireEvidence) {
    let to = |port| {
        found
            .connections
            .iter()
            .filter(move |c| c.server.port() == port)
    };
    assert!(to(3306).all(|c| c.opening == WireOpening::Unanswered && c.syns > 0));
    assert!(to(3306).count() > 0);
    let plain = to(13306).filter(|c| c.from_client.speaks == WireSpeech::Other);
    let plain: Vec<_> = plain.collect();
    assert!(!plain.is_empty(), "{:#?}", found.connections);
    for connection in plain {
        assert_eq!(connection.from_server.speaks, WireSpeech::Nothing);
        assert_eq!(connection.ended_by(), Some(WireSide::Server));
    }
}

/// Fifteen megabytes at once, which no socket's usual room would hold.
async fn a_big_answer_is_captured_whole(wire: &Wire, clusters: &Clusters, host: &str) {
    const LENGTH: usize = 15_000_000;
    let mark = wire.mark().await.unwrap();
    let sql = format!("SELECT REPEAT('x', {LENGTH})");
    let script =
        format!("mysql --skip-ssl --max-allowed-packet=1G -u root -h {host} -e \"{sql}\" | wc -c");
    let command = Command {
        pod: PodRef::new("default", "mysql-client-1"),
        container: ClientPod::CONTAINER.to_owned(),
        argv: ["bash", "-c", &script].map(str::to_owned).to_vec(),
        stdin: Vec::new(),
    };
    let said = clusters.client.run(&command).await.unwrap();
    let printed: usize = said.stdout_text().trim().parse().unwrap();
    assert!(printed > LENGTH, "{said:?}");
    let canary = format!("{CANARY} again");
    let found = wire.collect(&mark, &[canary]).await.unwrap();
    assert_eq!(gaps(&found), Vec::<String>::new());
    let [session] = &found.connections[..] else {
        panic!("one session crosses: {:#?}", found.connections);
    };
    assert!(session.from_server.bytes > LENGTH as u64, "{session:#?}");
    assert_eq!(session.from_server.strays_at, None);
}

/// A pod without a sidecar says the word to the gateway's port.
async fn the_detector_fires(wire: &Wire, clusters: &Clusters, host: &str) {
    let mark = wire.mark().await.unwrap();
    let script = format!("exec 3<>/dev/tcp/{host}/13306; printf '%s' '{LOUD}' >&3; cat <&3");
    let command = Command {
        pod: PodRef::new("unencrypted", "mysql-client-2"),
        container: ClientPod::CONTAINER.to_owned(),
        argv: ["bash", "-c", &script].map(str::to_owned).to_vec(),
        stdin: Vec::new(),
    };
    let said = clusters.client.run(&command).await.unwrap();
    let canaries = [CANARY, LOUD].map(str::to_owned);
    let found = wire.collect(&mark, &canaries).await.unwrap();
    let times: Vec<u64> = found.canaries.iter().map(|canary| canary.times).collect();
    assert_eq!(times, [0, 1], "{said:?} {found:#?}");
}

/// The file is one for the usual tools too, where they are there.
fn tshark_reads(file: &[u8]) {
    let mut command = Program::new("tshark");
    command.args(["-r", "-", "-d", "tcp.port==13306,tls", "-T", "fields"]);
    command.args(["-e", "tls.handshake.extensions_server_name"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut tshark) = command.spawn() else {
        eprintln!("not compared: there is no tshark");
        return;
    };
    let mut stdin = tshark.stdin.take().unwrap();
    let file = file.to_vec();
    // It prints while it reads.
    let feed = std::thread::spawn(move || stdin.write_all(&file));
    let output = tshark.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("203.0.113.10.nip.io"), "{output:?}");
}
