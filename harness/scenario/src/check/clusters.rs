//! Clusters and the database: names, paths, and namespaces of pods.

use super::{Check, shorten};
use crate::names::{is_label, is_name};
use crate::{At, Cluster, Database, Pod, Scenario, Side};

impl Check<'_> {
    pub(super) fn clusters(&mut self, scenario: &Scenario) {
        for (_, cluster) in scenario.clusters.iter() {
            self.cluster(cluster);
        }
        for name in scenario.clusters.server.pods.keys() {
            if let Some((first, _)) = scenario.clusters.client.pods.get_key_value(name.as_str()) {
                let note = format!(
                    "cases name a pod without its cluster; line {} has the other one",
                    first.line()
                );
                self.error(
                    name,
                    format!("pod `{name}` is declared in both clusters"),
                    note,
                );
            }
        }
    }

    fn cluster(&mut self, cluster: &Cluster) {
        let patches = cluster.patches.iter().map(|patch| &patch.json);
        for path in std::iter::once(&cluster.mesh_config)
            .chain(patches)
            .chain(&cluster.manifests)
        {
            self.path(path);
        }
        for namespace in cluster.namespaces.keys() {
            self.label("namespace", namespace);
        }
        for secret in cluster.secrets.values() {
            self.secret(secret);
        }
        for (name, pod) in &cluster.pods {
            self.pod(cluster, name, pod);
        }
    }

    fn path(&mut self, path: &At<String>) {
        if path.is_empty() {
            self.error(
                path,
                "empty path".to_owned(),
                "expected a path relative to the scenario file",
            );
        } else if path.contains("${") {
            let message = format!("path `{}` uses a binding", shorten(path));
            self.error(
                path,
                message,
                "paths are read before bindings have values; write the path out",
            );
        } else if path.chars().any(char::is_control) {
            let message = format!("path `{}` has control characters", shorten(path));
            self.error(
                path,
                message,
                "expected a path relative to the scenario file",
            );
        }
    }

    fn pod(&mut self, cluster: &Cluster, name: &At<String>, pod: &Pod) {
        if !is_name(name) {
            let note = "allowed: lower-case letters, digits, inner hyphens and dots, at most 253";
            self.error(
                name,
                format!("invalid name of a pod `{}`", shorten(name)),
                note,
            );
        }
        let namespaces = cluster.namespaces.keys().map(|name| name.as_str());
        self.declared(
            "namespace",
            &pod.namespace,
            namespaces,
            "declare it under `namespaces` of the cluster",
        );
        if pod.image.trim().is_empty() {
            self.error(
                &pod.image,
                "empty image".to_owned(),
                "expected an image, as in mysql:5.6",
            );
        }
        for key in pod.env.keys() {
            if !crate::template::is_binding_name(key) {
                let message = format!("invalid environment variable `{}`", shorten(key));
                self.error(
                    key,
                    message,
                    "allowed: letters, digits and underscores, not a digit first",
                );
            }
        }
    }

    pub(super) fn database(&mut self, database: &Database) {
        // The harness reads the server side only in the cluster that plays the server.
        if database.cluster.value != Side::Server {
            self.error(
                &database.cluster,
                "the database is in the client's cluster".to_owned(),
                "supported: `server`",
            );
        }
        if database.port.value == 0 {
            self.error(
                &database.port,
                "invalid port `0`".to_owned(),
                "expected a number from 1 to 65535",
            );
        }
        for statement in &database.prepare {
            if statement.trim().is_empty() {
                self.error(
                    statement,
                    "empty statement in `prepare`".to_owned(),
                    "give the database something to do, or leave it out",
                );
            }
        }
        let key = &database.password.key;
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if key.is_empty() || !key.bytes().all(safe) {
            let message = format!("invalid key of a Secret `{}`", shorten(key));
            self.error(key, message, "allowed: letters, digits, `-`, `_` and `.`");
        }
        if !is_label(&database.password.secret.namespace) {
            let message = format!("invalid namespace `{}`", database.password.secret.namespace);
            self.error(
                &database.password.secret,
                message,
                "expected namespace/name",
            );
        }
    }
}
