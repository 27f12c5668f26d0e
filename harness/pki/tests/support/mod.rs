//! What several tests ask for.
#![allow(dead_code, reason = "no test file uses everything")]

use meshproof_pki::{Flaw, RunPki, Trust, Wanted, Which};

/// The name of the service.
pub(crate) const DNS: &str = "203.0.113.10.nip.io";

pub(crate) const BOTH: [Which; 2] = [Which::Client, Which::Application];

/// A run's certificates for [`DNS`].
pub(crate) fn run() -> RunPki {
    RunPki::new(DNS).unwrap()
}

/// A leaf with that flaw.
pub(crate) fn flawed(which: Which, flaw: Flaw) -> Wanted {
    Wanted {
        flaw: Some(flaw),
        ..Wanted::good(which)
    }
}

/// The second leaf.
pub(crate) fn renewed(which: Which) -> Wanted {
    Wanted {
        leaf: 1,
        ..Wanted::good(which)
    }
}

/// The side that looks at it, with those authorities and lists.
pub(crate) fn looking_at(which: Which, trusts: &[Trust], revokes: &[Which]) -> Wanted {
    let other = match which {
        Which::Client => Which::Application,
        Which::Application => Which::Client,
    };
    Wanted {
        trusts: trusts.to_vec(),
        revokes: revokes.to_vec(),
        ..Wanted::good(other)
    }
}
