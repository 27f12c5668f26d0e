//! Every chain verifies, and every certificate says what it must, as another library reads it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant, SystemTime};

use meshproof_pki::{Authority, Credential, Leaf, MeshCa, PkiError, Tutorial, Validity};
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
fn the_tutorials_leaves_verify_and_serve_one_purpose_each() {
    let pki = Tutorial::new(DNS).unwrap();
    for (credential, purpose) in [
        (&pki.application, (true, false)),
        (&pki.client, (false, true)),
    ] {
        verify(credential, pki.root.der());
        let leaf = leaf(credential);
        assert_eq!(leaf.subject().to_string(), format!("CN={DNS}"));
        assert_eq!(names(&leaf), (false, vec![format!("DNSName({DNS})")]));
        assert_eq!(purposes(&leaf), purpose);
        assert_eq!(leaf.issuer().to_string(), "CN=meshproof intermediate");
    }
    let constraints = read(pki.intermediate.der())
        .basic_constraints()
        .unwrap()
        .unwrap()
        .value
        .clone();
    assert_eq!(constraints.path_len_constraint, Some(0));
}

#[test]
fn secrets_have_the_chain_below_the_root_and_the_authorities_above_the_leaf() {
    let pki = Tutorial::new(DNS).unwrap();
    let data = pki.secret_data(&pki.client);
    let [(_, key), (_, chain), (_, authorities)] = &data;
    assert_eq!(
        data.each_ref().map(|(name, _)| *name),
        ["tls.key", "tls.crt", "ca.crt"]
    );
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(chain.ends_with(&pki.intermediate.pem()));
    assert_eq!(*authorities, pki.intermediate.pem() + &pki.root.pem());
}

#[test]
fn serial_numbers_differ() {
    let pki = Tutorial::new(DNS).unwrap();
    let ders = [pki.root.der(), pki.intermediate.der()];
    let all = ders
        .into_iter()
        .chain(pki.application.chain_der())
        .chain(pki.client.chain_der());
    let mut serials: Vec<String> = all.map(|der| read(der).raw_serial_as_string()).collect();
    assert!(serials.iter().all(|serial| serial.len() > 40));
    serials.sort();
    serials.dedup();
    // Root, intermediate (also in both chains), two leaves.
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
    let hour = Duration::from_secs(3600);
    let credential = authority
        .issue(&Leaf::client("a.b").valid(Validity {
            since: hour,
            until: hour,
        }))
        .unwrap();
    let validity = leaf(&credential).validity().clone();
    assert!((now - 3602..=now - 3598).contains(&validity.not_before.timestamp()));
    assert!((now + 3598..=now + 3602).contains(&validity.not_after.timestamp()));
    let never = Validity {
        since: hour,
        until: Duration::MAX,
    };
    assert!(matches!(
        authority.issue(&Leaf::client("a.b").valid(never)),
        Err(PkiError::Clock)
    ));
}

#[test]
fn names_that_are_none_are_refused() {
    let long = format!("{}.nip.io", "a".repeat(60));
    for name in ["", "a..b", "a b", "é.example", "-\n", "a/b", long.as_str()] {
        assert!(
            matches!(Tutorial::new(name), Err(PkiError::Name { .. })),
            "{name:?}"
        );
    }
    let mesh = MeshCa::new("cluster.local").unwrap();
    for account in ["", "a/b", "..", "é"] {
        assert!(
            matches!(mesh.issue("default", account), Err(PkiError::Name { .. })),
            "{account:?}"
        );
    }
    let error = Tutorial::new("a b").unwrap_err().to_string();
    assert_eq!(
        error,
        "making a certificate: `a b` is no DNS name; expected labels of letters, digits and hyphens, separated by dots"
    );
}

#[test]
fn debug_shows_no_key() {
    let pki = Tutorial::new(DNS).unwrap();
    let shown = format!(
        "{pki:?} {:?}",
        MeshCa::new("cluster.local")
            .unwrap()
            .issue("a", "b")
            .unwrap()
    );
    assert!(shown.contains("PrivateKey(secret)"));
    let key = pki.client.key();
    let body = key.pem().lines().nth(1).unwrap().to_owned();
    assert!(!shown.contains(&body) && !shown.contains(&format!("{:?}", &key.der()[30..40])));
}

/// Everything that one run of the tutorial needs. Prints the time; the bound is far above it, as
/// tests run unoptimised and beside others.
#[test]
fn everything_for_a_run_is_made_in_milliseconds() {
    let start = Instant::now();
    let pki = Tutorial::new(DNS).unwrap();
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
    drop(pki);
}
