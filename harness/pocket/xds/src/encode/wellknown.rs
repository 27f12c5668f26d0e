//! Messages with a JSON form of their own: `Any`, `Duration`, the wrappers, `Struct`.
//!
//! Source: the JSON mapping of protobuf's well-known types.

use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value};

use super::{
    Encoded, Fault, message,
    value::{delimited, encode_message, encode_scalar, fields, object, text, unexpected, varint},
};

/// The bytes, or `None` for a message that is written field by field.
pub(super) fn encode(descriptor: &MessageDescriptor, value: &Value) -> Encoded<Option<Vec<u8>>> {
    let Some(name) = descriptor.full_name().strip_prefix("google.protobuf.") else {
        return Ok(None);
    };
    let mut out = Vec::new();
    match name {
        "Any" => any(object(value)?, &mut out)?,
        "Duration" => duration(text(value)?, &mut out)?,
        "Struct" => structure(object(value)?, &mut out),
        "Value" => dynamic(value, &mut out),
        wrapper if wrapper.ends_with("Value") => wrapped(descriptor, value, &mut out)?,
        _ => return Ok(None),
    }
    Ok(Some(out))
}

fn any(object: &Map<String, Value>, out: &mut Vec<u8>) -> Encoded {
    let url = object
        .get("@type")
        .ok_or_else(|| Fault::new("@type is missing"))?;
    let url = text(url).map_err(|fault| fault.within("@type"))?;
    let name = url.rsplit('/').next().unwrap_or(url);
    let descriptor = message(name).map_err(|fault| fault.within("@type"))?;
    let bytes = if name.starts_with("google.protobuf.") {
        let value = object
            .get("value")
            .ok_or_else(|| Fault::new("value is missing"))?;
        if let Some(extra) = object.keys().find(|key| *key != "@type" && *key != "value") {
            return Err(
                Fault::new(format!("unknown field beside the value of {name}")).within(extra),
            );
        }
        encode_message(&descriptor, value).map_err(|fault| fault.within("value"))?
    } else {
        let mut bytes = Vec::new();
        fields(&descriptor, object, &mut bytes)?;
        bytes
    };
    delimited(1, url.as_bytes(), out);
    delimited(2, &bytes, out);
    Ok(())
}

/// `1.5s`: seconds as field 1, nanoseconds as field 2, both with the sign.
fn duration(text: &str, out: &mut Vec<u8>) -> Encoded {
    let (seconds, nanos) = parse_duration(text).ok_or_else(|| {
        Fault::new(format!(
            "expected a duration such as 10s or 0.1s, found {text:?}"
        ))
    })?;
    varint(1, seconds.cast_unsigned(), out);
    varint(2, nanos.cast_unsigned(), out);
    Ok(())
}

fn parse_duration(text: &str) -> Option<(i64, i64)> {
    let number = text.strip_suffix('s')?;
    let (sign, digits) = number
        .strip_prefix('-')
        .map_or((1, number), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((sign * whole.parse::<i64>().ok()?, sign * nanos))
}

fn wrapped(descriptor: &MessageDescriptor, value: &Value, out: &mut Vec<u8>) -> Encoded {
    let inner = descriptor
        .get_field(1)
        .ok_or_else(|| unexpected("a wrapper type", value))?;
    encode_scalar(&inner.kind(), 1, value, out)
}

fn structure(object: &Map<String, Value>, out: &mut Vec<u8>) {
    for (key, value) in object {
        let mut entry = Vec::new();
        delimited(1, key.as_bytes(), &mut entry);
        let mut bytes = Vec::new();
        dynamic(value, &mut bytes);
        delimited(2, &bytes, &mut entry);
        delimited(1, &entry, out);
    }
}

/// `google.protobuf.Value`: 1 null, 2 number, 3 string, 4 bool, 5 struct, 6 list.
fn dynamic(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => varint(1, 0, out),
        Value::Number(number) => {
            out.push(2 << 3 | 1);
            out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        Value::String(text) => delimited(3, text.as_bytes(), out),
        Value::Bool(flag) => varint(4, u64::from(*flag), out),
        Value::Object(object) => {
            let mut bytes = Vec::new();
            structure(object, &mut bytes);
            delimited(5, &bytes, out);
        }
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                let mut bytes = Vec::new();
                dynamic(item, &mut bytes);
                delimited(1, &bytes, &mut list);
            }
            delimited(6, &list, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn durations_carry_their_sign_to_the_nanoseconds() {
        assert_eq!(parse_duration("10s"), Some((10, 0)));
        assert_eq!(parse_duration("0.100s"), Some((0, 100_000_000)));
        assert_eq!(parse_duration("-1.5s"), Some((-1, -500_000_000)));
        for wrong in [
            "",
            "s",
            "10",
            "1.s",
            ".5s",
            "1.0000000001s",
            "1e3s",
            "+1s",
            "--1s",
            "10ms",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
