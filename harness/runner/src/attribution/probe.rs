//! What the prober's report says of its session, beside the alerts in it.

use meshproof_evidence::probe;
use meshproof_record::{
    Cause, Hop, Observed, Outcome, ProbeEnd, ProbeFirst, ProbeReport, ProbeTcpEnd,
};

use super::CONNECTED;

/// What the report settles by itself: the database's greeting came, or the name has no address. A
/// greeting in plaintext in answer to TLS is of no use to the prober, which speaks TLS.
pub(crate) fn settled(report: &ProbeReport) -> Option<Observed> {
    if report.dns.error.is_some() {
        return Some(Observed {
            outcome: Outcome::Unreachable,
            hop: Hop::Client,
            cause: Cause::Dns,
        });
    }
    (report.greeted() && !in_plaintext(report)).then_some(CONNECTED)
}

fn in_plaintext(report: &ProbeReport) -> bool {
    let tls = report.tls.as_ref();
    tls.is_some_and(|tls| tls.answered_in_plaintext)
}

/// Whether TCP found nobody, or no way there, at every address.
pub(crate) fn is_unanswered(report: &ProbeReport) -> bool {
    report.every_address(|end| matches!(end, ProbeTcpEnd::TimedOut | ProbeTcpEnd::Unreachable))
}

/// Whether TCP was refused at every address.
pub(super) fn is_refused(report: &ProbeReport) -> bool {
    report.every_address(|end| end == ProbeTcpEnd::Refused)
}

/// Whether it waited in vain: for TCP, or for anything to come.
pub(super) fn waited(report: &ProbeReport) -> bool {
    is_unanswered(report) || report.end == ProbeEnd::Held && report.first_bytes.is_none()
}

/// The report in one sentence, without a subject before it.
pub(crate) fn said(report: &ProbeReport) -> String {
    if let Some(why) = &report.dns.error {
        return format!("the name {} has no address: {why}", report.host);
    }
    if !report.connected() {
        let tried: Vec<String> = report
            .tcp
            .iter()
            .map(|tcp| {
                let why = tcp.error.as_deref().unwrap_or("it stood");
                format!("TCP to {}: {why}, after {:.0} ms", tcp.address, tcp.ms)
            })
            .collect();
        return tried.join("; ");
    }
    let came = came(report);
    match tls(report) {
        Some(tls) => format!("{tls}; {came}"),
        None => came,
    }
}

fn tls(report: &ProbeReport) -> Option<String> {
    let tls = report.tls.as_ref()?;
    if let Some(alert) = &tls.alert_received {
        return Some(format!("it received {}", probe::words(alert)));
    }
    if tls.answered_in_plaintext {
        return Some("its TLS was answered in plaintext".to_owned());
    }
    Some(match (&tls.error, &tls.version) {
        (Some(why), _) => format!("its TLS failed: {why}"),
        (None, Some(version)) if tls.finished => format!("TLS {version} stood"),
        (None, Some(version)) => format!("the server chose TLS {version}"),
        (None, None) => "its hello had no answer".to_owned(),
    })
}

fn came(report: &ProbeReport) -> String {
    let end = match report.end {
        ProbeEnd::NotConnected => "it never stood",
        ProbeEnd::ClosedByPeer => "the connection was closed",
        ProbeEnd::ResetByPeer => "the connection was reset",
        ProbeEnd::ClosedByProber => "the prober closed the connection",
        ProbeEnd::Held => "the connection stood until the prober's time was over",
    };
    let first = report.first_bytes.as_ref().map(|first| first.what);
    let what = match first {
        Some(ProbeFirst::MysqlGreeting) => "a MySQL greeting came",
        Some(ProbeFirst::MysqlError) => "a MySQL error came",
        Some(ProbeFirst::TlsRecord) => "a TLS record came, no MySQL greeting",
        Some(ProbeFirst::Other) => "something came that is no MySQL greeting",
        None => "no MySQL greeting came",
    };
    format!("{what}, and {end}")
}
