//! What can go wrong between the harness and a cluster.

use std::time::Duration;

/// The result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb failed. Each says what was being done, to what, on which cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered with an error, or did not answer.
    #[error("cluster {cluster}: {doing}: {}", api_words(source))]
    Api {
        /// Name of the cluster.
        cluster: String,
        /// What was being done, with the object's name.
        doing: String,
        /// What the client library says.
        #[source]
        source: Box<kube::Error>,
    },
    /// A manifest document cannot be read.
    #[error("{origin}: {why}")]
    Manifest {
        /// `file:line` of the document.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// The cluster does not serve a kind.
    #[error("{origin}: cluster {cluster} does not know kind {kind} in {api_version}")]
    UnknownKind {
        /// `file:line` of the document.
        origin: String,
        /// Name of the cluster.
        cluster: String,
        /// `kind` as written.
        kind: String,
        /// `apiVersion` as written.
        api_version: String,
    },
    /// A deadline passed.
    #[error("cluster {cluster}: waited {} s for {what}: {found}", seconds(*.waited))]
    Deadline {
        /// Name of the cluster.
        cluster: String,
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// What the cluster showed at the end.
        found: String,
    },
    /// What was waited for cannot come any more.
    #[error("cluster {cluster}: {what}: {why}")]
    Failed {
        /// Name of the cluster.
        cluster: String,
        /// What was waited for.
        what: String,
        /// What makes it hopeless: an unknown image, a crash with its last lines.
        why: String,
    },
    /// The mesh does not take an object.
    #[error("cluster {cluster}: {object} is rejected by the mesh: {message}")]
    Rejected {
        /// Name of the cluster.
        cluster: String,
        /// Kind, namespace and name.
        object: String,
        /// The mesh's words.
        message: String,
    },
    /// A stream to or from a pod broke.
    #[error("cluster {cluster}: {doing}: {why}")]
    Stream {
        /// Name of the cluster.
        cluster: String,
        /// What was being done.
        doing: String,
        /// What happened.
        why: String,
    },
    /// An operating-system call on this machine failed.
    #[error("{doing}: {source}")]
    Local {
        /// What was being done.
        doing: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
}

/// The API server's own sentence where there is one: `kube::Error` repeats itself in its `Debug` form.
fn api_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => {
            format!("HTTP {} {}", status.code, status.reason)
        }
        kube::Error::Api(status) => status.message.clone(),
        other => chain(other),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = next.source();
    }
    words
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}
