//! Joins the lines of the four hops into one path per SQL session.
//!
//! One hop's upstream local address is the next hop's downstream remote address. Between the
//! gateways the network may translate addresses; there server name, port, byte counts and time
//! overlap decide. Where they do not decide, the chain is broken and says so.

mod compare;
mod join;
mod report;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use meshproof_record::Hop;

use crate::access_log::HopLine;

pub use report::{Break, BreakKind, Candidate};

/// The hops of the tutorial's path, in the order in which a session passes them.
pub const PATH: [Hop; 4] = [
    Hop::ClientSidecar,
    Hop::Egress,
    Hop::Ingress,
    Hop::ServerSidecar,
];

/// New lines of each hop's proxy.
pub type HopLogs = BTreeMap<Hop, Vec<HopLine>>;

/// What the lines make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stitched<'a> {
    /// One for each line of the client sidecar, in the order of its log.
    pub sessions: Vec<SessionPath<'a>>,
    /// What belongs to none of them, followed from where it first appears: sessions of pods
    /// without a sidecar, and what was sought in vain.
    pub strays: Vec<SessionPath<'a>>,
}

/// One session through the hops, as far as it could be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPath<'a> {
    /// The lines found, in order.
    pub steps: Vec<Step<'a>>,
    /// Why it could not be followed further; `None` when it reached the last hop.
    pub broken: Option<Break>,
}

/// One line of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Who logged it.
    pub hop: Hop,
    /// The line.
    pub line: &'a HopLine,
    /// What joins it to the step before.
    pub joined: Option<JoinedBy>,
}

/// What joins two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinedBy {
    /// The same connection's address at both ends.
    Address(SocketAddr),
    /// No address in common, as the network translates them: this line alone fits.
    Circumstances {
        /// Server name, port and byte counts that agree, in words.
        agreeing: Vec<&'static str>,
        /// The receiver's start after the sender's, in milliseconds; their clocks may differ.
        offset_ms: Option<i64>,
    },
}

impl<'a> SessionPath<'a> {
    /// Whether it passes all four hops.
    pub fn is_complete(&self) -> bool {
        self.broken.is_none() && self.steps.len() == PATH.len()
    }

    /// The line of a hop.
    pub fn line(&self, hop: Hop) -> Option<&'a HopLine> {
        self.steps
            .iter()
            .find(|step| step.hop == hop)
            .map(|step| step.line)
    }
}

/// Follows every line of the client sidecar through the hops.
pub fn stitch(logs: &HopLogs) -> Stitched<'_> {
    let lines: Vec<&[HopLine]> = PATH
        .iter()
        .map(|hop| logs.get(hop).map(Vec::as_slice).unwrap_or_default())
        .collect();
    let joints: Vec<_> = (0..PATH.len() - 1)
        .map(|at| join::join_all((PATH[at], lines[at]), (PATH[at + 1], lines[at + 1])))
        .collect();
    let mut taken: Vec<Vec<bool>> = lines.iter().map(|lines| vec![false; lines.len()]).collect();
    let mut stitched = Stitched::default();
    for at in 0..PATH.len() {
        for index in 0..lines[at].len() {
            if taken[at][index] {
                continue;
            }
            let path = follow(at, index, &lines, &joints, &mut taken);
            if at == 0 {
                stitched.sessions.push(path);
            } else {
                stitched.strays.push(path);
            }
        }
    }
    stitched
}

fn follow<'a>(
    mut at: usize,
    mut index: usize,
    lines: &[&'a [HopLine]],
    joints: &[Vec<Result<join::Join, Break>>],
    taken: &mut [Vec<bool>],
) -> SessionPath<'a> {
    let mut path = SessionPath {
        steps: Vec::new(),
        broken: None,
    };
    let mut joined = None;
    loop {
        taken[at][index] = true;
        path.steps.push(Step {
            hop: PATH[at],
            line: &lines[at][index],
            joined,
        });
        match joints.get(at).map(|joint| &joint[index]) {
            None => return path,
            Some(Err(broken)) => {
                path.broken = Some(broken.clone());
                return path;
            }
            Some(Ok(join)) => {
                joined = Some(join.by.clone());
                index = join.index;
                at += 1;
            }
        }
    }
}
