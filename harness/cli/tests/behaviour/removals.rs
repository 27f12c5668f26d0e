//! What is taken away: how new connections are refused, and that open ones go on.

use meshproof_cluster::Side;
use meshproof_record::{Cause, Hop};
use serde_json::{Value, json};

use crate::client::{Hammer, Open};
use crate::world::World;

const EGRESS_SERVICE: &str = "istio-egressgateway";
const INGRESS_SERVICE: &str = "istio-ingressgateway";

/// Who refuses a session, or that nobody answers it.
enum End {
    Refused(Hop, Cause),
    Silence,
}

impl World {
    /// A session ends so; the one that was open before goes on.
    async fn ends(&self, end: End, open: &mut Open) {
        let marks = self.logs.mark();
        let output = self.session().await;
        assert_ne!(output.exit, Some(0), "nothing refused the session");
        let said = output.stderr_text();
        match end {
            End::Refused(hop, cause) => {
                assert!(!said.contains("110"), "{said}");
                assert_eq!(self.logs.refusal(&marks).await, (hop, cause), "{said}");
            }
            End::Silence => assert!(said.contains("110"), "{said}"),
        }
        assert!(open.answers().await, "the session that was open before");
    }

    /// The place of a port in a gateway's Service.
    async fn port(&self, side: Side, service: &str, port: u16) -> (String, Value) {
        let service = self
            .get(side, "Service", &format!("istio-system/{service}"))
            .await;
        let ports = service["spec"]["ports"].as_array().unwrap();
        let at = ports.iter().position(|one| one["port"] == port).unwrap();
        (format!("/spec/ports/{at}"), ports[at].clone())
    }

    /// Takes a port off a gateway's Service and gives it back.
    async fn without_port(&self, side: Side, service: &str, port: u16, end: End) {
        let mut open = Open::start(self).await;
        let (path, value) = self.port(side, service, port).await;
        let remove = json!([{"op": "remove", "path": path}]);
        self.patch_service(side, service, remove).await;
        self.ends(end, &mut open).await;
        let add = json!([{"op": "add", "path": path, "value": value}]);
        self.patch_service(side, service, add).await;
        self.connects().await;
    }

    /// Deletes an object and makes it again from its fixture.
    async fn without(&self, side: Side, kind: &str, name: &str, fixture: &str, end: End) {
        let mut open = Open::start(self).await;
        self.delete(side, kind, name).await;
        self.ends(end, &mut open).await;
        self.apply(side, &self.fixture(fixture)).await;
        self.connects().await;
    }
}

pub(crate) async fn a_port_of_the_egress_service(world: &mut World) {
    let end = End::Refused(Hop::ClientSidecar, Cause::NoRoute);
    world
        .without_port(Side::Client, EGRESS_SERVICE, 15443, end)
        .await;
}

/// Between the port's removal and its end at the sidecar no endpoint is left, and then no cluster.
pub(crate) async fn a_port_of_the_egress_service_under_connections(world: &mut World) {
    let hammer = Hammer::start(world).await;
    let marks = world.logs.mark();
    let (path, _) = world.port(Side::Client, EGRESS_SERVICE, 15443).await;
    let remove = json!([{"op": "remove", "path": path}]);
    world
        .patch_service(Side::Client, EGRESS_SERVICE, remove)
        .await;
    hammer.more(10).await;
    let tally = hammer.stop(world).await;
    assert!(tally.failed.len() >= 10, "{tally:?}");
    let lines = world.logs.since(&marks);
    let failed = lines[&Hop::ClientSidecar]
        .iter()
        .filter(|line| !line.flags.is_empty());
    let flags: Vec<_> = failed.map(|line| line.flags.join(",")).collect();
    assert!(
        flags.iter().all(|flag| flag == "UH" || flag == "NC"),
        "{flags:?}"
    );
    assert_eq!(flags.last().map(String::as_str), Some("NC"));
    assert!(flags.is_sorted_by_key(|flag| flag == "NC"), "{flags:?}");
}

pub(crate) async fn a_port_of_the_ingress_service(world: &mut World) {
    world
        .without_port(Side::Server, INGRESS_SERVICE, 13306, End::Silence)
        .await;
}

/// The sidecar has no listener for 3306 left: what goes there goes where it would without a mesh.
pub(crate) async fn a_port_of_the_service_entry(world: &mut World) {
    let mut open = Open::start(world).await;
    let port = "  - number: 3306\n    name: tcp\n    protocol: TCP\n";
    let text = world.changed("mysql-external.yaml", port, "");
    world.apply(Side::Client, &text).await;
    world.ends(End::Silence, &mut open).await;
    world
        .apply(Side::Client, &world.fixture("mysql-external.yaml"))
        .await;
    world.connects().await;
}

pub(crate) async fn the_host(world: &mut World) {
    let mut open = Open::start(world).await;
    let host = format!("  hosts:\n  - {}\n", world.url);
    let text = world.changed(
        "mysql-external.yaml",
        &host,
        "  hosts:\n  - other.example\n",
    );
    world.apply(Side::Client, &text).await;
    world.ends(End::Silence, &mut open).await;
    world
        .apply(Side::Client, &world.fixture("mysql-external.yaml"))
        .await;
    world.connects().await;
}

pub(crate) async fn the_service_entry(world: &mut World) {
    let (name, fixture) = ("default/mysql-external", "mysql-external.yaml");
    world
        .without(Side::Client, "ServiceEntry", name, fixture, End::Silence)
        .await;
}

pub(crate) async fn the_database_service(world: &mut World) {
    let end = End::Refused(Hop::Ingress, Cause::NoRoute);
    world
        .without(Side::Server, "Service", "default/mysql", "mysql.yaml", end)
        .await;
}

pub(crate) async fn the_ingress_gateway(world: &mut World) {
    let (name, fixture) = ("default/gateway-mysql", "gateway-mysql.yaml");
    let end = End::Refused(Hop::Ingress, Cause::NoListener);
    world
        .without(Side::Server, "Gateway", name, fixture, end)
        .await;
}

pub(crate) async fn the_virtual_service_at_the_ingress(world: &mut World) {
    let (name, fixture) = (
        "default/mysql-virtual-service",
        "mysql-virtual-service.yaml",
    );
    let end = End::Refused(Hop::Ingress, Cause::NoListener);
    world
        .without(Side::Server, "VirtualService", name, fixture, end)
        .await;
}

pub(crate) async fn the_egress_gateway(world: &mut World) {
    let (name, fixture) = (
        "default/istio-egressgateway-mysql",
        "istio-egressgateway-mysql.yaml",
    );
    let end = End::Refused(Hop::Egress, Cause::NoListener);
    world
        .without(Side::Client, "Gateway", name, fixture, end)
        .await;
}

/// Sidecars go past the egress gateway then, to a port that is not open.
pub(crate) async fn the_virtual_service_of_the_sidecars(world: &mut World) {
    let fixture = "direct-mysql-through-egress-gateway.yaml";
    let name = "default/direct-mysql-through-egress-gateway";
    world
        .without(Side::Client, "VirtualService", name, fixture, End::Silence)
        .await;
}
