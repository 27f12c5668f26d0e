//! Subject alternative names, matched as Envoy matches them
//! (`source/common/tls/cert_validator/san_matcher.cc`).

use serde_json::Value;
use x509_parser::prelude::{GeneralName, X509Certificate};

/// One alternative name.
pub(crate) enum Name {
    Dns(String),
    /// A URI, an address or an e-mail address.
    Other(String),
}

impl Name {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Dns(text) | Self::Other(text) => text,
        }
    }
}

/// All alternative names of a certificate.
pub(crate) fn alternative(certificate: &X509Certificate<'_>) -> Vec<Name> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(dns) => Some(Name::Dns((*dns).to_owned())),
        GeneralName::URI(other) | GeneralName::RFC822Name(other) => {
            Some(Name::Other((*other).to_owned()))
        }
        GeneralName::IPAddress(bytes) => address(bytes).map(Name::Other),
        _ => None,
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

/// Whether a matcher (`exact`, `prefix`, `suffix`, `contains`, `safe_regex`) takes a name. An exact DNS
/// name is also taken by a certificate with a wildcard.
pub(crate) fn takes(matcher: &Value, name: &Name) -> bool {
    match (matcher["exact"].as_str(), name) {
        (Some(wanted), Name::Dns(dns)) => dns_matches(dns, wanted),
        _ => matches(matcher, name.text()),
    }
}

/// Whether a string matcher takes a text; one that is not known takes nothing.
pub(crate) fn matches(matcher: &Value, text: &str) -> bool {
    let said = |how: &str| matcher[how].as_str();
    if let Some(exact) = said("exact") {
        return text == exact;
    }
    if let Some(prefix) = said("prefix") {
        return text.starts_with(prefix);
    }
    if let Some(suffix) = said("suffix") {
        return text.ends_with(suffix);
    }
    if let Some(part) = said("contains") {
        return text.contains(part);
    }
    let regex = matcher["safe_regex"]["regex"].as_str();
    regex.is_some_and(|r| {
        regex_lite::Regex::new(&format!("^(?:{r})$")).is_ok_and(|r| r.is_match(text))
    })
}

/// `*.example.com` stands for one label (RFC 6125, 6.4.3).
fn dns_matches(certified: &str, wanted: &str) -> bool {
    let (certified, wanted) = (certified.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    if certified == wanted {
        return true;
    }
    let Some(parent) = certified.strip_prefix("*.") else {
        return false;
    };
    wanted
        .split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
}
