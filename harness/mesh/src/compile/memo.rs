//! What was compiled, kept with the questions that it came from.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;

use super::{
    Conflict, HttpPlace,
    scope::{Check, Facts, Scope, View},
    secrets,
};
use crate::ProxyId;

/// What compiling one thing gives, not shared yet.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) listeners: Vec<Value>,
    pub(crate) clusters: Vec<Value>,
    pub(crate) endpoints: Vec<Value>,
    pub(crate) http: Vec<HttpPlace>,
    pub(crate) conflicts: Vec<Conflict>,
}

/// A part of one or many proxies' configuration.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) listeners: Vec<Arc<Value>>,
    pub(crate) clusters: Vec<Arc<Value>>,
    pub(crate) endpoints: Vec<Arc<Value>>,
    pub(crate) http: Vec<HttpPlace>,
    pub(crate) conflicts: Vec<Conflict>,
    /// The SDS names in it.
    pub(crate) secrets: BTreeSet<String>,
}

/// What a piece is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Clusters and endpoints of the visible service of a host.
    Service(String),
    /// The outbound listener of an address and port.
    Place(String, u32),
    /// What every sidecar, or every gateway, has.
    Fixed(&'static str),
    /// What a proxy has for its own pod.
    Own(ProxyId),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(host) => write!(f, "service {host}"),
            Self::Place(bind, port) => write!(f, "listener {bind}_{port}"),
            Self::Fixed(name) => f.write_str(name),
            Self::Own(proxy) => write!(f, "proxy {proxy}"),
        }
    }
}

struct Entry {
    checks: Vec<Check>,
    piece: Arc<Piece>,
    round: u64,
}

/// All pieces, by what they are of: several where proxies see different things.
#[derive(Default)]
pub(crate) struct Memo {
    entries: HashMap<Part, Vec<Entry>>,
    /// Every resource once, whatever it is of.
    values: HashSet<Arc<Value>>,
    round: u64,
    /// What was compiled in this round.
    pub(crate) made: Vec<Part>,
}

impl Memo {
    /// Begins a round.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
        self.made.clear();
    }

    /// Ends a round: drops what was not used in it.
    pub(crate) fn end(&mut self) {
        let round = self.round;
        self.entries.retain(|_, entries| {
            entries.retain(|e| e.round == round);
            !entries.is_empty()
        });
        self.values.retain(|value| Arc::strong_count(value) > 1);
    }

    /// Forgets what every piece came from.
    pub(crate) fn forget(&mut self) {
        self.entries.clear();
    }

    /// The piece of a class of proxies. `make` holds nothing of its own, so that what it makes can
    /// follow from nothing but its questions.
    pub(crate) fn shared(
        &mut self,
        part: Part,
        facts: Facts<'_>,
        make: fn(&View<'_>, &Part) -> Draft,
    ) -> Arc<Piece> {
        self.known(&part, &facts).unwrap_or_else(|| {
            let view = View::new(facts);
            let draft = make(&view, &part);
            self.keep(part, draft, view.into_checks())
        })
    }

    /// The piece of one proxy.
    pub(crate) fn own(
        &mut self,
        part: Part,
        facts: Facts<'_>,
        scope: Scope<'_>,
        make: fn(&Scope<'_>) -> Draft,
    ) -> Arc<Piece> {
        self.known(&part, &facts).unwrap_or_else(|| {
            let draft = make(&scope);
            self.keep(part, draft, scope.into_checks())
        })
    }

    fn known(&mut self, part: &Part, facts: &Facts<'_>) -> Option<Arc<Piece>> {
        let entries = self.entries.get_mut(part)?;
        let holds = |e: &&mut Entry| e.checks.iter().all(|check| check(facts));
        let entry = entries.iter_mut().find(holds)?;
        entry.round = self.round;
        Some(Arc::clone(&entry.piece))
    }

    fn keep(&mut self, part: Part, draft: Draft, checks: Vec<Check>) -> Arc<Piece> {
        let mut piece = Arc::new(self.share(draft));
        self.made.push(part.clone());
        let entries = self.entries.entry(part).or_default();
        // Values are shared, so that this compares little more than addresses.
        if let Some(equal) = entries.iter().find(|e| e.piece == piece) {
            piece = Arc::clone(&equal.piece);
        }
        entries.push(Entry {
            checks,
            piece: Arc::clone(&piece),
            round: self.round,
        });
        piece
    }

    fn share(&mut self, draft: Draft) -> Piece {
        let mut names = BTreeSet::new();
        for value in draft.listeners.iter().chain(&draft.clusters) {
            secrets::collect(value, &mut names);
        }
        let mut all = |values: Vec<Value>| values.into_iter().map(|v| self.value(v)).collect();
        Piece {
            listeners: all(draft.listeners),
            clusters: all(draft.clusters),
            endpoints: all(draft.endpoints),
            http: draft.http,
            conflicts: draft.conflicts,
            secrets: names,
        }
    }

    fn value(&mut self, value: Value) -> Arc<Value> {
        if let Some(known) = self.values.get(&value) {
            return Arc::clone(known);
        }
        let value = Arc::new(value);
        self.values.insert(Arc::clone(&value));
        value
    }
}
