//! A run's certificates: what is the same, what differs, what is where.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use meshproof_pki::{Flaw, Identity, PkiError, RunPki, Signer, Trust, Wanted, Which};
use support::{BOTH, DNS, flawed, renewed, run};
use x509_parser::prelude::{FromDer, X509Certificate};

const FLAWS: [Flaw; 8] = [
    Flaw::SelfSigned,
    Flaw::UnknownCa,
    Flaw::Expired,
    Flaw::NotYetValid,
    Flaw::WrongPurpose,
    Flaw::WithoutIntermediate,
    Flaw::OtherName,
    Flaw::OtherMesh,
];

fn everything() -> Vec<Wanted> {
    let new = |which| Wanted {
        signer: Signer::New,
        ..Wanted::good(which)
    };
    let named = |which| Wanted {
        dns_name: Some("a.example".to_owned()),
        ..Wanted::good(which)
    };
    BOTH.into_iter()
        .flat_map(|which| {
            [
                Wanted::good(which),
                renewed(which),
                new(which),
                named(which),
            ]
            .into_iter()
            .chain(FLAWS.map(|flaw| flawed(which, flaw)))
        })
        .collect()
}

#[test]
fn what_is_asked_again_is_the_same_and_everything_else_differs() {
    fn shared<T: Send + Sync>(of: T) -> T {
        of
    }
    let pki = shared(run());
    let mut serials = BTreeSet::new();
    for wanted in everything() {
        let first = pki.credential(&wanted).unwrap().identity().unwrap();
        let elsewhere = Wanted {
            trusts: vec![Trust::Other],
            revokes: vec![wanted.which],
            ..wanted.clone()
        };
        let again = pki.credential(&elsewhere).unwrap().identity().unwrap();
        assert_eq!(first, again);
        assert!(serials.insert(first.serial), "{wanted:?}");
    }
    assert_eq!(serials.len(), 24);
}

#[test]
fn threads_that_ask_at_once_get_the_same() {
    let pki = run();
    let ask = || pki.secret(&Wanted::good(Which::Client)).unwrap();
    let all: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(all.iter().all(|data| *data == all[0]));
}

