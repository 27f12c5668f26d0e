//! Whether a chain leads to an authority, in the order of BoringSSL's `X509_verify_cert`: a path first,
//! then what the certificates may be used for, then revocation, then signatures and time.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use meshproof_record::Cause;
use sha2::{Digest, Sha256};
use x509_parser::{
    prelude::{CertificateRevocationList, FromDer, X509Certificate},
    x509::X509Version,
};

use super::{
    chain::{Bundle, Chain, parsed},
    names::{alternative, takes},
};
use crate::credential::Names;

/// What the certificate is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// Why a certificate is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    pub(crate) why: String,
}

fn fault(cause: Cause, why: impl Into<String>) -> Fault {
    Fault {
        cause,
        why: why.into(),
    }
}

/// Judges a chain used as `role` at the time `at` (seconds since 1970).
pub(crate) fn verify(
    chain: &Chain,
    bundle: &Bundle,
    names: &Names,
    role: Role,
    at: i64,
) -> Result<(), Fault> {
    let sent = read(&chain.certificates);
    let anchors = read(&bundle.authorities);
    let path = path(&sent, &anchors).map_err(|missing| {
        fault(
            Cause::UnknownCa,
            format!(
                "its issuer {missing} is not among the authorities that are trusted ({})",
                bundle.subjects()
            ),
        )
    })?;
    purposes(&path, role)?;
    revocation(&path, bundle, at)?;
    times(&path, at)?;
    named(&sent[0], &chain.certificates[0], names)
}

/// Judges what can be judged of a chain whose authorities were not given.
pub(crate) fn verify_alone(chain: &Chain, names: &Names, role: Role, at: i64) -> Result<(), Fault> {
    let sent = read(&chain.certificates);
    let path: Vec<&X509Certificate<'_>> = sent.iter().collect();
    purposes(&path, role)?;
    times(&path, at)?;
    named(&sent[0], &chain.certificates[0], names)
}

/// Certificates that were read before; one that cannot be is not among them.
fn read(ders: &[Vec<u8>]) -> Vec<X509Certificate<'_>> {
    ders.iter().filter_map(|der| parsed(der).ok()).collect()
}

/// From the leaf as far up as issuers are found; the name of the issuer that is missing where no authority
/// is on the way. An authority need not be a root (Envoy sets `X509_V_FLAG_PARTIAL_CHAIN`), but where its
/// own issuer is trusted too, the path goes on to it.
fn path<'a, 'c>(
    sent: &'a [X509Certificate<'c>],
    anchors: &'a [X509Certificate<'c>],
) -> Result<Vec<&'a X509Certificate<'c>>, String> {
    let mut path = vec![&sent[0]];
    loop {
        let last = path[path.len() - 1];
        let signed_last = |c: &&'a X509Certificate<'c>| {
            c.subject().as_raw() == last.issuer().as_raw()
                && last.verify_signature(Some(c.public_key())).is_ok()
                && !path.iter().any(|p| same(p, c))
        };
        match anchors.iter().chain(&sent[1..]).find(signed_last) {
            Some(issuer) => path.push(issuer),
            None => break,
        }
    }
    if path.iter().any(|c| anchors.iter().any(|a| same(a, c))) {
        return Ok(path);
    }
    let missing = path[path.len() - 1].issuer().to_string();
    Err(if missing.is_empty() {
        "without a name".to_owned()
    } else {
        missing
    })
}

fn same(a: &X509Certificate<'_>, b: &X509Certificate<'_>) -> bool {
    a.as_raw() == b.as_raw()
}

