//! Manifest files: one or more YAML documents, each an object to apply.

use std::fmt;
use std::path::{Path, PathBuf};

use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::error::{Error, Result};

/// Where a document begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as named in the scenario.
    pub file: PathBuf,
    /// Line of the document's first content, counted from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One object of a manifest file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Where it stands.
    pub origin: Origin,
    /// `apiVersion` and `kind`.
    pub gvk: GroupVersionKind,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, where written.
    pub namespace: Option<String>,
    /// The whole document.
    pub object: Value,
}

impl Manifest {
    /// Reads all documents of a file whose text is `text`; empty documents are passed over.
    ///
    /// # Errors
    /// YAML that cannot be read, and documents without `apiVersion`, `kind` or `metadata.name`, each
    /// with file and line.
    pub fn parse(file: &Path, text: &str) -> Result<Vec<Self>> {
        documents(text)
            .into_iter()
            .filter_map(|document| Self::parse_one(file, &document).transpose())
            .collect()
    }

    fn parse_one(file: &Path, document: &Document<'_>) -> Result<Option<Self>> {
        let origin = Origin {
            file: file.to_owned(),
            line: document.content_line(),
        };
        // Lines before the document are kept as empty ones, so that the reader's positions are the file's.
        let padded = format!("{}{}", "\n".repeat(document.first_line - 1), document.text);
        let object: Value = serde_saphyr::from_str(&padded).map_err(|error| Error::Manifest {
            origin: origin.to_string(),
            why: error.to_string(),
        })?;
        if object.is_null() {
            return Ok(None);
        }
        Self::from_object(origin, object).map(Some)
    }

    /// An object that is already in memory, said to come from `origin`.
    ///
    /// # Errors
    /// No `apiVersion`, `kind` or `metadata.name`.
    pub fn from_object(origin: Origin, object: Value) -> Result<Self> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let need = |pointer: &str| {
            text(pointer)
                .filter(|found| !found.is_empty())
                .ok_or_else(|| Error::Manifest {
                    origin: origin.to_string(),
                    why: format!(
                        "no {} in this document",
                        pointer.trim_start_matches('/').replace('/', ".")
                    ),
                })
        };
        let api_version = need("/apiVersion")?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let gvk = GroupVersionKind::gvk(group, version, &need("/kind")?);
        let (name, namespace) = (need("/metadata/name")?, text("/metadata/namespace"));
        Ok(Self {
            origin,
            gvk,
            name,
            namespace,
            object,
        })
    }

    /// `Gateway istio-system/gateway-mysql`, for messages.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.gvk.kind, self.name),
            None => format!("{} {}", self.gvk.kind, self.name),
        }
    }
}

struct Document<'a> {
    first_line: usize,
    text: &'a str,
}

impl Document<'_> {
    fn content_line(&self) -> usize {
        let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        self.first_line + self.text.lines().take_while(blank).count()
    }
}

/// Cuts at lines that begin with `---`: at column 0 these always mark a document (YAML 1.2, 9.1.2).
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            found.push(Document {
                first_line,
                text: &text[start..offset],
            });
            (start, first_line) = (end, index + 2);
        }
        offset = end;
    }
    found.push(Document {
        first_line,
        text: &text[start..],
    });
    found.retain(|document| document.text.lines().any(|line| !line.trim().is_empty()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# a comment\napiVersion: v1\nkind: Service\nmetadata: {name: mysql, namespace: default}\n---\n\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: mysql\n---\n# nothing here\n";

    #[test]
    fn reads_each_document_with_its_line() {
        let found = Manifest::parse(Path::new("mysql.yaml"), TWO).unwrap();
        let lines: Vec<_> = found
            .iter()
            .map(|m| (m.title(), m.origin.to_string()))
            .collect();
        assert_eq!(
            lines,
            [
                (
                    "Service default/mysql".to_owned(),
                    "mysql.yaml:2".to_owned()
                ),
                ("Deployment mysql".to_owned(), "mysql.yaml:7".to_owned()),
            ]
        );
        assert_eq!(found[1].gvk.group, "apps");
    }

    #[test]
    fn names_the_line_of_a_document_that_has_no_name() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {}\n";
        let error = Manifest::parse(Path::new("x.yaml"), text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.yaml:1: no metadata.name in this document"
        );
    }

    #[test]
    fn names_the_line_of_broken_yaml_in_the_second_document() {
        let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: [b\n";
        let error = Manifest::parse(Path::new("x.yaml"), text)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("x.yaml:5: "), "{error}");
    }
}
