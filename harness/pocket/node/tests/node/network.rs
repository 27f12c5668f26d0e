//! Who reaches whom, and what the routers count.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use meshproof_pocket_node::counters::SynCount;
use meshproof_pocket_node::rules::{CaptureRules, Protocol, RouterRules, ServicePort};
use meshproof_pocket_node::{Node, NodeError, SocketSpec, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lab::{
    ALICE, BALANCER, BOB, CLIENT, GATE, MYSQL, SERVER, applet, at, client_rules, counts, greeter,
    lab, patient, run, said, server_rules,
};
use crate::trial;

const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 7);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("network::pods_of_a_cluster_reach_each_other", inside),
        trial(
            "network::other_clusters_pods_are_silent_and_counted",
            isolation,
        ),
        trial("network::a_load_balancer_port_passes", balancer),
        trial("network::cluster_addresses_lead_to_endpoints", services),
        trial(
            "network::cluster_addresses_without_endpoint_refuse",
            no_endpoints,
        ),
        trial("network::outbound_is_captured", outbound),
        trial("network::inbound_is_captured", inbound),
        trial("network::captures_see_the_link", packets),
        trial("network::a_capture_counts_what_it_loses", losses),
        trial("network::tracked_connections_are_forgotten", flush),
    ]
}

async fn inside() {
    let node = lab().await;
    greeter(&node, BOB.0, at(BOB.1, 80), "bob").await;
    assert_eq!(
        said(&node, ALICE.0, at(BOB.1, 80)).await.unwrap(),
        "bob sees 10.1.0.10"
    );
    assert_eq!(
        said(&node, CLIENT, at(BOB.1, 80)).await.unwrap(),
        "bob sees 10.1.0.1"
    );
    let refused = said(&node, ALICE.0, at(BOB.1, 81)).await.unwrap_err();
    assert_eq!(kind(&refused), Some(ErrorKind::ConnectionRefused));
}

fn kind(error: &NodeError) -> Option<ErrorKind> {
    match error {
        NodeError::Io { source, .. } => Some(source.kind()),
        _ => None,
    }
}

/// Asserts that nothing at all answers, and returns how long that was watched.
async fn silent(node: &Node, netns: &str, to: std::net::SocketAddrV4) {
    let window = Duration::from_millis(150);
    let result = tokio::time::timeout(window, node.connect_tcp(netns, to)).await;
    assert!(
        result.is_err(),
        "{netns} got an answer from {to}: {result:?}"
    );
}

async fn isolation() {
    let node = lab().await;
    for (netns, on) in [
        (MYSQL.0, at(MYSQL.1, 3306)),
        (SERVER, at([10, 2, 0, 1].into(), 53)),
    ] {
        greeter(&node, netns, on, "open").await;
        silent(&node, ALICE.0, on).await;
    }
    silent(&node, ALICE.0, at(BALANCER, 3306)).await;
    silent(&node, ALICE.0, at([198, 18, 0, 2].into(), 3306)).await;
    greeter(&node, ALICE.0, at(ALICE.1, 80), "alice").await;
    silent(&node, MYSQL.0, at(ALICE.1, 80)).await;
    let (client, server) = (counts(&node, CLIENT).await, counts(&node, SERVER).await);
    let one = |source, destination, port| SynCount {
        source,
        destination,
        port,
        packets: 1,
    };
    assert!(
        client.left.contains(&one(ALICE.1, BALANCER, 3306)),
        "{client:?}"
    );
    let masqueraded = [198, 18, 0, 1].into();
    assert!(
        server.dropped.contains(&one(masqueraded, BALANCER, 3306)),
        "{server:?}"
    );
    assert_eq!((client.left.len(), server.dropped.len()), (4, 4));
    assert_eq!((server.left.len(), client.dropped.len()), (1, 1));
}

async fn balancer() {
    let node = lab().await;
    greeter(&node, GATE.0, at(GATE.1, 13306), "gate").await;
    assert_eq!(
        said(&node, ALICE.0, at(BALANCER, 13306)).await.unwrap(),
        "gate sees 10.2.0.1"
    );
    assert_eq!(
        said(&node, MYSQL.0, at(BALANCER, 13306)).await.unwrap(),
        "gate sees 10.2.0.1"
    );
    let (client, server) = (counts(&node, CLIENT).await, counts(&node, SERVER).await);
    assert_eq!((client.left.len(), server.dropped.len()), (1, 0));
    // Another port, declared later: the counters stay.
    let mut rules = server_rules();
    rules.load_balancers[0].address.set_port(13307);
    node.nft(SERVER, &rules.services()).await.unwrap();
    assert_eq!(
        said(&node, ALICE.0, at(BALANCER, 13307)).await.unwrap(),
        "gate sees 10.2.0.1"
    );
    silent(&node, ALICE.0, at(BALANCER, 13306)).await;
    assert_eq!(counts(&node, SERVER).await.dropped.len(), 1);
    // Declared, but nobody is there: from outside nothing answers, and it is counted.
    rules.load_balancers[0].endpoints.clear();
    node.nft(SERVER, &rules.services()).await.unwrap();
    silent(&node, ALICE.0, at(BALANCER, 13307)).await;
    assert_eq!(counts(&node, SERVER).await.dropped.len(), 2);
}

