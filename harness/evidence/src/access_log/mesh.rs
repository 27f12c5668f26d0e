//! What a mesh configuration says of access logs (Istio, `pilot/pkg/model/telemetry_logging.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::detect::Expected;
use super::format::Format;
use super::json::{JsonFormat, JsonFormatError};
use super::reader::{Reader, ReaderError};

/// The provider that every mesh has, and which takes the mesh's own format.
const ENVOY: &str = "envoy";

const STDOUT: &str = "/dev/stdout";

/// The fields of a mesh configuration that decide about access logs. The others are not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MeshLogs {
    access_log_file: Option<String>,
    access_log_encoding: Option<String>,
    access_log_format: Option<String>,
    default_providers: Option<DefaultProviders>,
    extension_providers: Option<Vec<Provider>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DefaultProviders {
    access_logging: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Provider {
    name: String,
    envoy_file_access_log: Option<FileProvider>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FileProvider {
    path: Option<String>,
    log_format: Option<LogFormat>,
    omit_empty_values: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LogFormat {
    text: Option<String>,
    labels: Option<Map<String, Value>>,
}

/// Where access logs go.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// Nowhere: why.
    Nowhere(String),
    /// To the output of the proxy's container, in one of these formats.
    Output(Expected),
}

/// Why nothing can be read from the logs of a mesh.
#[derive(Debug, Error)]
pub enum MeshLogsError {
    /// A format that cannot be used.
    #[error("mesh configuration: {field}: {source}")]
    Format {
        /// The field that has it.
        field: String,
        /// What is wrong with it.
        source: ReaderError,
    },
    /// A format that hides a session's way.
    #[error("mesh configuration: {field}: the log format has no {operators}: {without}")]
    Lacks {
        /// The field that has it.
        field: String,
        /// What it lacks.
        operators: String,
        /// What that means.
        without: &'static str,
    },
    /// An encoding that Istio does not have.
    #[error("mesh configuration: accessLogEncoding: expected TEXT or JSON, found `{found}`")]
    Encoding {
        /// It.
        found: String,
    },
    /// A file inside the container.
    #[error(
        "mesh configuration: {field}: access logs go to the file {path}, which is no container's output; use {STDOUT}"
    )]
    File {
        /// The field that names it.
        field: String,
        /// The file.
        path: String,
    },
}

/// File and formats of one provider.
struct Source {
    /// Where the path is set, and where the format is.
    fields: [String; 2],
    path: String,
    expected: Expected,
}

impl MeshLogs {
    /// The logs of proxies that no `Telemetry` resource says otherwise of.
    pub fn written(&self) -> Result<Written, MeshLogsError> {
        self.written_by(&[])
    }

    /// The same where `Telemetry` resources name these providers for some of the proxies.
    pub fn written_by(&self, named: &[&str]) -> Result<Written, MeshLogsError> {
        let mut sources = self.defaults()?;
        for name in named {
            sources.extend(self.provider(name)?);
        }
        let mut written: Option<Expected> = None;
        for source in sources {
            let expected = source.checked()?;
            written = Some(match written {
                None => expected,
                Some(others) => others.or(expected),
            });
        }
        Ok(written.map_or_else(
            || {
                Written::Nowhere(
                    "access logs are off: neither accessLogFile nor a provider is set".into(),
                )
            },
            Written::Output,
        ))
    }

    /// By the default providers; where none of them writes a file, by the mesh itself.
    fn defaults(&self) -> Result<Vec<Source>, MeshLogsError> {
        let providers = self.default_providers.as_ref();
        let names = providers.and_then(|providers| providers.access_logging.as_deref());
        let mut sources = Vec::new();
        for name in names.unwrap_or_default() {
            sources.extend(self.provider(name)?);
        }
        let file = self
            .access_log_file
            .as_deref()
            .filter(|file| !file.is_empty());
        if let (true, Some(path)) = (sources.is_empty(), file) {
            sources.push(self.own(path, "accessLogFile")?);
        }
        Ok(sources)
    }

    /// The mesh's own encoding and format.
    fn own(&self, path: &str, path_field: &str) -> Result<Source, MeshLogsError> {
        let field = "accessLogFormat";
        let format = self.access_log_format.as_deref().unwrap_or_default();
        let expected = match self.access_log_encoding.as_deref().unwrap_or("TEXT") {
            "TEXT" => text(format, false, field)?,
            "JSON" => mesh_json(format, field)?,
            other => {
                return Err(MeshLogsError::Encoding {
                    found: other.to_owned(),
                });
            }
        };
        Ok(Source {
            fields: [path_field.to_owned(), field.to_owned()],
            path: path.to_owned(),
            expected,
        })
    }

