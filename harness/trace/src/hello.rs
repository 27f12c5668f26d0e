//! What travels: TLS hellos, one within the other, and what a program says inside.

use std::rc::Rc;

use meshproof_record::Hop;

use crate::{
    credential::{Credential, Trust},
    query::TlsVersion,
};

/// A TLS session that somebody opens and nobody has taken up yet.
#[derive(Clone)]
pub(crate) struct Hello {
    /// Who opens it.
    pub(crate) hop: Hop,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Vec<String>,
    pub(crate) min: TlsVersion,
    pub(crate) max: TlsVersion,
    /// Cipher suites of TLS 1.2; empty where they are the library's own.
    pub(crate) ciphers: Vec<String>,
    /// What is shown when a certificate is asked for.
    pub(crate) credential: Credential,
    /// What the server's certificate is checked against.
    pub(crate) trust: Trust,
}

/// How the innermost program opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// It waits for the server.
    ServerFirst,
    /// It sends bytes that are no TLS.
    ClientFirst,
}

/// What is sent over a connection.
#[derive(Clone)]
pub(crate) struct Payload {
    /// The outermost last.
    layers: Vec<Rc<Hello>>,
    talk: Talk,
}

impl Payload {
    pub(crate) fn plain(talk: Talk) -> Self {
        Self {
            layers: Vec::new(),
            talk,
        }
    }

    /// The same within one more TLS session.
    pub(crate) fn within(&self, hello: Hello) -> Self {
        let mut layers = self.layers.clone();
        layers.push(Rc::new(hello));
        Self {
            layers,
            talk: self.talk,
        }
    }

    /// What is left when the outermost TLS session is taken up.
    pub(crate) fn opened(&self) -> Self {
        let mut layers = self.layers.clone();
        layers.pop();
        Self {
            layers,
            talk: self.talk,
        }
    }

    /// The hello that a receiver sees first.
    pub(crate) fn hello(&self) -> Option<&Rc<Hello>> {
        self.layers.last()
    }

    /// Whether nothing is sent before the server speaks.
    pub(crate) fn is_silent(&self) -> bool {
        self.layers.is_empty() && self.talk == Talk::ServerFirst
    }

    /// The transport protocol that Envoy's TLS inspector would find.
    pub(crate) fn transport(&self) -> &'static str {
        if self.layers.is_empty() {
            "raw_buffer"
        } else {
            "tls"
        }
    }
}