fn with_service(endpoints: &[std::net::SocketAddrV4]) -> RouterRules {
    let service = ServicePort {
        address: at(SERVICE, 80),
        protocol: Protocol::Tcp,
        endpoints: endpoints.to_vec(),
    };
    RouterRules {
        services: vec![service],
        ..client_rules()
    }
}

async fn services() {
    let node = lab().await;
    greeter(&node, ALICE.0, at(ALICE.1, 8080), "alice").await;
    greeter(&node, BOB.0, at(BOB.1, 8081), "bob").await;
    node.nft(
        CLIENT,
        &with_service(&[at(ALICE.1, 8080), at(BOB.1, 8081)]).services(),
    )
    .await
    .unwrap();
    let mut heard = BTreeSet::new();
    let begin = Instant::now();
    while heard.len() < 2 && begin.elapsed() < crate::lab::PATIENCE {
        heard.insert(said(&node, ALICE.0, at(SERVICE, 80)).await.unwrap());
    }
    // To itself a pod comes as the router, or its answer would not find back.
    let expected = BTreeSet::from([
        "alice sees 10.1.0.1".to_owned(),
        "bob sees 10.1.0.10".to_owned(),
    ]);
    assert_eq!(heard, expected);
    node.nft(CLIENT, &with_service(&[at(BOB.1, 8081)]).services())
        .await
        .unwrap();
    assert_eq!(
        said(&node, CLIENT, at(SERVICE, 80))
            .await
            .unwrap()
            .split(' ')
            .next(),
        Some("bob")
    );
}

async fn no_endpoints() {
    let node = lab().await;
    node.nft(CLIENT, &with_service(&[]).services())
        .await
        .unwrap();
    for port in [80, 81] {
        let refused = said(&node, ALICE.0, at(SERVICE, port)).await.unwrap_err();
        assert_eq!(
            kind(&refused),
            Some(ErrorKind::ConnectionRefused),
            "{refused}"
        );
    }
}

async fn outbound() {
    let node = lab().await;
    greeter(&node, ALICE.0, at(Ipv4Addr::UNSPECIFIED, 15001), "outbound").await;
    greeter(&node, ALICE.0, at(Ipv4Addr::UNSPECIFIED, 15006), "inbound").await;
    greeter(&node, ALICE.0, at(Ipv4Addr::UNSPECIFIED, 9000), "app").await;
    greeter(&node, BOB.0, at(BOB.1, 80), "bob").await;
    node.nft(ALICE.0, &CaptureRules::default().ruleset())
        .await
        .unwrap();
    let own = at(Ipv4Addr::UNSPECIFIED, 0).to_string();
    let cases = [
        (&*own, "0", at(BOB.1, 80), "outbound sees 10.1.0.10"),
        (
            &own,
            "0",
            at([203, 0, 113, 77].into(), 3306),
            "outbound sees 10.1.0.10",
        ),
        (&own, "1337", at(BOB.1, 80), "bob sees 10.1.0.10"),
        (
            &own,
            "0",
            at(Ipv4Addr::LOCALHOST, 9000),
            "app sees 127.0.0.1",
        ),
        (&own, "0", at(ALICE.1, 9000), "app sees 10.1.0.10"),
        (&own, "1337", at(ALICE.1, 9000), "inbound sees 10.1.0.10"),
        ("127.0.0.6:0", "0", at(ALICE.1, 9000), "app sees 127.0.0.6"),
        (
            "127.0.0.6:0",
            "1337",
            at(ALICE.1, 9000),
            "app sees 127.0.0.6",
        ),
    ];
    for (source, mark, to, expected) in cases {
        let done = patient(run(
            &node,
            ALICE.0,
            applet(&["tcp", source, mark, &to.to_string()]),
        ))
        .await
        .unwrap();
        assert_eq!(done.stdout, expected, "{source} {mark} {to} {done:?}");
    }
    let rules = CaptureRules {
        excluded_outbound_ports: vec![80],
        ..CaptureRules::default()
    };
    node.nft(ALICE.0, &rules.ruleset()).await.unwrap();
    assert_eq!(
        said(&node, ALICE.0, at(BOB.1, 80)).await.unwrap(),
        "bob sees 10.1.0.10"
    );
}

