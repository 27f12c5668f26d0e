//! A gateway's Secret over time: replaced, deleted, never there, there too late.

use std::time::{Duration, Instant};

use meshproof_cluster::Side;
use meshproof_pki::{Signer, Trust, Wanted};
use meshproof_record::{Cause, Hop};

use crate::client::Hammer;
use crate::logs::recorded;
use crate::world::{World, good};

/// Envoy's own wait for the first answer to a secret; nobody shortens it.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// Sessions that look at a state before it is believed.
const MANY: usize = 40;

/// The gateway's end of the encrypted leg between the clusters.
struct End {
    side: Side,
    hop: Hop,
    /// The Secret and the manifest that names it.
    secret: &'static str,
    fixture: &'static str,
    kind: &'static str,
    object: &'static str,
}

const INGRESS: End = End {
    side: Side::Server,
    hop: Hop::Ingress,
    secret: "mysql-credential",
    fixture: "gateway-mysql.yaml",
    kind: "Gateway",
    object: "default/gateway-mysql",
};

const EGRESS: End = End {
    side: Side::Client,
    hop: Hop::Egress,
    secret: "client-credential",
    fixture: "originate-mtls-for-mysql.yaml",
    kind: "DestinationRule",
    object: "default/originate-mtls-for-mysql",
};

impl End {
    /// The manifest with another Secret's name in it.
    fn naming(&self, world: &World, secret: &str) -> String {
        world.changed(self.fixture, self.secret, secret)
    }
}

/// One session fails at the gateway, with the lines that real clusters logged.
async fn refused_as_recorded(world: &World, end: &End, recording: &str) {
    let marks = world.logs.mark();
    let output = world.session().await;
    assert_ne!(output.exit, Some(0), "a session without the Secret");
    let why = output.stderr_text();
    assert!(why.contains("ERROR 2013") && why.contains("11"), "{why}");
    let found = world.logs.refusal(&marks).await;
    assert_eq!(found, (end.hop, Cause::SecretMissing));
    let wanted = recorded(recording, &world.url);
    world.logs.say(&marks, &wanted).await;
}

/// Leaf certificates of both sides, three times, under one authority.
pub(crate) async fn replaced_leaves_fail_no_session(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    let marks = world.logs.mark();
    for leaf in 1..=3 {
        let name = format!("client-{leaf}.example");
        let server = Wanted {
            leaf,
            ..good(Side::Server)
        };
        let client = Wanted {
            dns_name: Some(name.clone()),
            ..good(Side::Client)
        };
        world.give(Side::Server, &pki, &server).await;
        world.give(Side::Client, &pki, &client).await;
        hammer.more(MANY).await;
        let shown = format!("CN={name}");
        let shows = |line: &meshproof_evidence::HopLine| line.peer_subject.text() == Some(&shown);
        world.logs.line(&marks, Hop::Ingress, shows).await;
    }
    assert!(hammer.unharmed(world).await >= 3 * MANY);
}

/// A leaf of the new authority, and that authority alone to trust.
fn new_authority(side: Side) -> Wanted {
    Wanted {
        signer: Signer::New,
        trusts: vec![Trust::New],
        ..good(side)
    }
}

/// A new authority, first trusted by both sides beside the old one, then used.
pub(crate) async fn an_authority_trusted_first_fails_no_session(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    let trusting_both = |side, signer| Wanted {
        signer,
        trusts: vec![Trust::Run, Trust::New],
        ..good(side)
    };
    for side in [Side::Server, Side::Client] {
        let old = trusting_both(side, Signer::Run);
        world.give(side, &pki, &old).await;
    }
    hammer.more(MANY).await;
    for side in [Side::Client, Side::Server] {
        let new = trusting_both(side, Signer::New);
        world.give(side, &pki, &new).await;
        hammer.more(MANY).await;
    }
    // Only the new one is left, so both sides show certificates of it.
    for side in [Side::Server, Side::Client] {
        world.give(side, &pki, &new_authority(side)).await;
    }
    hammer.more(MANY).await;
    assert!(hammer.unharmed(world).await >= 4 * MANY);
}

/// One side first: sessions fail until the other follows, and then without a restart no more.
pub(crate) async fn an_authority_replaced_on_one_side_first_fails_sessions(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    hammer.more(MANY).await;
    assert_eq!(hammer.tally().failed.len(), 0, "before");
    let marks = world.logs.mark();
    world
        .give(Side::Server, &pki, &new_authority(Side::Server))
        .await;
    hammer.failure().await;
    let unknown = |line: &meshproof_evidence::HopLine| {
        let why = line.upstream_failure.text().unwrap_or_default();
        why.contains("CERTIFICATE_VERIFY_FAILED")
    };
    world.logs.line(&marks, Hop::Egress, unknown).await;
    world
        .give(Side::Client, &pki, &new_authority(Side::Client))
        .await;
    hammer.more(2).await;
    let after = hammer.tally().failed.len();
    hammer.more(MANY).await;
    assert_eq!(hammer.tally().failed.len(), after, "after both");
}