/// Key usages of the leaf, and that issuers are authorities.
fn purposes(path: &[&X509Certificate<'_>], role: Role) -> Result<(), Fault> {
    let leaf = path[0];
    let name = leaf.subject().to_string();
    if let Ok(Some(usage)) = leaf.extended_key_usage() {
        let (has, wanted) = match role {
            Role::Server => (usage.value.server_auth, "serverAuth"),
            Role::Client => (usage.value.client_auth, "clientAuth"),
        };
        if !has && !usage.value.any {
            let why = format!("{name} may not be used so: its extended key usage lacks {wanted}");
            return Err(fault(Cause::WrongPurpose, why));
        }
    }
    if let Ok(Some(usage)) = leaf.key_usage() {
        let usage = usage.value;
        let agrees = usage.digital_signature() || usage.key_agreement();
        let fits = agrees || (role == Role::Server && usage.key_encipherment());
        if !fits {
            let why = format!("{name} may not be used so: its key usage lacks digitalSignature");
            return Err(fault(Cause::WrongPurpose, why));
        }
    }
    for (above, issuer) in path.iter().skip(1).enumerate() {
        authority(issuer, above)?;
    }
    Ok(())
}

fn authority(issuer: &X509Certificate<'_>, below: usize) -> Result<(), Fault> {
    let name = issuer.subject();
    let constraints = issuer.basic_constraints().ok().flatten();
    // Version 1 has no extensions; BoringSSL takes a self-signed one for an authority.
    let is_ca = constraints.as_ref().map_or_else(
        || issuer.version() == X509Version::V1 && issuer.subject() == issuer.issuer(),
        |c| c.value.ca,
    );
    if !is_ca {
        return Err(fault(
            Cause::UnknownCa,
            format!("its issuer {name} is no authority"),
        ));
    }
    if let Some(limit) = constraints.and_then(|c| c.value.path_len_constraint)
        && below > usize::try_from(limit).unwrap_or(usize::MAX)
    {
        return Err(fault(
            Cause::UnknownCa,
            format!("the chain is longer than its issuer {name} allows"),
        ));
    }
    let may_sign = issuer
        .key_usage()
        .ok()
        .flatten()
        .is_none_or(|u| u.value.key_cert_sign());
    if may_sign {
        return Ok(());
    }
    Err(fault(
        Cause::UnknownCa,
        format!("its issuer {name} may not sign certificates"),
    ))
}

/// With a revocation list, every issuer on the path must have one (`X509_V_FLAG_CRL_CHECK_ALL`).
fn revocation(path: &[&X509Certificate<'_>], bundle: &Bundle, at: i64) -> Result<(), Fault> {
    if bundle.lists.is_empty() {
        return Ok(());
    }
    let lists: Vec<CertificateRevocationList<'_>> = bundle
        .lists
        .iter()
        .filter_map(|der| Some(CertificateRevocationList::from_der(der).ok()?.1))
        .collect();
    for certificate in path {
        let name = certificate.subject();
        let of_issuer = |l: &&CertificateRevocationList<'_>| {
            l.issuer().as_raw() == certificate.issuer().as_raw()
        };
        let Some(list) = lists.iter().find(of_issuer) else {
            let why = format!(
                "there is a revocation list, but none of {}, and then {name} is not accepted either",
                certificate.issuer()
            );
            return Err(fault(Cause::UnknownCa, why));
        };
        if list.next_update().is_some_and(|t| t.timestamp() < at) {
            let why = format!(
                "the revocation list of {} has expired",
                certificate.issuer()
            );
            return Err(fault(Cause::Revoked, why));
        }
        if list.last_update().timestamp() > at {
            let why = format!(
                "the revocation list of {} is not valid yet",
                certificate.issuer()
            );
            return Err(fault(Cause::Revoked, why));
        }
        let listed = list
            .iter_revoked_certificates()
            .any(|r| r.raw_serial() == certificate.raw_serial());
        if listed {
            return Err(fault(
                Cause::Revoked,
                format!("{name} is on the revocation list"),
            ));
        }
    }
    Ok(())
}

/// BoringSSL looks at the authority first and at the leaf last.
fn times(path: &[&X509Certificate<'_>], at: i64) -> Result<(), Fault> {
    for certificate in path.iter().rev() {
        let (name, validity) = (certificate.subject(), certificate.validity());
        if validity.not_before.timestamp() > at {
            let why = format!("{name} is not valid before {}", validity.not_before);
            return Err(fault(Cause::NotYetValid, why));
        }
        if validity.not_after.timestamp() < at {
            let why = format!("{name} has expired on {}", validity.not_after);
            return Err(fault(Cause::Expired, why));
        }
    }
    Ok(())
}

fn named(leaf: &X509Certificate<'_>, der: &[u8], names: &Names) -> Result<(), Fault> {
    let own = alternative(leaf);
    let fits = |m| own.iter().any(|n| takes(m, n));
    if !names.matchers.is_empty() && !names.matchers.iter().any(fits) {
        let has: Vec<&str> = own.iter().map(super::names::Name::text).collect();
        let why = format!(
            "its names are {}, and one of these is wanted: {}",
            if has.is_empty() {
                "none".to_owned()
            } else {
                has.join(", ")
            },
            names.wanted()
        );
        return Err(fault(Cause::SanMismatch, why));
    }
    pinned(leaf, der, names)
}

/// Digests of the certificate or of its key: where some are given, one must be right.
fn pinned(leaf: &X509Certificate<'_>, der: &[u8], names: &Names) -> Result<(), Fault> {
    if names.hashes.is_empty() && names.keys.is_empty() {
        return Ok(());
    }
    let plain = |text: &String| text.replace(':', "").to_ascii_lowercase();
    let hash = hex(&Sha256::digest(der));
    let key = STANDARD.encode(Sha256::digest(leaf.public_key().raw));
    if names.hashes.iter().map(plain).any(|h| h == hash) || names.keys.contains(&key) {
        return Ok(());
    }
    Err(fault(
        Cause::SanMismatch,
        "it is none of the certificates that are pinned (verifyCertificateHash, verifyCertificateSpki)",
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
