//! Reads one line of a JSON format. Values are borrowed from the line, but for text with escapes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use super::format::{JsonFormat, Member, Node};
use crate::access_log::logged::Logged;
use crate::access_log::operator::Operator;

/// A line that its JSON format cannot have produced.
#[derive(Debug, Error)]
#[error("access log line: {source} of `{line}`; the line was written with another format, or cut")]
pub struct JsonError {
    /// The line.
    pub line: String,
    /// What is wrong, and where.
    pub source: serde_json::Error,
}

/// The values of one line.
#[derive(Clone, Debug)]
pub struct JsonRecord<'a> {
    format: &'a JsonFormat,
    line: &'a str,
    values: Vec<Found<'a>>,
}

/// What a line has for an operator.
#[derive(Clone, Debug, Default, PartialEq)]
enum Found<'a> {
    #[default]
    Missing,
    Null,
    /// Text as the proxy meant it; numbers, truth values and whole objects as they stand.
    Text(Cow<'a, str>),
}

impl JsonFormat {
    /// Reads one line. It has every key of the format and no other.
    pub fn parse<'a>(&'a self, line: &'a str) -> Result<JsonRecord<'a>, JsonError> {
        let wrong = |source| JsonError {
            line: line.to_owned(),
            source,
        };
        if !line.starts_with('{') {
            return Err(wrong(de::Error::custom(
                "expected a JSON object at the start",
            )));
        }
        let mut values = vec![Found::Missing; self.operators.len()];
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let walk = Walk {
            omit_empty: self.omit_empty,
            node: &self.root,
            path: "",
            values: &mut values,
        };
        walk.deserialize(&mut deserializer).map_err(wrong)?;
        deserializer.end().map_err(wrong)?;
        Ok(JsonRecord {
            format: self,
            line,
            values,
        })
    }
}

impl<'a> JsonRecord<'a> {
    /// The value of the operator with this [key](Operator::key), and why there is none.
    pub fn logged(&self, key: &str) -> Logged<&str> {
        match self.format.position(key) {
            None => Logged::NotInFormat,
            Some(index) => self.value(index),
        }
    }

    /// Every operator with its value, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Operator, Logged<&str>)> + '_ {
        let operators = self.format.operators.iter().enumerate();
        operators.map(|(index, operator)| (operator, self.value(index)))
    }

    /// How many values are copies, because the line has them with escapes.
    pub fn copied(&self) -> usize {
        let copied = |found: &&Found<'_>| matches!(found, Found::Text(Cow::Owned(_)));
        self.values.iter().filter(copied).count()
    }

    /// The line.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// Istio before 1.8 had every value logged as text, `-` where there is none.
    pub(in crate::access_log) fn value(&self, index: usize) -> Logged<&str> {
        match &self.values[index] {
            Found::Missing | Found::Null => Logged::Absent,
            Found::Text(text) if text == "-" || (self.format.omit_empty && text.is_empty()) => {
                Logged::Absent
            }
            Found::Text(text) => Logged::Value(text),
        }
    }
}

