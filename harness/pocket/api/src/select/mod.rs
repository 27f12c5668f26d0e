//! Selecting objects by labels and fields.

mod field;
mod label;

use serde_json::Value;

pub(crate) use self::field::FieldSelector;
pub(crate) use self::label::LabelSelector;

use crate::kinds::Kind;
use crate::status::StatusError;

/// Both selectors of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selector {
    pub(crate) fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Self, StatusError> {
        Ok(Self {
            labels: LabelSelector::parse(labels)?,
            fields: FieldSelector::parse(kind, fields)?,
        })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(&object["metadata"]["labels"]) && self.fields.matches(object)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.labels.is_all() && self.fields.is_all()
    }
}
