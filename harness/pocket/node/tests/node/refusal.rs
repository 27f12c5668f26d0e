//! A machine that does not allow namespaces: played by a user namespace with limits of its own.

use std::process::Command;

use libtest_mimic::Trial;
use meshproof_pocket_node::{Node, NodeError, NodeOptions, Program};

use crate::lab::{options, patient};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("refusal::no_user_namespaces", || async {
            expect(
                "user",
                "making a user namespace: No space left on device (os error 28)",
                "user.max_user_namespaces=",
            );
        }),
        trial("refusal::no_network_namespaces", || async {
            expect(
                "net",
                "making a network namespace: No space left on device (os error 28)",
                "max_*_namespaces",
            );
        }),
        trial("refusal::no_mount_namespaces", || async {
            expect(
                "mnt",
                "making a mount namespace: No space left on device (os error 28)",
                "max_*_namespaces",
            );
        }),
        trial("refusal::a_missing_nft_is_named", missing_nft),
    ]
}

/// The applet: prints how starting fails.
pub(crate) fn refused() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let error = runtime.block_on(Node::start(options())).unwrap_err();
    assert!(
        matches!(error, NodeError::NamespacesRefused { .. }),
        "{error:?}"
    );
    crate::applet::print(&error.to_string());
}

fn expect(kind: &str, begin: &str, contained: &str) {
    let script =
        format!("echo 0 > /proc/sys/user/max_{kind}_namespaces && exec \"$0\" applet refused");
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-Ur", "sh", "-c", &script])
        .arg(own)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with(begin) && text.contains(contained),
        "{text} {output:?}"
    );
}

async fn missing_nft() {
    let node = Node::start(NodeOptions {
        nft: Program {
            path: "/no/such/nft".into(),
            env: Vec::new(),
        },
    })
    .await
    .unwrap();
    let router = meshproof_pocket_node::RouterSpec {
        name: "r".into(),
        hostname: "r".into(),
        addresses: Vec::new(),
    };
    node.create_router(router).await.unwrap();
    let error = patient(node.nft("r", "")).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Exec { program, .. } if program == "/no/such/nft"),
        "{error}"
    );
}
