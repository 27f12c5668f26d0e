//! What a caller may show while it waits.

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A download begins; `bytes` is its whole size, where known.
    Fetching {
        /// What is fetched, for example `envoy 1.40.0`.
        what: String,
        /// Size in bytes.
        bytes: Option<u64>,
    },
    /// So many bytes of a download have arrived.
    Arrived {
        /// What is fetched.
        what: String,
        /// Size in bytes so far.
        bytes: u64,
    },
    /// Unpacking begins.
    Unpacking {
        /// What is unpacked.
        what: String,
    },
    /// An empty database is being made.
    Initialising {
        /// What is made.
        what: String,
    },
    /// Another process works on the same thing; this one waits for it.
    Waiting {
        /// What is waited for.
        what: String,
    },
    /// A cache entry is complete.
    Done {
        /// What is complete.
        what: String,
    },
}

/// Told of every [`Event`]. Downloads run side by side, so events may come from several threads.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: Event);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}
