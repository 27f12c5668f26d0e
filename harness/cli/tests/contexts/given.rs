//! What a user may give that is wrong: one line each, before anything is asked of a cluster where that can be known.

use std::fs;
use std::process::Command;

use meshproof_cluster::Side;
use serde_json::Value;

use crate::clusters::Served;
use crate::command::{Folder, Ran, run};

pub(crate) async fn what_is_given_wrong_is_told_in_a_line(served: &Served, folder: &Folder) {
    let two = ["--client-context", "client", "--server-context"];
    let told = async |arguments: &[&str]| -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshproof"));
        command.args(["doctor", "--on", "contexts"]).args(arguments);
        command.env("KUBECONFIG", folder.path().join("client"));
        run(command).await
    };
    let by_name = other_name(served);
    fs::write(folder.path().join("by-name"), by_name).unwrap();
    fs::write(folder.path().join("stale"), stale(served)).unwrap();
    let none = folder.path().join("none");
    let cases: [(Vec<&str>, i32, &str); 5] = [
        (vec![], 3, "--client-context is missing"),
        (
            [&two[..], &["sever"]].concat(),
            3,
            "--server-context sever: no such context in",
        ),
        (
            [&two[..], &["client"]].concat(),
            3,
            "contexts client and client are the same cluster",
        ),
        (
            [
                &two[..],
                &["client", "--kubeconfig", none.to_str().unwrap()],
            ]
            .concat(),
            3,
            "no kubeconfig: looked at",
        ),
        (
            [&two[..], &["server", "--kubeconfig", "/dev/null"]].concat(),
            3,
            "there are no contexts in it",
        ),
    ];
    for (arguments, code, wanted) in cases {
        let ran = told(&arguments).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, code, "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    let ran = folder
        .meshproof_with(&["client", "by-name"], &["doctor"])
        .await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    let wanted = "are the same cluster: namespace kube-system has the uid";
    assert!(ran.stdout.contains(wanted), "{}", ran.stdout);
    let ran = folder
        .meshproof_with(&["client", "stale"], &["doctor"])
        .await;
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    let wanted = "to do: renew the credentials of context server";
    assert!(ran.stdout.contains(wanted), "{}", ran.stdout);
}

/// The client's cluster by another name, as the context `server`.
fn other_name(served: &Served) -> String {
    let text = served
        .kubeconfig(Side::Client)
        .replace("127.0.0.1", "localhost");
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for list in ["clusters", "contexts", "users"] {
        config[list][0]["name"] = "server".into();
    }
    config["contexts"][0]["context"]["cluster"] = "server".into();
    config["contexts"][0]["context"]["user"] = "server".into();
    config.to_string()
}

/// The server's cluster with a token that is none.
fn stale(served: &Served) -> String {
    served
        .kubeconfig(Side::Server)
        .replace(served.token(Side::Server), "stale")
}
