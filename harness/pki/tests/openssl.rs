//! The chains as `openssl verify` sees them, and keys on disk.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use meshproof_pki::{
    Credential, Flaw, MeshCa, PkiError, RunPki, Trust, Wanted, Which, write_private,
};
use support::{BOTH, DNS, flawed, looking_at, renewed, run};
use x509_parser::prelude::{FromDer, X509Certificate};

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

type Data = BTreeMap<String, Vec<u8>>;

/// What `openssl verify` says of a `tls.crt`, with the `ca.crt` and `ca.crl` of who looks at it.
fn verify(shown: &Data, looks: &Data, purpose: &str, more: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = |data: &Data, key: &str| {
        let path = folder.path().join(key);
        fs::write(&path, &data[key]).unwrap();
        path
    };
    let chain = file(shown, "tls.crt");
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
        .arg(file(looks, "ca.crt"))
        .args(more);
    if looks.contains_key("ca.crl") {
        let lists = file(looks, "ca.crl");
        command.arg("-crl_check_all").arg("-CRLfile").arg(lists);
    }
    command.arg("-untrusted").arg(&chain).arg(&chain);
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The purpose that the other side asks for.
const fn asked(which: Which) -> &'static str {
    match which {
        Which::Client => "sslclient",
        Which::Application => "sslserver",
    }
}

fn says(pki: &RunPki, shown: &Wanted, looks: &Wanted) -> Result<(), String> {
    let (purpose, looks) = (asked(shown.which), pki.secret(looks).unwrap());
    verify(&pki.secret(shown).unwrap(), &looks, purpose, &[])
}

#[test]
fn openssl_refuses_each_kind_for_its_own_reason() {
    if openssl_is_missing() {
        return;
    }
    let pki = run();
    for which in BOTH {
        let tutorial = looking_at(which, &[Trust::Run], &[]);
        says(&pki, &Wanted::good(which), &tutorial).unwrap();
        says(&pki, &renewed(which), &tutorial).unwrap();
        for (flaw, reason) in [
            (Flaw::SelfSigned, "self-signed certificate"),
            (Flaw::UnknownCa, "unable to get local issuer certificate"),
            (Flaw::OtherMesh, "unable to get local issuer certificate"),
            (Flaw::Expired, "certificate has expired"),
            (Flaw::NotYetValid, "certificate is not yet valid"),
            (Flaw::WrongPurpose, "certificate purpose"),
        ] {
            let said = says(&pki, &flawed(which, flaw), &tutorial).unwrap_err();
            assert!(said.contains(reason), "{which:?} {flaw:?}: {said}");
        }
        let root = looking_at(which, &[Trust::RunRoot], &[]);
        let alone = flawed(which, Flaw::WithoutIntermediate);
        let said = says(&pki, &alone, &root).unwrap_err();
        assert!(said.contains("unable to get local issuer"), "{said}");
        says(&pki, &alone, &tutorial).unwrap();
        says(&pki, &Wanted::good(which), &root).unwrap();
    }
}

#[test]
fn openssl_refuses_another_name_only_when_it_looks() {
    if openssl_is_missing() {
        return;
    }
    let pki = run();
    for which in BOTH {
        let looks = pki.secret(&looking_at(which, &[Trust::Run], &[])).unwrap();
        let shows = |wanted: &Wanted, more: &[&str]| {
            verify(&pki.secret(wanted).unwrap(), &looks, asked(which), more)
        };
        let (good, other) = (Wanted::good(which), flawed(which, Flaw::OtherName));
        let name = ["-verify_hostname", DNS];
        shows(&good, &name).unwrap();
        let said = shows(&other, &name).unwrap_err();
        assert!(said.contains("mismatch"), "{said}");
        shows(&other, &[]).unwrap();
    }
}

#[test]
fn openssl_refuses_the_revoked_leaf_and_no_other() {
    if openssl_is_missing() {
        return;
    }
    let pki = run();
    for which in BOTH {
        for trust in [Trust::Run, Trust::RunRoot] {
            let looks = looking_at(which, &[trust], &[which]);
            let said = says(&pki, &Wanted::good(which), &looks).unwrap_err();
            assert!(said.contains("certificate revoked"), "{said}");
            says(&pki, &renewed(which), &looks).unwrap();
        }
    }
}

