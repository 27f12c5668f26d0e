//! Where blocks wait while whoever reads the capture is slow: capturing must not wait with them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What may wait. Packets beyond it are counted as lost.
const MOST: usize = 128 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Outlet {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<Vec<u8>>,
    bytes: usize,
    ended: bool,
    broken: Option<String>,
}

impl Outlet {
    /// Whether a block found room. What is no packet always does.
    pub(super) fn put(&self, block: Vec<u8>, packet: bool) -> bool {
        let mut state = self.state();
        if packet && state.bytes + block.len() > MOST {
            return false;
        }
        state.bytes += block.len();
        state.blocks.push_back(block);
        self.changed.notify_one();
        true
    }

    /// No more will come.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_one();
    }

    /// Why nobody reads any more, if so.
    pub(super) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Writes blocks until the end.
    pub(super) fn drain(&self, mut to: impl Write) {
        let mut next = VecDeque::new();
        while self.take(&mut next) {
            if let Err(error) = write(&mut to, &next) {
                self.state().broken = Some(error.to_string());
                return;
            }
        }
    }

    /// Waits for blocks; false when there will be none.
    fn take(&self, next: &mut VecDeque<Vec<u8>>) -> bool {
        next.clear();
        let mut state = self.state();
        loop {
            if !state.blocks.is_empty() {
                std::mem::swap(&mut state.blocks, next);
                state.bytes = 0;
                return true;
            }
            if state.ended {
                return false;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(to: &mut impl Write, blocks: &VecDeque<Vec<u8>>) -> io::Result<()> {
    // Small ones together: each write is a message on its way to whoever reads.
    let mut together = Vec::new();
    for block in blocks {
        together.extend_from_slice(block);
        if together.len() >= 64 * 1024 {
            to.write_all(&together)?;
            together.clear();
        }
    }
    to.write_all(&together)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_refused_and_the_rest_is_written() {
        let outlet = Outlet::default();
        assert!(outlet.put(vec![1; MOST - 1], true));
        assert!(!outlet.put(vec![2; 2], true));
        assert!(outlet.put(vec![3; 2], false));
        outlet.end();
        let mut written = Vec::new();
        outlet.drain(&mut written);
        assert_eq!(written.len(), MOST + 1);
        assert_eq!(written[MOST - 2..], [1, 3, 3]);
        assert_eq!(outlet.broken(), None);
    }

    #[test]
    fn a_reader_that_is_gone_is_told() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outlet = Outlet::default();
        outlet.put(vec![1], true);
        outlet.drain(Gone);
        assert!(outlet.broken().unwrap().contains("pipe"));
    }
}
