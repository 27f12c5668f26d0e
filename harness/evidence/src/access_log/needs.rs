//! What a verdict needs of a log format, and what cannot be told without.

use super::reader::Reader;

/// A fact that a format must log for something to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The operators that log it; one of them suffices. A name ending in `(...)` stands for the
    /// operator with any argument.
    pub operators: &'static [&'static str],
    /// What cannot be told without it.
    pub without: &'static str,
    /// Whether nothing can be told of a session's way without it.
    pub essential: bool,
}

const fn essential(operators: &'static [&'static str], without: &'static str) -> Need {
    Need {
        operators,
        without,
        essential: true,
    }
}

const fn useful(operators: &'static [&'static str], without: &'static str) -> Need {
    Need {
        operators,
        without,
        essential: false,
    }
}

/// Every need, the most telling first.
pub const NEEDS: [Need; 17] = [
    essential(
        &["UPSTREAM_CLUSTER_RAW", "UPSTREAM_CLUSTER"],
        "hops cannot be told: a line does not say where its connection was to go",
    ),
    essential(
        &[
            "DOWNSTREAM_REMOTE_ADDRESS",
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        ],
        "hops cannot be joined: a line does not say whom its connection came from",
    ),
    essential(
        &["UPSTREAM_LOCAL_ADDRESS"],
        "hops cannot be joined: a line does not say from which address it went on",
    ),
    essential(
        &["RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG"],
        "a refused connection looks like one that worked",
    ),
    useful(
        &["START_TIME"],
        "sessions are not told apart by time (to the millisecond, with its date)",
    ),
    useful(&["DURATION"], "sessions are not told apart by their end"),
    useful(
        &["BYTES_RECEIVED"],
        "whether the sender's handshake finished is not told",
    ),
    useful(&["BYTES_SENT"], "whether the server answered is not told"),
    useful(
        &["UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS"],
        "whom a proxy dialled is not told",
    ),
    useful(
        &["DOWNSTREAM_LOCAL_ADDRESS"],
        "which address the sender dialled is not told",
    ),
    useful(
        &["REQUESTED_SERVER_NAME"],
        "the server name that the sender asked for is not told",
    ),
    useful(
        &["UPSTREAM_TRANSPORT_FAILURE_REASON"],
        "why the connection to the next hop failed is not told",
    ),
    useful(
        &["CONNECTION_TERMINATION_DETAILS", "RESPONSE_CODE_DETAILS"],
        "a connection that a policy denied looks like one that worked",
    ),
    useful(
        &["DOWNSTREAM_TRANSPORT_FAILURE_REASON"],
        "a certificate refused under TLS 1.3 leaves no trace",
    ),
    useful(
        &["DOWNSTREAM_TLS_VERSION"],
        "whether and which TLS the sender spoke is not told",
    ),
    useful(
        &["DOWNSTREAM_PEER_URI_SAN", "DOWNSTREAM_PEER_SUBJECT"],
        "whether the sender showed a certificate is not told",
    ),
    useful(
        &["UPSTREAM_TLS_VERSION"],
        "whether a proxy spoke TLS to the next hop is not told",
    ),
];

impl Need {
    /// Whether a format meets it.
    pub fn is_met_by(&self, reader: &Reader) -> bool {
        if self.operators == ["START_TIME"] {
            return reader.operators().any(|operator| operator.time.is_some());
        }
        self.operators.iter().any(|operator| reader.has(operator))
    }

    /// `%UPSTREAM_CLUSTER_RAW% or %UPSTREAM_CLUSTER%`.
    pub fn names(&self) -> String {
        let names: Vec<String> = self
            .operators
            .iter()
            .map(|name| format!("%{name}%"))
            .collect();
        names.join(" or ")
    }
}

impl Reader {
    /// What the format lacks.
    pub fn lacks(&self) -> impl Iterator<Item = &'static Need> + '_ {
        NEEDS.iter().filter(|need| !need.is_met_by(self))
    }
}