/// Each list is signed by its authority, and says what it revokes.
#[test]
fn openssl_reads_the_lists() {
    if openssl_is_missing() {
        return;
    }
    let pki = run();
    let lists = pki
        .revocation_lists_pem(&[Trust::Run], &[Which::Client])
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (list, authorities) = (folder.path().join("crl"), folder.path().join("ca"));
    let read = |pem: &str, trust: Trust| {
        fs::write(&list, pem).unwrap();
        fs::write(&authorities, pki.authorities_pem(&[trust]).unwrap()).unwrap();
        let output = Command::new("openssl")
            .args(["crl", "-noout", "-text", "-in"])
            .arg(&list)
            .arg("-CAfile")
            .arg(&authorities)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (errors, text)
    };
    let end = "-----END X509 CRL-----";
    let (intermediate, root) = lists.split_at(lists.find(end).unwrap() + end.len());
    let good = pki.credential(&Wanted::good(Which::Client)).unwrap();
    let serial = good.identity().unwrap().serial;
    for (pem, issuer, revokes) in [
        (intermediate, "meshproof intermediate", true),
        (root, "meshproof root", false),
    ] {
        let (errors, text) = read(pem, Trust::Run);
        assert!(errors.contains("verify OK"), "{errors}");
        assert!(text.contains(issuer), "{text}");
        assert_eq!(text.contains(&serial), revokes, "{text}");
        assert_eq!(text.contains("no revoked certificates"), !revokes, "{text}");
        // The detector: other authorities did not sign it.
        let (errors, _) = read(pem, Trust::Other);
        assert!(!errors.contains("verify OK"), "{errors}");
    }
}

/// The words for a certificate are those of openssl.
#[test]
fn openssl_finds_the_same_subject_serial_number_and_digest() {
    if openssl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leaf.pem");
    let pki = run();
    let nth = |leaf| {
        let wanted = Wanted {
            leaf,
            ..Wanted::good(Which::Client)
        };
        pki.credential(&wanted).unwrap()
    };
    // One serial number in 256 is encoded with a zero byte before it, lest it be negative.
    let padded = |made: &Arc<Credential>| {
        let (_, leaf) = X509Certificate::from_der(made.leaf_der()).unwrap();
        leaf.raw_serial()[0] == 0
    };
    let padded = (1..10_000).map(nth).find(padded).unwrap();
    for made in [nth(0), padded] {
        fs::write(&file, made.chain_pem()).unwrap();
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-serial", "-fingerprint"])
            .args(["-sha256", "-nameopt", "RFC2253", "-in"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).replace(':', "");
        let said: Vec<&str> = said.lines().map(|l| l.split_once('=').unwrap().1).collect();
        let identity = made.identity().unwrap();
        assert_eq!(said[0], identity.subject);
        assert_eq!(said[1].to_lowercase(), identity.serial);
        assert_eq!(said[2].to_lowercase(), identity.sha256);
    }
}

#[test]
fn openssl_accepts_workloads_both_ways() {
    if openssl_is_missing() {
        return;
    }
    let mesh = MeshCa::new("cluster.local").unwrap();
    let workload = mesh.issue("default", "default").unwrap();
    let data = Data::from([
        ("tls.crt".to_owned(), workload.chain_pem().into_bytes()),
        ("ca.crt".to_owned(), mesh.root_pem().into_bytes()),
    ]);
    for purpose in ["sslserver", "sslclient"] {
        verify(&data, &data, purpose, &[]).unwrap();
    }
}

#[test]
fn openssl_reads_the_key_and_finds_it_the_leafs() {
    if openssl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = run().credential(&Wanted::good(Which::Client)).unwrap();
    let (key, chain) = (
        folder.path().join("key.pem"),
        folder.path().join("chain.pem"),
    );
    write_private(&key, made.key().pem().as_bytes()).unwrap();
    fs::write(&chain, made.chain_pem()).unwrap();
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
