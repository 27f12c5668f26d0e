//! How far the proxies have followed.

use std::collections::BTreeSet;
use std::time::Duration;

use meshproof_mesh::{Conflict, ProxyId};
use meshproof_pocket_xds::admin::Admin;
use meshproof_pocket_xds::{AckError, ProxyStatus, Rejected, Version};
use tokio::sync::watch;

use super::report::Compiled;
use super::{ADMIN, Mesh};

/// How often a proxy that warms is asked whether it still does. Envoy ends its wait for a secret by
/// its own clock and tells nobody.
pub(super) const RECHECK: Duration = Duration::from_millis(100);

/// What is waited for when the proxies have followed and the router has not.
pub(super) const ROUTER: &str = "the router's rules";

/// What the proxies have been told last.
pub(super) struct Round {
    pub(super) proxies: Vec<Told>,
    /// The Istio objects that went into it.
    pub(super) compiled: Vec<Compiled>,
    pub(super) problems: Vec<String>,
    /// What gives way to what, at some proxy.
    pub(super) conflicts: BTreeSet<Conflict>,
    /// Everything up to this revision of the store is in it.
    pub(super) revision: u64,
}

/// One proxy and what it was told.
pub(super) struct Told {
    pub(super) proxy: ProxyId,
    pub(super) version: Version,
    pub(super) status: watch::Receiver<ProxyStatus>,
}

/// How far the proxies are.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) waiting: Vec<String>,
    pub(super) warming: Vec<String>,
    pub(super) rejected: Vec<Rejection>,
}

/// Something that will not become active as it is.
#[derive(Clone)]
pub(super) struct Rejection {
    pub(super) text: String,
    /// What a proxy refused; `None` where the configuration could not even be made.
    pub(super) refused: Option<Rejected>,
}

impl Rejection {
    /// A proxy's refusal. Envoy does not name secrets in its words.
    fn by(proxy: &ProxyId, refused: Rejected) -> Self {
        let names = refused.names.join(", ");
        let unnamed = !refused
            .names
            .iter()
            .all(|name| refused.message.contains(name));
        let of = if unnamed {
            format!(" ({names})")
        } else {
            String::new()
        };
        Self {
            text: format!("proxy {proxy}: {refused}{of}"),
            refused: Some(refused),
        }
    }
}

impl Progress {
    pub(super) fn is_active(&self) -> bool {
        self.waiting.is_empty() && self.warming.is_empty() && self.rejected.is_empty()
    }
}

fn problem(text: &str) -> Rejection {
    Rejection {
        text: text.to_owned(),
        refused: None,
    }
}

impl Round {
    /// Returns when any proxy's side of the stream changes.
    pub(super) async fn changed(&mut self) {
        let changes: Vec<_> = self
            .proxies
            .iter_mut()
            .map(|told| Box::pin(told.status.changed()))
            .collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        drop(futures::future::select_all(changes).await);
    }
}

impl Mesh {
    /// How far the proxies that run are. One that has not connected yet is not waited for: it gets
    /// everything at once when it does, and its pod is not ready before.
    pub(super) async fn progress(&self, round: &mut Round) -> Progress {
        let mut progress = Progress {
            rejected: round.problems.iter().map(|text| problem(text)).collect(),
            ..Progress::default()
        };
        if !*self.network.connected.borrow() {
            progress
                .waiting
                .push("the link between the clusters".to_owned());
        }
        if *self.network.followed.borrow() < round.revision {
            progress.waiting.push(ROUTER.to_owned());
        }
        for told in &mut round.proxies {
            // Read at once: an answer that comes later may be to what is unanswered now.
            let status = told.status.borrow_and_update().clone();
            if !status.connected {
                continue;
            }
            match status.answer(&told.version) {
                Ok(()) => {}
                Err(AckError::Rejected(refused)) => {
                    progress.rejected.push(Rejection::by(&told.proxy, refused));
                }
                Err(AckError::Deadline { waiting_for }) => {
                    progress
                        .waiting
                        .push(format!("proxy {}: {waiting_for}", told.proxy));
                }
            }
            if !status.unanswered.is_empty() {
                let names: Vec<&str> = status.unanswered.iter().map(|u| u.name.as_str()).collect();
                progress
                    .warming
                    .extend(self.warming(&told.proxy, &names.join(", ")).await);
            }
        }
        progress
    }

    /// What a proxy still warms, in words.
    async fn warming(&self, proxy: &ProxyId, names: &str) -> Option<String> {
        let sandbox = self.key(&proxy.namespace, &proxy.name);
        let found = match self.node.connect_tcp(&sandbox, ADMIN).await {
            Ok(stream) => match Admin::connect(stream).await {
                Ok(mut admin) => admin.warming().await.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(found) if found.is_done() => None,
            Ok(_) => Some(format!("proxy {proxy} waits for {names}")),
            Err(error) => Some(format!("proxy {proxy} waits for {names}; {error}")),
        }
    }
}
