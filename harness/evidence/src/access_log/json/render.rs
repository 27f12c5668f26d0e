//! Writes a record as Envoy would.

use serde_json::{Map, Value};

use super::format::{JsonFormat, Member, Node};
use crate::access_log::render::RenderError;

impl JsonFormat {
    /// The line for these values, one for each operator in the order of [`JsonFormat::operators`]:
    /// numbers where the operator has them, text otherwise, and `None` where the proxy has nothing.
    pub fn render(&self, values: &[Option<&str>]) -> Result<String, RenderError> {
        if values.len() != self.operators.len() {
            return Err(RenderError {
                operators: self.operators.len(),
                values: values.len(),
            });
        }
        Ok(self.value(&self.root, values).to_string())
    }

    fn value(&self, node: &Node, values: &[Option<&str>]) -> Value {
        match node {
            Node::Object(members) => self.object(members, values),
            Node::List(members) => {
                let items = members
                    .iter()
                    .map(|member| self.value(&member.node, values));
                Value::Array(items.collect())
            }
            Node::Operator(index) => self.typed(*index, values[*index]),
            Node::Mixed(first, format) => {
                let absent = if self.omit_empty { "" } else { "-" };
                let own = &values[*first..*first + format.operators().len()];
                let own: Vec<&str> = own.iter().map(|value| value.unwrap_or(absent)).collect();
                format.render(&own).map_or(Value::Null, Value::String)
            }
            Node::Constant(constant) => constant.clone(),
        }
    }

    fn object(&self, members: &[Member], values: &[Option<&str>]) -> Value {
        let mut object = Map::new();
        for member in members {
            let value = self.value(&member.node, values);
            let nothing = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            if !(self.omit_empty && nothing) {
                object.insert(member.key.clone(), value);
            }
        }
        Value::Object(object)
    }

    fn typed(&self, index: usize, value: Option<&str>) -> Value {
        let Some(text) = value else {
            return Value::Null;
        };
        let number = text.parse::<u64>().ok();
        let number = number.filter(|n| self.operators[index].is_number() && n.to_string() == text);
        number.map_or_else(|| text.into(), Value::from)
    }
}
