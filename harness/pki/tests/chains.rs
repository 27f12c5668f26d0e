//! Every chain verifies, and every certificate says what it must, as another library reads it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use meshproof_pki::{
    Authority, Credential, Leaf, MeshCa, PkiError, RunPki, Validity, Wanted, Which,
};
use x509_parser::prelude::*;

const DNS: &str = "203.0.113.10.nip.io";

fn read(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

/// Each certificate of the chain is signed by the next, the last one by the root, and is valid now.
fn verify(credential: &Credential, root: &[u8]) {
    let ders: Vec<&[u8]> = credential.chain_der().chain([root]).collect();
    for pair in ders.windows(2) {
        let (lower, upper) = (read(pair[0]), read(pair[1]));
        lower.verify_signature(Some(upper.public_key())).unwrap();
        assert_eq!(lower.issuer(), upper.subject());
        assert!(upper.is_ca());
        assert!(lower.validity().is_valid() && upper.validity().is_valid());
    }
    let root = read(root);
    root.verify_signature(None).unwrap();
    assert!(!read(ders[0]).is_ca());
}

fn leaf(credential: &Credential) -> X509Certificate<'_> {
    read(credential.chain_der().next().unwrap())
}

fn names(certificate: &X509Certificate<'_>) -> (bool, Vec<String>) {
    let extension = certificate.subject_alternative_name().unwrap().unwrap();
    (
        extension.critical,
        extension
            .value
            .general_names
            .iter()
            .map(ToString::to_string)
            .collect(),
    )
}

fn purposes(certificate: &X509Certificate<'_>) -> (bool, bool) {
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    (usage.server_auth, usage.client_auth)
}

#[test]
fn leaves_below_an_intermediate_verify_and_serve_one_purpose_each() {
    let root = Authority::root("a root").unwrap();
    let intermediate = root.intermediate("an intermediate").unwrap();
    for (wanted, purpose) in [
        (Leaf::server(DNS), (true, false)),
        (Leaf::client(DNS), (false, true)),
    ] {
        let credential = intermediate.issue(&wanted).unwrap();
        verify(&credential, root.der());
        let leaf = leaf(&credential);
        assert_eq!(leaf.subject().to_string(), format!("CN={DNS}"));
        assert_eq!(names(&leaf), (false, vec![format!("DNSName({DNS})")]));
        assert_eq!(purposes(&leaf), purpose);
        assert_eq!(leaf.issuer().to_string(), "CN=an intermediate");
    }
    let constraints = read(intermediate.der())
        .basic_constraints()
        .unwrap()
        .unwrap()
        .value
        .clone();
    assert_eq!(constraints.path_len_constraint, Some(0));
}

#[test]
fn serial_numbers_are_long_and_differ() {
    let root = Authority::root("a root").unwrap();
    let intermediate = root.intermediate("an intermediate").unwrap();
    let leaves = [(); 2].map(|()| intermediate.issue(&Leaf::client(DNS)).unwrap());
    let ders = [root.der(), intermediate.der()]
        .into_iter()
        .chain(leaves.iter().map(Credential::leaf_der));
    let serials: BTreeSet<String> = ders.map(|der| read(der).raw_serial_as_string()).collect();
    assert!(serials.iter().all(|serial| serial.len() > 40));
    assert_eq!(serials.len(), 4);
}

#[test]
fn workloads_have_a_spiffe_id_and_no_subject() {
    let mesh = MeshCa::new("cluster.local").unwrap();
    let credential = mesh
        .issue("istio-system", "istio-ingressgateway-service-account")
        .unwrap();
    verify(&credential, mesh.root_der());
    let leaf = leaf(&credential);
    assert_eq!(leaf.subject().to_string(), "");
    let id = "URI(spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account)";
    assert_eq!(names(&leaf), (true, vec![id.to_owned()]));
    assert_eq!(purposes(&leaf), (true, true));
    assert_eq!(
        read(mesh.root_der()).subject().to_string(),
        "O=cluster.local"
    );
    assert_eq!(credential.chain_der().count(), 1);
}

#[test]
fn an_api_server_is_valid_for_names_and_addresses() {
    let authority = Authority::root("meshproof API").unwrap();
    let server = Leaf::server("localhost")
        .and_dns("kubernetes.default.svc")
        .and_ip([127, 0, 0, 1].into());
    let server = authority.issue(&server).unwrap();
    verify(&server, authority.der());
    let expected = [
        "DNSName(localhost)",
        "DNSName(kubernetes.default.svc)",
        "IPAddress(7f:00:00:01)",
    ];
    assert_eq!(names(&leaf(&server)).1, expected);
}

#[test]
fn validity_begins_before_now_and_can_be_chosen() {
    let authority = Authority::root("root").unwrap();
    let now = i64::try_from(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let credential = authority
        .issue(&Leaf::client("a.b").valid(Validity {
            from: -3600,
            until: 3600,
        }))
        .unwrap();
    let validity = leaf(&credential).validity().clone();
    assert!((now - 3602..=now - 3598).contains(&validity.not_before.timestamp()));
    assert!((now + 3598..=now + 3602).contains(&validity.not_after.timestamp()));
    for (from, until) in [(-3600, i64::MAX), (i64::MIN, 3600), (-now - 60, 0)] {
        let never = Leaf::client("a.b").valid(Validity { from, until });
        assert!(matches!(authority.issue(&never), Err(PkiError::Clock)));
    }
}

#[test]
fn accounts_that_are_none_are_refused() {
    let mesh = MeshCa::new("cluster.local").unwrap();
    for account in ["", "a/b", "..", "é"] {
        assert!(
            matches!(mesh.issue("default", account), Err(PkiError::Name { .. })),
            "{account:?}"
        );
    }
}

/// Everything that one run of the tutorial needs. Prints the time; the bound is far above it, as
/// tests run unoptimised and beside others.
#[test]
fn everything_for_a_run_is_made_in_milliseconds() {
    let start = Instant::now();
    let pki = RunPki::new(DNS).unwrap();
    for which in [Which::Client, Which::Application] {
        pki.secret(&Wanted::good(which)).unwrap();
    }
    let meshes = [
        MeshCa::new("cluster.local").unwrap(),
        MeshCa::new("cluster.local").unwrap(),
    ];
    for mesh in &meshes {
        for account in [
            "default",
            "istio-ingressgateway-service-account",
            "istio-egressgateway-service-account",
        ] {
            mesh.issue("istio-system", account).unwrap();
        }
    }
    let api = Authority::root("meshproof API").unwrap();
    api.issue(&Leaf::server("localhost")).unwrap();
    let took = start.elapsed();
    eprintln!(
        "14 keys and certificates in {:.2} ms",
        took.as_secs_f64() * 1000.0
    );
    assert!(took < Duration::from_millis(500), "{took:?}");
}
