//! Names that go into certificates.

use rcgen::string::Ia5String;

use crate::PkiError;

/// Upper bound of a common name (RFC 5280, appendix A.1, ub-common-name).
const COMMON_NAME: usize = 64;

/// A DNS name as a subject alternative name. Wildcards are allowed as the whole first label.
pub(crate) fn dns(name: &str) -> Result<Ia5String, PkiError> {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(part);
    let valid = name.len() <= 253 && labels.split('.').all(label);
    let error = || {
        refuse(
            "DNS name",
            name,
            "expected labels of letters, digits and hyphens, separated by dots",
        )
    };
    let name = valid.then_some(name).ok_or_else(error)?;
    Ia5String::try_from(name).map_err(|_| error())
}

/// A common name of a subject.
pub(crate) fn common(name: &str) -> Result<&str, PkiError> {
    let valid = !name.is_empty()
        && name.chars().count() <= COMMON_NAME
        && !name.chars().any(char::is_control);
    valid
        .then_some(name)
        .ok_or_else(|| refuse("common name", name, "expected 1 to 64 characters"))
}

/// A SPIFFE id as a subject alternative name (SPIFFE-ID specification, section 2).
pub(crate) fn spiffe(id: &str) -> Result<Ia5String, PkiError> {
    let part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let segment =
        |text: &str| !text.is_empty() && text.bytes().all(part) && text != "." && text != "..";
    let rest = id
        .strip_prefix("spiffe://")
        .filter(|rest| rest.contains('/') && rest.split('/').all(segment));
    let error = || {
        refuse(
            "SPIFFE id",
            id,
            "expected spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT",
        )
    };
    rest.filter(|_| id.len() <= 2048).ok_or_else(error)?;
    Ia5String::try_from(id).map_err(|_| error())
}

/// One segment of a SPIFFE id's path: a namespace or a service account.
pub(crate) fn segment(kind: &'static str, name: &str) -> Result<(), PkiError> {
    let part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let valid = (1..=253).contains(&name.len())
        && name.bytes().all(part)
        && !name.starts_with('.')
        && !name.ends_with('.');
    valid.then_some(()).ok_or_else(|| {
        refuse(
            kind,
            name,
            "expected lower-case letters, digits, hyphens and inner dots",
        )
    })
}

fn refuse(kind: &'static str, name: &str, allowed: &'static str) -> PkiError {
    PkiError::Name {
        kind,
        name: name.chars().take(300).collect(),
        allowed,
    }
}
