//! The order of changes, seen by a client that connects anew as fast as it can.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
#![allow(dead_code, reason = "the rig serves other tests too")]

mod support;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use meshproof_pocket_xds::Snapshot;
use serde_json::{Value, json};
use support::{Rig, program};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How often the listener is moved from one cluster to another.
const MOVES: u32 = 40;

/// Connections that got the upstream's greeting, and those that did not.
#[derive(Clone, Copy, Default)]
struct Tally {
    greeted: u32,
    failed: u32,
}

/// Greets whoever connects.
async fn upstream() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // A client that went away is none of this test's business.
            drop(stream.write_all(b"!").await);
        }
    });
    port
}

/// Connects, waits for the greeting, and begins again, for as long as somebody reads the tally.
async fn hammer(port: u16, tally: Arc<watch::Sender<Tally>>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while tally.receiver_count() > 0 {
        let mut greeting = [0];
        let greeted = match TcpStream::connect(address).await {
            Ok(mut stream) => matches!(stream.read(&mut greeting).await, Ok(1)),
            Err(_) => false,
        };
        tally.send_modify(|tally| {
            tally.greeted += u32::from(greeted);
            tally.failed += u32::from(!greeted);
        });
    }
}

/// A listener on `port` that goes to the cluster `name`, which is told its endpoints.
fn snapshot(name: &str, port: u16, upstream: u16) -> Snapshot {
    let address =
        |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let tcp_proxy: Value = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": name,
    });
    let listener = json!({
        "name": "listener",
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp_proxy}]}],
    });
    let cluster = json!({
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
    });
    let endpoint = json!({"endpoint": {"address": address(upstream)}});
    let endpoints = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]});
    Snapshot {
        listeners: vec![listener.into()],
        clusters: vec![cluster.into()],
        endpoints: vec![endpoints.into()],
        ..Snapshot::default()
    }
}

/// A port that is free now.
async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A listener, the cluster that it goes to from now on, and the end of the one before come in one
/// snapshot: no connection may find a listener without its cluster.
#[tokio::test]
async fn a_listener_that_moves_to_another_cluster_fails_no_connection() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    let (upstream, port) = (upstream().await, free_port().await);
    rig.apply(&snapshot("cluster-0", port, upstream))
        .await
        .unwrap();
    let sender = Arc::new(watch::Sender::new(Tally::default()));
    let mut tally = sender.subscribe();
    let hammers = [(); 2].map(|()| tokio::spawn(hammer(port, Arc::clone(&sender))));
    for number in 1..=MOVES {
        let name = format!("cluster-{number}");
        rig.apply(&snapshot(&name, port, upstream)).await.unwrap();
        let before = tally.borrow().greeted;
        let looked_at = tally.wait_for(|tally| tally.greeted > before || tally.failed > 0);
        let looked_at = tokio::time::timeout(Duration::from_secs(10), looked_at).await;
        drop(looked_at.expect("a connection after the move").unwrap());
    }
    let Tally { greeted, failed } = *tally.borrow();
    drop(tally);
    for hammer in hammers {
        hammer.await.unwrap();
    }
    println!(
        "{MOVES} moves: {failed} of {} connections failed",
        greeted + failed
    );
    assert_eq!(failed, 0, "{greeted} were greeted");
}
