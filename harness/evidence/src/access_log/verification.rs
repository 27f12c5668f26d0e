//! Why a certificate was not accepted, from what Envoy prints beside the access log.
//!
//! Before 1.40 the access log has only `CERTIFICATE_VERIFY_FAILED`. The verifier's own words are printed at
//! level `debug` of Envoy's logger `connection` (`--component-log-level connection:debug`; on Istio's pods the
//! annotation `sidecar.istio.io/componentLogLevel`), by
//! `source/common/tls/cert_validator/default_validator.cc`, without the connection. The line behind it of the
//! same thread is the connection's, as both come out of one handshake (`source/common/tls/ssl_socket.cc`):
//!
//! ```text
//! [2026-11-26 16:48:09.780][12][debug][connection] [...default_validator.cc:349] verify cert failed: X509_verify_cert: ...
//! [2026-11-26 16:48:09.781][12][debug][connection] [...ssl_socket.cc:248] [Tags: "ConnectionId":"1"] remote address:10.2.0.1:35021,TLS_error:|...
//! ```

use std::collections::BTreeMap;

use super::address::Address;
use super::line::HopLine;
use super::logged::Logged;
use super::reason::normalise;

const VERIFIER: &str = "verify cert failed: ";
const CONNECTION: &str = "remote address:";
/// The code of BoringSSL behind which newer Envoys say what it was.
const CODE: &str = "CERTIFICATE_VERIFY_FAILED";

/// Verifications that failed, as they are found line after line.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    /// What the verifier said last, by thread.
    said: BTreeMap<String, String>,
    found: Vec<Failed>,
}

/// One handshake.
#[derive(Debug, PartialEq)]
struct Failed {
    /// The other end of the connection.
    remote: Address,
    /// In the verifier's words, with underscores for spaces.
    why: String,
    /// Both lines as printed.
    raw: [String; 2],
}

impl Verifications {
    /// Takes a line that a program printed about itself.
    pub(super) fn take(&mut self, line: &str) {
        let Some((thread, message)) = printed(line) else {
            return;
        };
        if message.starts_with(VERIFIER) {
            self.said.insert(thread.to_owned(), line.to_owned());
            return;
        }
        let Some((_, rest)) = message.split_once(CONNECTION) else {
            return;
        };
        // Whatever this connection ended with, the next one's verification is said anew.
        let Some(said) = self.said.remove(thread) else {
            return;
        };
        let (remote, reason) = rest.split_once(',').unwrap_or((rest, ""));
        let words = printed(&said).map(|(_, words)| normalise(words));
        if let (Ok(remote), Some(why), true) = (remote.parse(), words, reason.contains(CODE)) {
            let raw = [said, line.to_owned()];
            self.found.push(Failed { remote, why, raw });
        }
    }

    /// Puts the words into the reasons of the lines that they belong to. Where one address has had several
    /// outcomes, which of them a line means is not known, and it stays as it is.
    pub(super) fn explain(&self, lines: &mut [HopLine]) {
        if self.found.is_empty() {
            return;
        }
        for line in lines {
            let down = self.about(line.downstream_remote.value());
            let up = self.about(line.upstream_host.value());
            let told = [
                told(&mut line.downstream_failure, down),
                told(&mut line.upstream_failure, up),
            ];
            let told = told.into_iter().flatten();
            line.beside
                .extend(told.flat_map(|failed| failed.raw.clone()));
        }
    }

    fn about(&self, remote: Option<&Address>) -> Option<&Failed> {
        let mut all = self
            .found
            .iter()
            .filter(|failed| Some(&failed.remote) == remote);
        let first = all.next()?;
        all.all(|other| other.why == first.why).then_some(first)
    }
}

/// Adds the words to a reason that has none.
fn told<'a>(reason: &mut Logged<String>, failed: Option<&'a Failed>) -> Option<&'a Failed> {
    let (Logged::Value(text), Some(failed)) = (reason, failed) else {
        return None;
    };
    let (before, behind) = text.split_once(CODE)?;
    let bare = behind.is_empty() || behind == ":TLS_error_end";
    if !bare {
        return None;
    }
    *text = format!("{before}{CODE}:{}{behind}", failed.why);
    Some(failed)
}

