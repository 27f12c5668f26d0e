//! What a run has yet to take back from a cluster, in a file of its own: whoever kills the run leaves enough behind to
//! finish its work.
//!
//! Objects that a run has made carry its label and can be found without it. What it has changed of others' is known
//! from here alone. The file can hold what Secrets held before: nobody else may read it.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::owned::Undo;

/// The form of the file.
const SCHEMA: &str = "meshproof.dev/left/v1";

/// Where a run notes what it has to take back from one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The file. It is there as long as there is something in it.
    pub path: PathBuf,
    /// The cluster, by the uid of its namespace `kube-system`.
    pub cluster: String,
}

/// A journal as it was found.
#[derive(Debug)]
pub struct Found {
    /// The run that wrote it.
    pub run: String,
    pub(crate) journal: Journal,
    pub(crate) left: Vec<Undo>,
}

impl Found {
    /// The cluster, by the uid of its namespace `kube-system`.
    pub fn cluster(&self) -> &str {
        &self.journal.cluster
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    schema: Cow<'a, str>,
    run: Cow<'a, str>,
    cluster: Cow<'a, str>,
    left: Cow<'a, [Undo]>,
}

impl Journal {
    /// Notes everything that is left; the file goes when that is nothing.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn note(&self, run: &str, left: &[Undo]) -> io::Result<()> {
        if left.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let written = Written {
            schema: SCHEMA.into(),
            run: run.into(),
            cluster: (&self.cluster).into(),
            left: left.into(),
        };
        let text = serde_json::to_vec(&written)?;
        // Whole or not at all: whoever reads it may do so at any moment.
        let new = self.path.with_extension("new");
        let mut file = private(&new)?;
        file.write_all(&text)?;
        fs::rename(&new, &self.path)
    }

    /// Reads a journal that another run has left.
    ///
    /// # Errors
    /// In words: it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Found, String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        let written: Written<'_> =
            serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
        if written.schema != SCHEMA {
            let why = format!(
                "its schema is {}, and this version reads {SCHEMA}",
                written.schema
            );
            return Err(told(why));
        }
        Ok(Found {
            run: written.run.into_owned(),
            journal: Self {
                path: path.to_owned(),
                cluster: written.cluster.into_owned(),
            },
            left: written.left.into_owned(),
        })
    }
}

/// A file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use k8s_openapi::api::core::v1::Service;
    use kube::core::ApiResource;
    use serde_json::json;

    use super::*;
    use crate::owned::Varied;
    use crate::vary::ObjectRef;

    fn left() -> Vec<Undo> {
        let resource = ApiResource::erase::<Service>(&());
        let patch = json!([{"op": "remove", "path": "/spec/ports/3"}]);
        let object = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: "istio-system".to_owned(),
            name: "istio-egressgateway".to_owned(),
        };
        vec![
            Undo::Delete {
                resource: resource.clone(),
                namespace: Some("default".to_owned()),
                name: "mysql".to_owned(),
            },
            Undo::Restore {
                resource,
                namespace: Some("istio-system".to_owned()),
                name: "istio-ingressgateway".to_owned(),
                patch: serde_json::from_value(patch).unwrap(),
            },
            Undo::Release {
                namespace: "istio-system".to_owned(),
                name: "istio-egressgateway".to_owned(),
                ports: vec![15443],
            },
            Undo::Vary(
                object,
                Varied {
                    base: Some(json!({"spec": {}})),
                    now: vec![None, Some(json!({"spec": {"a": 1}}))],
                },
            ),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_reads_it() {
        let folder = std::env::temp_dir().join(format!("meshproof-journal-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let journal = Journal {
            path: folder.join("r1.client.json"),
            cluster: "uid".to_owned(),
        };
        journal.note("r1", &left()).unwrap();
        let mode = fs::metadata(&journal.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let found = Journal::read(&journal.path).unwrap();
        assert_eq!((found.run.as_str(), found.cluster()), ("r1", "uid"));
        assert_eq!(format!("{:?}", found.left), format!("{:?}", left()));
        fs::write(&journal.path, "{}").unwrap();
        assert!(Journal::read(&journal.path).unwrap_err().contains("schema"));
        journal.note("r1", &[]).unwrap();
        assert!(!journal.path.exists());
        journal.note("r1", &[]).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
