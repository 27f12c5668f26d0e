//! Why two clusters cannot be had.

use std::path::PathBuf;

use meshproof_cluster::kube::config::KubeconfigError;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a cluster cannot be had. Each says which, and what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file was there.
    #[error(
        "no kubeconfig: looked at {}; name one with --kubeconfig or in the variable KUBECONFIG",
        places(looked_at)
    )]
    NoKubeconfig {
        /// Every path that was tried.
        looked_at: Vec<PathBuf>,
    },
    /// A file is no kubeconfig.
    #[error("kubeconfig {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where; nothing of its text, which has secrets.
        why: String,
    },
    /// An option was left out.
    #[error(
        "{option} is missing: it names the context of the {cluster} cluster; {}",
        known(contexts)
    )]
    NoContext {
        /// The option.
        option: &'static str,
        /// `client` or `server`.
        cluster: String,
        /// The contexts that exist.
        contexts: Vec<String>,
    },
    /// There is no such context.
    #[error(
        "{option} {name}: no such context in {}; {}",
        places(read),
        known(contexts)
    )]
    UnknownContext {
        /// The option.
        option: &'static str,
        /// The context that was asked for.
        name: String,
        /// The files that were read.
        read: Vec<PathBuf>,
        /// The contexts that exist, those with the most similar names first.
        contexts: Vec<String>,
    },
    /// A context names what is not there, or a file that cannot be read.
    #[error("cluster {cluster}: context {context}: {why}")]
    Context {
        /// `client` or `server`.
        cluster: String,
        /// The context.
        context: String,
        /// What is not there.
        why: String,
    },
    /// Both contexts lead to one API server.
    #[error(
        "contexts {client} and {server} are the same cluster: both have the API server {url}; \
         name a context of another cluster"
    )]
    SameServer {
        /// The client's context.
        client: String,
        /// The server's context.
        server: String,
        /// The URL that both have.
        url: String,
    },
    /// Both contexts lead to one cluster, by different ways.
    #[error(
        "contexts {client} and {server} are the same cluster: namespace kube-system has the uid {uid} in both; \
         name a context of another cluster"
    )]
    SameCluster {
        /// The client's context.
        client: String,
        /// The server's context.
        server: String,
        /// What tells clusters apart.
        uid: String,
    },
    /// The program that gives credentials failed.
    #[error("cluster {cluster}: context {context}: {why}")]
    ExecPlugin {
        /// `client` or `server`.
        cluster: String,
        /// The context.
        context: String,
        /// The program, how it ended, and its last words without secrets.
        why: String,
    },
    /// No client can be made of a context.
    #[error("cluster {cluster}: context {context}: {why}")]
    Client {
        /// `client` or `server`.
        cluster: String,
        /// The context.
        context: String,
        /// What kube says.
        why: String,
    },
    /// A file of ours cannot be written.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// What was given is wrong, rather than what is around it.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::ExecPlugin { .. } | Self::Client { .. })
    }
}

fn places(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if paths.is_empty() {
        return "no file, as neither KUBECONFIG nor HOME is set".to_owned();
    }
    paths.join(", ")
}

fn known(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return "there are no contexts in it".to_owned();
    }
    format!("there are: {}", contexts.join(", "))
}

/// kube writes paths as Rust would, and the YAML reader shows the text around a mistake: the place is enough.
pub(crate) fn told(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::Parse(source) => match source.location() {
            Some(at) => format!(
                "no kubeconfig from line {}, column {} on",
                at.line(),
                at.column()
            ),
            None => "not a kubeconfig".to_owned(),
        },
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("its cluster {name} is not in the kubeconfig")
        }
        other => chain(other),
    }
}

/// An error and its causes in one line; what a parent already told is left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
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
