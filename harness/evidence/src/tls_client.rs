//! What `openssl s_client` says of a connection that it opened.

use meshproof_record::{Cause, Hop};

use crate::classify::{Finding, alert_causes, name};

/// How a TLS client ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsEnd {
    /// The alert that ended the connection, by its number (RFC 8446, 6).
    pub alert: Option<u8>,
    /// What was printed of it.
    pub line: String,
    /// Whether the server's certificate came: version and cipher were agreed on.
    pub certificate_seen: bool,
}

/// Words of OpenSSL 1.1.1 to 3 behind an alert's number.
const NUMBER: &str = "SSL alert number ";
/// What is printed of the server's certificate: its chain, or its subject.
const CERTIFICATE: [&str; 3] = ["depth=", "Peer certificate:", "Server certificate"];

impl TlsEnd {
    /// From standard error.
    pub fn read(stderr: &str) -> Self {
        let alert = stderr.lines().find_map(|line| {
            let (_, number) = line.split_once(NUMBER)?;
            Some((number.trim().parse().ok()?, line.trim().to_owned()))
        });
        let (alert, line) = alert.unzip();
        Self {
            alert,
            line: line.unwrap_or_default(),
            certificate_seen: stderr
                .lines()
                .any(|line| CERTIFICATE.iter().any(|mark| line.starts_with(mark))),
        }
    }

    /// What the alert tells, sent by `peer`; `None` where there was none, or none that names a cause.
    pub fn finding(&self, peer: Hop) -> Option<Finding> {
        let alert = self.alert?;
        let (cause, also) = alert_causes(alert)?;
        // Before the certificate came, a handshake failure is about versions and ciphers.
        if cause == Cause::NoClientCertificate && !self.certificate_seen {
            return None;
        }
        let why = format!(
            "the client received alert {alert} from {}: {}",
            name(peer),
            words(&self.line)
        );
        Some(Finding::reason(peer, cause, why).or(also))
    }
}

/// OpenSSL's error line without thread, code and file.
fn words(line: &str) -> &str {
    line.split(':').nth(5).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEHIND_THE_CERTIFICATE: &str =
        "depth=0 CN = h\nverify error:num=20:unable to get local issuer certificate\n";

    fn told(number: u8, seen: bool) -> Option<(Cause, usize)> {
        let seen = if seen { BEHIND_THE_CERTIFICATE } else { "" };
        let stderr = format!(
            "{seen}40F747E4257F0000:error:0A00045C:SSL routines:ssl3_read_bytes:some alert:../ssl/record/rec_layer_s3.c:1601:SSL alert number {number}\n"
        );
        let end = TlsEnd::read(&stderr);
        assert_eq!(end.alert, Some(number));
        let finding = end.finding(Hop::Ingress)?;
        assert_eq!(finding.hop, Hop::Ingress);
        assert!(finding.why.ends_with("some alert"), "{}", finding.why);
        Some((finding.cause, finding.also.len()))
    }

    #[test]
    fn alerts_tell_their_cause() {
        for (number, cause, others) in [
            (116, Cause::NoClientCertificate, 0),
            (40, Cause::NoClientCertificate, 0),
            (48, Cause::UnknownCa, 0),
            (70, Cause::ProtocolVersion, 0),
            (45, Cause::Expired, 1),
            (44, Cause::Revoked, 0),
            (43, Cause::WrongPurpose, 0),
            (42, Cause::UnknownCa, 5),
            (46, Cause::SanMismatch, 5),
            (112, Cause::SniMismatch, 0),
        ] {
            assert_eq!(told(number, true), Some((cause, others)), "{number}");
        }
        for number in [47, 50, 51, 80, 120] {
            assert_eq!(told(number, true), None, "{number}");
        }
    }

    #[test]
    fn a_handshake_failure_before_the_certificate_is_another_matter() {
        assert_eq!(told(40, false), None);
        assert_eq!(told(70, false), Some((Cause::ProtocolVersion, 0)));
    }

    #[test]
    fn no_alert_tells_nothing() {
        let end = TlsEnd::read("write:errno=104\n");
        assert_eq!((end.alert, end.finding(Hop::Ingress)), (None, None));
    }
}