async fn inbound() {
    let node = lab().await;
    for (port, name) in [
        (15006, "inbound"),
        (15021, "health"),
        (3306, "app"),
        (22, "ssh"),
    ] {
        greeter(&node, BOB.0, at(BOB.1, port), name).await;
    }
    let rules = CaptureRules {
        excluded_inbound_ports: vec![22],
        ..CaptureRules::default()
    };
    node.nft(BOB.0, &rules.ruleset()).await.unwrap();
    for (port, name) in [
        (3306, "inbound"),
        (15021, "health"),
        (22, "ssh"),
        (15001, "inbound"),
        (7, "inbound"),
    ] {
        assert_eq!(
            said(&node, ALICE.0, at(BOB.1, port)).await.unwrap(),
            format!("{name} sees 10.1.0.10")
        );
    }
}

async fn packets() {
    let node = lab().await;
    let capture = node
        .open_socket(SERVER, SocketSpec::Packet("link".into()))
        .await
        .unwrap();
    greeter(&node, GATE.0, at(GATE.1, 13306), "gate").await;
    assert_eq!(
        said(&node, ALICE.0, at(BALANCER, 13306)).await.unwrap(),
        "gate sees 10.2.0.1"
    );
    let mut frames = Vec::new();
    let mut buffer = vec![0; 65536];
    while let Ok((length, _)) =
        rustix::net::recv(&capture, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT)
    {
        frames.push(buffer[..length].to_vec());
    }
    let has = |text: &[u8]| {
        frames
            .iter()
            .any(|frame| frame.windows(text.len()).any(|part| part == text))
    };
    assert!(
        has(b"gate sees") && !has(b"bob sees"),
        "{} frames",
        frames.len()
    );
    let error = node
        .open_socket(SERVER, SocketSpec::Packet("nosuch".into()))
        .await
        .unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
}

/// Nothing of a little is lost; of more than there is room for much is, and every packet of it is counted.
async fn losses() {
    const LITTLE: usize = 100 * 1024;
    const MUCH: usize = 400 * 1024 * 1024;
    let node = lab().await;
    for (bytes, lost) in [(LITTLE, false), (MUCH, true)] {
        let (stdio, mut pipes) = Stdio::pipes().unwrap();
        let capture = applet(&["capture", "link"]);
        let started = node.start_container(CLIENT, capture, stdio);
        let _capture = patient(started).await.unwrap();
        let mut ready = [0; 6];
        patient(pipes.stdout.read_exact(&mut ready)).await.unwrap();
        transfer(&node, bytes).await;
        drop(pipes.stdin);
        let mut said = String::new();
        patient(pipes.stdout.read_to_string(&mut said))
            .await
            .unwrap();
        let numbers: Vec<u64> = said.split(' ').map(|n| n.parse().unwrap()).collect();
        let [received, longest, seen, dropped] = numbers[..] else {
            panic!("{said}");
        };
        assert_eq!(received + dropped, seen, "{said}");
        assert_eq!(dropped > 0, lost, "{said}");
        // A veth hands over more than a link's packet at once.
        assert!(longest > 9_000, "{said}");
    }
}

/// Sends so many bytes over the link.
async fn transfer(node: &Node, bytes: usize) {
    let listener = node.listen_tcp(GATE.0, at(GATE.1, 13306)).await.unwrap();
    let mut stream = patient(node.connect_tcp(ALICE.0, at(BALANCER, 13306)))
        .await
        .unwrap();
    let (mut theirs, _) = patient(listener.accept()).await.unwrap();
    let send = async {
        let piece = vec![7; 256 * 1024];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(piece.len());
            stream.write_all(&piece[..length]).await.unwrap();
            left -= length;
        }
        stream.shutdown().await.unwrap();
    };
    let mut sink = tokio::io::sink();
    let receive = tokio::io::copy(&mut theirs, &mut sink);
    let ((), received) = patient(async { tokio::join!(send, receive) }).await;
    assert_eq!(received.unwrap(), bytes as u64);
}

async fn flush() {
    let node = lab().await;
    let listener = node.listen_tcp(GATE.0, at(GATE.1, 13306)).await.unwrap();
    let mut stream = patient(node.connect_tcp(ALICE.0, at(BALANCER, 13306)))
        .await
        .unwrap();
    let (theirs, _) = patient(listener.accept()).await.unwrap();
    node.nft(
        SERVER,
        &RouterRules {
            load_balancers: Vec::new(),
            ..server_rules()
        }
        .services(),
    )
    .await
    .unwrap();
    theirs.writable().await.unwrap();
    theirs.try_write(b"a").unwrap();
    assert_eq!(
        patient(stream.read_u8()).await.unwrap(),
        b'a',
        "an old flow survives a change of rules"
    );
    node.flush_conntrack(SERVER).await.unwrap();
    theirs.try_write(b"b").unwrap();
    let late = tokio::time::timeout(Duration::from_millis(150), stream.read_u8()).await;
    assert!(late.is_err(), "the flow should be forgotten: {late:?}");
}
