//! Why a certificate was not accepted, from the words of whoever refused it or of its alert.

use meshproof_record::Cause;

/// Causes that a reason fits: the likeliest, then the others.
pub(crate) type Causes = (Cause, &'static [Cause]);

/// Everything that a verification can fail on.
const ANY: &[Cause] = &[
    Cause::Expired,
    Cause::NotYetValid,
    Cause::Revoked,
    Cause::WrongPurpose,
    Cause::SanMismatch,
    Cause::UnknownCa,
];

/// What `CERTIFICATE_VERIFY_FAILED` was about: Envoy 1.40 says it behind the code, 1.36 does not.
const VERIFY: &[(&str, Causes)] = &[
    ("certificate_revoked", (Cause::Revoked, &[])),
    ("crl_has_expired", (Cause::Revoked, ANY)),
    ("crl_is_not_yet_valid", (Cause::Revoked, ANY)),
    ("has_expired", (Cause::Expired, &[])),
    ("not_yet_valid", (Cause::NotYetValid, &[])),
    ("san_matcher", (Cause::SanMismatch, &[])),
    ("verify_san_list", (Cause::SanMismatch, &[])),
    ("verify_subject_alt_name", (Cause::SanMismatch, &[])),
    ("purpose", (Cause::WrongPurpose, &[])),
    ("issuer", (Cause::UnknownCa, &[])),
    ("self_signed", (Cause::UnknownCa, &[])),
    ("self-signed", (Cause::UnknownCa, &[])),
    ("unable_to_verify", (Cause::UnknownCa, &[])),
    ("signature_failure", (Cause::UnknownCa, &[])),
];

/// What a peer's alert means. Alerts are coarser than the peer's own words (RFC 8446, 6.2).
const ALERTS: &[(&str, Causes)] = &[
    (
        "alert_certificate_required",
        (Cause::NoClientCertificate, &[]),
    ),
    // BoringSSL's answer to a missing certificate before TLS 1.3. It also says so when there is no
    // cipher in common, which Istio's fixed cipher lists exclude and [`Cause`] has no word for.
    ("alert_handshake_failure", (Cause::NoClientCertificate, &[])),
    ("alert_no_certificate", (Cause::NoClientCertificate, &[])),
    ("alert_unknown_ca", (Cause::UnknownCa, &[])),
    (
        "alert_certificate_expired",
        (Cause::Expired, &[Cause::NotYetValid]),
    ),
    ("alert_certificate_revoked", (Cause::Revoked, &[])),
    ("alert_unsupported_certificate", (Cause::WrongPurpose, &[])),
    ("alert_certificate_unknown", (Cause::SanMismatch, ANY)),
    ("alert_bad_certificate", (Cause::UnknownCa, ANY)),
    ("alert_protocol_version", (Cause::ProtocolVersion, &[])),
    ("alert_unrecognized_name", (Cause::SniMismatch, &[])),
];

/// Alerts by their numbers, as [`ALERTS`] has them by name.
const NUMBERS: [(u8, &str); 10] = [
    (40, "alert_handshake_failure"),
    (42, "alert_bad_certificate"),
    (43, "alert_unsupported_certificate"),
    (44, "alert_certificate_revoked"),
    (45, "alert_certificate_expired"),
    (46, "alert_certificate_unknown"),
    (48, "alert_unknown_ca"),
    (70, "alert_protocol_version"),
    (112, "alert_unrecognized_name"),
    (116, "alert_certificate_required"),
];

/// What the alert of this number means, if it names a cause.
pub(crate) fn alert_causes(number: u8) -> Option<Causes> {
    let (_, name) = NUMBERS.iter().find(|(known, _)| *known == number)?;
    alert(name)
}

/// What this side's own verification found, if the reason is one.
pub(super) fn verification(reason: &str) -> Option<Causes> {
    if reason.contains("key_usage_bit_incorrect") {
        return Some((Cause::WrongPurpose, &[]));
    }
    if !reason.contains("certificate_verify_failed") && !reason.contains("verify_cert_failed") {
        return None;
    }
    Some(look_up(VERIFY, reason).unwrap_or((Cause::UnknownCa, ANY)))
}

/// What the other side's alert means, if the reason is one.
pub(super) fn alert(reason: &str) -> Option<Causes> {
    look_up(ALERTS, reason)
}

fn look_up(table: &[(&str, Causes)], reason: &str) -> Option<Causes> {
    table
        .iter()
        .find(|(text, _)| reason.contains(text))
        .map(|(_, causes)| *causes)
}
