//! Good certificates, and one of each broken kind.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SerialNumber,
};

/// The name that certificates are for.
pub(crate) const NAME: &str = "203.0.113.10.nip.io";

const DAY: Duration = Duration::from_secs(86_400);

/// A root and an intermediate authority.
struct Levels {
    root: Certificate,
    intermediate: Certificate,
    root_issuer: Issuer<'static, KeyPair>,
    issuer: Issuer<'static, KeyPair>,
}

/// A key pair in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
    /// The authorities of whoever it belongs to.
    pub(crate) ca: String,
}

pub(crate) struct Pki {
    good: Levels,
    other: Levels,
    next: Levels,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self {
            good: levels("good"),
            other: levels("other"),
            next: levels("next"),
        }
    }

    /// The pair of that kind; `purpose` is what a good one is for.
    pub(crate) fn pair(&self, kind: &str, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let (from, until) = (SystemTime::now() - 2 * DAY, SystemTime::now() + 30 * DAY);
        let leaf = |levels: &Levels, name: &str, purpose, until, serial: u8| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![purpose];
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.serial_number = Some(SerialNumber::from(vec![serial]));
            (params.not_before, params.not_after) = (from.into(), until);
            let key = KeyPair::generate().unwrap();
            let leaf = params.signed_by(&key, &levels.issuer).unwrap();
            Pair {
                chain: leaf.pem() + &levels.intermediate.pem(),
                key: key.serialize_pem(),
                ca: levels.ca(),
            }
        };
        let until = until.into();
        match kind {
            "good" => leaf(&self.good, NAME, purpose, until, 1),
            "expired" => leaf(
                &self.good,
                NAME,
                purpose,
                (SystemTime::now() - DAY).into(),
                2,
            ),
            "server-purpose" => leaf(
                &self.good,
                NAME,
                ExtendedKeyUsagePurpose::ServerAuth,
                until,
                3,
            ),
            "revoked" => leaf(&self.good, NAME, purpose, until, REVOKED),
            "other-name" => leaf(&self.good, "other.example", purpose, until, 5),
            "new-authority" => leaf(&self.next, NAME, purpose, until, 6),
            // Signed by a stranger, while its owner goes on to trust the right authorities.
            "unknown-ca" => Pair {
                ca: self.good.ca(),
                ..leaf(&self.other, NAME, purpose, until, 7)
            },
            other => panic!("no such certificate: {other}"),
        }
    }

    /// The authorities of a stranger.
    pub(crate) fn strangers(&self) -> String {
        self.other.ca()
    }

    /// Revocation lists of both levels.
    pub(crate) fn lists(&self) -> String {
        list(&self.good.issuer, vec![REVOKED]) + &list(&self.good.root_issuer, vec![])
    }
}

const REVOKED: u8 = 4;

fn list(issuer: &Issuer<'static, KeyPair>, serials: Vec<u8>) -> String {
    let now = SystemTime::now();
    let revoked = |serial: u8| RevokedCertParams {
        serial_number: SerialNumber::from(vec![serial]),
        revocation_time: (now - DAY).into(),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: (now - DAY).into(),
        next_update: (now + 10 * DAY).into(),
        crl_number: SerialNumber::from(vec![1]),
        issuing_distribution_point: None,
        revoked_certs: serials.into_iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

impl Levels {
    fn ca(&self) -> String {
        self.intermediate.pem() + &self.root.pem()
    }
}

fn levels(name: &str) -> Levels {
    let authority = |name: String| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().unwrap())
    };
    let (root_params, root_key) = authority(format!("{name} root"));
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let (params, key) = authority(format!("{name} intermediate"));
    let intermediate = params.signed_by(&key, &root_issuer).unwrap();
    Levels {
        root,
        intermediate,
        root_issuer,
        issuer: Issuer::new(params, key),
    }
}
