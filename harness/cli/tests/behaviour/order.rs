//! Changes under open sessions and under clients that connect anew as fast as they can.

use std::ops::Range;
use std::time::Duration;

use meshproof_cluster::Side;
use meshproof_pki::Wanted;

use crate::client::{Hammer, Open, Stream};
use crate::world::{World, good};

/// New sessions that look at each change.
const SOME: usize = 10;

/// What is there to be harmed by a change.
struct Traffic {
    idle: Open,
    busy: Stream,
    anew: Hammer,
}

impl Traffic {
    async fn start(world: &World) -> Self {
        Self {
            idle: Open::start(world).await,
            busy: Stream::start(world).await,
            anew: Hammer::start(world).await,
        }
    }

    /// All of it goes on, without one failure.
    async fn unharmed(&mut self, by: &str) {
        self.anew.more(SOME).await;
        let tally = self.anew.tally();
        assert!(tally.failed.is_empty(), "{by}: {tally:?}");
        assert!(self.idle.answers().await, "the idle session ended by {by}");
        self.busy.goes_on().await;
    }

    async fn under(&mut self, world: &World, side: Side, by: &str, text: &str) {
        world.apply(side, text).await;
        self.unharmed(by).await;
    }
}

/// A server more on a port of the ingress gateway, and one on a port of its own.
fn more_servers(world: &World) -> String {
    let servers: String = [13306, 13307]
        .map(|port| {
            format!(
                "  - port: {{number: {port}, name: tls-{port}, protocol: TLS}}
    tls: {{mode: MUTUAL, credentialName: mysql-credential}}
    hosts: [other.example]\n"
            )
        })
        .concat();
    let gateway = world.fixture("gateway-mysql.yaml") + &servers;
    let host = format!("  - {}\n", world.url);
    let both = format!("{host}  - other.example\n");
    format!(
        "{gateway}---\n{}",
        world.changed("mysql-virtual-service.yaml", &host, &both)
    )
}

const OTHER_HOST: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: default}
spec:
  hosts: [other.example]
  ports: [{number: 3307, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: other, namespace: default}
spec:
  host: other.example
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}
";

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: default}
spec: {mtls: {mode: STRICT}}
";

const ALLOW: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ingress-only, namespace: default}
spec:
  action: ALLOW
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account]
";

/// Each of these changes something else, or what new connections get; none ends a session.
pub(crate) async fn changes_that_end_no_session(world: &mut World) {
    let pki = world.certify().await;
    let mut traffic = Traffic::start(world).await;
    let servers = more_servers(world);
    traffic
        .under(world, Side::Server, "more servers of a Gateway", &servers)
        .await;
    let ports = "  - number: 13306\n";
    let more = "  - number: 3307\n    name: more\n    protocol: TCP\n  - number: 13306\n";
    let entry = world.changed("mysql-external.yaml", ports, more);
    traffic
        .under(world, Side::Client, "a port of the ServiceEntry", &entry)
        .await;
    traffic
        .under(world, Side::Client, "another host and its rule", OTHER_HOST)
        .await;
    let renewed = Wanted {
        leaf: 1,
        ..good(Side::Server)
    };
    world.give(Side::Server, &pki, &renewed).await;
    traffic.unharmed("a replaced Secret").await;
    traffic
        .under(world, Side::Server, "PeerAuthentication", STRICT)
        .await;
    traffic
        .under(world, Side::Server, "AuthorizationPolicy", ALLOW)
        .await;
    let port = "        number: 13306\n";
    let pool = format!("{port}      connectionPool: {{tcp: {{connectTimeout: 3s}}}}\n");
    let rule = world.changed("originate-mtls-for-mysql.yaml", port, &pool);
    traffic
        .under(world, Side::Client, "the rule of the cluster in use", &rule)
        .await;
}

/// A rule with subsets of these names.
fn subsets(world: &World, names: &[&str]) -> String {
    let fixture = world.fixture("egressgateway-for-mysql.yaml");
    let (head, subset) = fixture.split_once("  - name: mysql\n").unwrap();
    let subsets = names
        .iter()
        .map(|name| format!("  - name: {name}\n{subset}"));
    format!("{head}{}", subsets.collect::<String>())
}

/// A route through the subset of this name.
fn route(world: &World, subset: &str) -> String {
    let to = format!("subset: {subset}\n");
    world.changed(
        "direct-mysql-through-egress-gateway.yaml",
        "subset: mysql\n",
        &to,
    )
}

/// The subset is there before it is used, and ends when it no longer is.
pub(crate) async fn a_subset_renamed_in_order_fails_no_session(world: &mut World) {
    let mut traffic = Traffic::start(world).await;
    let mut old = "mysql";
    for new in ["second", "third", "mysql"] {
        let both = subsets(world, &[old, new]);
        traffic
            .under(world, Side::Client, "another subset", &both)
            .await;
        traffic
            .under(world, Side::Client, "its use", &route(world, new))
            .await;
        let one = subsets(world, &[new]);
        traffic
            .under(world, Side::Client, "the old one's end", &one)
            .await;
        old = new;
    }
    assert!(traffic.anew.unharmed(world).await >= 9 * SOME);
}

/// The subset ends while it is used: sessions fail until the route follows.
pub(crate) async fn a_subset_renamed_in_the_naive_order_fails_sessions(world: &mut World) {
    let mut traffic = Traffic::start(world).await;
    world
        .apply(Side::Client, &subsets(world, &["second"]))
        .await;
    traffic.anew.failure().await;
    world.apply(Side::Client, &route(world, "second")).await;
    traffic.anew.more(2).await;
    let failed = traffic.anew.tally().failed.len();
    traffic.anew.more(SOME).await;
    assert_eq!(
        traffic.anew.stop(world).await.failed.len(),
        failed,
        "after both"
    );
    assert!(traffic.idle.answers().await, "the idle session");
    traffic.busy.goes_on().await;
}

/// How long connections of what was replaced may go on: Istio's default.
const DRAIN: Range<Duration> = Duration::from_secs(44)..Duration::from_secs(50);

/// A changed filter chain takes its sessions with it when it has drained.
pub(crate) async fn waits_45_s_a_changed_chain_drains(world: &mut World) {
    let stream = Stream::start(world).await;
    world.apply(Side::Server, STRICT).await;
    let ended = stream.ends().await;
    assert!(DRAIN.contains(&ended), "{ended:?}");
    world.connects().await;
}

/// So does a listener that is gone.
pub(crate) async fn waits_45_s_a_removed_listener_drains(world: &mut World) {
    let stream = Stream::start(world).await;
    world
        .delete(Side::Server, "Gateway", "default/gateway-mysql")
        .await;
    assert_ne!(world.session().await.exit, Some(0), "a new session");
    let ended = stream.ends().await;
    assert!(DRAIN.contains(&ended), "{ended:?}");
}

/// A chain that stays as it is keeps its sessions, whatever comes beside it in the listener.
pub(crate) async fn waits_45_s_an_unchanged_chain_does_not_drain(world: &mut World) {
    let mut stream = Stream::start(world).await;
    world.apply(Side::Server, &more_servers(world)).await;
    stream.goes_on_for(DRAIN.end).await;
}
