//! The chains as `openssl verify` sees them, and keys on disk.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use meshproof_pki::{Credential, MeshCa, PkiError, Tutorial, write_private};

/// Without openssl a local run goes on; CI has to have it.
fn openssl_is_missing() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return false;
    }
    assert!(
        std::env::var("CI").is_err(),
        "openssl is not on PATH, and CI must not skip this test"
    );
    eprintln!("skipped: openssl is not on PATH");
    true
}

/// What `openssl verify` says of a chain, with the root trusted.
fn verify(folder: &Path, credential: &Credential, root: &str, purpose: &str) -> Result<(), String> {
    let (chain, trusted) = (folder.join("chain.pem"), folder.join("root.pem"));
    fs::write(&chain, credential.chain_pem()).unwrap();
    fs::write(&trusted, root).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
        .arg(&trusted);
    let output = command
        .arg("-untrusted")
        .arg(&chain)
        .arg(&chain)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

#[test]
fn openssl_accepts_the_chains_for_their_purposes_only() {
    if openssl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pki = Tutorial::new("203.0.113.10.nip.io").unwrap();
    let root = pki.root.pem();
    verify(folder.path(), &pki.application, &root, "sslserver").unwrap();
    verify(folder.path(), &pki.client, &root, "sslclient").unwrap();
    for (credential, purpose) in [(&pki.application, "sslclient"), (&pki.client, "sslserver")] {
        let said = verify(folder.path(), credential, &root, purpose).unwrap_err();
        assert!(said.contains("purpose"), "{said}");
    }
    let other = Tutorial::new("203.0.113.10.nip.io").unwrap().root.pem();
    verify(folder.path(), &pki.client, &other, "sslclient").unwrap_err();
}

#[test]
fn openssl_accepts_workloads_both_ways() {
    if openssl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mesh = MeshCa::new("cluster.local").unwrap();
    let workload = mesh.issue("default", "default").unwrap();
    for purpose in ["sslserver", "sslclient"] {
        verify(folder.path(), &workload, &mesh.root_pem(), purpose).unwrap();
    }
}

#[test]
fn openssl_reads_the_key_and_finds_it_the_leafs() {
    if openssl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pki = Tutorial::new("a.example").unwrap();
    let (key, chain) = (
        folder.path().join("key.pem"),
        folder.path().join("chain.pem"),
    );
    write_private(&key, pki.client.key().pem().as_bytes()).unwrap();
    fs::write(&chain, pki.client.chain_pem()).unwrap();
    let public = |args: &[&str], file: &Path| {
        let output = Command::new("openssl")
            .args(args)
            .arg("-in")
            .arg(file)
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(
        public(&["pkey", "-pubout"], &key),
        public(&["x509", "-noout", "-pubkey"], &chain)
    );
}

#[test]
fn keys_are_written_for_their_owner_and_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    write_private(&path, b"secret").unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::read(&path).unwrap(), b"secret");
    let error = write_private(&path, b"other").unwrap_err();
    assert!(matches!(error, PkiError::Write { .. }));
    assert!(!format!("{error:?} {error}").contains("other"));
    let link = folder.path().join("link.pem");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
    write_private(&link, b"secret").unwrap_err();
}
