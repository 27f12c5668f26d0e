//! A TLS handshake between what a client offers and what a server wants.

use meshproof_record::Cause;
use serde_json::Value;

use crate::{
    certificate::{self, Bundle, Fault, Role},
    credential::{Credential, MeshIdentity, Names, Secrets, Trust, unsupplied},
    hello::Hello,
    query::TlsVersion,
};

/// What a server wants of a handshake.
pub(crate) struct Server {
    min: TlsVersion,
    max: TlsVersion,
    /// Cipher suites of TLS 1.2; empty where they are the library's own.
    ciphers: Vec<String>,
    credential: Credential,
    /// What a client's certificate is checked against; `None` asks for none.
    trust: Option<Trust>,
    /// Whether a client without a certificate is refused.
    wants_certificate: bool,
}

/// Which side ends a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A handshake that fails.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) by: Side,
    pub(crate) cause: Cause,
    pub(crate) why: String,
}

/// A handshake that succeeds.
pub(crate) struct Agreed {
    pub(crate) version: TlsVersion,
    /// Who the client has shown to be, if anybody.
    pub(crate) peer: Peer,
    /// What was taken for true.
    pub(crate) assumed: Vec<String>,
}

/// Who a client has shown to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Nobody,
    /// A SPIFFE id, a DNS name or a subject: what Envoy compares principals with.
    Names(Vec<String>),
    /// Somebody whose certificate was not given.
    Withheld,
}

impl Server {
    /// From a `DownstreamTlsContext`.
    pub(crate) fn of(context: &Value, secrets: Secrets<'_>) -> Self {
        let common = &context["common_tls_context"];
        let (min, max, ciphers) = params(common);
        Self {
            min,
            max,
            ciphers,
            credential: secrets.shown(common),
            trust: secrets.trusted(common),
            wants_certificate: context["require_client_certificate"] == true,
        }
    }

    /// What it shows.
    pub(crate) fn shown(&self) -> &Credential {
        &self.credential
    }
}

/// Versions and cipher suites of a `CommonTlsContext`. Envoy's own are TLS 1.2 to 1.3.
pub(crate) fn params(common: &Value) -> (TlsVersion, TlsVersion, Vec<String>) {
    let params = &common["tls_params"];
    let version = |field: &str| params[field].as_str().and_then(TlsVersion::parse);
    let ciphers = params["cipher_suites"].as_array().into_iter().flatten();
    (
        version("tls_minimum_protocol_version").unwrap_or(TlsVersion::V1_2),
        version("tls_maximum_protocol_version").unwrap_or(TlsVersion::V1_3),
        ciphers
            .filter_map(|c| c.as_str().map(str::to_owned))
            .collect(),
    )
}

/// Plays a handshake at the time `at`, in the order in which each side finds fault: secrets, version,
/// cipher, the server's certificate, the client's.
pub(crate) fn shake(client: &Hello, server: &Server, at: i64) -> Result<Agreed, Refusal> {
    let mut assumed = Vec::new();
    supplied(server)?;
    let version = version(client, server)?;
    cipher(client, server, version)?;
    let judge = Judge { at };
    judge
        .accepts(
            &client.trust,
            &server.credential,
            Role::Server,
            &mut assumed,
        )
        .map_err(|fault| refused(Side::Client, fault, "the server's certificate"))?;
    let peer = match &server.trust {
        None => Peer::Nobody,
        Some(trust) => judge.client(trust, server, client, &mut assumed)?,
    };
    Ok(Agreed {
        version,
        peer,
        assumed,
    })
}

fn refused(by: Side, fault: Fault, what: &str) -> Refusal {
    Refusal {
        by,
        cause: fault.cause,
        why: format!("{what} is not accepted: {}", fault.why),
    }
}

/// A server without its secrets ends every connection.
fn supplied(server: &Server) -> Result<(), Refusal> {
    let Some((name, what)) = unsupplied(&server.credential, server.trust.as_ref()) else {
        return Ok(());
    };
    Err(Refusal {
        by: Side::Server,
        cause: Cause::SecretMissing,
        why: format!("its secret {name} {what}"),
    })
}

fn version(client: &Hello, server: &Server) -> Result<TlsVersion, Refusal> {
    let highest = client.max.min(server.max);
    if highest >= client.min.max(server.min) {
        return Ok(highest);
    }
    Err(Refusal {
        by: Side::Server,
        cause: Cause::ProtocolVersion,
        why: format!(
            "no version in common: {} to {} is offered, {} to {} is taken",
            client.min.name(),
            client.max.name(),
            server.min.name(),
            server.max.name()
        ),
    })
}

/// TLS 1.3 has suites of its own, which no list of Envoy's touches.
fn cipher(client: &Hello, server: &Server, version: TlsVersion) -> Result<(), Refusal> {
    let (offered, taken) = (&client.ciphers, &server.ciphers);
    let lists = !offered.is_empty() && !taken.is_empty();
    if version >= TlsVersion::V1_3 || !lists || offered.iter().any(|c| taken.contains(c)) {
        return Ok(());
    }
    Err(Refusal {
        by: Side::Server,
        cause: Cause::ProtocolVersion,
        why: format!("no cipher suite in common: {offered:?} is offered, {taken:?} is taken"),
    })
}

struct Judge {
    at: i64,
}