/// Walks line and format together.
struct Walk<'f, 'v, 'de> {
    omit_empty: bool,
    node: &'f Node,
    path: &'f str,
    values: &'v mut [Found<'de>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.node {
            Node::Object(_) => deserializer.deserialize_map(self),
            Node::List(_) => deserializer.deserialize_seq(self),
            node => {
                let raw = <&RawValue as de::Deserialize>::deserialize(deserializer)?;
                leaf(node, raw.get(), self.values)
                    .map_err(|why| de::Error::custom(format_args!("key `{}` {why}", self.path)))
            }
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.node {
            Node::List(_) => "a list",
            _ => "an object",
        };
        match self.path {
            "" => write!(f, "{what} with the keys of the format"),
            path => write!(f, "{what} for the key `{path}`"),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Node::Object(members) = self.node else {
            return Err(de::Error::custom("no object"));
        };
        let mut seen = vec![false; members.len()];
        let mut expected = 0;
        while let Some(index) = map.next_key_seed(Key { members, expected })? {
            let member = &members[index];
            if std::mem::replace(&mut seen[index], true) {
                return Err(de::Error::custom(format_args!(
                    "key `{}` is there twice",
                    member.path
                )));
            }
            map.next_value_seed(Walk {
                omit_empty: self.omit_empty,
                node: &member.node,
                path: &member.path,
                values: &mut *self.values,
            })?;
            expected = index + 1;
        }
        let missing = members
            .iter()
            .zip(&seen)
            .find(|(member, seen)| !(**seen || self.omit_empty && member.node.may_vanish()));
        match missing {
            None => Ok(()),
            Some((member, _)) => Err(de::Error::custom(format_args!(
                "key `{}` of the format is missing",
                member.path
            ))),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let Node::List(members) = self.node else {
            return Err(de::Error::custom("no list"));
        };
        for member in members {
            let walk = Walk {
                omit_empty: self.omit_empty,
                node: &member.node,
                path: &member.path,
                values: &mut *self.values,
            };
            if items.next_element_seed(walk)?.is_none() {
                return Err(wrong_length(self.path, members.len(), "fewer"));
            }
        }
        match items.next_element::<de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(wrong_length(self.path, members.len(), "more")),
        }
    }
}

fn wrong_length<E: de::Error>(path: &str, wanted: usize, found: &str) -> E {
    E::custom(format_args!(
        "key `{path}` is a list of {found} than the {wanted} items of the format"
    ))
}

/// Finds a key among those of the format, first where it is expected.
struct Key<'f> {
    members: &'f [Member],
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<usize, E> {
        let is_it = |member: &Member| member.key == key;
        if self.members.get(self.expected).is_some_and(is_it) {
            return Ok(self.expected);
        }
        self.members
            .iter()
            .position(is_it)
            .ok_or_else(|| E::custom(format_args!("key `{key}` is not in the format")))
    }
}

/// One value of the line against what the format has there.
fn leaf<'de>(node: &Node, raw: &'de str, values: &mut [Found<'de>]) -> Result<(), String> {
    match node {
        Node::Operator(index) => values[*index] = found(raw)?,
        Node::Mixed(first, format) => match found(raw)? {
            Found::Text(text) if raw.starts_with('"') => {
                let record = format
                    .cut(&text)
                    .map_err(|_| format!("is `{text}`, the format has `{}`", format.text()))?;
                let ranges = (0..format.operators().len()).map(|index| record.range(index));
                for (value, range) in values[*first..].iter_mut().zip(ranges) {
                    *value = Found::Text(part(&text, range));
                }
            }
            _ => return Err(format!("is `{raw}`, expected text")),
        },
        Node::Constant(constant) => {
            let value: Value = serde_json::from_str(raw).map_err(|error| error.to_string())?;
            if !same(&value, constant) {
                return Err(format!("is `{raw}`, the format has `{constant}`"));
            }
        }
        Node::Object(_) | Node::List(_) => {}
    }
    Ok(())
}

/// A part of a text, borrowed where the text is.
fn part<'de>(text: &Cow<'de, str>, range: Range<usize>) -> Cow<'de, str> {
    match text {
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
    }
}

fn found(raw: &str) -> Result<Found<'_>, String> {
    Ok(match raw.as_bytes() {
        b"null" => Found::Null,
        [b'"', inner @ .., b'"'] => Found::Text(match memchr::memchr(b'\\', inner) {
            None => Cow::Borrowed(&raw[1..raw.len() - 1]),
            Some(_) => Cow::Owned(serde_json::from_str(raw).map_err(|error| error.to_string())?),
        }),
        _ => Found::Text(whole(raw)),
    })
}

/// Envoys that kept numbers as floating point wrote large ones with an exponent.
fn whole(raw: &str) -> Cow<'_, str> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exponent = raw.bytes().any(|byte| matches!(byte, b'e' | b'E'));
    match raw.parse::<f64>() {
        Ok(number) if exponent && number.fract() == 0.0 && number.abs() < EXACT => {
            Cow::Owned(format!("{number:.0}"))
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Equal, a number however it is written.
fn same(value: &Value, constant: &Value) -> bool {
    match (value, constant) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => value == constant,
    }
}
