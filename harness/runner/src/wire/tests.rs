//! Against a capture that is played by the test.

use std::time::Duration;

use futures::FutureExt;
use meshproof_cluster::Duplex;
use meshproof_evidence::wire::Capture;
use meshproof_record::{WireSeen, WireSpeech};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::sync::oneshot;

use super::{Wire, WireMark};

const CANARY: &str = "Crypto Canary";

/// The other end: the command in the router.
struct Player {
    out: WriteHalf<DuplexStream>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    end: Option<oneshot::Sender<String>>,
}

/// What a recording has, without its first bytes.
fn recording(name: &str) -> Capture {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/tests/data/wire");
    let bytes = std::fs::read(format!("{folder}/{name}.pcap")).unwrap();
    Capture::read(&bytes).unwrap()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

impl Player {
    fn start() -> (Wire, Self) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (read, write) = tokio::io::split(ours);
        let (end, ended) = oneshot::channel();
        let duplex = Duplex {
            stdin: Box::new(write),
            stdout: Box::new(read),
            ended: async { ended.await.unwrap_or_default() }.boxed(),
        };
        let (read, out) = tokio::io::split(theirs);
        let player = Self {
            out,
            lines: BufReader::new(read).lines(),
            end: Some(end),
        };
        (Wire::over(duplex, "a test".to_owned()), player)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).await.unwrap();
    }

    async fn begin(&mut self) {
        let section = [
            0x1a2b_3c4du32.to_le_bytes(),
            [1, 0, 0, 0],
            [0xff; 4],
            [0xff; 4],
        ]
        .concat();
        self.send(&block(0x0a0d_0d0a, &section)).await;
        self.send(&block(1, &[1, 0, 0, 0, 0, 0, 4, 0])).await;
    }

    async fn packets(&mut self, capture: &Capture) {
        for packet in capture.iter() {
            let at = packet.at / 1_000;
            let mut body = vec![0; 4];
            body.extend(u32::try_from(at >> 32).unwrap().to_le_bytes());
            body.extend(u32::try_from(at & 0xffff_ffff).unwrap().to_le_bytes());
            let length = u32::try_from(packet.data.len()).unwrap().to_le_bytes();
            body.extend([length, length].concat());
            body.extend(packet.data);
            self.send(&block(6, &body)).await;
        }
    }

    /// Waits to be asked, and answers with so many drops.
    async fn answer(&mut self, dropped: u64) {
        let line = self.lines.next_line().await.unwrap().unwrap();
        let word = line.strip_prefix("mark ").unwrap().as_bytes();
        let mut body = vec![0; 12];
        body.extend(1u16.to_le_bytes());
        body.extend(u16::try_from(word.len()).unwrap().to_le_bytes());
        body.extend(word);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([5, 0, 8, 0]);
        body.extend(dropped.to_le_bytes());
        self.send(&block(5, &body)).await;
    }

    async fn mark(&mut self, wire: &Wire) -> WireMark {
        let (mark, ()) = tokio::join!(wire.mark(), self.answer(0));
        mark.unwrap()
    }
}

fn canaries() -> Vec<String> {
    vec![CANARY.to_owned()]
}

#[tokio::test]
async fn each_case_has_what_passed_during_it() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    player.packets(&recording("plaintext")).await;
    let first = player.mark(&wire).await;
    player.packets(&recording("ok-12")).await;
    let second = player.mark(&wire).await;
    player.packets(&recording("plaintext")).await;
    let canaries = canaries();
    let (found, ()) = tokio::join!(wire.collect(&second, &canaries), player.answer(0));
    let found = found.unwrap();
    assert_eq!(
        (found.captured_at.as_str(), found.packets, found.dropped),
        ("a test", 18, 0)
    );
    assert_eq!(found.canaries[0].times, 2);
    assert!(found.shared);
    assert_eq!(found.connections[0].from_server.speaks, WireSpeech::Mysql);
    let (found, ()) = tokio::join!(wire.collect(&first, &canaries), player.answer(3));
    let found = found.unwrap();
    assert_eq!((found.packets, found.dropped), (26 + 18, 3));
    let tls = found.connections[0].tls.as_ref().unwrap();
    assert_eq!(tls.certificate_requested, WireSeen::Yes);
    assert!(found.shared);
}