impl Judge {
    /// Who the client shows to be, if the server accepts it.
    fn client(
        &self,
        trust: &Trust,
        server: &Server,
        client: &Hello,
        assumed: &mut Vec<String>,
    ) -> Result<Peer, Refusal> {
        if let Credential::None = client.credential {
            if !server.wants_certificate {
                return Ok(Peer::Nobody);
            }
            return Err(Refusal {
                by: Side::Server,
                cause: Cause::NoClientCertificate,
                why: "a client certificate is required, and none is shown".to_owned(),
            });
        }
        self.accepts(trust, &client.credential, Role::Client, assumed)
            .map_err(|fault| {
                let what = format!("the client's certificate ({})", client.credential);
                refused(Side::Server, fault, &what)
            })?;
        Ok(peer(&client.credential))
    }

    /// Whether one side accepts what the other shows.
    fn accepts(
        &self,
        trust: &Trust,
        shown: &Credential,
        role: Role,
        assumed: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let unknown = |why: String| {
            Err(Fault {
                cause: Cause::UnknownCa,
                why,
            })
        };
        match (trust, shown) {
            (Trust::Anyone, _) => Ok(()),
            (_, Credential::None) => unknown("there is none".to_owned()),
            (_, Credential::Missing(name, why)) | (Trust::Missing(name, why), _) => Err(Fault {
                cause: Cause::SecretMissing,
                why: format!("{name} is not supplied: {why}"),
            }),
            (Trust::Mesh(mesh, _, names), Credential::Mesh(identity)) if identity.mesh == *mesh => {
                identified(identity, names)
            }
            (Trust::Mesh(_, Some(root), names), Credential::Mesh(identity))
                if identity.root.as_ref() == Some(root) =>
            {
                identified(identity, names)
            }
            (Trust::Mesh(mesh, ..), Credential::Mesh(identity)) => unknown(format!(
                "it is of the mesh of {}, and only that of {mesh} is trusted",
                identity.mesh
            )),
            (Trust::Mesh(mesh, root, names), Credential::Chain(chain)) => {
                match root.as_deref().and_then(|r| Bundle::read(r, None).ok()) {
                    Some(bundle) => certificate::verify(chain, &bundle, names, role, self.at),
                    None => unknown(format!(
                        "{} is not of the mesh of {mesh}, and nothing else is trusted",
                        chain.subject()
                    )),
                }
            }
            (Trust::Authorities(bundle, names), Credential::Mesh(identity)) => {
                mesh_by_authorities(bundle, identity, names)
            }
            (Trust::Authorities(bundle, names), Credential::Chain(chain)) => {
                certificate::verify(chain, bundle, names, role, self.at)
            }
            (Trust::System, Credential::Chain(chain)) => unknown(format!(
                "{} is checked against the authorities of the proxy's image, and taken for one of a private \
                 authority",
                chain.subject()
            )),
            (Trust::System, Credential::Mesh(identity)) => unknown(format!(
                "it is of the mesh of {}, which no system trusts by itself",
                identity.mesh
            )),
            // Credentials are for what is not of the mesh.
            (Trust::Withheld(name, _), Credential::Mesh(identity)) => unknown(format!(
                "it is of the mesh of {}, and {name} is taken for other authorities",
                identity.mesh
            )),
            (Trust::Mesh(mesh, ..), Credential::Withheld(name)) => unknown(format!(
                "{name} is taken for another authority's, and only the mesh of {mesh} is trusted"
            )),
            (Trust::Withheld(name, names), Credential::Chain(chain)) => {
                assumed.push(withheld(name, "authority", role));
                certificate::verify_alone(chain, names, role, self.at)
            }
            (_, Credential::Withheld(name)) => {
                assumed.push(withheld(name, "certificate", role));
                Ok(())
            }
        }
    }
}

/// A mesh's certificate against authorities that were given: trusted if its root is among them.
fn mesh_by_authorities(
    bundle: &Bundle,
    identity: &MeshIdentity,
    names: &Names,
) -> Result<(), Fault> {
    let root = identity
        .root
        .as_deref()
        .and_then(|r| Bundle::read(r, None).ok());
    let trusted = root.is_some_and(|root| {
        root.authorities
            .iter()
            .any(|a| bundle.authorities.contains(a))
    });
    if trusted {
        return identified(identity, names);
    }
    Err(Fault {
        cause: Cause::UnknownCa,
        why: format!(
            "it is of the mesh of {}, whose root is not among the authorities that are trusted ({})",
            identity.mesh,
            bundle.subjects()
        ),
    })
}

fn identified(identity: &MeshIdentity, names: &Names) -> Result<(), Fault> {
    let fits = |m: &Value| certificate::matches(m, &identity.spiffe_id);
    if names.matchers.is_empty() || names.matchers.iter().any(fits) {
        return Ok(());
    }
    Err(Fault {
        cause: Cause::SanMismatch,
        why: format!(
            "it is {}, and one of these is wanted: {}",
            identity.spiffe_id,
            names.wanted()
        ),
    })
}

fn withheld(name: &str, what: &str, role: Role) -> String {
    let whose = match role {
        Role::Server => "server's",
        Role::Client => "client's",
    };
    format!(
        "{name} holds no {what} that can be read; the {whose} certificate is taken for signed by somebody trusted, and for valid"
    )
}

fn peer(credential: &Credential) -> Peer {
    match credential {
        Credential::None | Credential::Missing(..) => Peer::Nobody,
        Credential::Mesh(identity) => Peer::Names(vec![identity.spiffe_id.clone()]),
        Credential::Chain(chain) => Peer::Names(chain.principals()),
        Credential::Withheld(_) => Peer::Withheld,
    }
}
