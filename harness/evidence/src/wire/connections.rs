//! The connections of a capture.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::connection::Connection;
use super::packet::Content;

/// More than this are not told apart.
const MOST: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Connections<'a> {
    all: Vec<Connection<'a>>,
    /// The last one between two ends.
    latest: HashMap<(SocketAddr, SocketAddr), usize>,
    began: Option<u64>,
}

impl<'a> Connections<'a> {
    /// Adds a packet; the index of its connection, if it has one.
    pub(super) fn add(&mut self, content: &Content<'a>, at: u64) -> Option<usize> {
        let began = *self.began.get_or_insert(at);
        match content {
            Content::Segment(segment) => {
                let ends = ends(segment.from, segment.to);
                let known = self.latest.get(&ends).copied();
                let known = known.filter(|index| self.all[*index].takes(segment));
                let index = match known {
                    Some(index) => index,
                    None if self.all.len() >= MOST => return None,
                    None => {
                        self.latest.insert(ends, self.all.len());
                        self.all.push(Connection::new(segment, at, began));
                        self.all.len() - 1
                    }
                };
                self.all[index].add(segment, at);
                Some(index)
            }
            Content::Unreachable(from, to) => {
                let index = *self.latest.get(&ends(*from, *to))?;
                self.all[index].unreachable(*from, at);
                None
            }
            Content::Other => None,
        }
    }
}

impl<'a> IntoIterator for Connections<'a> {
    type Item = Connection<'a>;
    type IntoIter = std::vec::IntoIter<Connection<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

fn ends(one: SocketAddr, other: SocketAddr) -> (SocketAddr, SocketAddr) {
    if one < other {
        (one, other)
    } else {
        (other, one)
    }
}
