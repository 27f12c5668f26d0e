//! Writes records as Envoy would, for tests of whoever reads them and for examples.

use thiserror::Error;

use super::format::Format;

/// The number of values is not that of the operators.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("access log line: the format has {operators} operators, {values} values were given")]
pub struct RenderError {
    pub(super) operators: usize,
    pub(super) values: usize,
}

impl Format {
    /// The line for these values, one for each operator in order, without a line break.
    pub fn render(&self, values: &[&str]) -> Result<String, RenderError> {
        if values.len() != self.fields.len() {
            return Err(RenderError {
                operators: self.fields.len(),
                values: values.len(),
            });
        }
        let mut line = self.head.clone();
        for ((_, literal), value) in self.fields.iter().zip(values) {
            line.push_str(value);
            line.push_str(literal);
        }
        Ok(line)
    }
}
