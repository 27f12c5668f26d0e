//! Which kubeconfig, and which of its contexts.
//!
//! Reading and merging are kube's; which files, as `kubectl` does: `--kubeconfig`, else the files in `KUBECONFIG`
//! of which those that are not there are passed over, else `~/.kube/config`
//! (<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>).

use std::ffi::OsString;
use std::path::PathBuf;

use meshproof_cluster::kube::config::Kubeconfig;
use meshproof_cluster::{Facts, Side};

use crate::error::{Error, Result, told};
use crate::offer::{Offer, Offered};

/// Where kubeconfigs may be.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The file that was named on the command line: no other is then looked at.
    pub file: Option<PathBuf>,
    /// The value of `KUBECONFIG`.
    pub variable: Option<OsString>,
    /// The user's home.
    pub home: Option<PathBuf>,
}

/// Which contexts were asked for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// That of the cluster where the SQL comes from.
    pub client: Option<String>,
    /// That of the cluster where the database is.
    pub server: Option<String>,
}

/// What was read.
#[derive(Clone, Debug)]
struct Found {
    kubeconfig: Kubeconfig,
    read: Vec<PathBuf>,
}

impl Lookup {
    /// The places of this process's environment, unless a file is named.
    pub fn here(file: Option<PathBuf>) -> Self {
        Self {
            file,
            variable: std::env::var_os("KUBECONFIG"),
            home: std::env::home_dir(),
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.file {
            return vec![file.clone()];
        }
        let variable = self.variable.iter().flat_map(std::env::split_paths);
        let named: Vec<PathBuf> = variable
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        if !named.is_empty() {
            return named;
        }
        let home = self
            .home
            .as_ref()
            .filter(|home| !home.as_os_str().is_empty());
        home.map(|home| home.join(".kube/config"))
            .into_iter()
            .collect()
    }

    fn read(&self) -> Result<Found> {
        let looked_at = self.paths();
        let mut kubeconfig = Kubeconfig::default();
        let mut read = Vec::new();
        for path in &looked_at {
            if !path.exists() {
                continue;
            }
            let unreadable = |error| Error::Unreadable {
                path: path.clone(),
                why: told(&error),
            };
            let next = Kubeconfig::read_from(path).map_err(unreadable)?;
            kubeconfig = kubeconfig.merge(next).map_err(unreadable)?;
            read.push(path.clone());
        }
        if read.is_empty() {
            return Err(Error::NoKubeconfig { looked_at });
        }
        Ok(Found { kubeconfig, read })
    }
}

/// Two contexts of the user's as an offer of the provider `contexts`.
///
/// # Errors
/// There is no kubeconfig, one cannot be read, a context was not named or does not exist, or both have the same
/// API server.
pub fn contexts(lookup: &Lookup, choice: &Choice) -> Result<Offer> {
    let found = lookup.read()?;
    let offered = |side: Side, name: &Option<String>| -> Result<Offered> {
        Ok(Offered {
            context: found.context(side, name.as_deref())?,
            kubeconfig: found.kubeconfig.clone(),
            facts: Facts::istio_defaults("contexts"),
        })
    };
    let offer = Offer {
        client: offered(Side::Client, &choice.client)?,
        server: offered(Side::Server, &choice.server)?,
    };
    distinct(&offer)?;
    Ok(offer)
}

impl Found {
    fn context(&self, side: Side, name: Option<&str>) -> Result<String> {
        let option = match side {
            Side::Client => "--client-context",
            Side::Server => "--server-context",
        };
        let contexts = self.kubeconfig.contexts.iter();
        let mut contexts: Vec<String> = contexts.map(|context| context.name.clone()).collect();
        let Some(name) = name else {
            return Err(Error::NoContext {
                option,
                cluster: side.to_string(),
                contexts,
            });
        };
        if contexts.iter().any(|context| context == name) {
            return Ok(name.to_owned());
        }
        contexts.sort_by(|a, b| {
            let [a, b] =
                [a, b].map(|context| strsim::normalized_damerau_levenshtein(name, context));
            b.total_cmp(&a)
        });
        Err(Error::UnknownContext {
            option,
            name: name.to_owned(),
            read: self.read.clone(),
            contexts,
        })
    }
}

/// The same URL by the same proxy is the same API server, whatever the contexts are called.
fn distinct(offer: &Offer) -> Result<()> {
    let [client, server] = [&offer.client, &offer.server].map(way);
    match (client, server) {
        (Some(client), Some(server)) if client == server => Err(Error::SameServer {
            client: offer.client.context.clone(),
            server: offer.server.context.clone(),
            url: server.0,
        }),
        _ => Ok(()),
    }
}

/// The API server's URL without what does not matter in it, and the proxy to it.
fn way(offered: &Offered) -> Option<(String, Option<String>)> {
    let config = &offered.kubeconfig;
    let context = config
        .contexts
        .iter()
        .find(|named| named.name == offered.context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let named = config
        .clusters
        .iter()
        .find(|named| named.name == *cluster)?;
    let cluster = named.cluster.as_ref()?;
    let url: http::Uri = cluster.server.as_ref()?.parse().ok()?;
    let scheme = url.scheme_str().unwrap_or("http");
    let port = url
        .port_u16()
        .unwrap_or(if scheme == "https" { 443 } else { 80 });
    let host = url.host()?.to_ascii_lowercase();
    let path = url.path().trim_end_matches('/');
    let url = format!("{scheme}://{host}:{port}{path}");
    Some((url, cluster.proxy_url.clone()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn file(folder: &Path, name: &str, contexts: &[(&str, &str)]) -> PathBuf {
        let mut text =
            "apiVersion: v1\nkind: Config\nusers: [{name: u, user: {token: t}}]\n".to_owned();
        let lines = |line: &dyn Fn(&str, &str) -> String| -> String {
            contexts.iter().map(|(name, url)| line(name, url)).collect()
        };
        text.push_str("clusters:\n");
        text.push_str(&lines(&|name, url| {
            format!("- {{name: {name}, cluster: {{server: '{url}'}}}}\n")
        }));
        text.push_str("contexts:\n");
        text.push_str(&lines(&|name, _| {
            format!("- {{name: {name}, context: {{cluster: {name}, user: u}}}}\n")
        }));
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn choice(client: &str, server: &str) -> Choice {
        Choice {
            client: Some(client.to_owned()),
            server: Some(server.to_owned()),
        }
    }

    /// What is said, with the folder of the test taken out.
    fn said(folder: &Path, lookup: &Lookup, choice: &Choice) -> String {
        let error = contexts(lookup, choice).unwrap_err();
        assert!(error.is_bad_input());
        error.to_string().replace(folder.to_str().unwrap(), "DIR")
    }

    fn variable(paths: &[PathBuf]) -> Lookup {
        Lookup {
            variable: Some(std::env::join_paths(paths).unwrap()),
            ..Lookup::default()
        }
    }

    #[test]
    fn several_files_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let a = file(folder.path(), "a", &[("east", "https://east:6443")]);
        let b = file(
            folder.path(),
            "b",
            &[("east", "https://other"), ("west", "https://west")],
        );
        let gone = folder.path().join("gone");
        let offer = contexts(&variable(&[gone, a, b]), &choice("east", "west")).unwrap();
        assert_eq!(way(&offer.client).unwrap().0, "https://east:6443");
        assert_eq!(way(&offer.server).unwrap().0, "https://west:443");
    }

    #[test]
    fn the_home_is_looked_at_where_nothing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".kube")).unwrap();
        let both = [("a", "https://a"), ("b", "https://b")];
        file(&folder.path().join(".kube"), "config", &both);
        let lookup = Lookup {
            home: Some(folder.path().to_owned()),
            variable: Some(OsString::new()),
            ..Lookup::default()
        };
        contexts(&lookup, &choice("a", "b")).unwrap();
    }

    #[test]
    fn what_was_given_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let gone = [at.join("one"), at.join("two")];
        let names = [
            ("gke_project_europe-west1_a", "https://10.0.0.1"),
            ("kops.example.com", "https://10.0.0.2"),
            ("kops-alias", "https://10.0.0.2:443/"),
        ];
        let there = variable(&[file(at, "config", &names)]);
        fs::write(
            at.join("broken"),
            "users: [{name: u, user: {token: s3cret, exec: 7}}]",
        )
        .unwrap();
        let broken = Lookup {
            file: Some(at.join("broken")),
            ..there.clone()
        };
        let all = [
            said(at, &variable(&gone), &choice("a", "b")),
            said(at, &Lookup::default(), &choice("a", "b")),
            said(at, &there, &Choice::default()),
            said(at, &there, &choice("kops.exampel.com", "b")),
            said(at, &there, &choice("kops.example.com", "kops-alias")),
            said(at, &there, &choice("kops-alias", "kops-alias")),
            said(at, &broken, &choice("a", "b")),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }

    proptest! {
        /// Whatever stands in a file: an answer or an error, and never a context that was not asked for.
        #[test]
        fn no_text_breaks_it(text in "[ -~\n]{0,200}") {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config");
            fs::write(&path, text).unwrap();
            if let Ok(offer) = contexts(&variable(&[path]), &choice("a", "b")) {
                prop_assert_eq!(offer.client.context, "a");
            }
        }
    }
}
