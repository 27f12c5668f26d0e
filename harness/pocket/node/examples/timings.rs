//! Prints how long the node takes: `cargo run --release -p meshproof-pocket-node --example timings`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use meshproof_pocket_node::rules::{CaptureRules, LoadBalancerPort, RouterRules};
use meshproof_pocket_node::{
    Cidr, ContainerSpec, LinkEnd, LinkSpec, Node, NodeOptions, Program, RouterSpec, SandboxSpec,
    Stdio,
};

const PODS: u8 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    meshproof_pocket_node::entry();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for round in 1..=5 {
        println!("round {round}");
        runtime.block_on(round_trip())?;
    }
    Ok(())
}

async fn round_trip() -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let node = timed("start the node", Node::start(NodeOptions { nft: nft() })).await?;
    timed("two routers and a link", network(&node)).await?;
    timed("five pods", pods(&node)).await?;
    timed("five containers, executed", containers(&node, false)).await?;
    timed(
        "five containers, one by one, ended",
        containers(&node, true),
    )
    .await?;
    println!(
        "  {:<40} {:>8.2} ms",
        "all of that",
        begin.elapsed().as_secs_f64() * 1e3
    );
    timed("rules of a router", node.nft("router-a", &rules().whole())).await?;
    timed(
        "capture of a pod",
        node.nft("pod-1", &CaptureRules::default().ruleset()),
    )
    .await?;
    timed("stop", node.stop()).await?;
    Ok(())
}

fn nft() -> Program {
    let places = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].map(PathBuf::from);
    let path = places
        .iter()
        .find(|path| path.exists())
        .unwrap_or(&places[0])
        .clone();
    Program {
        path,
        env: Vec::new(),
    }
}

fn rules() -> RouterRules {
    let balancer = LoadBalancerPort {
        address: std::net::SocketAddrV4::new([203, 0, 113, 10].into(), 13306),
        endpoints: vec![std::net::SocketAddrV4::new([10, 1, 0, 11].into(), 13306)],
    };
    RouterRules {
        link: "link".into(),
        node_address: [10, 1, 0, 1].into(),
        services: Vec::new(),
        load_balancers: vec![balancer],
    }
}

async fn network(node: &Node) -> Result<(), Box<dyn Error>> {
    for (name, third) in [("router-a", 1), ("router-b", 2)] {
        let addresses = vec![[10, third, 0, 1].into()];
        node.create_router(RouterSpec {
            name: name.into(),
            hostname: name.into(),
            addresses,
        })
        .await?;
    }
    let end = |router: &str, last| LinkEnd {
        router: router.into(),
        interface: "link".into(),
        address: [198, 18, 0, last].into(),
        routes: vec![Cidr::ANY],
    };
    Ok(node
        .link(LinkSpec {
            ends: [end("router-a", 1), end("router-b", 2)],
        })
        .await?)
}

async fn pods(node: &Node) -> Result<(), Box<dyn Error>> {
    for number in 0..PODS {
        let address = [10, 1, 0, 10 + number].into();
        let name = format!("pod-{number}");
        let spec = SandboxSpec {
            hostname: name.clone(),
            name,
            router: "router-a".into(),
            address,
        };
        node.create_sandbox(spec).await?;
    }
    Ok(())
}

async fn containers(node: &Node, one_by_one: bool) -> Result<(), Box<dyn Error>> {
    let mut running = Vec::new();
    for number in 0..PODS {
        let spec = ContainerSpec {
            argv: vec!["true".into()],
            ..ContainerSpec::default()
        };
        let node = node.clone();
        let name = format!("pod-{number}");
        let starting = async move { node.start_container(&name, spec, Stdio::default()).await };
        if one_by_one {
            starting.await?.process.wait().await?;
        } else {
            running.push(tokio::spawn(starting));
        }
    }
    for starting in running {
        starting.await??;
    }
    Ok(())
}

async fn timed<T, E>(what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let begin = Instant::now();
    let result = work.await?;
    println!(
        "  {what:<40} {:>8.2} ms",
        begin.elapsed().as_secs_f64() * 1e3
    );
    Ok(result)
}
