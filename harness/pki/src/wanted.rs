//! What may be asked of a run's certificates.

/// Whose leaf it is, on the leg between the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// The client's: shown by the egress gateway.
    Client,
    /// The application's: shown by the ingress gateway.
    Application,
}

/// What is wrong with a leaf. Everything else about it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// Signed by its own key.
    SelfSigned,
    /// Signed by a chain of the usual shape that is never in anybody's `ca.crt`, whatever is trusted.
    UnknownCa,
    /// Ended a day ago.
    Expired,
    /// Begins in a day.
    NotYetValid,
    /// For the other side's purpose only: a client's for serverAuth, an application's for clientAuth.
    WrongPurpose,
    /// A good leaf in a `tls.crt` that lacks the intermediate. Who has the intermediate in its `ca.crt`,
    /// as with [`Trust::Run`], accepts it; who trusts [`Trust::RunRoot`] cannot.
    WithoutIntermediate,
    /// For another name. Only who checks names refuses it.
    OtherName,
    /// A gateway's workload certificate of another mesh: a SPIFFE id in place of subject and DNS name,
    /// both purposes, signed by a root of the kind that istiod makes. Its trust domain is Istio's
    /// default, so only the key tells that root from this mesh's own.
    OtherMesh,
}

/// Which authority signs a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// The run's intermediate.
    #[default]
    Run,
    /// The intermediate of the authority that takes over in a rotation.
    New,
}

/// Which authorities stand in `ca.crt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// The run's intermediate and root, as in the tutorial.
    Run,
    /// The run's root alone, so that a peer has to bring its intermediate.
    RunRoot,
    /// Intermediate and root of the authority that takes over in a rotation.
    New,
    /// Intermediate and root of an authority that signed nobody's leaf.
    Other,
}

/// What a Secret is to hold. Start from [`Wanted::good`] and change what differs:
/// `Wanted { flaw: Some(Flaw::Expired), ..Wanted::good(Which::Client) }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Whose leaf.
    pub which: Which,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
    /// Who signs it, where the flaw does not say otherwise.
    pub signer: Signer,
    /// 0 is the first leaf, 1 the one that renews it, and so on: each has a key and a serial number of
    /// its own, and the same names.
    pub leaf: u32,
    /// The DNS name, in place of the run's.
    pub dns_name: Option<String>,
    /// The authorities in `ca.crt`, in this order; none leaves `ca.crt` out.
    pub trusts: Vec<Trust>,
    /// Whose first good leaf is revoked (number 0, of the run's name) in `ca.crl`; none leaves it out.
    pub revokes: Vec<Which>,
}

impl Wanted {
    /// The first good leaf, with the run's authorities beside it.
    pub fn good(which: Which) -> Self {
        Self {
            which,
            flaw: None,
            signer: Signer::Run,
            leaf: 0,
            dns_name: None,
            trusts: vec![Trust::Run],
            revokes: Vec::new(),
        }
    }
}
