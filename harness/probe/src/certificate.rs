//! A server's certificates, in words.

use jiff::Timestamp;
use meshproof_record::ProbeCertificate;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate, X509Name};

use crate::hex::hex;

/// What a certificate says. One that cannot be read has its digest, and says so as its subject.
pub(crate) fn describe(der: &[u8]) -> ProbeCertificate {
    let sha256 = hex(&Sha256::digest(der));
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => ProbeCertificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
            sha256,
        },
        Err(error) => ProbeCertificate {
            subject: format!("not readable: {error}"),
            issuer: String::new(),
            names: Vec::new(),
            not_before: String::new(),
            not_after: String::new(),
            sha256,
        },
    }
}

/// The subject of an authority, from its DER.
pub(crate) fn name(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok((_, name)) => name.to_string(),
        Err(_) => hex(der),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let found = certificate.subject_alternative_name().ok().flatten();
    let all = found.map(|extension| extension.value.general_names.as_slice());
    all.unwrap_or_default().iter().map(alternative).collect()
}

fn alternative(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::URI(id) => format!("URI:{id}"),
        GeneralName::IPAddress(bytes) => format!("IP:{}", address(bytes)),
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> String {
    use std::net::{Ipv4Addr, Ipv6Addr};
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => Ipv6Addr::from(sixteen).to_string(),
        Err(_) => hex(bytes),
    }
}

fn time(at: ASN1Time) -> String {
    Timestamp::from_second(at.timestamp())
        .map_or_else(|_| at.to_string(), |timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use meshproof_pki::{Authority, Leaf};

    use super::*;

    #[test]
    fn a_certificate_is_described_by_what_it_says() {
        let authority = Authority::root("an authority").unwrap();
        let leaf = Leaf::server("a.example").and_ip([192, 0, 2, 1].into());
        let credential = authority.issue(&leaf).unwrap();
        let found = describe(credential.chain_der().next().unwrap());
        assert_eq!(found.subject, "CN=a.example");
        assert_eq!(found.issuer, "CN=an authority");
        assert_eq!(found.names, ["DNS:a.example", "IP:192.0.2.1"]);
        assert_eq!(found.sha256.len(), 64);
        let (from, until) = (found.not_before.as_str(), found.not_after.as_str());
        assert!(from < until && until.ends_with('Z'), "{from} {until}");
    }

    #[test]
    fn what_is_no_certificate_says_so() {
        let found = describe(b"junk");
        assert!(found.subject.starts_with("not readable"));
        assert_eq!(found.sha256.len(), 64);
    }
}
