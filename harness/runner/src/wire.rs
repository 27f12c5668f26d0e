//! The link between the clusters: captured from the start, cut per case.
//!
//! [`Wire::open`] starts `meshproof-router capture` in the router pod of the client cluster and keeps
//! what it says. Before a case takes its [`Wire::mark`]; [`Wire::collect`] reads what passed since then.
//! Both ask the capture for a word behind everything that has passed so far, and wait for that word, so
//! that nothing is cut off and nobody sleeps. What is older than the oldest mark that is still held is
//! forgotten, and so is what is more than is kept; the latter is told as lost.

mod canaries;
mod follow;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use meshproof_cluster::{ClusterAccess, Command, Duplex};
use meshproof_evidence::wire::{Capture, examine};
use meshproof_record::WireEvidence;
use tokio::io::{AsyncWrite, AsyncWriteExt};

pub use canaries::canaries;
use store::{Hold, Place, Store};

/// The container in a router pod.
const CONTAINER: &str = "router";
/// How long the capture may take to answer; it has to copy what has passed before.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// A capture under way. It ends when this is dropped.
pub struct Wire {
    captured_at: String,
    store: Arc<Store>,
    stdin: tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    reader: tokio::task::JoinHandle<()>,
    /// Who was seen to answer a TLS hello.
    tls_servers: Mutex<BTreeSet<SocketAddr>>,
}

/// A place in the capture. What passed after it is kept as long as this is. One case has one, and lets go of
/// it at its end: cases whose marks are held at the same time are taken to share the link.
#[derive(Debug)]
pub struct WireMark {
    hold: Hold,
    begin: Place,
    /// Where the last reading ended.
    end: Mutex<Option<Place>>,
}

impl Wire {
    /// Captures from now on.
    ///
    /// # Errors
    /// In words: the provider has no router to look into, or it does not let packets be captured.
    pub async fn open(access: &ClusterAccess) -> Result<Self, String> {
        let Some(pod) = access.facts.router_pod.clone() else {
            return Err(format!(
                "cluster {} of provider {} has no router pod to capture in",
                access.side, access.facts.provider
            ));
        };
        let ready = access.wait_pod_ready(&pod).await;
        ready.map_err(|error| error.to_string())?;
        let captured_at = format!("the link of pod {pod}, cluster {}", access.side);
        let command = Command {
            pod,
            container: CONTAINER.to_owned(),
            argv: ["meshproof-router", "capture"].map(str::to_owned).to_vec(),
            stdin: Vec::new(),
        };
        let duplex = access.exec_duplex(&command).await;
        let wire = Self::over(duplex.map_err(|error| error.to_string())?, captured_at);
        // An answer shows that it captures.
        wire.mark().await?;
        Ok(wire)
    }

    /// Reads a capture that somebody else has started.
    fn over(duplex: Duplex, captured_at: String) -> Self {
        let store = Arc::new(Store::default());
        let Duplex {
            stdin,
            stdout,
            ended,
        } = duplex;
        let reader = tokio::spawn(follow::follow(stdout, ended, Arc::clone(&store)));
        Self {
            captured_at,
            store,
            stdin: tokio::sync::Mutex::new(stdin),
            reader,
            tls_servers: Mutex::default(),
        }
    }

    /// The end of everything that has passed so far.
    ///
    /// # Errors
    /// The capture has ended, or does not answer.
    pub async fn mark(&self) -> Result<WireMark, String> {
        let hold = Store::hold(&self.store);
        let begin = self.place().await?;
        hold.from(begin);
        Ok(WireMark {
            hold,
            begin,
            end: Mutex::default(),
        })
    }

    /// What has passed since a mark, searched for `canaries`.
    ///
    /// # Errors
    /// The capture has ended or does not answer, or there is nothing to look for in a canary.
    pub async fn collect(
        &self,
        mark: &WireMark,
        canaries: &[String],
    ) -> Result<WireEvidence, String> {
        if canaries.iter().any(String::is_empty) {
            return Err("an empty text cannot be looked for on the wire".to_owned());
        }
        let end = self.place().await?;
        *mark.end() = Some(end);
        let bytes = self.store.between(mark.begin, end);
        let canaries = canaries.to_vec();
        let read = tokio::task::spawn_blocking(move || {
            Capture::read(&bytes).map(|capture| examine(capture.iter(), &canaries))
        });
        let read = read.await.map_err(|error| error.to_string())?;
        let mut found = read.map_err(|error| format!("{}: {error}", self.captured_at))?;
        found.captured_at.clone_from(&self.captured_at);
        found.dropped = self.store.lost(mark.begin, end);
        found.shared = mark.hold.is_shared();
        let mut known = self.known();
        known.extend(found.tls_servers.iter().copied());
        found.tls_servers = known.iter().copied().collect();
        Ok(found)
    }

    /// The same, again whenever more has passed, until it is enough or `within` is over: connections end
    /// behind the clients that they were made for.
    ///
    /// # Errors
    /// As [`Wire::collect`] has them.
    pub async fn collect_when(
        &self,
        mark: &WireMark,
        canaries: &[String],
        within: Duration,
        enough: impl Fn(&WireEvidence) -> bool,
    ) -> Result<WireEvidence, String> {
        let deadline = Instant::now() + within;
        loop {
            let packets = self.store.packets();
            let found = self.collect(mark, canaries).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            let more = self.store.wait_for(|state| state.packets() > packets);
            if enough(&found) || tokio::time::timeout(left, more).await.is_err() {
                return Ok(found);
            }
        }
    }

    /// The packets between a mark and the end of its last reading, or what has passed so far, as a file
    /// of pcapng.
    pub fn pcapng(&self, mark: &WireMark) -> Vec<u8> {
        let end = *mark.end();
        self.store
            .between(mark.begin, end.unwrap_or_else(|| self.store.end()))
    }

    /// Why the capture has ended, where it has.
    pub(crate) fn ended(&self) -> Option<String> {
        self.store.why_ended()
    }

    /// Forgets who answers TLS: the server's configuration is another one now.
    pub fn forget_tls_servers(&self) {
        self.known().clear();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.tls_servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a word behind everything that has passed, and waits for it.
    async fn place(&self) -> Result<Place, String> {
        let (word, line) = self.store.word();
        let asked = async {
            let mut stdin = self.stdin.lock().await;
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        let answered = async {
            // A command that has ended takes no line; why it ended is what matters.
            let asked = asked.await;
            match self.store.answer(&word).await {
                Err(why) => Err(why),
                Ok(place) => asked.map(|()| place).map_err(|error| error.to_string()),
            }
        };
        let answered = tokio::time::timeout(ANSWERED_WITHIN, answered).await;
        let answered = answered.unwrap_or_else(|_| {
            let why = format!(
                "no answer within {} s to a mark, behind {} packets",
                ANSWERED_WITHIN.as_secs(),
                self.store.packets()
            );
            // Every case would wait as long in vain.
            self.store.ended(&why);
            Err(why)
        });
        answered.map_err(|why| format!("capturing at {}: {why}", self.captured_at))
    }
}

impl WireMark {
    fn end(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
