//! Field selectors: `metadata.name=x,status.phase!=Running` over the fields that
//! Kubernetes knows for a kind.

use serde_json::Value;

use crate::kinds::Kind;
use crate::status::StatusError;

/// Parsed requirements, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

/// Fields beyond name and namespace.
fn known(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Event => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Kind::Secret => &["type"],
        Kind::Namespace => &["status.phase"],
        Kind::Node => &["spec.unschedulable"],
        Kind::Service => &["spec.clusterIP", "spec.type"],
        Kind::ReplicaSet => &["status.replicas"],
        _ => &[],
    }
}

impl FieldSelector {
    pub(crate) fn parse(kind: Kind, text: &str) -> Result<Self, StatusError> {
        let terms = split(text);
        let parsed: Result<Vec<_>, _> = terms
            .iter()
            .filter(|term| !term.is_empty())
            .map(|term| requirement(kind, term))
            .collect();
        parsed.map(Self)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            (value_of(object, &requirement.field) == requirement.value) == requirement.equal
        })
    }
}

/// Splits at commas that no backslash escapes.
fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let last = terms.len() - 1;
        match c {
            '\\' => {
                terms[last].push('\\');
                terms[last].extend(characters.next());
            }
            ',' => terms.push(String::new()),
            _ => terms[last].push(c),
        }
    }
    terms
}

fn requirement(kind: Kind, term: &str) -> Result<Requirement, StatusError> {
    let (field, value, equal) = if let Some((field, value)) = term.split_once("!=") {
        (field, value, false)
    } else if let Some((field, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (field, value, true)
    } else {
        return Err(StatusError::bad_request(format!(
            "invalid selector: '{term}'; can't understand '{term}'"
        )));
    };
    let common =
        field == "metadata.name" || field == "metadata.namespace" && kind.info().namespaced;
    if !common && !known(kind).contains(&field) {
        return Err(unknown(kind, field));
    }
    Ok(Requirement {
        field: field.to_owned(),
        value: unescape(value),
        equal,
    })
}

fn unknown(kind: Kind, field: &str) -> StatusError {
    let info = kind.info();
    let message = if info.is_custom() {
        format!("field label not supported: {field}")
    } else if known(kind).is_empty() && info.namespaced {
        format!(
            "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        )
    } else if known(kind).is_empty() {
        format!("{field:?} is not a known field selector: only \"metadata.name\"")
    } else {
        format!("field label not supported: {field}")
    };
    StatusError::bad_request(message)
}

fn unescape(value: &str) -> String {
    let mut result = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        result.extend(if c == '\\' {
            characters.next()
        } else {
            Some(c)
        });
    }
    result
}

fn value_of(object: &Value, field: &str) -> String {
    let field = if field == "source" {
        "source.component"
    } else {
        field
    };
    let found = field
        .split('.')
        .try_fold(object, |value, part| value.get(part));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ if matches!(field, "spec.hostNetwork" | "spec.unschedulable") => "false".into(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_fields_select() {
        let pod =
            json!({ "metadata": { "name": "a" }, "status": { "phase": "Running" }, "spec": {} });
        let matches = |text| FieldSelector::parse(Kind::Pod, text).unwrap().matches(&pod);
        assert!(matches(
            "metadata.name=a,status.phase==Running,spec.nodeName="
        ));
        assert!(!matches("status.phase!=Running"));
    }

    #[test]
    fn unknown_fields_are_named() {
        let error = FieldSelector::parse(Kind::ConfigMap, "data.n=1").unwrap_err();
        assert_eq!(
            error.message,
            r#""data.n" is not a known field selector: only "metadata.name", "metadata.namespace""#
        );
    }
}
