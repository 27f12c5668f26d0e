//! Messages, lists, maps and scalars.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::{Encoded, Fault, message, wellknown};

/// The protobuf bytes of `value` as a message of type `name`.
pub(crate) fn resource(name: &str, value: &Value) -> Encoded<Vec<u8>> {
    encode_message(&message(name)?, value)
}

/// The bytes of one message, without its length.
pub(super) fn encode_message(descriptor: &MessageDescriptor, value: &Value) -> Encoded<Vec<u8>> {
    if let Some(bytes) = wellknown::encode(descriptor, value)? {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    fields(descriptor, object(value)?, &mut out)?;
    Ok(out)
}

/// The fields of an object, the `@type` of an `Any` aside.
pub(super) fn fields(
    descriptor: &MessageDescriptor,
    object: &Map<String, Value>,
    out: &mut Vec<u8>,
) -> Encoded {
    let mut chosen: Vec<(String, &str)> = Vec::new();
    for (name, value) in object.iter().filter(|(name, _)| *name != "@type") {
        let Some(field) = descriptor.get_field_by_name(name) else {
            return Err(
                Fault::new(format!("unknown field of {}", descriptor.full_name())).within(name),
            );
        };
        if let Some(oneof) = field.containing_oneof() {
            if let Some((_, other)) = chosen.iter().find(|(known, _)| known == oneof.name()) {
                return Err(Fault::new(format!("excludes {other}, which is set too")).within(name));
            }
            chosen.push((oneof.name().to_owned(), name));
        }
        encode_field(&field, value, out).map_err(|fault| fault.within(name))?;
    }
    Ok(())
}

fn encode_field(field: &FieldDescriptor, value: &Value, out: &mut Vec<u8>) -> Encoded {
    if field.is_map() {
        return encode_map(field, value, out);
    }
    if field.cardinality() != Cardinality::Repeated {
        return encode_single(field, value, out);
    }
    let Value::Array(items) = value else {
        return Err(unexpected("a list", value));
    };
    for (index, item) in items.iter().enumerate() {
        encode_single(field, item, out).map_err(|fault| fault.within(format!("[{index}]")))?;
    }
    Ok(())
}

/// A map is a list of entries with the key as field 1 and the value as field 2.
fn encode_map(field: &FieldDescriptor, value: &Value, out: &mut Vec<u8>) -> Encoded {
    let Kind::Message(entry) = field.kind() else {
        return Err(Fault::new("a map without an entry type"));
    };
    let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
    for (key, item) in object(value)? {
        let mut bytes = Vec::new();
        let named = |fault: Fault| fault.within(format!("[{key:?}]"));
        encode_single(&key_field, &Value::String(key.clone()), &mut bytes).map_err(named)?;
        encode_single(&value_field, item, &mut bytes).map_err(named)?;
        delimited(field.number(), &bytes, out);
    }
    Ok(())
}

fn encode_single(field: &FieldDescriptor, value: &Value, out: &mut Vec<u8>) -> Encoded {
    let number = field.number();
    match field.kind() {
        Kind::Message(descriptor) => delimited(number, &encode_message(&descriptor, value)?, out),
        kind => encode_scalar(&kind, number, value, out)?,
    }
    Ok(())
}

/// One scalar with its key.
pub(super) fn encode_scalar(kind: &Kind, number: u32, value: &Value, out: &mut Vec<u8>) -> Encoded {
    match kind {
        Kind::String => delimited(number, text(value)?.as_bytes(), out),
        Kind::Bytes => delimited(number, &base64(text(value)?)?, out),
        Kind::Bool => {
            let flag = value
                .as_bool()
                .ok_or_else(|| unexpected("true or false", value))?;
            varint(number, u64::from(flag), out);
        }
        Kind::Enum(names) => varint(number, enumeration(names, value)?, out),
        Kind::Uint32 => varint(number, unsigned(value, u64::from(u32::MAX))?, out),
        Kind::Uint64 => varint(number, unsigned(value, u64::MAX)?, out),
        Kind::Int32 => varint(
            number,
            signed(value, i64::from(i32::MIN), i64::from(i32::MAX))?,
            out,
        ),
        Kind::Int64 => varint(number, signed(value, i64::MIN, i64::MAX)?, out),
        Kind::Double => {
            let number_value = value
                .as_f64()
                .ok_or_else(|| unexpected("a number", value))?;
            encode_key(number, WireType::SixtyFourBit, out);
            out.extend_from_slice(&number_value.to_le_bytes());
        }
        other => {
            return Err(Fault::new(format!(
                "scalars of kind {other:?} are not supported"
            )));
        }
    }
    Ok(())
}

/// A length-delimited field.
pub(super) fn delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A varint field.
pub(super) fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn enumeration(names: &EnumDescriptor, value: &Value) -> Encoded<u64> {
    let name = text(value)?;
    let Some(known) = names.get_value_by_name(name) else {
        let all: Vec<_> = names
            .values()
            .map(|value| value.name().to_owned())
            .collect();
        return Err(Fault::new(format!(
            "unknown value {name:?} of {}: one of {}",
            names.full_name(),
            all.join(", ")
        )));
    };
    Ok(i64::from(known.number()).cast_unsigned())
}

/// 64-bit integers may be strings, as protobuf's JSON writes them.
fn unsigned(value: &Value, most: u64) -> Encoded<u64> {
    let parsed = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    parsed
        .filter(|number| *number <= most)
        .ok_or_else(|| unexpected(&format!("a whole number from 0 to {most}"), value))
}

fn signed(value: &Value, least: i64, most: i64) -> Encoded<u64> {
    let parsed = value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    parsed
        .filter(|number| (least..=most).contains(number))
        .map(i64::cast_unsigned)
        .ok_or_else(|| unexpected(&format!("a whole number from {least} to {most}"), value))
}

/// The object that a message or a map must be.
pub(super) fn object(value: &Value) -> Encoded<&Map<String, Value>> {
    value
        .as_object()
        .ok_or_else(|| unexpected("an object", value))
}

/// The string that a field must be.
pub(super) fn text(value: &Value) -> Encoded<&str> {
    value.as_str().ok_or_else(|| unexpected("a string", value))
}

/// Says what was expected and what kind of value was found. The value itself may be a key: it is not shown.
pub(super) fn unexpected(expected: &str, found: &Value) -> Fault {
    let kind = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) => return Fault::new(format!("expected {expected}, found {number}")),
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Fault::new(format!("expected {expected}, found {kind}"))
}

fn base64(text: &str) -> Encoded<Vec<u8>> {
    // The decoder's own error would show a byte of what may be a key.
    STANDARD
        .decode(text)
        .map_err(|_| Fault::new("expected base64"))
}
