//! Names: generated ones, and what a name may look like.

use rustls::crypto::ring::default_provider;
use serde_json::Value;

use crate::kinds::{Kind, KindInfo};
use crate::object;
use crate::status::{Cause, StatusError};

/// Letters of generated suffixes: no vowels and no look-alikes, as Kubernetes chose.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
/// Longest prefix that still leaves room for the suffix in a DNS label.
const LONGEST_PREFIX: usize = 63 - SUFFIX;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                         must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation \
                         is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Random bytes for names and uids.
fn random<const N: usize>() -> Result<[u8; N], StatusError> {
    let mut bytes = [0; N];
    default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| StatusError::internal("the system gives no random bytes"))?;
    Ok(bytes)
}

/// A random (version 4) UUID.
pub(crate) fn uuid() -> Result<String, StatusError> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}

/// `prefix` with a random suffix of five characters.
pub(crate) fn generated(prefix: &str) -> Result<String, StatusError> {
    let bytes = random::<SUFFIX>()?;
    let suffix: String = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect();
    let prefix: String = prefix.chars().take(LONGEST_PREFIX).collect();
    Ok(prefix + &suffix)
}

/// Checks `metadata.name`, which must be there by now.
pub(crate) fn check(info: &KindInfo, value: &Value) -> Result<(), StatusError> {
    let name = object::name(value);
    if name.is_empty() {
        let cause = Cause::required("metadata.name", "name or generateName is required");
        return Err(StatusError::invalid(info.group, info.name, "", &[cause]));
    }
    match fault(info.kind, name) {
        None => Ok(()),
        Some(why) => {
            let cause = Cause::invalid("metadata.name", &Value::from(name), &why);
            Err(StatusError::invalid(info.group, info.name, name, &[cause]))
        }
    }
}

fn fault(kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Namespace | Kind::Service => label_fault(name),
        Kind::Role | Kind::RoleBinding | Kind::ClusterRole | Kind::ClusterRoleBinding => {
            path_segment_fault(name)
        }
        _ => subdomain_fault(name),
    }
}

fn path_segment_fault(name: &str) -> Option<String> {
    if name == "." || name == ".." {
        return Some(format!("may not be '{name}'"));
    }
    let found = ['/', '%'].into_iter().find(|&c| name.contains(c))?;
    Some(format!("may not contain '{found}'"))
}

/// Why `name` is not a DNS label (RFC 1123), if it is not.
pub(crate) fn label_fault(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 bytes".into());
    }
    (!is_label(name)).then(|| LABEL.to_owned())
}

fn subdomain_fault(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 bytes".into());
    }
    (!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned())
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_version_and_variant() {
        let id = uuid().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn generated_names_stay_labels() {
        let name = generated(&"x".repeat(80)).unwrap();
        assert_eq!(name.len(), 63);
        assert_eq!(label_fault(&name), None);
    }

    #[test]
    fn names_are_checked_by_kind() {
        assert!(fault(Kind::Namespace, "a.b").is_some());
        assert!(fault(Kind::ConfigMap, "a.b").is_none());
        assert!(fault(Kind::ConfigMap, "A").is_some());
        assert!(fault(Kind::ClusterRole, "system:x").is_none());
        assert!(fault(Kind::ClusterRole, "a/b").is_some());
    }
}
