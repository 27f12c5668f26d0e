//! Finds for every line of one hop its line in the log of the next.

use meshproof_record::Hop;

use super::JoinedBy;
use super::compare::{Likeness, Pair, dialled_port, shown};
use super::report::{Break, BreakKind, Candidate};
use crate::access_log::{Address, HopLine};

/// A found neighbour.
#[derive(Clone, Debug)]
pub(super) struct Join {
    /// Index in the next hop's lines.
    pub(super) index: usize,
    pub(super) by: JoinedBy,
}

type Lines<'a> = (Hop, &'a [HopLine]);

/// One result for each line of `from`. No line of `to` is given to two of them.
pub(super) fn join_all(from: Lines<'_>, to: Lines<'_>) -> Vec<Result<Join, Break>> {
    let mut joins: Vec<_> = from
        .1
        .iter()
        .map(|line| {
            Search {
                from: (from.0, line),
                to,
            }
            .join()
        })
        .collect();
    for index in 0..to.1.len() {
        let claims =
            |join: &Result<Join, Break>| join.as_ref().is_ok_and(|join| join.index == index);
        if joins.iter().filter(|join| claims(join)).count() > 1 {
            for (join, line) in joins.iter_mut().zip(from.1) {
                if claims(join) {
                    let search = Search {
                        from: (from.0, line),
                        to,
                    };
                    *join = Err(search.broken(BreakKind::Ambiguous, &[index]));
                }
            }
        }
    }
    joins
}

/// The search for one line's neighbour.
#[derive(Clone, Copy)]
struct Search<'a> {
    from: (Hop, &'a HopLine),
    to: Lines<'a>,
}

impl<'a> Search<'a> {
    fn join(&self) -> Result<Join, Break> {
        if self.to.1.is_empty() {
            return Err(self.broken(BreakKind::NoLines, &[]));
        }
        let by_address = self.select(|pair| {
            let local = &pair.from.1.upstream_local;
            local.value().is_some() && *local == pair.to.1.downstream_remote
        });
        if !by_address.is_empty() {
            return self.by_address(&by_address);
        }
        // Only between the clusters are addresses translated.
        if self.to.0 == Hop::Ingress {
            return self.by_circumstances();
        }
        let connected = self.from.1.upstream_local.value().is_some();
        let kind = if connected {
            BreakKind::NoMatch
        } else {
            BreakKind::NotConnected
        };
        Err(self.broken(kind, &self.nearest()))
    }

    /// Ports are used again: of several lines with the address, one that is possible is the one.
    fn by_address(&self, found: &[usize]) -> Result<Join, Break> {
        let possible: Vec<usize> = found
            .iter()
            .copied()
            .filter(|index| self.pair(*index).contradictions().is_empty())
            .collect();
        match (
            possible.as_slice(),
            self.from.1.upstream_local.value().and_then(Address::socket),
        ) {
            ([index], Some(address)) => Ok(Join {
                index: *index,
                by: JoinedBy::Address(address),
            }),
            ([], _) => Err(self.broken(BreakKind::NoMatch, &found[..1])),
            (several, _) => Err(self.broken(BreakKind::Ambiguous, several)),
        }
    }

    fn by_circumstances(&self) -> Result<Join, Break> {
        let possible = self.select(|pair| {
            let likeness = pair.likeness();
            (likeness.sni || likeness.port) && pair.contradictions().is_empty()
        });
        let best = possible
            .iter()
            .map(|index| self.pair(*index).likeness())
            .max();
        let Some(best) = best else {
            return Err(self.broken(BreakKind::NoMatch, &self.nearest()));
        };
        let likely: Vec<usize> = possible
            .iter()
            .copied()
            .filter(|index| self.pair(*index).likeness() == best)
            .collect();
        match likely.as_slice() {
            [index] if best.window || possible.len() == 1 => {
                let offset_ms = self.pair(*index).offset_ms();
                Ok(Join {
                    index: *index,
                    by: JoinedBy::Circumstances {
                        agreeing: agreeing(best),
                        offset_ms,
                    },
                })
            }
            // Outside the sender's life only clocks that differ explain the line. With others about,
            // which one the clocks would favour is a guess.
            _ => Err(self.broken(BreakKind::Ambiguous, &possible)),
        }
    }

    fn pair(&self, index: usize) -> Pair<'a> {
        Pair {
            from: self.from,
            to: (self.to.0, &self.to.1[index]),
        }
    }

    fn select(&self, fits: impl Fn(&Pair<'a>) -> bool) -> Vec<usize> {
        (0..self.to.1.len())
            .filter(|index| fits(&self.pair(*index)))
            .collect()
    }

    fn nearest(&self) -> Vec<usize> {
        let rank = |index: &usize| {
            (
                self.pair(*index).contradictions().len(),
                self.pair(*index).distance_ms(),
            )
        };
        (0..self.to.1.len()).min_by_key(rank).into_iter().collect()
    }

    fn broken(&self, kind: BreakKind, candidates: &[usize]) -> Break {
        let candidate = |index: &usize| Candidate {
            line: self.to.1[*index].raw.clone(),
            differs: self.pair(*index).differences(),
        };
        Break {
            after: self.from.0,
            wanted: self.to.0,
            kind,
            looked_for: self.looked_for(),
            candidates: candidates.iter().map(candidate).collect(),
        }
    }

    fn looked_for(&self) -> String {
        let line = self.from.1;
        let address = format!("a connection from {}", shown(&line.upstream_local));
        if self.to.0 != Hop::Ingress {
            return address;
        }
        let port = dialled_port(line).map_or_else(|| "?".to_owned(), |port| port.to_string());
        format!(
            "{address}, or through address translation one to port {port} with server name {}, {} bytes received and {} sent, started at {}",
            shown(&line.sni),
            shown(&line.bytes_received),
            shown(&line.bytes_sent),
            shown(&line.start),
        )
    }
}

fn agreeing(likeness: Likeness) -> Vec<&'static str> {
    let all = [
        (likeness.sni, "server name"),
        (likeness.port, "port"),
        (likeness.bytes, "byte counts"),
        (likeness.window, "time"),
    ];
    all.into_iter()
        .filter_map(|(agrees, what)| agrees.then_some(what))
        .collect()
}