#[tokio::test]
async fn cases_one_after_the_other_share_nothing() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    for _ in 0..2 {
        let mark = player.mark(&wire).await;
        let (found, ()) = tokio::join!(wire.collect(&mark, &[]), player.answer(0));
        assert!(!found.unwrap().shared);
    }
    // Whoever begins later is beside who began before, and the other way round, also when one has ended.
    let first = player.mark(&wire).await;
    let second = player.mark(&wire).await;
    let (found, ()) = tokio::join!(wire.collect(&second, &[]), player.answer(0));
    assert!(found.unwrap().shared);
    drop(second);
    let (found, ()) = tokio::join!(wire.collect(&first, &[]), player.answer(0));
    assert!(found.unwrap().shared);
}

#[tokio::test]
async fn who_answered_tls_is_known_until_the_configuration_changes() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    let mark = player.mark(&wire).await;
    player.packets(&recording("ok-13")).await;
    let canaries = canaries();
    let (found, ()) = tokio::join!(wire.collect(&mark, &canaries), player.answer(0));
    assert_eq!(found.unwrap().tls_servers.len(), 1);
    let mark = player.mark(&wire).await;
    player.packets(&recording("unmeshed-plain-silent")).await;
    let (found, ()) = tokio::join!(wire.collect(&mark, &canaries), player.answer(0));
    assert_eq!(found.unwrap().tls_servers[0].port(), 13306);
    wire.forget_tls_servers();
    let (found, ()) = tokio::join!(wire.collect(&mark, &canaries), player.answer(0));
    assert_eq!(found.unwrap().tls_servers, []);
}

#[tokio::test]
async fn a_case_is_a_file_of_its_own() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    player.packets(&recording("ok-13")).await;
    let mark = player.mark(&wire).await;
    player.packets(&recording("plaintext")).await;
    let canaries = canaries();
    let (found, ()) = tokio::join!(wire.collect(&mark, &canaries), player.answer(0));
    found.unwrap();
    player.packets(&recording("ok-13")).await;
    // Behind the mark, so that the packets have come.
    let later = player.mark(&wire).await;
    assert_eq!(
        Capture::read(&wire.pcapng(&mark)).unwrap(),
        recording("plaintext")
    );
    assert_eq!(Capture::read(&wire.pcapng(&later)).unwrap().packets, []);
}

#[tokio::test]
async fn what_comes_late_is_waited_for_and_no_longer() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    let mark = player.mark(&wire).await;
    let whole = recording("ok-13");
    let mut early = whole.clone();
    let late = Capture {
        packets: early.packets.split_off(22),
        dropped: 0,
    };
    let over = |found: &meshproof_record::WireEvidence| {
        found
            .connections
            .iter()
            .all(meshproof_record::WireConnection::is_over)
    };
    let play = async {
        player.packets(&early).await;
        player.answer(0).await;
        player.packets(&late).await;
        // Asked anew as often as packets came in between.
        loop {
            player.answer(0).await;
        }
    };
    let canaries = canaries();
    let found = tokio::select! {
        found = wire.collect_when(&mark, &canaries, Duration::from_secs(20), over) => found.unwrap(),
        () = play => unreachable!(),
    };
    assert_eq!((found.packets, over(&found)), (24, true));
    let never = wire.collect_when(&mark, &canaries, Duration::from_millis(30), |_| false);
    let answer = async {
        loop {
            player.answer(0).await;
        }
    };
    let found = tokio::select! {
        found = never => found.unwrap(),
        () = answer => unreachable!(),
    };
    assert_eq!(found.packets, 24);
}

#[tokio::test]
async fn an_end_is_an_error_with_its_reason() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    let mark = player.mark(&wire).await;
    player
        .end
        .take()
        .unwrap()
        .send("meshproof-router: no such interface".to_owned())
        .unwrap();
    drop(player);
    let error = wire.collect(&mark, &canaries()).await.unwrap_err();
    assert_eq!(
        error,
        "capturing at a test: the capture has ended: meshproof-router: no such interface"
    );
    assert!(wire.mark().await.is_err());
}

#[tokio::test]
async fn what_is_no_capture_is_an_error() {
    let (wire, mut player) = Player::start();
    player.send(b"sh: meshproof-router: not found\n").await;
    let error = wire.mark().await.unwrap_err();
    assert!(error.contains("before any section"), "{error}");
}

#[tokio::test]
async fn nothing_cannot_be_looked_for() {
    let (wire, mut player) = Player::start();
    player.begin().await;
    let mark = player.mark(&wire).await;
    let error = wire.collect(&mark, &[String::new()]).await.unwrap_err();
    assert!(error.contains("empty text"));
}
