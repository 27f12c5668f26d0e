//! Query parameters.

use std::str::FromStr;

use http::Uri;
use serde_json::json;

use crate::status::{Cause, StatusError};
use crate::write::pipeline::Validation;

/// Decoded parameters in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Result<Self, StatusError> {
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|query| Self(query.0))
            .map_err(|error| StatusError::bad_request(format!("reading the query: {error}")))
    }

    /// The first value, empty if absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// Every value.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Kubernetes' idea of a boolean: absent and false words are false, anything else is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.is_some_and(|(_, value)| {
            !matches!(value.to_ascii_lowercase().as_str(), "0" | "f" | "false")
        })
    }

    /// A number, 400 if it is none.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, StatusError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |_| {
            StatusError::bad_request(format!(
                "strconv.ParseInt: parsing {text:?}: invalid syntax"
            ))
        };
        text.parse().map(Some).map_err(wrong)
    }

    /// `dryRun=All`; other values are a 422. `options` is the name of the options' type.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, StatusError> {
        let values: Vec<&str> = self
            .all("dryRun")
            .filter(|value| !value.is_empty())
            .collect();
        if values.iter().any(|value| *value != "All") {
            let cause = Cause::not_supported("dryRun", &json!(values).to_string(), &["All"]);
            return Err(StatusError::invalid("meta.k8s.io", options, "", &[cause]));
        }
        Ok(!values.is_empty())
    }

    /// What to do about unknown fields.
    pub(crate) fn validation(&self, options: &str) -> Result<Validation, StatusError> {
        match self.text("fieldValidation") {
            "Strict" => Ok(Validation::Strict),
            "" | "Warn" => Ok(Validation::Warn),
            "Ignore" => Ok(Validation::Ignore),
            other => {
                let cause = Cause::not_supported(
                    "fieldValidation",
                    &json!(other).to_string(),
                    &["", "Ignore", "Strict", "Warn"],
                );
                Err(StatusError::invalid("meta.k8s.io", options, "", &[cause]))
            }
        }
    }
}
