//! Two clusters with two pods each, and short ways to use them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use meshproof_pocket_node::counters::{self, BorderCounts};
use meshproof_pocket_node::rules::{LoadBalancerPort, RouterRules};
use meshproof_pocket_node::{
    Cidr, ContainerSpec, Exit, LinkEnd, LinkSpec, Mount, MountSource, Node, NodeError, NodeOptions,
    Program, RouterSpec, SandboxSpec, Started, Stdio,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Long enough for a busy machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CLIENT: &str = "client/router";
pub(crate) const SERVER: &str = "server/router";
pub(crate) const ALICE: (&str, Ipv4Addr) = ("client/alice", Ipv4Addr::new(10, 1, 0, 10));
pub(crate) const BOB: (&str, Ipv4Addr) = ("client/bob", Ipv4Addr::new(10, 1, 0, 11));
pub(crate) const GATE: (&str, Ipv4Addr) = ("server/gate", Ipv4Addr::new(10, 2, 0, 3));
pub(crate) const MYSQL: (&str, Ipv4Addr) = ("server/mysql", Ipv4Addr::new(10, 2, 0, 8));
pub(crate) const BALANCER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// What a program left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn options() -> NodeOptions {
    let places = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].map(PathBuf::from);
    let path = places
        .into_iter()
        .find(|path| path.exists())
        .expect("the tests need nft (Debian: nftables)");
    NodeOptions {
        nft: Program {
            path,
            env: Vec::new(),
        },
    }
}

/// Two routers, their link and rules, four pods. The server cluster offers `203.0.113.10:13306` at the gate.
pub(crate) async fn lab() -> Node {
    let node = Node::start(options()).await.unwrap();
    build(&node).await.unwrap();
    node
}

pub(crate) async fn build(node: &Node) -> Result<(), NodeError> {
    for (name, second) in [(CLIENT, 1), (SERVER, 2)] {
        let addresses = vec![Ipv4Addr::new(10, second, 0, 1)];
        node.create_router(RouterSpec {
            name: name.into(),
            hostname: "router".into(),
            addresses,
        })
        .await?;
    }
    let end = |router: &str, last| LinkEnd {
        router: router.into(),
        interface: "link".into(),
        address: Ipv4Addr::new(198, 18, 0, last),
        routes: vec![Cidr::ANY],
    };
    node.link(LinkSpec {
        ends: [end(CLIENT, 1), end(SERVER, 2)],
    })
    .await?;
    for (router, (name, address)) in [
        (CLIENT, ALICE),
        (CLIENT, BOB),
        (SERVER, GATE),
        (SERVER, MYSQL),
    ] {
        pod(node, router, name, address).await?;
    }
    node.nft(CLIENT, &client_rules().whole()).await?;
    node.nft(SERVER, &server_rules().whole()).await
}

pub(crate) async fn pod(
    node: &Node,
    router: &str,
    name: &str,
    address: Ipv4Addr,
) -> Result<(), NodeError> {
    let hostname = name.rsplit('/').next().unwrap_or(name).to_owned();
    node.create_sandbox(SandboxSpec {
        name: name.into(),
        router: router.into(),
        address,
        hostname,
    })
    .await
}

pub(crate) fn client_rules() -> RouterRules {
    let node_address = Ipv4Addr::new(10, 1, 0, 1);
    RouterRules {
        link: "link".into(),
        node_address,
        services: Vec::new(),
        load_balancers: Vec::new(),
    }
}

pub(crate) fn server_rules() -> RouterRules {
    let endpoints = vec![at(GATE.1, 13306)];
    let load_balancers = vec![LoadBalancerPort {
        address: at(BALANCER, 13306),
        endpoints,
    }];
    RouterRules {
        node_address: Ipv4Addr::new(10, 2, 0, 1),
        load_balancers,
        ..client_rules()
    }
}

pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

/// A listener that tells every client who it is and whom it sees.
pub(crate) async fn greeter(node: &Node, netns: &str, on: SocketAddrV4, name: &'static str) {
    let listener = node.listen_tcp(netns, on).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let text = format!("{name} sees {}", peer.ip());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
}

/// What is said to somebody who connects.
pub(crate) async fn said(node: &Node, netns: &str, to: SocketAddrV4) -> Result<String, NodeError> {
    let mut stream = patient(node.connect_tcp(netns, to)).await?;
    let mut text = String::new();
    patient(stream.read_to_string(&mut text)).await.unwrap();
    Ok(text)
}

pub(crate) async fn patient<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("the test waited in vain")
}

pub(crate) fn shell(script: &str) -> ContainerSpec {
    program(&["bash", "-c", script])
}

pub(crate) fn program(argv: &[&str]) -> ContainerSpec {
    let env = vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())];
    ContainerSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        env,
        ..ContainerSpec::default()
    }
}

/// The test binary with an applet's arguments.
pub(crate) fn applet(arguments: &[&str]) -> ContainerSpec {
    let own = std::env::current_exe().unwrap();
    let mounts = vec![Mount {
        source: MountSource::Host(own),
        path: "/applet".into(),
        read_only: true,
    }];
    ContainerSpec {
        mounts,
        ..program(&[&["/applet", "applet"], arguments].concat())
    }
}

/// Runs a container to its end.
pub(crate) async fn run(
    node: &Node,
    sandbox: &str,
    spec: ContainerSpec,
) -> Result<Done, NodeError> {
    let (stdio, mut pipes) = Stdio::pipes().unwrap();
    let Started { process, .. } = patient(node.start_container(sandbox, spec, stdio)).await?;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    patient(pipes.stdout.read_to_string(&mut stdout))
        .await
        .unwrap();
    patient(pipes.stderr.read_to_string(&mut stderr))
        .await
        .unwrap();
    Ok(Done {
        exit: patient(process.wait()).await?,
        stdout,
        stderr,
    })
}

/// What a script prints; it must succeed.
pub(crate) async fn printed(node: &Node, sandbox: &str, script: &str) -> String {
    let done = run(node, sandbox, shell(script)).await.unwrap();
    assert_eq!(done.exit, Exit::Code(0), "{script}: {done:?}");
    done.stdout.trim_end().to_owned()
}

pub(crate) async fn counts(node: &Node, router: &str) -> BorderCounts {
    let done = run(node, router, program(&counters::LIST)).await.unwrap();
    assert_eq!(done.exit, Exit::Code(0), "{done:?}");
    counters::parse(&done.stdout).unwrap()
}
