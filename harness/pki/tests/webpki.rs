//! What rustls says of each kind of certificate: the broken ones are refused for their own reason, and
//! the same look accepts the good one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use meshproof_pki::{Flaw, RunPki, Signer, Trust, Wanted, Which};
use rustls::CertificateError::{self, UnknownIssuer, UnknownRevocationStatus};
use rustls::client::{WebPkiServerVerifier, danger::ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use support::{BOTH, DNS, flawed, looking_at, renewed, run};

type Data = BTreeMap<String, Vec<u8>>;

/// What the other side says, which trusts and revokes as its own Secret has it. Rustls always checks a
/// server's name, and never a client's.
fn says(pki: &RunPki, shown: &Wanted, looks: &Wanted) -> Result<(), CertificateError> {
    says_of(
        &pki.secret(shown).unwrap(),
        shown.which,
        &pki.secret(looks).unwrap(),
    )
}

fn says_of(shown: &Data, which: Which, looks: &Data) -> Result<(), CertificateError> {
    let pem = |text: &[u8]| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(text)
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let chain = pem(&shown["tls.crt"]);
    let key = PrivateKeyDer::from_pem_slice(&shown["tls.key"]).unwrap();
    // Refuses a key that is not the leaf's.
    CertifiedKey::from_der(chain.clone(), key, &default_provider()).unwrap();
    let mut roots = RootCertStore::empty();
    for authority in pem(&looks["ca.crt"]) {
        roots.add(authority).unwrap();
    }
    let roots = Arc::new(roots);
    let lists = looks.get("ca.crl").map_or(&[][..], Vec::as_slice);
    let lists: Vec<CertificateRevocationListDer<'static>> =
        CertificateRevocationListDer::pem_slice_iter(lists)
            .collect::<Result<_, _>>()
            .unwrap();
    let provider = Arc::new(default_provider());
    let (leaf, rest) = chain.split_first().unwrap();
    let now = UnixTime::now();
    let said = match which {
        Which::Client => WebPkiClientVerifier::builder_with_provider(roots, provider)
            .with_crls(lists)
            .build()
            .unwrap()
            .verify_client_cert(leaf, rest, now)
            .map(drop),
        Which::Application => WebPkiServerVerifier::builder_with_provider(roots, provider)
            .with_crls(lists)
            .build()
            .unwrap()
            .verify_server_cert(leaf, rest, &ServerName::try_from(DNS).unwrap(), &[], now)
            .map(drop),
    };
    said.map_err(|error| match error {
        Error::InvalidCertificate(why) => why,
        other => panic!("{other}"),
    })
}

#[test]
fn each_kind_is_refused_for_its_own_reason() {
    let pki = run();
    for which in BOTH {
        let tutorial = looking_at(which, &[Trust::Run], &[]);
        let said = |flaw| says(&pki, &flawed(which, flaw), &tutorial);
        assert_eq!(says(&pki, &Wanted::good(which), &tutorial), Ok(()));
        for flaw in [Flaw::SelfSigned, Flaw::UnknownCa, Flaw::OtherMesh] {
            assert_eq!(said(flaw), Err(UnknownIssuer), "{which:?} {flaw:?}");
        }
        let why = said(Flaw::Expired).unwrap_err();
        assert!(
            matches!(why, CertificateError::ExpiredContext { .. }),
            "{why}"
        );
        let why = said(Flaw::NotYetValid).unwrap_err();
        assert!(
            matches!(why, CertificateError::NotValidYetContext { .. }),
            "{why}"
        );
        let why = said(Flaw::WrongPurpose).unwrap_err();
        assert!(
            matches!(why, CertificateError::InvalidPurposeContext { .. }),
            "{why}"
        );
        match (which, said(Flaw::OtherName)) {
            (Which::Client, said) => assert_eq!(said, Ok(())),
            (Which::Application, Err(CertificateError::NotValidForNameContext { .. })) => {}
            (Which::Application, said) => panic!("{said:?}"),
        }
    }
}

#[test]
fn a_missing_intermediate_matters_to_who_has_the_root_alone() {
    let pki = run();
    for which in BOTH {
        let alone = flawed(which, Flaw::WithoutIntermediate);
        let root = looking_at(which, &[Trust::RunRoot], &[]);
        assert_eq!(says(&pki, &alone, &root), Err(UnknownIssuer));
        assert_eq!(says(&pki, &Wanted::good(which), &root), Ok(()));
        let both = looking_at(which, &[Trust::Run], &[]);
        assert_eq!(says(&pki, &alone, &both), Ok(()));
    }
}

#[test]
fn a_list_revokes_the_leaf_that_is_shown_and_no_other() {
    let pki = run();
    for which in BOTH {
        for trust in [Trust::Run, Trust::RunRoot] {
            let looks = looking_at(which, &[trust], &[which]);
            let said = says(&pki, &Wanted::good(which), &looks);
            assert_eq!(said, Err(CertificateError::Revoked));
            assert_eq!(says(&pki, &renewed(which), &looks), Ok(()));
        }
        let others = BOTH.into_iter().filter(|other| *other != which);
        let looks = looking_at(which, &[Trust::Run], &others.collect::<Vec<_>>());
        assert_eq!(says(&pki, &Wanted::good(which), &looks), Ok(()));
    }
}

#[test]
fn the_new_authoritys_leaf_is_revoked_too() {
    let pki = run();
    let new = Wanted {
        signer: Signer::New,
        ..Wanted::good(Which::Client)
    };
    let looks = looking_at(Which::Client, &[Trust::Run, Trust::New], &[Which::Client]);
    for shown in [&new, &Wanted::good(Which::Client)] {
        assert_eq!(says(&pki, shown, &looks), Err(CertificateError::Revoked));
    }
    let renewed = Wanted { leaf: 1, ..new };
    assert_eq!(says(&pki, &renewed, &looks), Ok(()));
}

/// Proxies want a list of every issuer; this shows that the detector sees one missing.
#[test]
fn both_levels_have_a_list() {
    let pki = run();
    let looks = looking_at(Which::Client, &[Trust::RunRoot], &[Which::Application]);
    let (shown, mut looks) = (
        pki.secret(&Wanted::good(Which::Client)).unwrap(),
        pki.secret(&looks).unwrap(),
    );
    assert_eq!(says_of(&shown, Which::Client, &looks), Ok(()));
    let lists = String::from_utf8(looks["ca.crl"].clone()).unwrap();
    let end = "-----END X509 CRL-----";
    let (intermediate, root) = lists.split_at(lists.find(end).unwrap() + end.len());
    for part in [intermediate, root] {
        looks.insert("ca.crl".to_owned(), part.as_bytes().to_vec());
        assert_eq!(
            says_of(&shown, Which::Client, &looks),
            Err(UnknownRevocationStatus)
        );
    }
}

#[test]
fn authorities_accept_what_they_signed() {
    let pki = run();
    let trusting = |trusts: &[Trust]| looking_at(Which::Application, trusts, &[]);
    let leaf = |signer| Wanted {
        signer,
        ..Wanted::good(Which::Application)
    };
    for (signer, trusts, expected) in [
        (Signer::Run, &[Trust::Run][..], Ok(())),
        (Signer::Run, &[Trust::New], Err(UnknownIssuer)),
        (Signer::Run, &[Trust::Other], Err(UnknownIssuer)),
        (Signer::New, &[Trust::Run], Err(UnknownIssuer)),
        (Signer::New, &[Trust::New], Ok(())),
        (Signer::New, &[Trust::Other], Err(UnknownIssuer)),
        (Signer::Run, &[Trust::Run, Trust::New], Ok(())),
        (Signer::New, &[Trust::Run, Trust::New], Ok(())),
    ] {
        let said = says(&pki, &leaf(signer), &trusting(trusts));
        assert_eq!(said, expected, "{signer:?} {trusts:?}");
    }
    let unknown = flawed(Which::Application, Flaw::UnknownCa);
    let all = [Trust::Run, Trust::New, Trust::Other];
    assert_eq!(says(&pki, &unknown, &trusting(&all)), Err(UnknownIssuer));
}