#[test]
fn a_secret_has_what_is_wanted() {
    let pki = run();
    let keys = |wanted: &Wanted| pki.secret(wanted).unwrap().into_keys().collect::<Vec<_>>();
    let good = Wanted::good(Which::Client);
    assert_eq!(keys(&good), ["ca.crt", "tls.crt", "tls.key"]);
    let untrusting = Wanted {
        trusts: vec![],
        ..good.clone()
    };
    assert_eq!(keys(&untrusting), ["tls.crt", "tls.key"]);
    let revoking = Wanted {
        revokes: vec![Which::Application],
        ..good.clone()
    };
    assert_eq!(keys(&revoking), ["ca.crl", "ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(
        pki.secret(&revoking).unwrap(),
        pki.secret(&revoking).unwrap()
    );

    let data = pki.secret(&good).unwrap();
    let text = |key: &str| String::from_utf8(data[key].clone()).unwrap();
    assert!(text("tls.key").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(text("tls.crt").matches("BEGIN CERTIFICATE").count(), 2);
    // Intermediate and root, in this order; the intermediate is also the end of the chain.
    let root = pki.authorities_pem(&[Trust::RunRoot]).unwrap();
    let authorities = text("ca.crt");
    let intermediate = authorities.strip_suffix(&root).unwrap();
    assert!(text("tls.crt").ends_with(intermediate));
    assert!(!intermediate.is_empty());
}

#[test]
fn lists_without_an_authority_are_refused() {
    let pki = run();
    let wanted = Wanted {
        trusts: vec![],
        revokes: vec![Which::Client],
        ..Wanted::good(Which::Application)
    };
    let error = pki.secret(&wanted).unwrap_err();
    assert!(matches!(error, PkiError::ListWithoutAuthority));
}

/// Everything else about a flawed leaf is right, as another library reads it.
#[test]
fn a_flaw_is_the_only_difference() {
    let pki = run();
    for which in BOTH {
        let good = pki.credential(&Wanted::good(which)).unwrap();
        let good = traits(good.leaf_der());
        for flaw in FLAWS {
            let shown = pki.credential(&flawed(which, flaw)).unwrap();
            let (found, mut expected) = (traits(shown.leaf_der()), good.clone());
            match flaw {
                Flaw::SelfSigned => expected.issuer = format!("CN={DNS}"),
                Flaw::UnknownCa => {
                    expected.issuer = "CN=meshproof unknown intermediate".to_owned();
                }
                Flaw::Expired => expected.days = (-31, -1),
                Flaw::NotYetValid => expected.days = (1, 31),
                Flaw::WrongPurpose => std::mem::swap(&mut expected.server, &mut expected.client),
                Flaw::WithoutIntermediate => assert_eq!(shown.chain_der().count(), 1),
                Flaw::OtherName => {
                    expected.subject = "CN=other.example".to_owned();
                    expected.names = vec!["DNSName(other.example)".to_owned()];
                }
                Flaw::OtherMesh => {
                    let gateway = match which {
                        Which::Client => "egress",
                        Which::Application => "ingress",
                    };
                    let id = format!(
                        "URI(spiffe://cluster.local/ns/istio-system/sa/istio-{gateway}gateway-service-account)"
                    );
                    (expected.subject, expected.issuer) =
                        (String::new(), "O=cluster.local".to_owned());
                    (expected.server, expected.client) = (true, true);
                    expected.names = vec![id];
                }
            }
            assert_eq!(found, expected, "{which:?} {flaw:?}");
        }
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Traits {
    subject: String,
    issuer: String,
    names: Vec<String>,
    server: bool,
    client: bool,
    /// From when until when, in days from now.
    days: (i64, i64),
}

fn traits(der: &[u8]) -> Traits {
    let (_, leaf) = X509Certificate::from_der(der).unwrap();
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    let names = leaf.subject_alternative_name().unwrap().unwrap().value;
    let now = x509_parser::time::ASN1Time::now().timestamp();
    // Ten minutes and what the test took are less than half a day.
    let days = |at: i64| (at - now + 43_200).div_euclid(86_400);
    Traits {
        subject: leaf.subject().to_string(),
        issuer: leaf.issuer().to_string(),
        names: names
            .general_names
            .iter()
            .map(ToString::to_string)
            .collect(),
        server: usage.server_auth,
        client: usage.client_auth,
        days: (
            days(leaf.validity().not_before.timestamp()),
            days(leaf.validity().not_after.timestamp()),
        ),
    }
}

#[test]
fn another_name_is_another_than_the_runs() {
    let pki = RunPki::new("Other.example").unwrap();
    let shown = pki
        .credential(&flawed(Which::Client, Flaw::OtherName))
        .unwrap();
    assert_eq!(shown.identity().unwrap().subject, "CN=another.example");
}

#[test]
fn names_that_are_none_are_refused() {
    let long = format!("{}.nip.io", "a".repeat(60));
    for name in ["", "a..b", "a b", "é.example", "-\n", "a/b", long.as_str()] {
        let refused = |result: Option<PkiError>| matches!(result, Some(PkiError::Name { .. }));
        assert!(refused(RunPki::new(name).err()), "{name:?}");
        let wanted = Wanted {
            dns_name: Some(name.to_owned()),
            ..Wanted::good(Which::Client)
        };
        assert!(refused(run().secret(&wanted).err()), "{name:?}");
    }
    let error = RunPki::new("a b").unwrap_err().to_string();
    assert_eq!(
        error,
        "making a certificate: `a b` is no DNS name; expected labels of letters, digits and hyphens, separated by dots"
    );
}

#[test]
fn what_is_no_certificate_is_said_so() {
    let pki = run();
    let good = pki.credential(&Wanted::good(Which::Client)).unwrap();
    let der = good.leaf_der();
    let error = |bytes: &[u8]| Identity::of(bytes).unwrap_err().to_string();
    assert!(error(&der[..40]).starts_with("reading a certificate of 40 bytes of DER: "));
    assert!(error(&[der, b"xyz"].concat()).ends_with(": 3 bytes after its end"));
    assert_eq!(Identity::of(der).unwrap(), good.identity().unwrap());
}

#[test]
fn debug_shows_no_key() {
    let pki = run();
    let wanted = Wanted::good(Which::Client);
    let credential = pki.credential(&wanted).unwrap();
    let shown = format!("{pki:?} {credential:?}");
    assert!(shown.contains("PrivateKey(secret)"));
    let body = credential.key().pem().lines().nth(1).unwrap().to_owned();
    assert!(!shown.contains(&body));
    assert!(!shown.contains(&format!("{:?}", &credential.key().der()[30..40])));
}
