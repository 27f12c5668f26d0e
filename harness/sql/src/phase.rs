//! When a connection was lost.

/// What the client was doing when the connection ended (error 2013).
///
/// Wordings: MySQL `include/errmsg` and `sql-common/client.c`, MariaDB Connector/C
/// `libmariadb/mariadb_lib.c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// TCP stood, the server's greeting was awaited.
    Greeting,
    /// The greeting was there, the client's own packet was being sent.
    SendingAuthentication,
    /// The greeting was there, the answer to the authentication was awaited.
    Authorization,
    /// Authenticated, settings were being exchanged.
    FinalConnectInformation,
    /// A statement was running.
    Query,
    /// Words that none of the known clients uses.
    Other(String),
}

impl Phase {
    /// From the text between the quotes of `at '...'`. MariaDB puts `handshake: ` before some.
    pub(crate) fn from_words(words: &str) -> Self {
        match words.strip_prefix("handshake: ").unwrap_or(words) {
            "reading initial communication packet" | "waiting for initial communication packet" => {
                Self::Greeting
            }
            "sending authentication information" | "sending connection information to server" => {
                Self::SendingAuthentication
            }
            "reading authorization packet" => Self::Authorization,
            "reading final connect information" | "setting initial character set" => {
                Self::FinalConnectInformation
            }
            _ => Self::Other(words.to_owned()),
        }
    }

    /// Whether the server's greeting had arrived. `None` where the words do not tell.
    pub fn greeted(&self) -> Option<bool> {
        match self {
            Self::Greeting => Some(false),
            Self::Other(_) => None,
            _ => Some(true),
        }
    }
}
