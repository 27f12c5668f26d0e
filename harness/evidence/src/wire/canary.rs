//! Looks for texts in every byte.

use memchr::memmem::Finder;
use meshproof_record::{WireCanary, WirePlace, WireSide};

use super::stream::Stream;

/// More places than this are counted and not told.
const MOST_PLACES: usize = 8;

pub(super) struct Canaries<'n> {
    texts: Vec<Searched<'n>>,
    longest: usize,
}

struct Searched<'n> {
    finder: Finder<'n>,
    found: WireCanary,
    /// Packets that have the text, with the connections that they belong to.
    packets: Vec<(u64, Option<usize>)>,
    /// Connections in whose streams it was found, in order.
    streams: Vec<usize>,
}

impl<'n> Canaries<'n> {
    pub(super) fn new(texts: &'n [String]) -> Self {
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        let searched = |text: &'n String| Searched {
            finder: Finder::new(text),
            found: WireCanary {
                text: text.clone(),
                times: 0,
                places: Vec::new(),
            },
            packets: Vec::new(),
            streams: Vec::new(),
        };
        // Nothing is everywhere.
        let texts = texts.iter().filter(|text| !text.is_empty()).map(searched);
        Self {
            texts: texts.collect(),
            longest,
        }
    }

    /// Searches a whole packet, headers and what follows them included.
    pub(super) fn packet(&mut self, bytes: &[u8], number: u64, connection: Option<usize>) {
        for text in &mut self.texts {
            if text.finder.find(bytes).is_some() {
                text.packets.push((number, connection));
            }
        }
    }

    /// Searches what one end sent, also across the borders of segments, but not across gaps.
    pub(super) fn stream(&mut self, stream: &Stream<'_>, connection: usize, from: WireSide) {
        let mut before: Vec<u8> = Vec::new();
        let mut next = 0;
        for (at, piece) in &stream.pieces {
            if *at != next {
                before.clear();
            }
            next = at + piece.len() as u64;
            let joint = before.len();
            let reach = self.longest.saturating_sub(1).min(piece.len());
            before.extend_from_slice(&piece[..reach]);
            let begin = at - joint as u64;
            for text in &mut self.texts {
                let length = text.finder.needle().len();
                let across = |place: &usize| *place < joint && place + length > joint;
                let places: Vec<usize> = every(&text.finder, &before).filter(across).collect();
                let places = places.into_iter().map(|place| begin + place as u64);
                let inside = every(&text.finder, piece).map(|place| at + place as u64);
                for at in places.chain(inside) {
                    let place = WirePlace::Stream {
                        connection,
                        from,
                        at,
                    };
                    note(&mut text.found, place);
                    if text.streams.last() != Some(&connection) {
                        text.streams.push(connection);
                    }
                }
            }
            // The end of everything so far, as much as a text may have before the next piece.
            let keep = self.longest.saturating_sub(1);
            if piece.len() >= keep {
                before.clear();
                before.extend_from_slice(&piece[piece.len() - keep..]);
            } else {
                before.drain(..before.len().saturating_sub(keep));
            }
        }
    }

    /// What was found. A packet counts where the text is in no stream of its connection.
    pub(super) fn found(self) -> Vec<WireCanary> {
        let texts = self.texts.into_iter();
        texts
            .map(|mut text| {
                for (number, connection) in std::mem::take(&mut text.packets) {
                    let in_stream =
                        connection.is_some_and(|index| text.streams.binary_search(&index).is_ok());
                    if !in_stream {
                        note(&mut text.found, WirePlace::Packet { number });
                    }
                }
                text.found
            })
            .collect()
    }
}

fn note(found: &mut WireCanary, place: WirePlace) {
    found.times += 1;
    if found.places.len() < MOST_PLACES {
        found.places.push(place);
    }
}

/// Every place, overlapping ones too: what is found does not depend on where a piece begins.
fn every<'a>(finder: &'a Finder<'_>, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let place = from + finder.find(bytes.get(from..)?)?;
        from = place + 1;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(pieces: &[(u64, &[u8])], text: &str) -> Vec<u64> {
        let texts = [text.to_owned()];
        let mut canaries = Canaries::new(&texts);
        let mut stream = Stream::default();
        stream.pieces = pieces.to_vec();
        canaries.stream(&stream, 0, WireSide::Client);
        let found = canaries.found();
        let at = |place: &WirePlace| match place {
            WirePlace::Stream { at, .. } => *at,
            WirePlace::Packet { .. } => panic!("no packet was searched"),
        };
        found[0].places.iter().map(at).collect()
    }

    #[test]
    fn borders_are_no_hiding_place_and_gaps_are_no_bridge() {
        assert_eq!(places(&[(0, b"a canary")], "canary"), [2]);
        assert_eq!(places(&[(0, b"a can"), (5, b"ary")], "canary"), [2]);
        let single: Vec<(u64, &[u8])> = (0..).zip(b"a canary".chunks(1)).collect();
        assert_eq!(places(&single, "canary"), [2]);
        assert_eq!(places(&[(0, b"a can"), (6, b"ary")], "canary"), [0; 0]);
        assert_eq!(places(&[(0, b"aa"), (2, b"aa")], "aa"), [0, 1, 2]);
    }

    #[test]
    fn a_packet_counts_where_no_stream_has_it() {
        let texts = ["x".to_owned(), "y".to_owned()];
        let mut canaries = Canaries::new(&texts);
        canaries.packet(b"xy", 1, Some(0));
        canaries.packet(b"x", 2, None);
        let mut stream = Stream::default();
        stream.pieces = vec![(0, b"x")];
        canaries.stream(&stream, 0, WireSide::Server);
        let found = canaries.found();
        assert_eq!((found[0].times, found[1].times), (2, 1));
        assert_eq!(found[1].places, [WirePlace::Packet { number: 1 }]);
    }
}
