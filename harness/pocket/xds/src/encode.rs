//! Envoy's JSON to protobuf, strictly: what this crate does not know is an error, never dropped.
//!
//! Written field by field from the descriptors rather than through a generic deserialiser, so that
//! an error names its path also inside `typed_config`, and equal JSON gives equal bytes.

mod schema;
#[cfg(test)]
mod tests;
mod value;
mod wellknown;

pub(crate) use schema::{message, warm};
pub(crate) use value::resource;

/// What is wrong, and where: the path grows from the inside out.
#[derive(Debug)]
pub(crate) struct Fault {
    path: Vec<String>,
    problem: String,
}

pub(crate) type Encoded<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            problem: problem.into(),
        }
    }

    /// Puts `field` before the path so far.
    pub(crate) fn within(mut self, field: impl Into<String>) -> Self {
        self.path.push(field.into());
        self
    }

    /// The path below `root`, and the problem.
    pub(crate) fn locate(self, root: String) -> (String, String) {
        let mut path = root;
        for part in self.path.iter().rev() {
            if !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        (path, self.problem)
    }
}
