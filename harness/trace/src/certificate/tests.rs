//! Each judgement below was tried on Envoy 1.40 with the same certificates made by OpenSSL.

use std::time::{Duration, SystemTime};

use meshproof_record::Cause;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use serde_json::json;

use super::{Bundle, Chain, Role, Unusable, verify};
use crate::credential::Names;

const DAY: Duration = Duration::from_secs(86_400);

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str, above: Option<&Self>) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = match above {
            Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, name: &str) -> (String, String) {
        self.leaf_with(name, KeyUsagePurpose::DigitalSignature)
    }

    fn leaf_with(&self, name: &str, usage: KeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![usage];
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + DAY).into();
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        (leaf.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn list(&self) -> String {
        let params = CertificateRevocationListParams {
            this_update: (SystemTime::now() - DAY).into(),
            next_update: (SystemTime::now() + DAY).into(),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
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
    let root = Authority::new("root", None);
    let middle = Authority::new("middle", Some(&root));
    let (leaf, _) = middle.leaf("c.example");
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
    let stranger = Authority::new("middle", None);
    assert_eq!(
        judged(&whole, &stranger.pem()),
        Some(Cause::UnknownCa),
        "only the name is the same"
    );
}

#[test]
fn revocation_needs_a_list_of_every_issuer() {
    let root = Authority::new("root", None);
    let middle = Authority::new("middle", Some(&root));
    let chain = middle.leaf("c.example").0 + &middle.pem();
    let both = middle.pem() + &root.pem();
    let judged =
        |trusted: &str, lists: &str| judged(&chain, trusted, Some(lists), &Names::default(), now());
    assert_eq!(judged(&both, &(middle.list() + &root.list())), None);
    assert_eq!(judged(&both, &middle.list()), Some(Cause::UnknownCa));
    assert_eq!(judged(&both, &root.list()), Some(Cause::UnknownCa));
    assert_eq!(
        judged(&middle.pem(), &middle.list()),
        Some(Cause::UnknownCa)
    );
}

#[test]
fn names_purposes_and_times() {
    let root = Authority::new("root", None);
    let wanted = |name: &str| Names {
        matchers: vec![json!({"exact": name})],
        ..Names::default()
    };
    let (wild, _) = root.leaf("*.c.example");
    let judged = |chain: &str, names: &Names, at| judged(chain, &root.pem(), None, names, at);
    assert_eq!(judged(&wild, &wanted("x.c.example"), now()), None);
    assert_eq!(judged(&wild, &wanted("*.c.example"), now()), None);
    assert_eq!(
        judged(&wild, &wanted("y.x.c.example"), now()),
        Some(Cause::SanMismatch)
    );
    let (enciphers, _) = root.leaf_with("c.example", KeyUsagePurpose::KeyEncipherment);
    assert_eq!(
        judged(&enciphers, &Names::default(), now()),
        Some(Cause::WrongPurpose)
    );
    let (day, none) = (86_400, Names::default());
    assert_eq!(judged(&wild, &none, now() + 2 * day), Some(Cause::Expired));
    assert_eq!(
        judged(&wild, &none, now() - 2 * day),
        Some(Cause::NotYetValid)
    );
}

#[test]
fn material_that_envoy_refuses_and_material_that_is_left_out() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let root = Authority::new("root", None);
    let ((leaf, key), (_, other)) = (root.leaf("a.example"), root.leaf("b.example"));
    let read = |chain: &[u8], key: &str| Chain::read(chain, Some(key.as_bytes())).err();
    assert_eq!(read(leaf.as_bytes(), &key), None);
    let message = |error: Option<Unusable>| error.unwrap().to_string();
    insta::assert_snapshot!(message(read(leaf.as_bytes(), &other)), @"its private key is not the key of its certificate");
    insta::assert_snapshot!(message(read(STANDARD.encode(&leaf).as_bytes(), &key)), @"its certificate is encoded in base64 twice");
    insta::assert_snapshot!(message(read(root.certificate.der(), &key)), @"its certificate is DER, and Envoy is given PEM");
    insta::assert_snapshot!(message(read(key.as_bytes(), &key)), @"its PEM holds no certificate");
    assert_eq!(read(b"left out", &key), Some(Unusable::Withheld));
    assert_eq!(read(leaf.as_bytes(), "left out"), None);
}
