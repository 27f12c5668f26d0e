//! Configuration that admission accepts and Envoy does not: it is said on the resource, in Envoy's
//! words, and what served before goes on.

use meshproof_cluster::Side;
use meshproof_pki::{Flaw, Wanted};

use crate::client::Hammer;
use crate::world::{World, good};

/// New sessions after a refusal.
const SOME: usize = 20;

/// Envoy takes 255 bytes of server name; Istio's admission counts none.
pub(crate) async fn a_rule_is_told_on_the_rule(world: &mut World) {
    let hammer = Hammer::start(world).await;
    let (side, rule) = (Side::Client, "originate-mtls-for-mysql.yaml");
    let sni = format!("sni: {}\n", world.url);
    let long = format!("sni: {}\n", "a".repeat(300));
    let bystander = world.changed(
        "egressgateway-for-mysql.yaml",
        "simple: ROUND_ROBIN",
        "simple: RANDOM",
    );
    let both = format!("{}---\n{bystander}", world.changed(rule, &sni, &long));
    world.write(side, &both).await;
    let kind = "DestinationRule";
    let name = "default/originate-mtls-for-mysql";
    let told = world.says(side, kind, name, "Rejected").await.message;
    let cluster = format!("outbound|13306||{}", world.url);
    for part in ["istio-egressgateway", &cluster, "at most 255 bytes"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The other rule of the same change is at work.
    let other = "default/egressgateway-for-mysql";
    world.says(side, kind, other, "Active").await;
    hammer.more(SOME).await;
    world.apply(side, &world.fixture(rule)).await;
    hammer.more(SOME).await;
    hammer.unharmed(world).await;
}

/// A Secret has no place for a condition: what names it has.
pub(crate) async fn a_certificate_is_told_on_the_gateway(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    let (side, name) = (Side::Server, "default/gateway-mysql");
    world.says(side, "Gateway", name, "Active").await;
    world.write_secret(side, "no certificate").await;
    let told = world.says(side, "Gateway", name, "Rejected").await.message;
    for part in [
        "istio-ingressgateway",
        "kubernetes://mysql-credential",
        "Failed to load",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    hammer.more(SOME).await;
    world.give(side, &pki, &good(side)).await;
    world.says(side, "Gateway", name, "Active").await;
    hammer.more(SOME).await;
    assert_eq!(hammer.tally().failed.len(), 0, "{:?}", hammer.tally());
    // The detector: a certificate that Envoy takes and the other side does not.
    let unknown = Wanted {
        flaw: Some(Flaw::UnknownCa),
        ..good(side)
    };
    world.give(side, &pki, &unknown).await;
    hammer.failure().await;
}
