//! What stands in the way of saying that something is not there.

use meshproof_record::{WireEvidence, WireSide};

/// In words, everything that was not captured, not put together or not looked at. Empty where every byte
/// that crossed the link, from the first packet to the last, was searched. A connection that was open
/// before the first is none of it: what it carried since then was searched too.
pub fn gaps(wire: &WireEvidence) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut count = |number: u64, what: &str| {
        if number > 0 {
            gaps.push(format!("{number} {what}"));
        }
    };
    count(wire.dropped, "packets were not captured");
    count(wire.cut, "packets were captured only in part");
    count(
        wire.untracked,
        "packets belong to more connections than are told apart",
    );
    for connection in &wire.connections {
        let mut about = |what: String| {
            gaps.push(format!(
                "{} to {}: {what}",
                connection.client, connection.server
            ));
        };
        for side in WireSide::BOTH {
            let (sent, who) = (connection.from(side), name(side));
            if sent.missing > 0 {
                about(format!(
                    "{} bytes of the {who} were not captured",
                    sent.missing
                ));
            }
            if sent.contradicting > 0 {
                about(format!(
                    "{} bytes of the {who} came twice and differ",
                    sent.contradicting
                ));
            }
            if sent.truncated {
                about(format!("the {who} sent more than is put together"));
            }
        }
    }
    gaps
}

fn name(side: WireSide) -> &'static str {
    match side {
        WireSide::Client => "client",
        WireSide::Server => "server",
    }
}
