//! Reads what the routers counted out of `nft -j list table ip meshproof`. Pure.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde_json::Value;

/// The command that prints the counters, to be run in a router.
pub const LIST: [&str; 6] = ["nft", "-j", "list", "table", "ip", "meshproof"];

/// SYN packets by where they came from and went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynCount {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Destination port.
    pub port: u16,
    /// Number of packets, repetitions included.
    pub packets: u64,
}

/// What one router counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BorderCounts {
    /// Left over the link; sources are pods.
    pub left: Vec<SynCount>,
    /// Arrived over the link for no declared port and were dropped; sources are masqueraded.
    pub dropped: Vec<SynCount>,
}

/// Output of `nft` that is not understood.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// Not JSON, or of another shape.
    #[error("reading the counters of `nft -j list table ip meshproof`: {0}")]
    Shape(#[from] serde_json::Error),
    /// The table has no such set: the border was not loaded.
    #[error("the output of nft has no set {0:?}: is this a router of the embedded clusters?")]
    NoSet(&'static str),
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Value>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    #[serde(default)]
    elem: Vec<Outer>,
}

#[derive(Deserialize)]
struct Outer {
    elem: Element,
}

#[derive(Deserialize)]
struct Element {
    val: Key,
    counter: Packets,
}

#[derive(Deserialize)]
struct Key {
    concat: (Ipv4Addr, Ipv4Addr, u16),
}

#[derive(Deserialize)]
struct Packets {
    packets: u64,
}

/// Reads the output of [`LIST`].
pub fn parse(json: &str) -> Result<BorderCounts, CountersError> {
    let listing: Listing = serde_json::from_str(json)?;
    let mut sets = Vec::new();
    for mut entry in listing.nftables {
        if let Some(set) = entry.get_mut("set") {
            sets.push(serde_json::from_value::<Set>(set.take())?);
        }
    }
    Ok(BorderCounts {
        left: counts(&sets, "left")?,
        dropped: counts(&sets, "dropped")?,
    })
}

fn counts(sets: &[Set], name: &'static str) -> Result<Vec<SynCount>, CountersError> {
    let set = sets
        .iter()
        .find(|set| set.name == name)
        .ok_or(CountersError::NoSet(name))?;
    let count = |outer: &Outer| {
        let (source, destination, port) = outer.elem.val.concat;
        SynCount {
            source,
            destination,
            port,
            packets: outer.elem.counter.packets,
        }
    };
    Ok(set.elem.iter().map(count).collect())
}

#[cfg(test)]
mod tests {
    use super::{CountersError, parse};
    use proptest::prelude::*;

    const TWO: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"set": {"family": "ip", "name": "left", "table": "meshproof", "handle": 4, "size": 65536,
          "type": ["ipv4_addr", "ipv4_addr", "inet_service"], "stmt": [{"counter": null}],
          "elem": [{"elem": {"val": {"concat": ["10.1.0.3", "203.0.113.10", 3306]}, "counter": {"packets": 11, "bytes": 660}}}]}},
        {"set": {"family": "ip", "name": "dropped", "table": "meshproof", "handle": 5}}]}"#;

    #[test]
    fn elements_and_empty_sets() {
        let counts = parse(TWO).unwrap();
        assert_eq!(
            (
                counts.left[0].port,
                counts.left[0].packets,
                counts.dropped.len()
            ),
            (3306, 11, 0)
        );
    }

    #[test]
    fn a_missing_set_is_not_zero() {
        assert!(matches!(
            parse(r#"{"nftables": []}"#),
            Err(CountersError::NoSet("left"))
        ));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
