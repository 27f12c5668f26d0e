//! Alerts by their numbers.

use std::time::Instant;

use meshproof_record::{ProbeAlert, ProbeLevel};

use crate::wire::ms;

/// Descriptions (RFC 8446, 6; RFC 5246, 7.2; RFC 7301; RFC 7507).
const NAMES: [(u8, &str); 34] = [
    (0, "close-notify"),
    (10, "unexpected-message"),
    (20, "bad-record-mac"),
    (21, "decryption-failed"),
    (22, "record-overflow"),
    (30, "decompression-failure"),
    (40, "handshake-failure"),
    (41, "no-certificate"),
    (42, "bad-certificate"),
    (43, "unsupported-certificate"),
    (44, "certificate-revoked"),
    (45, "certificate-expired"),
    (46, "certificate-unknown"),
    (47, "illegal-parameter"),
    (48, "unknown-ca"),
    (49, "access-denied"),
    (50, "decode-error"),
    (51, "decrypt-error"),
    (60, "export-restriction"),
    (70, "protocol-version"),
    (71, "insufficient-security"),
    (80, "internal-error"),
    (86, "inappropriate-fallback"),
    (90, "user-canceled"),
    (100, "no-renegotiation"),
    (109, "missing-extension"),
    (110, "unsupported-extension"),
    (111, "certificate-unobtainable"),
    (112, "unrecognized-name"),
    (113, "bad-certificate-status-response"),
    (114, "bad-certificate-hash-value"),
    (115, "unknown-psk-identity"),
    (116, "certificate-required"),
    (120, "no-application-protocol"),
];

/// An alert that came or went now.
pub(super) fn alert(
    level: ProbeLevel,
    number: u8,
    start: Instant,
    after_finish: bool,
) -> ProbeAlert {
    ProbeAlert {
        level,
        number,
        name: name(number),
        ms: ms(start),
        after_finish,
    }
}

fn name(number: u8) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("alert-{number}"), |(_, name)| (*name).to_owned())
}

pub(super) const fn level(byte: u8) -> ProbeLevel {
    match byte {
        1 => ProbeLevel::Warning,
        _ => ProbeLevel::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        assert_eq!(name(116), "certificate-required");
        assert_eq!(name(70), "protocol-version");
        assert_eq!(name(255), "alert-255");
        assert!(NAMES.is_sorted_by_key(|(number, _)| number));
    }
}