    /// A provider by its name, whatever the case; `None` where it writes no file or there is none.
    fn provider(&self, name: &str) -> Result<Option<Source>, MeshLogsError> {
        let by_name: BTreeMap<String, &Provider> = self
            .extension_providers
            .iter()
            .flatten()
            .map(|provider| (provider.name.to_lowercase(), provider))
            .collect();
        match by_name.get(&name.to_lowercase()) {
            None if name.eq_ignore_ascii_case(ENVOY) => {
                self.own(STDOUT, "extensionProviders[envoy]").map(Some)
            }
            None => Ok(None),
            Some(provider) => match &provider.envoy_file_access_log {
                None => Ok(None),
                Some(file) => self.file(&provider.name, file).map(Some),
            },
        }
    }

    fn file(&self, name: &str, file: &FileProvider) -> Result<Source, MeshLogsError> {
        let at = format!("extensionProviders[{name}].envoyFileAccessLog");
        let (path_field, omit) = (format!("{at}.path"), file.omit_empty_values == Some(true));
        let path = file.path.as_deref().filter(|path| !path.is_empty());
        let path = path.unwrap_or(STDOUT);
        let format = file.log_format.as_ref();
        let labels = format.and_then(|format| format.labels.as_ref());
        let (field, expected) = match (labels, format.and_then(|format| format.text.as_deref())) {
            (Some(labels), _) => {
                let field = format!("{at}.logFormat.labels");
                let expected = json(labels, omit, &field)?;
                (field, expected)
            }
            (None, None) if name == ENVOY && !omit => return self.own(path, &path_field),
            (None, format) => {
                let field = format!("{at}.logFormat.text");
                let expected = text(format.unwrap_or_default(), omit, &field)?;
                (field, expected)
            }
        };
        Ok(Source {
            fields: [path_field, field],
            path: path.to_owned(),
            expected,
        })
    }
}

impl Source {
    /// Its formats, if they can be read and tell a session's way.
    fn checked(self) -> Result<Expected, MeshLogsError> {
        let [path_field, field] = self.fields;
        if self.path != STDOUT && self.path != "/dev/stderr" {
            return Err(MeshLogsError::File {
                field: path_field,
                path: self.path,
            });
        }
        let lacking = self
            .expected
            .candidates()
            .iter()
            .flat_map(|candidate| candidate.reader.lacks())
            .find(|need| need.essential);
        match lacking {
            None => Ok(self.expected),
            Some(need) => Err(MeshLogsError::Lacks {
                field,
                operators: need.names(),
                without: need.without,
            }),
        }
    }
}

/// A format string; Istio's own where it is empty.
fn text(format: &str, omit: bool, field: &str) -> Result<Expected, MeshLogsError> {
    if format.is_empty() {
        return istios(false, omit, field);
    }
    let reader = Format::compile(format).map(Reader::Text);
    own(reader.map_err(Into::into), omit, field)
}

/// The mesh's JSON format. One that is no JSON object is not used: istiod says so in its log and
/// takes its own.
fn mesh_json(format: &str, field: &str) -> Result<Expected, MeshLogsError> {
    match JsonFormat::compile(format) {
        Err(JsonFormatError::Syntax { .. }) => istios(true, false, field),
        compiled => own(compiled.map(Reader::Json).map_err(Into::into), false, field),
    }
}

/// A provider's labels; Istio's own where there are none.
fn json(labels: &Map<String, Value>, omit: bool, field: &str) -> Result<Expected, MeshLogsError> {
    if labels.is_empty() {
        return istios(true, omit, field);
    }
    let text = Value::from(labels.clone()).to_string();
    let reader = JsonFormat::compile(&text).map(Reader::Json);
    own(reader.map_err(Into::into), omit, field)
}

fn istios(json: bool, omit: bool, field: &str) -> Result<Expected, MeshLogsError> {
    if !omit {
        return Ok(Expected::of_istio(json));
    }
    Expected::of_istio_omitting(json).map_err(|source| wrong(field, source))
}

fn own(
    reader: Result<Reader, ReaderError>,
    omit: bool,
    field: &str,
) -> Result<Expected, MeshLogsError> {
    let reader = match reader {
        Ok(reader) if omit => reader.omitting_empty(),
        other => other,
    };
    let reader = reader.map_err(|source| wrong(field, source))?;
    Ok(Expected::known(field, reader))
}

fn wrong(field: &str, source: ReaderError) -> MeshLogsError {
    MeshLogsError::Format {
        field: field.to_owned(),
        source,
    }
}
