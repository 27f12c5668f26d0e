//! What is kept of a capture: its blocks from the oldest mark on, and no more than a limit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meshproof_evidence::wire::Block;
use tokio::sync::watch;

/// Bytes that are kept of a capture. The oldest go first, and are counted as lost.
const MOST: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Store {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// What every file begins with: the section and its interface.
    beginning: Vec<u8>,
    /// Packets, each with its number; the words between them are kept as places only.
    packets: VecDeque<Box<[u8]>>,
    /// Number of the first of these, and of the next one to come.
    first: u64,
    next: u64,
    bytes: usize,
    /// Number of the first packet that is to be kept, by holder.
    holds: BTreeMap<u64, u64>,
    holders: u64,
    /// Places of the words that were answered and not yet looked at.
    answers: BTreeMap<String, Place>,
    words: u64,
    ended: Option<String>,
}

/// A place in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the packet behind it.
    packet: u64,
    /// Packets lost before it, by whoever captures.
    dropped: u64,
}

/// Keeps what comes from a place on.
#[derive(Debug)]
pub(super) struct Hold {
    store: Arc<Store>,
    id: u64,
    /// Whether there was another when this one began.
    beside: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

impl Store {
    pub(super) fn add(&self, block: &Block, bytes: &[u8]) {
        let mut state = self.state();
        match block {
            Block::Packet(_) => state.packet(bytes, MOST),
            Block::Statistics { dropped, comment } => {
                let place = Place {
                    packet: state.next,
                    dropped: *dropped,
                };
                if let Some(word) = comment {
                    state.answers.insert(word.clone(), place);
                }
            }
            Block::Other if state.next == 0 => state.beginning.extend_from_slice(bytes),
            Block::Other => {}
        }
    }

    /// Nothing more will come; the first reason stands.
    pub(super) fn ended(&self, why: &str) {
        self.state().ended.get_or_insert_with(|| why.to_owned());
        self.tell();
    }

    /// Why nothing more will come.
    pub(super) fn why_ended(&self) -> Option<String> {
        self.state().ended.clone()
    }

    /// Wakes who waits.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Keeps what comes from now on.
    pub(super) fn hold(store: &Arc<Self>) -> Hold {
        let mut state = store.state();
        state.holders += 1;
        let (id, next) = (state.holders, state.next);
        let beside = !state.holds.is_empty();
        state.holds.insert(id, next);
        drop(state);
        Hold {
            store: Arc::clone(store),
            id,
            beside,
        }
    }

    /// A word that was not used before, and the line that asks for it.
    pub(super) fn word(&self) -> (String, String) {
        let mut state = self.state();
        state.words += 1;
        let word = format!("meshproof-{}", state.words);
        let line = format!("mark {word}\n");
        (word, line)
    }

    /// Waits for a word.
    pub(super) async fn answer(&self, word: &str) -> Result<Place, String> {
        self.wait_for(|state| state.ended.is_some() || state.answers.contains_key(word))
            .await;
        let mut state = self.state();
        let ended = state.ended.clone().unwrap_or_default();
        state.answers.remove(word).ok_or(ended)
    }

    pub(super) async fn wait_for(&self, good: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if good(&self.state()) || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Packets that have come.
    pub(super) fn packets(&self) -> u64 {
        self.state().next
    }

    /// The end of what has come.
    pub(super) fn end(&self) -> Place {
        let packet = self.state().next;
        Place { packet, dropped: 0 }
    }

    /// A file of the packets between two places, as far as they are kept.
    pub(super) fn between(&self, begin: Place, end: Place) -> Vec<u8> {
        let state = self.state();
        let index = |number: u64| {
            let index = usize::try_from(number.saturating_sub(state.first));
            index.map_or(state.packets.len(), |index| index.min(state.packets.len()))
        };
        let (begin, end) = (index(begin.packet), index(end.packet));
        let mut bytes = state.beginning.clone();
        for packet in state.packets.range(begin..end.max(begin)) {
            bytes.extend_from_slice(packet);
        }
        bytes
    }

    /// Packets between two places that were lost while capturing, and those that are not kept any more.
    pub(super) fn lost(&self, begin: Place, end: Place) -> u64 {
        let first = self.state().first.min(end.packet);
        end.dropped.saturating_sub(begin.dropped) + first.saturating_sub(begin.packet)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn packets(&self) -> u64 {
        self.next
    }

    fn packet(&mut self, bytes: &[u8], most: usize) {
        self.next += 1;
        self.bytes += bytes.len();
        self.packets.push_back(bytes.into());
        self.forget();
        while self.bytes > most {
            self.drop_first();
        }
    }

    /// Lets go of what nobody holds.
    fn forget(&mut self) {
        let held = self.holds.values().copied().min().unwrap_or(self.next);
        while self.first < held && !self.packets.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(packet) = self.packets.pop_front() {
            self.bytes -= packet.len();
            self.first += 1;
        }
    }
}

impl Hold {
    /// Whether there has been another meanwhile.
    pub(super) fn is_shared(&self) -> bool {
        self.beside || self.store.state().holders != self.id
    }

    /// What comes before the place need not be kept.
    pub(super) fn from(&self, place: Place) {
        let mut state = self.store.state();
        state.holds.insert(self.id, place.packet);
        state.forget();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.store.state();
        state.holds.remove(&self.id);
        state.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(state: &State) -> Vec<u8> {
        state.packets.iter().map(|packet| packet[0]).collect()
    }

    #[test]
    fn nothing_is_kept_that_nobody_holds() {
        let store = Arc::new(Store::default());
        store.state().packet(&[1], 100);
        assert_eq!(numbers(&store.state()), [0; 0]);
        let hold = Store::hold(&store);
        for number in 2..5 {
            store.state().packet(&[number], 100);
        }
        assert_eq!(numbers(&store.state()), [2, 3, 4]);
        let later = Store::hold(&store);
        store.state().packet(&[5], 100);
        hold.from(Place {
            packet: 2,
            dropped: 0,
        });
        assert_eq!(numbers(&store.state()), [3, 4, 5]);
        drop(hold);
        assert_eq!(numbers(&store.state()), [5]);
        drop(later);
        assert_eq!(numbers(&store.state()), [0; 0]);
        assert_eq!(store.state().bytes, 0);
        assert_eq!(store.packets(), 5);
    }

    #[test]
    fn what_goes_beyond_the_limit_is_lost_and_told() {
        let store = Arc::new(Store::default());
        let hold = Store::hold(&store);
        let begin = store.end();
        for number in 0..6 {
            store.state().packet(&[number; 10], 35);
        }
        let end = Place {
            packet: 6,
            dropped: 4,
        };
        assert_eq!(numbers(&store.state()), [3, 4, 5]);
        assert_eq!(store.lost(begin, end), 3 + 4);
        assert_eq!(store.between(begin, end).len(), 30);
        let middle = Place {
            packet: 4,
            dropped: 4,
        };
        assert_eq!(
            (store.lost(middle, end), store.between(middle, end).len()),
            (0, 20)
        );
        // What was lost behind the end is not of this stretch.
        let before = Place {
            packet: 2,
            dropped: 0,
        };
        assert_eq!(store.lost(begin, before), 2);
        drop(hold);
    }
}
