//! Compiles a format that is a JSON object: keys, and format strings as their values.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::access_log::compile::Compiler;
use crate::access_log::format::{Format, FormatError, MAX_OPERATORS};
use crate::access_log::operator::Operator;

/// A compiled JSON format.
///
/// A value that is one operator and nothing else is logged with its own type, `null` where the proxy
/// has none; text with operators in it is logged as text; anything else as it stands (Envoy,
/// `source/common/formatter/substitution_formatter.cc`). Objects and lists may nest.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonFormat {
    pub(super) root: Node,
    pub(super) operators: Vec<Operator>,
    /// Keys without a value are left out.
    pub(super) omit_empty: bool,
    text: String,
}

/// What stands for a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Object(Vec<Member>),
    List(Vec<Member>),
    /// One operator: its index.
    Operator(usize),
    /// Text with operators in it: the first one's index.
    Mixed(usize, Box<Format>),
    Constant(Value),
}

/// A key of an object, or an item of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    /// `net.upstream.host`, for messages.
    pub(super) path: String,
    pub(super) node: Node,
}

/// Why a JSON format cannot be used.
#[derive(Debug, Error)]
pub enum JsonFormatError {
    /// Not JSON, or no object.
    #[error("access log format: expected a JSON object of keys and format strings: {source}")]
    Syntax {
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// A value that is no format string.
    #[error("access log format: key `{path}`: {source}")]
    Value {
        /// The key.
        path: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Items that vanish from a list leave no trace of which they were.
    #[error(
        "access log format: key `{path}` is a list, and empty values are omitted: which ones a line has cannot be told; use an object there, or keep empty values"
    )]
    ListOmits {
        /// The key.
        path: String,
    },
    /// No operator at all.
    #[error("access log format `{text}` has no operator, so its lines say nothing")]
    NoOperator {
        /// The format.
        text: String,
    },
    /// More operators than [`MAX_OPERATORS`].
    #[error(
        "access log format: key `{path}` brings more than the {MAX_OPERATORS} operators that fit"
    )]
    TooMany {
        /// The key.
        path: String,
    },
}

impl JsonFormat {
    /// Compiles the text of a JSON object.
    pub fn compile(text: &str) -> Result<Self, JsonFormatError> {
        Self::build(text, false)
    }

    /// The same for lines that are written with `omit_empty_values`.
    pub fn omitting_empty(text: &str) -> Result<Self, JsonFormatError> {
        Self::build(text, true)
    }

    fn build(text: &str, omit_empty: bool) -> Result<Self, JsonFormatError> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|source| JsonFormatError::Syntax { source })?;
        let mut builder = Builder {
            operators: Vec::new(),
            omit_empty,
        };
        let members = builder.members(object, "")?;
        if builder.operators.is_empty() {
            return Err(JsonFormatError::NoOperator {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            root: Node::Object(members),
            operators: builder.operators,
            omit_empty,
            text: text.to_owned(),
        })
    }

    /// Every operator, those of text values one by one, in the order of the keys.
    pub fn operators(&self) -> impl ExactSizeIterator<Item = &Operator> {
        self.operators.iter()
    }

    /// The format as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether keys without a value are left out.
    pub fn omits_empty(&self) -> bool {
        self.omit_empty
    }

    /// The keys of the object, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let members = match &self.root {
            Node::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|member| member.key.as_str())
    }

    pub(in crate::access_log) fn position(&self, key: &str) -> Option<usize> {
        self.operators
            .iter()
            .position(|operator| operator.key() == key)
    }
}

impl Node {
    /// Whether the key may be missing where empty values are omitted.
    pub(super) fn may_vanish(&self) -> bool {
        match self {
            Self::Operator(_) => true,
            Self::Constant(value) => value.is_null(),
            Self::Object(members) => members.iter().all(|member| member.node.may_vanish()),
            Self::Mixed(..) | Self::List(_) => false,
        }
    }
}

struct Builder {
    operators: Vec<Operator>,
    omit_empty: bool,
}

impl Builder {
    /// In the order of their names, as Envoy writes them.
    fn members(
        &mut self,
        object: Map<String, Value>,
        within: &str,
    ) -> Result<Vec<Member>, JsonFormatError> {
        let mut entries: Vec<(String, Value)> = object.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.nodes(entries, within)
    }

    fn nodes(
        &mut self,
        entries: Vec<(String, Value)>,
        within: &str,
    ) -> Result<Vec<Member>, JsonFormatError> {
        let mut member = |(key, value): (String, Value)| {
            let path = if within.is_empty() {
                key.clone()
            } else {
                format!("{within}.{key}")
            };
            let node = self.node(value, &path)?;
            Ok(Member { key, path, node })
        };
        entries.into_iter().map(&mut member).collect()
    }

    fn node(&mut self, value: Value, path: &str) -> Result<Node, JsonFormatError> {
        match value {
            Value::String(text) => self.text(&text, path),
            Value::Object(object) => Ok(Node::Object(self.members(object, path)?)),
            Value::Array(items) => self.list(items, path),
            constant => Ok(Node::Constant(constant)),
        }
    }

    fn list(&mut self, items: Vec<Value>, path: &str) -> Result<Node, JsonFormatError> {
        if self.omit_empty {
            return Err(JsonFormatError::ListOmits {
                path: path.to_owned(),
            });
        }
        let numbered = items.into_iter().enumerate();
        let entries = numbered.map(|(index, item)| (index.to_string(), item));
        Ok(Node::List(self.nodes(entries.collect(), path)?))
    }

    fn text(&mut self, text: &str, path: &str) -> Result<Node, JsonFormatError> {
        let wrong = |source| JsonFormatError::Value {
            path: path.to_owned(),
            source,
        };
        let (head, fields) = Compiler::new(text).run().map_err(wrong)?;
        let first = self.operators.len();
        if first + fields.len() > MAX_OPERATORS {
            return Err(JsonFormatError::TooMany {
                path: path.to_owned(),
            });
        }
        let alone =
            head.is_empty() && matches!(fields.as_slice(), [(_, behind)] if behind.is_empty());
        let node = match (fields.is_empty(), alone) {
            (true, _) => Node::Constant(head.into()),
            (_, true) => Node::Operator(first),
            _ => {
                let format = Format::exact(text, text).map_err(wrong)?;
                let format = if self.omit_empty {
                    format.omitting_empty()
                } else {
                    format
                };
                Node::Mixed(first, Box::new(format))
            }
        };
        self.operators
            .extend(fields.into_iter().map(|(operator, _)| operator));
        Ok(node)
    }
}
