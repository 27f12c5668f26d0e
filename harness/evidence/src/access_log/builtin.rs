//! The formats of Istio's releases, and which of them a line has.

use std::sync::OnceLock;

use super::format::Format;
use super::json;

/// What the longer format of the recorded failures adds to the default one: how the receiving hop
/// saw the sender, and what the default format hides of a TLS 1.3 rejection.
pub const FAILURES_SUFFIX: &str = " | \"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\" %DOWNSTREAM_TLS_VERSION% \"%DOWNSTREAM_PEER_SUBJECT%\" \"%DOWNSTREAM_PEER_URI_SAN%\" %UPSTREAM_TLS_VERSION% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%";

const HEAD: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS%";
const MIDDLE: &str = "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";
const TAIL: &str = "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";
const REASON: &str = "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\"";

/// An encoding that is known without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// TEXT of Istio 1.23 and later (`UPSTREAM_CLUSTER_RAW`).
    Text,
    /// TEXT of Istio 1.9 to 1.22 (`UPSTREAM_CLUSTER`). Its lines look like those of [`BuiltIn::Text`].
    Text1x9,
    /// TEXT of Istio 1.8: neither details nor the Mixer status.
    Text1x8,
    /// TEXT of Istio 1.3 to 1.7: the Mixer status before the failure reason. The tutorial's format.
    Text1x3,
    /// [`BuiltIn::Text`] followed by [`FAILURES_SUFFIX`].
    Failures,
    /// The JSON encoding with Istio's default keys.
    Json,
}

impl BuiltIn {
    /// All, in the order in which [`detect`] tries them.
    pub const ALL: [Self; 6] = [
        Self::Json,
        Self::Failures,
        Self::Text,
        Self::Text1x9,
        Self::Text1x3,
        Self::Text1x8,
    ];

    /// The format string; `None` for JSON.
    pub fn format_string(self) -> Option<String> {
        let (details, cluster) = match self {
            Self::Json => return None,
            Self::Text | Self::Failures => (
                format!("%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% {REASON}"),
                "%UPSTREAM_CLUSTER_RAW%",
            ),
            Self::Text1x9 => (
                format!("%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% {REASON}"),
                "%UPSTREAM_CLUSTER%",
            ),
            Self::Text1x8 => (REASON.to_owned(), "%UPSTREAM_CLUSTER%"),
            Self::Text1x3 => (
                format!("\"%DYNAMIC_METADATA(istio.mixer:status)%\" {REASON}"),
                "%UPSTREAM_CLUSTER%",
            ),
        };
        let suffix = if self == Self::Failures {
            FAILURES_SUFFIX
        } else {
            ""
        };
        Some(format!(
            "{HEAD} {details} {MIDDLE} {cluster} {TAIL}{suffix}\n"
        ))
    }

    /// The compiled format; `None` for JSON.
    pub fn format(self) -> Option<&'static Format> {
        static COMPILED: OnceLock<Vec<(BuiltIn, Format)>> = OnceLock::new();
        let all = COMPILED.get_or_init(|| {
            let compile = |built_in: Self| {
                Some((built_in, Format::compile(&built_in.format_string()?).ok()?))
            };
            Self::ALL.into_iter().filter_map(compile).collect()
        });
        all.iter()
            .find(|(built_in, _)| *built_in == self)
            .map(|(_, format)| format)
    }
}

/// The encoding of a line, told from the line alone.
///
/// Lines of 1.9 to 1.22 and of later releases look the same and are read as the later ones. `None`
/// for any other format, which must then be given as a string.
pub fn detect(line: &str) -> Option<BuiltIn> {
    BuiltIn::ALL
        .into_iter()
        .find(|built_in| match built_in.format() {
            Some(format) => format.parse(line).is_ok(),
            None => json::is_record(line),
        })
}

#[cfg(test)]
mod tests {
    use super::{BuiltIn, detect};

    #[test]
    fn every_text_format_compiles() {
        for built_in in BuiltIn::ALL {
            assert_eq!(
                built_in.format().is_some(),
                built_in != BuiltIn::Json,
                "{built_in:?}"
            );
        }
    }

    #[test]
    fn detects_each_release_from_its_line() {
        let tail = r#"10 - "-" "-" "-" "-" "10.0.0.1:3306" outbound|3306||mysql 10.0.0.2:4 10.0.0.3:5 10.0.0.4:6 - -"#;
        let line = |middle: &str| {
            format!("[2021-02-10T21:19:08.292Z] \"- - -\" 0 {middle} 176 115 {tail}")
        };
        assert_eq!(detect(&line("- - - \"-\"")), Some(BuiltIn::Text));
        assert_eq!(detect(&line("- \"-\"")), Some(BuiltIn::Text1x8));
        assert_eq!(detect(&line("- \"-\" \"-\"")), Some(BuiltIn::Text1x3));
        assert_eq!(
            detect(&line("NR filter_chain_not_found - \"-\"")),
            Some(BuiltIn::Text)
        );
        assert_eq!(detect("envoy is starting"), None);
        assert_eq!(detect("{\"level\":\"info\"}"), None);
        assert_eq!(detect(""), None);
    }

    #[test]
    fn old_reasons_with_spaces_stay_in_their_quotes() {
        let line = r#"[2020-02-10T21:19:08.292Z] "- - -" 0 UF,URX "TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED" 0 0 19 - "-" "-" "-" "-" "1.2.3.4:13306" outbound|13306||h - 10.0.0.3:5 10.0.0.4:6 h -"#;
        assert_eq!(detect(line), Some(BuiltIn::Text1x8));
        let record = BuiltIn::Text1x8.format().unwrap().parse(line).unwrap();
        let reason = "TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED";
        assert_eq!(
            record.get("UPSTREAM_TRANSPORT_FAILURE_REASON"),
            Some(reason)
        );
        assert_eq!(record.get("UPSTREAM_LOCAL_ADDRESS"), None);
        assert_eq!(record.raw("UPSTREAM_LOCAL_ADDRESS"), Some("-"));
        assert_eq!(record.raw("NO_SUCH"), None);
    }
}
