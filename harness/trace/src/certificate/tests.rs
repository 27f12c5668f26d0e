//! Each judgement below was tried on Envoy 1.40 with the same certificates made by OpenSSL.

use std::time::SystemTime;

use meshproof_pki::{Authority, Leaf, Validity};
use meshproof_record::Cause;
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose};
use serde_json::json;

use super::{Bundle, Chain, Role, Unusable, verify};
use crate::credential::Names;

/// A leaf of an authority, without the authorities above it.
fn leaf(authority: &Authority, leaf: &Leaf) -> String {
    let made = authority.issue(leaf).unwrap();
    made.without_intermediates().chain_pem()
}

fn list(authority: &Authority) -> String {
    authority.revocation_list(1, &[]).unwrap()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

fn judged(
    chain: &str,
    trusted: &str,
    lists: Option<&str>,
    names: &Names,
    at: i64,
) -> Option<Cause> {
    let chain = Chain::read(chain.as_bytes(), None).unwrap();
    let bundle = Bundle::read(trusted.as_bytes(), lists.map(str::as_bytes)).unwrap();
    verify(&chain, &bundle, names, Role::Client, at)
        .err()
        .map(|fault| fault.cause)
}

#[test]
fn paths() {
    let root = Authority::root("root").unwrap();
    let middle = root.intermediate("middle").unwrap();
    let leaf = leaf(&middle, &Leaf::client("c.example"));
    let (both, whole) = (middle.pem() + &root.pem(), leaf.clone() + &middle.pem());
    let judged =
        |chain: &str, trusted: &str| judged(chain, trusted, None, &Names::default(), now());
    assert_eq!(judged(&whole, &both), None);
    assert_eq!(judged(&whole, &root.pem()), None);
    assert_eq!(
        judged(&whole, &middle.pem()),
        None,
        "an authority need not be a root"
    );
    assert_eq!(judged(&leaf, &both), None);
    assert_eq!(
        judged(&leaf, &leaf),
        None,
        "a certificate may be trusted by itself"
    );
    assert_eq!(
        judged(&leaf, &root.pem()),
        Some(Cause::UnknownCa),
        "intermediate missing"
    );
    let stranger = Authority::root("middle").unwrap();
    assert_eq!(
        judged(&whole, &stranger.pem()),
        Some(Cause::UnknownCa),
        "only the name is the same"
    );
}

#[test]
fn revocation_needs_a_list_of_every_issuer() {
    let root = Authority::root("root").unwrap();
    let middle = root.intermediate("middle").unwrap();
    let shown = middle.issue(&Leaf::client("c.example")).unwrap();
    let chain = shown.chain_pem();
    let both = middle.pem() + &root.pem();
    let judged =
        |trusted: &str, lists: &str| judged(&chain, trusted, Some(lists), &Names::default(), now());
    assert_eq!(judged(&both, &(list(&middle) + &list(&root))), None);
    assert_eq!(judged(&both, &list(&middle)), Some(Cause::UnknownCa));
    assert_eq!(judged(&both, &list(&root)), Some(Cause::UnknownCa));
    let revoked = middle.revocation_list(2, &[&shown]).unwrap();
    assert_eq!(
        judged(&both, &(revoked + &list(&root))),
        Some(Cause::Revoked)
    );
    assert_eq!(
        judged(&middle.pem(), &list(&middle)),
        Some(Cause::UnknownCa)
    );
}

#[test]
fn names_and_times() {
    let root = Authority::root("root").unwrap();
    let wanted = |name: &str| Names {
        matchers: vec![json!({"exact": name})],
        ..Names::default()
    };
    let wild = Leaf::client("*.c.example");
    let (expired, early) = (
        leaf(&root, &wild.clone().valid(Validity::EXPIRED)),
        leaf(&root, &wild.clone().valid(Validity::NOT_YET)),
    );
    let wild = leaf(&root, &wild);
    let judged = |chain: &str, names: &Names| judged(chain, &root.pem(), None, names, now());
    assert_eq!(judged(&wild, &wanted("x.c.example")), None);
    assert_eq!(judged(&wild, &wanted("*.c.example")), None);
    assert_eq!(
        judged(&wild, &wanted("y.x.c.example")),
        Some(Cause::SanMismatch)
    );
    let none = Names::default();
    assert_eq!(judged(&expired, &none), Some(Cause::Expired));
    assert_eq!(judged(&early, &none), Some(Cause::NotYetValid));
}

#[test]
fn a_key_that_only_enciphers_signs_no_handshake() {
    let usage = |usage| {
        let mut params = CertificateParams::default();
        params.key_usages = vec![usage];
        let pem = params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem();
        judged(&pem, &pem, None, &Names::default(), now())
    };
    assert_eq!(usage(KeyUsagePurpose::DigitalSignature), None);
    assert_eq!(
        usage(KeyUsagePurpose::KeyEncipherment),
        Some(Cause::WrongPurpose)
    );
}

#[test]
fn material_that_envoy_refuses_and_material_that_is_left_out() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let root = Authority::root("root").unwrap();
    let pair = |name: &str| {
        let made = root.issue(&Leaf::client(name)).unwrap();
        (made.chain_pem(), made.key().pem())
    };
    let ((leaf, key), (_, other)) = (pair("a.example"), pair("b.example"));
    let read = |chain: &[u8], key: &str| Chain::read(chain, Some(key.as_bytes())).err();
    assert_eq!(read(leaf.as_bytes(), &key), None);
    let message = |error: Option<Unusable>| error.unwrap().to_string();
    insta::assert_snapshot!(message(read(leaf.as_bytes(), &other)), @"its private key is not the key of its certificate");
    insta::assert_snapshot!(message(read(STANDARD.encode(&leaf).as_bytes(), &key)), @"its certificate is encoded in base64 twice");
    insta::assert_snapshot!(message(read(root.der(), &key)), @"its certificate is DER, and Envoy is given PEM");
    insta::assert_snapshot!(message(read(key.as_bytes(), &key)), @"its PEM holds no certificate");
    assert_eq!(read(b"left out", &key), Some(Unusable::Withheld));
    assert_eq!(read(leaf.as_bytes(), "left out"), None);
}
