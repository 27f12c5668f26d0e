//! Programs that give credentials (`users[].user.exec` of a kubeconfig): how they are run, and what is said when
//! they fail. Their own output and their environment may hold secrets and are never repeated.

use std::sync::LazyLock;

use meshproof_cluster::kube::client::AuthError;
use meshproof_cluster::kube::config::{AuthInfo, ExecInteractiveMode};
use regex_lite::Regex;

/// What is repeated of a plugin's words, from their end.
const LINES: usize = 4;

/// Takes a plugin's standard error for ourselves where it can do without a terminal: it would otherwise write
/// over the progress lines, and its words would be missing in the reports. One that says `Always` keeps it.
pub(crate) fn listen(user: &mut AuthInfo) {
    if let Some(exec) = &mut user.exec
        && exec.interactive_mode != Some(ExecInteractiveMode::Always)
    {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
}

/// Credentials come from somewhere that may have newer ones.
pub(crate) fn is_renewable(user: &AuthInfo) -> bool {
    user.exec.is_some() || user.token_file.is_some() || user.auth_provider.is_some()
}

/// Why there are no credentials, fit for reports. `None` where the error is about something else.
pub(crate) fn failure(
    user: &AuthInfo,
    error: &(dyn std::error::Error + 'static),
) -> Option<String> {
    let auth = std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<AuthError>())?;
    let exec = user.exec.as_ref();
    let named = exec.and_then(|exec| exec.command.as_deref());
    let program = named.unwrap_or("that gives credentials");
    let why = match auth {
        AuthError::AuthExecRun { out, .. } => {
            let words = words(user, &String::from_utf8_lossy(&out.stderr));
            let words = words.map_or_else(String::new, |words| format!(": {words}"));
            format!("exec plugin {program}: {}{words}", out.status)
        }
        AuthError::AuthExecStart(error) => {
            let hint = exec.and_then(|exec| exec.install_hint.as_deref());
            let hint = hint.map(|hint| hint.split_whitespace().collect::<Vec<_>>().join(" "));
            let hint = hint.map_or_else(String::new, |hint| format!("; its hint: {hint}"));
            format!("exec plugin {program} does not start: {error}{hint}")
        }
        AuthError::AuthExecParse(_) => {
            format!("exec plugin {program}: what it printed is no ExecCredential")
        }
        AuthError::ExecPluginFailed => {
            format!("exec plugin {program}: the ExecCredential that it printed has no status")
        }
        AuthError::MissingCommand => "exec plugin: the kubeconfig names no command".to_owned(),
        AuthError::ReadTokenFile(error, path) => {
            format!("token file {}: {error}", path.display())
        }
        AuthError::InvalidBearerToken(_) => {
            "the token has characters that no header may have".to_owned()
        }
        AuthError::InvalidBasicAuth(_) => {
            "the user or password has characters that no header may have".to_owned()
        }
        AuthError::AuthExec(why) => redacted(user, why),
        // The rest quotes what it could not read.
        _ => format!("exec plugin {program}: what it gave cannot be used"),
    };
    Some(why)
}

/// The last lines of a plugin's words in one.
fn words(user: &AuthInfo, stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    (!last.is_empty()).then(|| redacted(user, &last.join(" | ")))
}

static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // JSON Web Tokens.
        r"()eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*",
        r"(?i)(bearer\s+)\S+",
        r#"(?i)((?:token|password|passwd|secret|key|credential)s?["']?\s*[:=]\s*["']?)[^\s"',;]+"#,
        // What is that long without a break is no word.
        r"()[A-Za-z0-9+_=-]{40,}",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// A text without what looks like a credential, and without the values that the kubeconfig gives the plugin.
fn redacted(user: &AuthInfo, text: &str) -> String {
    let mut text = text.to_owned();
    let given = user.exec.iter().flat_map(|exec| exec.env.iter().flatten());
    for value in given.filter_map(|entry| entry.get("value")) {
        if value.len() >= 6 {
            text = text.replace(value.as_str(), "[redacted]");
        }
    }
    for secret in SECRETS.iter() {
        text = secret.replace_all(&text, "${1}[redacted]").into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(SECRETS.len(), 4);
    }

    #[test]
    fn no_secret_is_repeated() {
        let user: AuthInfo = serde_json::from_value(serde_json::json!({
            "exec": {"command": "x", "env": [{"name": "REGION", "value": "hunter22"}]},
        }))
        .unwrap();
        let jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrIn0.c2lnbmF0dXJl";
        for text in [
            format!("bad token {jwt} given"),
            "Authorization: Bearer abc.def-123".to_owned(),
            "password=tr0ub4dor; retry".to_owned(),
            r#"{"access_token": "ya29.short"}"#.to_owned(),
            "region hunter22 unknown".to_owned(),
            "AKIAIOSFODNN7EXAMPLEwJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY".to_owned(),
        ] {
            let told = redacted(&user, &text);
            for secret in [
                "c2lnbmF0dXJl",
                "abc.def",
                "tr0ub4dor",
                "ya29",
                "hunter22",
                "AKIA",
            ] {
                assert!(!told.contains(secret), "{text} became {told}");
            }
        }
    }

    #[test]
    fn what_helps_is_repeated() {
        let text = "ERROR: (gcloud.config) You do not have an active account: token expired; run gcloud auth login";
        assert_eq!(redacted(&AuthInfo::default(), text), text);
    }
}
