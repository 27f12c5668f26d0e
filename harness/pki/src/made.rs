//! What a run's certificates are made of and remembered as.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::levels::Levels;
use crate::{Credential, Flaw, Leaf, MeshCa, PkiError, Signer, Trust, Validity, Which};

/// The name of [`Flaw::OtherName`], and the one for whoever has that name himself.
const OTHER_NAMES: [&str; 2] = ["other.example", "another.example"];

/// A root with its intermediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Run,
    New,
    Other,
    Unknown,
}

/// What makes a credential another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) which: Which,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) signer: Signer,
    pub(crate) leaf: u32,
    pub(crate) dns_name: String,
}

/// What was made so far. Everything in it is whole.
#[derive(Debug, Default)]
pub(crate) struct Made {
    families: BTreeMap<Family, Arc<Levels>>,
    other_mesh: Option<Arc<MeshCa>>,
    credentials: BTreeMap<Kind, Arc<Credential>>,
    lists: BTreeMap<(Family, BTreeSet<Which>), String>,
}

impl Made {
    pub(crate) fn levels(&mut self, family: Family) -> Result<Arc<Levels>, PkiError> {
        if let Some(known) = self.families.get(&family) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Levels::new(family.name())?);
        self.families.insert(family, Arc::clone(&new));
        Ok(new)
    }

    pub(crate) fn credential(&mut self, kind: Kind) -> Result<Arc<Credential>, PkiError> {
        if let Some(known) = self.credentials.get(&kind) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(self.make(&kind)?);
        self.credentials.insert(kind, Arc::clone(&new));
        Ok(new)
    }

    /// Lists of both levels. An authority revokes leaves that it signed, and nobody else's.
    pub(crate) fn lists(
        &mut self,
        family: Family,
        revokes: &BTreeSet<Which>,
        dns_name: &str,
    ) -> Result<String, PkiError> {
        let key = (family, revokes.clone());
        if let Some(known) = self.lists.get(&key) {
            return Ok(known.clone());
        }
        let mut revoked = Vec::new();
        if let Some(signer) = family.signer() {
            for which in revokes {
                revoked.push(self.credential(Kind {
                    which: *which,
                    flaw: None,
                    signer,
                    leaf: 0,
                    dns_name: dns_name.to_owned(),
                })?);
            }
        }
        let revoked: Vec<&Credential> = revoked.iter().map(AsRef::as_ref).collect();
        // Each list of an authority has a higher number than the one before (RFC 5280, section 5.2.3).
        let number = self.lists.len() as u64 + 1;
        let new = self.levels(family)?.lists(number, &revoked)?;
        self.lists.insert(key, new.clone());
        Ok(new)
    }

    fn make(&mut self, kind: &Kind) -> Result<Credential, PkiError> {
        let family = match (kind.flaw, kind.signer) {
            (Some(Flaw::UnknownCa), _) => Family::Unknown,
            (_, Signer::Run) => Family::Run,
            (_, Signer::New) => Family::New,
        };
        let leaf = kind.leaf();
        match kind.flaw {
            Some(Flaw::SelfSigned) => Credential::self_signed(&leaf),
            Some(Flaw::OtherMesh) => self.other_mesh()?.issue("istio-system", kind.account()),
            Some(Flaw::WithoutIntermediate) => {
                let whole = self.levels(family)?.intermediate.issue(&leaf)?;
                Ok(whole.without_intermediates())
            }
            _ => self.levels(family)?.intermediate.issue(&leaf),
        }
    }

    fn other_mesh(&mut self) -> Result<Arc<MeshCa>, PkiError> {
        if let Some(known) = &self.other_mesh {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(MeshCa::new("cluster.local")?);
        self.other_mesh = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl Kind {
    /// What the leaf says, whoever signs it.
    fn leaf(&self) -> Leaf {
        let name = match self.flaw {
            Some(Flaw::OtherName) if self.dns_name.eq_ignore_ascii_case(OTHER_NAMES[0]) => {
                OTHER_NAMES[1]
            }
            Some(Flaw::OtherName) => OTHER_NAMES[0],
            _ => &self.dns_name,
        };
        let shown_as = match (self.which, self.flaw) {
            (Which::Client, Some(Flaw::WrongPurpose)) => Which::Application,
            (Which::Application, Some(Flaw::WrongPurpose)) => Which::Client,
            (which, _) => which,
        };
        let leaf = match shown_as {
            Which::Client => Leaf::client(name),
            Which::Application => Leaf::server(name),
        };
        match self.flaw {
            Some(Flaw::Expired) => leaf.valid(Validity::EXPIRED),
            Some(Flaw::NotYetValid) => leaf.valid(Validity::NOT_YET),
            _ => leaf,
        }
    }

    /// The service account of the gateway that shows it.
    const fn account(&self) -> &'static str {
        match self.which {
            Which::Client => "istio-egressgateway-service-account",
            Which::Application => "istio-ingressgateway-service-account",
        }
    }
}

impl Family {
    pub(crate) const fn trusted(trust: Trust) -> Self {
        match trust {
            Trust::Run | Trust::RunRoot => Self::Run,
            Trust::New => Self::New,
            Trust::Other => Self::Other,
        }
    }

    /// As which signer it signs good leaves.
    const fn signer(self) -> Option<Signer> {
        match self {
            Self::Run => Some(Signer::Run),
            Self::New => Some(Signer::New),
            Self::Other | Self::Unknown => None,
        }
    }

    /// What its common names begin with. They differ, so that a log tells them apart.
    const fn name(self) -> &'static str {
        match self {
            Self::Run => "meshproof",
            Self::New => "meshproof new",
            Self::Other => "meshproof other",
            Self::Unknown => "meshproof unknown",
        }
    }
}
