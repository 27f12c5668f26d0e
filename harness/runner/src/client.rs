//! The programs that run in client pods, and reading back what they print.

use meshproof_cluster::Output;
use meshproof_scenario::{At, Case, OwnTls, Target};
use meshproof_sql::{BatchCommand, Dialect, PASSWORD_VARIABLE};

/// First statement of every session. It stands before the case's own so that it needs no knowledge
/// of how those end, and on their first line so that line numbers in errors stay right.
const CIPHER_QUERY: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'; ";
const CIPHER: &str = "Ssl_cipher\t";

/// A password that is nobody's, for cases about a wrong one: no secret.
const NOBODYS_PASSWORD: &str = "not-the-password";

/// How a MySQL client logs in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) wrong_password: bool,
    pub(crate) database: Option<String>,
    pub(crate) own_tls: bool,
}

impl Login {
    /// What a case says, else the scenario's user.
    pub(crate) fn of(case: &Case, user: &str) -> Self {
        let Some(client) = &case.client else {
            return Self {
                user: user.to_owned(),
                ..Self::default()
            };
        };
        let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
        Self {
            user: text(&client.user).unwrap_or_else(|| user.to_owned()),
            wrong_password: client
                .wrong_password
                .as_ref()
                .is_some_and(|wrong| wrong.value),
            database: text(&client.database),
            own_tls: client
                .tls
                .as_ref()
                .is_some_and(|tls| tls.value == OwnTls::Required),
        }
    }
}

/// The MySQL client's command line; SQL comes by standard input, the password by environment.
pub(crate) fn mysql(
    dialect: Dialect,
    target: &Target,
    login: &Login,
    connect_timeout: Option<u32>,
) -> Vec<String> {
    let command = BatchCommand {
        program: "mysql".to_owned(),
        dialect,
        host: target.host.clone(),
        port: target.port,
        user: login.user.clone(),
        database: login.database.clone(),
        connect_timeout,
        sql: None,
        own_tls: login.own_tls,
    };
    let mut argv = command.arguments();
    if login.wrong_password {
        let variable = format!("{PASSWORD_VARIABLE}={NOBODYS_PASSWORD}");
        argv.splice(0..0, ["env".to_owned(), variable]);
    }
    argv
}

/// What the MySQL client reads on standard input.
pub(crate) fn input(sql: &str) -> Vec<u8> {
    format!("{CIPHER_QUERY}{}\n", sql.trim_end()).into_bytes()
}

/// Takes the answer to the first statement off the client's output: the session's own TLS cipher
/// (empty when it has none), and the rest.
pub(crate) fn split_cipher(stdout: &str) -> (Option<&str>, &str) {
    let Some(after) = stdout.strip_prefix(CIPHER) else {
        return (None, stdout);
    };
    let (cipher, rest) = after.split_once('\n').unwrap_or((after, ""));
    (Some(cipher.trim_end_matches('\r')), rest)
}

/// Resolves a name as programs in the pod do.
pub(crate) fn resolve(name: &str) -> Vec<String> {
    ["getent", "ahostsv4", name].map(str::to_owned).to_vec()
}

/// What [`resolve`] found.
///
/// # Errors
/// In words: it ended without an answer.
pub(crate) fn resolved(output: &Output) -> Result<Vec<String>, String> {
    match output.exit {
        // getent ends with 2 where a key is not found (getent(1)); anything else is no answer.
        Some(0 | 2) => Ok(addresses(&output.stdout_text())),
        exit => Err(format!(
            "getent ended with {exit:?}: {}",
            output.stderr_text().trim()
        )),
    }
}

/// Addresses in the output of [`resolve`], each once, in order.
fn addresses(stdout: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for address in stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        if !found.iter().any(|known| known == address) {
            found.push(address.to_owned());
        }
    }
    found
}

/// What a client that speaks first says, in [`speak_first`]; a line end follows.
pub(crate) const SPOKEN: &str = "SELECT 1;";

/// A client that speaks first, in plaintext, with what every image of the MySQL client has: bash and
/// coreutils. It prints what it got back, in hexadecimal, when the other side closes or 64 bytes came: a
/// MySQL greeting is longer.
///
/// The bytes are a line of text: no TLS record begins so, and no MySQL packet of that length.
pub(crate) fn speak_first(target: &Target) -> Vec<String> {
    const SCRIPT: &str = r#"exec 3<>"/dev/tcp/$0/$1" || exit 9; printf 'SELECT 1;\r\n' >&3; head -c 64 <&3 | od -An -v -tx1"#;
    vec![
        "bash".to_owned(),
        "-c".to_owned(),
        SCRIPT.to_owned(),
        target.host.clone(),
        target.port.to_string(),
    ]
}

/// Number of bytes in the output of [`speak_first`], 64 at most.
pub(crate) fn count_bytes(hex: &str) -> u64 {
    hex.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_cipher_off_and_leaves_the_rows() {
        assert_eq!(
            split_cipher("Ssl_cipher\t\n1\tCrypto Hi\n"),
            (Some(""), "1\tCrypto Hi\n")
        );
        assert_eq!(
            split_cipher("Ssl_cipher\tTLS_AES_256_GCM_SHA384\n"),
            (Some("TLS_AES_256_GCM_SHA384"), "")
        );
        assert_eq!(split_cipher("1\tCrypto Hi\n"), (None, "1\tCrypto Hi\n"));
    }

    #[test]
    fn lists_each_address_once() {
        let printed = "203.0.113.10    STREAM h\n203.0.113.10    DGRAM\n203.0.113.11    STREAM\n";
        assert_eq!(addresses(printed), ["203.0.113.10", "203.0.113.11"]);
    }

    #[test]
    fn the_target_is_no_part_of_the_script() {
        assert!(speak_first(&"a:1".parse().unwrap())[2].contains(SPOKEN));
        let command = speak_first(&"a.example:13306".parse().unwrap());
        assert_eq!(&command[3..], ["a.example", "13306"]);
        assert!(!command[2].contains("a.example"));
    }
}
