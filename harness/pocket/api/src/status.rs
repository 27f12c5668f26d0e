//! What the API server answers when a request cannot be served.
//!
//! The shape is Kubernetes' `meta/v1.Status`; constructors carry the wording of
//! kube-apiserver 1.36, which people and client libraries match on.

use serde_json::{Map, Value, json};

/// A refusal in the shape of `meta/v1.Status`.
///
/// `code` is the HTTP status; `reason` one of the machine-readable words
/// (`NotFound`, `Conflict`, ...), empty where Kubernetes leaves it out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StatusError {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, CamelCase, may be empty.
    pub reason: &'static str,
    /// What people read.
    pub message: String,
    /// `details` of the Status object, if any.
    pub details: Option<Box<Map<String, Value>>>,
}

/// One entry of `details.causes` for a refused field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, ...
    pub reason: &'static str,
    /// Path of the field, such as `spec.ports[0].port`.
    pub field: String,
    /// Message without the field's path.
    pub message: String,
}

impl Cause {
    /// A required field that is missing.
    pub fn required(field: impl Into<String>, hint: &str) -> Self {
        let message = if hint.is_empty() {
            "Required value".into()
        } else {
            format!("Required value: {hint}")
        };
        Self {
            reason: "FieldValueRequired",
            field: field.into(),
            message,
        }
    }

    /// A value that is not acceptable; `value` is shown as JSON.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {value}: {why}"),
        }
    }

    /// A value that occurs twice.
    pub fn duplicate(field: impl Into<String>, value: &str) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value}"),
        }
    }

    /// A value outside a closed set; `value` and `supported` as they are to be read.
    pub fn not_supported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!(
            "Unsupported value: {value}: supported values: {}",
            supported.join(", ")
        );
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message,
        }
    }

    /// A field that may not be set or changed.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {why}"),
        }
    }
}

impl StatusError {
    /// Any refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    /// Adds `details`; a value that is not an object is dropped.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        if let Value::Object(map) = details {
            self.details = Some(Box::new(map));
        }
        self
    }

    /// 404 for an object of a served kind. `group` is empty for the core group.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", qualified(plural, group)),
        )
        .with_details(target(group, plural, name))
    }

    /// 404 for a kind or path below a served version that does not exist.
    pub fn no_resource() -> Self {
        let mut error = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        error.details = Some(Box::default());
        error
    }

    /// 409: an object of that name exists.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", qualified(plural, group)),
        )
        .with_details(target(group, plural, name))
    }

    /// 409: the write does not fit the stored object.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            qualified(plural, group)
        );
        Self::new(409, "Conflict", message).with_details(target(group, plural, name))
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403: a served kind refuses by policy.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let what = qualified(plural, group);
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).with_details(target(group, plural, name))
    }

    /// 401: no or an unknown bearer token.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 422: fields of an object are not acceptable. `kind` is the kind, not the plural.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes
            .iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details =
            json!({ "kind": kind, "causes": causes.iter().map(cause_json).collect::<Vec<_>>() });
        insert_non_empty(&mut details, "name", name);
        insert_non_empty(&mut details, "group", group);
        Self::new(
            422,
            "Invalid",
            format!("{} \"{name}\" is invalid: {text}", qualified(kind, group)),
        )
        .with_details(details)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.details = Some(Box::default());
        error
    }

    /// 410: the asked revision is no longer in the history.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 500 with a message; used for what Kubernetes answers so, and for faults of the server.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
        )
        .with_details(json!({ "causes": [{ "message": message }] }))
    }

    /// 501: Kubernetes has it, the embedded cluster does not.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    /// The `meta/v1.Status` object to send.
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        insert_non_empty(&mut status, "reason", self.reason);
        if let Some(details) = &self.details {
            status["details"] = Value::Object((**details).clone());
        }
        status["code"] = self.code.into();
        status
    }
}

fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

fn target(group: &str, plural: &str, name: &str) -> Value {
    let mut details = json!({});
    insert_non_empty(&mut details, "name", name);
    insert_non_empty(&mut details, "group", group);
    insert_non_empty(&mut details, "kind", plural);
    details
}

fn insert_non_empty(object: &mut Value, key: &str, value: &str) {
    if !value.is_empty() {
        object[key] = value.into();
    }
}

fn cause_json(cause: &Cause) -> Value {
    json!({ "reason": cause.reason, "message": cause.message, "field": cause.field })
}
