//! What a caller may show while it waits.

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A download begins; `bytes` is its whole size, where known.
    Fetching {
        /// What is fetched, for example `envoy 1.40.0` or `mariadb-server-core`.
        what: String,
        /// Size in bytes.
        bytes: Option<u64>,
    },
    /// So many bytes of the current download have arrived.
    Arrived {
        /// Size in bytes so far.
        bytes: u64,
    },
    /// Unpacking begins.
    Unpacking {
        /// What is unpacked.
        what: String,
    },
    /// A data directory is being initialised.
    Initialising,
    /// Another process works on the same entry; this one waits for it.
    Waiting {
        /// What is waited for.
        what: String,
    },
    /// The current step is done.
    Done,
}

/// Told of every [`Event`], from one thread at a time.
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