/// Thread and message of a line that Envoy printed, by itself or through Istio's agent
/// (`2026-11-26T16:48:09.780Z<tab>debug<tab>envoy connection FILE:LINE<tab>MESSAGE<tab>thread=12`).
fn printed(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix('[') {
        let (_, rest) = rest.split_once("][")?;
        let (thread, rest) = rest.split_once("][")?;
        let (_, rest) = rest.split_once("] [")?;
        let (_, message) = rest.split_once("] ")?;
        return Some((thread, message));
    }
    let mut fields = line.split('\t').skip(2);
    let logger = fields.next()?;
    let (message, thread) = (fields.next()?, fields.next()?);
    let thread = thread.trim_end().strip_prefix("thread=")?;
    logger
        .starts_with("envoy connection ")
        .then_some((thread, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIED: &str = "[2026-11-26 16:48:09.780][12][debug][connection] [source/common/tls/cert_validator/default_validator.cc:349] verify cert failed: X509_verify_cert: certificate verification error at depth 0: certificate has expired";

    fn ended(thread: u8, remote: &str, reason: &str) -> String {
        format!(
            "[2026-11-26 16:48:09.781][{thread}][debug][connection] [source/common/tls/ssl_socket.cc:248] [Tags: \"ConnectionId\":\"1\"] remote address:{remote},TLS_error:|268435581:SSL routines:OPENSSL_internal:{reason}:TLS_error_end"
        )
    }

    fn line(remote: &str) -> HopLine {
        HopLine {
            downstream_remote: Logged::Value(remote.parse().unwrap()),
            downstream_failure: Logged::Value(format!(
                "TLS_error:|268435581:SSL_routines:OPENSSL_internal:{CODE}:TLS_error_end"
            )),
            ..HopLine::default()
        }
    }

    fn reason(printed: &[&str], mut of: HopLine) -> (String, usize) {
        let mut found = Verifications::default();
        for line in printed {
            found.take(line);
        }
        found.explain(std::slice::from_mut(&mut of));
        let text = of.downstream_failure.text().unwrap().to_owned();
        (text, of.beside.len())
    }

    #[test]
    fn the_verifiers_words_go_to_the_connection_of_its_thread() {
        let mine = ended(12, "10.2.0.1:35021", CODE);
        let (text, beside) = reason(&[VERIFIED, &mine], line("10.2.0.1:35021"));
        assert!(text.ends_with(
            "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end"
        ), "{text}");
        assert_eq!(beside, 2);
    }

    #[test]
    fn istios_agent_prints_the_same_with_tabs() {
        let verified = "2026-11-26T16:48:09.780Z\tdebug\tenvoy connection external/envoy/source/common/tls/cert_validator/default_validator.cc:349\tverify cert failed: verify SAN list\tthread=31";
        let ended = "2026-11-26T16:48:09.781Z\tdebug\tenvoy connection external/envoy/source/common/tls/ssl_socket.cc:248\t[Tags: \"ConnectionId\":\"1\"] remote address:10.2.0.1:35021,TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end\tthread=31";
        let (text, _) = reason(&[verified, ended], line("10.2.0.1:35021"));
        assert!(
            text.contains("FAILED:verify_cert_failed:_verify_SAN_list:TLS"),
            "{text}"
        );
    }

    #[test]
    fn silent_where_it_is_not_known_whose_words_they_are() {
        let mine = ended(12, "10.2.0.1:35021", CODE);
        let elsewhere = ended(13, "10.2.0.1:35021", CODE);
        let reset = ended(12, "10.2.0.1:35021", "CONNECTION_RESET");
        let other = VERIFIED.replace(
            "certificate has expired",
            "unable to get local issuer certificate",
        );
        for printed in [
            vec![VERIFIED],
            vec![mine.as_str(), VERIFIED],
            vec![VERIFIED, &elsewhere],
            vec![VERIFIED, &reset, &mine],
            vec![VERIFIED, &mine, &other, &mine],
        ] {
            let (text, beside) = reason(&printed, line("10.2.0.1:35021"));
            assert!(
                text.ends_with("CERTIFICATE_VERIFY_FAILED:TLS_error_end"),
                "{text}"
            );
            assert_eq!(beside, 0);
        }
        let (text, _) = reason(&[VERIFIED, &mine], line("10.2.0.1:35022"));
        assert!(text.ends_with("FAILED:TLS_error_end"));
    }

    #[test]
    fn a_reason_that_has_words_keeps_them() {
        let mut own = line("10.2.0.1:35021");
        own.downstream_failure = Logged::Value(format!(
            "TLS_error:|1:{CODE}:certificate_revoked:TLS_error_end"
        ));
        let (text, beside) = reason(&[VERIFIED, &ended(12, "10.2.0.1:35021", CODE)], own);
        assert!(text.contains("FAILED:certificate_revoked:"), "{text}");
        assert_eq!(beside, 0);
    }
}
