//! Credentials that a program gives.

use std::fs;
use std::path::Path;

use meshproof_cluster::Side;

use crate::clusters::Served;
use crate::command::Folder;

/// The first token is refused, as one that was revoked: the plugin is asked once more, and the second holds.
pub(crate) async fn a_plugin_gives_credentials_and_renews_them(served: &Served, folder: &Folder) {
    let asked = folder.path().join("asked");
    let look = async |revoked: usize| -> usize {
        let _ = fs::remove_file(&asked);
        with_plugin(served, folder, &plugin(served, &asked, revoked));
        let ran = folder
            .meshproof_with(&["client", "plugin"], &["doctor"])
            .await;
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        fs::read_to_string(&asked).unwrap().lines().count()
    };
    // A client asks its plugin more than once: for a token, and for a certificate.
    let client = look(0).await;
    assert_eq!(look(client).await, 2 * client);
}

/// A plugin that notes when it is asked, and gives a token that is none for the first times.
fn plugin(served: &Served, asked: &Path, revoked: usize) -> String {
    format!(
        r#"echo x >> {asked}
        test $(wc -l < {asked}) -le {revoked} && token=revoked || token={token}
        echo "{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"$token\"}}}}""#,
        asked = asked.display(),
        token = served.token(Side::Server),
    )
}

pub(crate) async fn a_plugin_that_fails_is_told_without_secrets(served: &Served, folder: &Folder) {
    let script = r#"echo "token: hunter2" >&2; echo "run 'login' first" >&2; echo s3cret; exit 7"#;
    with_plugin(served, folder, script);
    let ran = folder
        .meshproof_with(&["client", "plugin"], &["doctor"])
        .await;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, 6, "{said}");
    let wanted = "exec plugin /bin/sh: exit status: 7: token: [redacted] | run 'login' first";
    assert!(said.contains(wanted), "{said}");
    for secret in ["hunter2", "s3cret", "c0nfigured", "KUBERNETES_EXEC_INFO"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// The server's kubeconfig with a plugin instead of a token.
fn with_plugin(served: &Served, folder: &Folder, script: &str) {
    let path = folder.path().join("plugin.sh");
    fs::write(&path, script).unwrap();
    let before = served.kubeconfig(Side::Server);
    let token = before
        .lines()
        .find(|line| line.contains(served.token(Side::Server)))
        .unwrap();
    let indent: String = token
        .chars()
        .take_while(|c| *c == ' ' || *c == '-')
        .collect();
    let exec = format!(
        "{indent}exec: {{apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: ['{}'], \
         env: [{{name: SECRET, value: c0nfigured}}], interactiveMode: IfAvailable}}",
        path.display()
    );
    fs::write(folder.path().join("plugin"), before.replace(token, &exec)).unwrap();
}
