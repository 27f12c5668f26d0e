//! What the prober's report tells of a refusal.

use meshproof_record::{Cause, Hop, ProbeAlert, ProbeReport, ProbeTls};

use crate::classify::{Finding, alert_causes, name};

/// Who refused the prober and why, by its report. `peer` is who it spoke TLS to, where that is known.
/// A connection that was closed without a word tells nothing.
pub fn probe_finding(report: &ProbeReport, peer: Option<Hop>) -> Option<Finding> {
    let tls = report.tls.as_ref()?;
    if let Some(cause) = tls.refused {
        let why = tls.error.as_deref().unwrap_or("no reason given");
        let why = format!("the prober did not accept the server's certificate: {why}");
        return Some(Finding::reason(Hop::Client, cause, why));
    }
    if tls.answered_in_plaintext {
        let why = "the prober's TLS was answered in plaintext".to_owned();
        return Some(Finding::reason(Hop::Client, Cause::TlsToPlaintext, why));
    }
    let alert = tls.alert_received.as_ref()?;
    let peer = peer?;
    let (cause, also) = causes(tls, alert.number)?;
    let why = format!("the prober received {} from {}", words(alert), name(peer));
    Some(Finding::reason(peer, cause, why).or(also))
}

/// What an alert means to a client of which it is known what it showed.
fn causes(tls: &ProbeTls, number: u8) -> Option<(Cause, &'static [Cause])> {
    let (cause, also) = alert_causes(number)?;
    let of_certificates = !matches!(cause, Cause::ProtocolVersion | Cause::SniMismatch);
    match (
        of_certificates,
        tls.asked_for_certificate,
        tls.certificate_sent,
    ) {
        // Whatever a server calls it: it asked, and there was none to find anything wrong with.
        (true, Some(true), false) => Some((Cause::NoClientCertificate, &[])),
        // It had one, so that this is about something else: ciphers, for example.
        (true, Some(true), true) if cause == Cause::NoClientCertificate => None,
        (false, ..) | (true, Some(true), true) => Some((cause, also)),
        // A server that did not ask has nothing to say about certificates.
        (true, ..) => None,
    }
}

/// An alert, in words.
pub fn words(alert: &ProbeAlert) -> String {
    let late = if alert.after_finish {
        " after its handshake had finished"
    } else {
        ""
    };
    format!("alert {} ({}){late}", alert.number, alert.name)
}

#[cfg(test)]
mod tests {
    use meshproof_record::{ProbeDns, ProbeEnd, ProbeLevel, ProbeOpening};

    use super::*;

    fn report(tls: Option<ProbeTls>) -> ProbeReport {
        ProbeReport {
            host: "h".to_owned(),
            port: 13306,
            opening: ProbeOpening::Tls,
            dns: ProbeDns {
                ms: 0.0,
                addresses: Vec::new(),
                error: None,
            },
            tcp: Vec::new(),
            tls,
            first_bytes: None,
            end: ProbeEnd::ClosedByPeer,
            hold_ms: 100,
            ms: 1.0,
        }
    }

    fn refused(number: u8, asked: Option<bool>, sent: bool) -> ProbeTls {
        ProbeTls {
            alert_received: Some(ProbeAlert {
                level: ProbeLevel::Fatal,
                number,
                name: "a-name".to_owned(),
                ms: 1.0,
                after_finish: true,
            }),
            asked_for_certificate: asked,
            certificate_sent: sent,
            ..ProbeTls::default()
        }
    }

    fn told(tls: ProbeTls) -> Option<(Cause, usize)> {
        let finding = probe_finding(&report(Some(tls)), Some(Hop::Ingress))?;
        assert_eq!(finding.hop, Hop::Ingress);
        assert!(finding.why.contains("from ingress"), "{}", finding.why);
        Some((finding.cause, finding.also.len()))
    }

    #[test]
    fn an_alert_to_a_client_without_a_certificate_is_about_that() {
        for number in [116, 40, 42] {
            let found = told(refused(number, Some(true), false));
            assert_eq!(found, Some((Cause::NoClientCertificate, 0)), "{number}");
        }
    }

    #[test]
    fn an_alert_to_a_client_with_a_certificate_says_what_is_wrong_with_it() {
        for (number, cause, others) in [
            (48, Cause::UnknownCa, 0),
            (45, Cause::Expired, 1),
            (44, Cause::Revoked, 0),
            (43, Cause::WrongPurpose, 0),
            (42, Cause::UnknownCa, 5),
            (46, Cause::SanMismatch, 5),
        ] {
            let found = told(refused(number, Some(true), true));
            assert_eq!(found, Some((cause, others)), "{number}");
        }
    }

    #[test]
    fn an_alert_about_the_hello_needs_no_certificate() {
        for asked in [None, Some(true)] {
            let version = told(refused(70, asked, false));
            assert_eq!(version, Some((Cause::ProtocolVersion, 0)));
            let name = told(refused(112, asked, false));
            assert_eq!(name, Some((Cause::SniMismatch, 0)));
        }
    }

    #[test]
    fn an_alert_that_does_not_fit_tells_nothing() {
        for (number, asked, sent) in [
            (40, None, false),
            (40, Some(true), true),
            (116, Some(true), true),
            (48, Some(false), false),
            (50, None, false),
            (80, Some(true), true),
            (120, None, false),
        ] {
            assert_eq!(told(refused(number, asked, sent)), None, "{number}");
        }
    }

    #[test]
    fn without_a_word_or_without_a_peer_nothing_is_told() {
        let silent = |tls| probe_finding(&report(tls), Some(Hop::Ingress));
        assert_eq!(silent(None), None);
        assert_eq!(silent(Some(ProbeTls::default())), None);
        let heard = report(Some(refused(116, Some(true), false)));
        assert_eq!(probe_finding(&heard, None), None);
    }

    #[test]
    fn the_prober_itself_may_refuse() {
        let tls = ProbeTls {
            refused: Some(Cause::Expired),
            error: Some("certificate expired".to_owned()),
            ..ProbeTls::default()
        };
        let found = probe_finding(&report(Some(tls)), None).unwrap();
        assert_eq!((found.hop, found.cause), (Hop::Client, Cause::Expired));
        let tls = ProbeTls {
            answered_in_plaintext: true,
            ..ProbeTls::default()
        };
        let found = probe_finding(&report(Some(tls)), None).unwrap();
        assert_eq!(
            (found.hop, found.cause),
            (Hop::Client, Cause::TlsToPlaintext)
        );
    }
}