/// Deleting is not revoking: the gateway keeps what it had, until it restarts.
async fn deleted(world: &mut World, end: &End, recording: &str) {
    let hammer = Hammer::start(world).await;
    let name = format!("istio-system/{}", end.secret);
    world.delete(end.side, "Secret", &name).await;
    // For a window of sessions nothing changes; that the same client sees failures is shown below.
    hammer.more(2 * MANY).await;
    world.connects().await;
    assert_eq!(hammer.tally().failed.len(), 0, "{:?}", hammer.tally());
    world.restart_gateway(end.hop).await;
    hammer.failure().await;
    hammer.stop(world).await;
    world.settle(end.side).await;
    refused_as_recorded(world, end, recording).await;
    // The Secret comes back: healed without a restart.
    world.certify().await;
    world.connects().await;
}

pub(crate) async fn waits_15_s_deleted_at_the_ingress_it_serves_until_the_restart(
    world: &mut World,
) {
    deleted(world, &INGRESS, "secret-deleted-restart-ingress").await;
}

pub(crate) async fn waits_15_s_deleted_at_the_egress_it_serves_until_the_restart(
    world: &mut World,
) {
    deleted(world, &EGRESS, "credential-never-egress").await;
}

/// A Secret that loses its authorities: the gateway keeps those it had.
pub(crate) async fn authorities_taken_away_change_nothing(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    let trusting = |side, trusts| Wanted {
        trusts,
        ..good(side)
    };
    for side in [Side::Server, Side::Client] {
        world.give(side, &pki, &trusting(side, vec![])).await;
    }
    hammer.more(2 * MANY).await;
    hammer.unharmed(world).await;
    // The detector: with authorities that did not sign the other's certificate, sessions fail.
    let other = trusting(Side::Server, vec![Trust::Other]);
    world.give(Side::Server, &pki, &other).await;
    assert_ne!(world.session().await.exit, Some(0));
}

/// The old listener or cluster serves while the new one waits for its Secret; then each connection
/// fails, and heals when the Secret comes.
async fn never_there(world: &mut World, end: &End, recording: &str) {
    let hammer = Hammer::start(world).await;
    let begun = Instant::now();
    world.write(end.side, &end.naming(world, "never")).await;
    let told = world.says(end.side, end.kind, end.object, "Warming").await;
    assert!(told.message.contains("kubernetes://never"), "{told:?}");
    let marks = world.logs.mark();
    world.connects().await;
    let wanted = recorded(&format!("{recording}-at-once"), &world.url);
    world.logs.say(&marks, &wanted).await;
    hammer.failure().await;
    let served = begun.elapsed();
    assert!(
        served + Duration::from_millis(500) > FIRST_ANSWER,
        "{served:?}"
    );
    hammer.stop(world).await;
    world.says(end.side, end.kind, end.object, "Active").await;
    refused_as_recorded(world, end, recording).await;
    let pki = world.certify().await;
    world
        .give_as(end.side, "never", &pki, &good(end.side))
        .await;
    world.connects().await;
}

pub(crate) async fn waits_15_s_never_there_at_the_ingress(world: &mut World) {
    never_there(world, &INGRESS, "credential-never-ingress").await;
}

pub(crate) async fn waits_15_s_never_there_at_the_egress(world: &mut World) {
    never_there(world, &EGRESS, "credential-never-egress").await;
}

/// A Secret that comes soon after the rule that names it: no session fails.
pub(crate) async fn one_that_comes_after_its_rule_heals(world: &mut World) {
    let pki = world.certify().await;
    let hammer = Hammer::start(world).await;
    let begun = Instant::now();
    for end in [&INGRESS, &EGRESS] {
        world.write(end.side, &end.naming(world, "late")).await;
        world.says(end.side, end.kind, end.object, "Warming").await;
        world.give_as(end.side, "late", &pki, &good(end.side)).await;
        world.says(end.side, end.kind, end.object, "Active").await;
        hammer.more(MANY / 2).await;
    }
    assert!(begun.elapsed() < FIRST_ANSWER, "{:?}", begun.elapsed());
    hammer.unharmed(world).await;
}
