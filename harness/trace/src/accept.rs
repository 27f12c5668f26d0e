//! A proxy takes a connection: listener, filter chain, TLS, policy, route.

use meshproof_record::Cause;
use serde_json::Value;

use crate::{
    chain,
    credential::Secrets,
    handshake::{self, Peer, Server, Side},
    listener, rbac,
    report::Ending,
    upstream::Transport,
    walk::{Flow, Place, Walk},
    way::{End, Path, Way, worst},
};

impl<'s> Walk<'s> {
    /// A listener takes a connection.
    pub(crate) fn accept(
        &self,
        place: Place<'s>,
        listener: &'s Value,
        flow: Flow,
        way: Way,
    ) -> Path {
        let name = listener["name"].as_str().unwrap_or_default();
        let way = way.and(place.hop, &place.name(), "listener", name.to_owned());
        let looks = listener::inspection(listener, flow.port);
        let waits = flow.payload.is_silent() && (looks.tls || looks.http);
        if waits && looks.gives_up.is_none() {
            let why = format!(
                "the listener {name} waits for the first bytes to see whether they are TLS, and the client \
                 waits for the server's greeting"
            );
            return way.ends(End::refused(place.hop, Cause::NotTls, why));
        }
        let hello = flow.payload.hello().filter(|_| looks.tls).cloned();
        let facts = chain::Facts {
            address: flow.to,
            port: flow.port,
            server_name: hello.as_ref().and_then(|h| h.sni.as_deref()),
            transport: if looks.tls {
                flow.payload.transport()
            } else {
                "raw_buffer"
            },
            alpn: hello.as_ref().map_or(&[], |h| h.alpn.as_slice()),
        };
        match chain::choose(listener, &facts) {
            Some(chain) => self.enter(place, chain, flow, way),
            None => way.ends(no_chain(place, listener, &facts)),
        }
    }

    /// A filter chain takes a connection: its TLS, its filters.
    fn enter(&self, place: Place<'s>, chain: &'s Value, mut flow: Flow, way: Way) -> Path {
        let said = chain::described(chain);
        let mut way = way.and(place.hop, &place.name(), "filter chain", said);
        let server_name = flow.payload.hello().and_then(|h| h.sni.clone());
        let peer = match self.terminate(place, chain, &mut flow, &mut way) {
            Ok(peer) => peer,
            Err(end) => return way.ends(end),
        };
        let facts = rbac::Facts {
            source: flow.source,
            address: flow.to,
            port: flow.port,
            server_name: server_name.as_deref(),
            peer: &peer,
        };
        let mut denied = None;
        for filter in chain["filters"].as_array().into_iter().flatten() {
            let config = &filter["typed_config"];
            match filter["name"].as_str().unwrap_or_default() {
                "envoy.filters.network.rbac" if denied.is_none() => {
                    match rbac::decide(config, &facts) {
                        rbac::Decision::Passes => {}
                        rbac::Decision::Denied(by) => denied = Some(policy_end(place, &by, &peer)),
                        rbac::Decision::Unknown(policy, missing) => {
                            let why = format!("{policy} depends on {missing}");
                            denied = Some(End::unknown(place.hop, why));
                        }
                    }
                }
                "envoy.filters.network.ext_authz" if denied.is_none() => {
                    let why = "a server of the mesh's own decides on connections here".to_owned();
                    denied = Some(End::unknown(place.hop, why));
                }
                "envoy.filters.network.tcp_proxy" => {
                    return self.proxied(place, config, flow, way, denied);
                }
                _ => {}
            }
        }
        let why = format!(
            "{} does not pass TCP on here, which is not followed",
            place.name()
        );
        way.ends(End::unknown(place.hop, why))
    }

    /// `tcp_proxy` dials at once, but a policy is asked when the client's first bytes arrive: what fails
    /// behind fails first, unless the client speaks first.
    fn proxied(
        &self,
        place: Place<'s>,
        config: &'s Value,
        flow: Flow,
        way: Way,
        denied: Option<End>,
    ) -> Path {
        let Some(denied) = denied else {
            return self.route(place, config, flow, way);
        };
        let way = way.and(place.hop, &place.name(), "policy", denied.why.clone());
        if !flow.payload.is_silent() {
            return way.ends(denied);
        }
        let behind = self.route(place, config, flow, way.clone());
        let passes =
            behind.end.outcome == Ending::Connected || behind.end.cause == Cause::PolicyDenied;
        if passes { way.ends(denied) } else { behind }
    }

    /// Ends the client's TLS where the chain does; says who the client is.
    fn terminate(
        &self,
        place: Place<'s>,
        chain: &'s Value,
        flow: &mut Flow,
        way: &mut Way,
    ) -> Result<Peer, End> {
        let context = match Transport::of(&chain["transport_socket"]) {
            Transport::Plaintext => return Ok(Peer::Nobody),
            Transport::Tls(context) => context,
            Transport::Other(name) => {
                let why = format!("the transport socket {name} is not followed");
                return Err(End::unknown(place.hop, why));
            }
        };
        let Some(hello) = flow.payload.hello().cloned() else {
            return Err(not_tls(place));
        };
        let secrets = Secrets {
            cluster: place.cluster,
            config: place.config,
        };
        let server = Server::of(context, secrets);
        let agreed = handshake::shake(&hello, &server, self.query.at).map_err(|refusal| {
            let hop = match refusal.by {
                Side::Client => hello.hop,
                Side::Server => place.hop,
            };
            End::refused(hop, refusal.cause, refusal.why)
        })?;
        let said = format!(
            "{}, the client shows {}, the server shows {}",
            agreed.version.name(),
            hello.credential,
            server.shown()
        );
        *way = std::mem::take(way).and(place.hop, &place.name(), "tls", said);
        way.assumed.extend(agreed.assumed);
        flow.payload = flow.payload.opened();
        Ok(agreed.peer)
    }

    fn route(&self, place: Place<'s>, config: &'s Value, flow: Flow, way: Way) -> Path {
        if !config["tunneling_config"].is_null() {
            let why = format!(
                "{} sends this through a tunnel of HTTP, which is not followed",
                place.name()
            );
            return way.ends(End::unknown(place.hop, why));
        }
        if let Some(name) = config["cluster"].as_str() {
            return self.dial(place, name, flow, way);
        }
        let weighted = config["weighted_clusters"]["clusters"].as_array();
        let ways = weighted.into_iter().flatten().filter_map(|c| {
            let (name, weight) = (c["name"].as_str()?, &c["weight"]);
            let path = self.dial(place, name, flow.clone(), way.clone());
            Some((format!("weight {weight} to {name}"), path))
        });
        let ways: Vec<(String, Path)> = ways.collect();
        if ways.is_empty() {
            let why = format!("the route of {} leads to no cluster", place.name());
            return way.ends(End::refused(place.hop, Cause::NoRoute, why));
        }
        worst(ways)
    }
}

pub(crate) fn no_listener(place: Place<'_>, flow: &Flow, way: Way) -> Path {
    if listener::speaks_http(place.config, flow.to, flow.port) {
        let why = format!("port {} speaks HTTP, which is not followed", flow.port);
        return way.ends(End::unknown(place.hop, why));
    }
    let why = format!(
        "{} has no listener on port {}: no server of a Gateway for this port has a route that its mode \
         takes (`tcp` where TLS ends at the gateway, `tls` for PASSTHROUGH)",
        place.name(),
        flow.port
    );
    way.ends(End::refused(place.hop, Cause::NoListener, why))
}

fn policy_end(place: Place<'_>, by: &str, peer: &Peer) -> End {
    let who = match peer {
        Peer::Nobody => "a client without a certificate".to_owned(),
        Peer::Withheld => "a client whose certificate was not given".to_owned(),
        Peer::Names(names) => names.join(", "),
    };
    let why = format!("{} denies {who}: {by}", place.name());
    End::refused(place.hop, Cause::PolicyDenied, why)
}

fn not_tls(place: Place<'_>) -> End {
    let why = format!("{} wants TLS here, and none is spoken", place.name());
    End::refused(place.hop, Cause::NotTls, why)
}

/// NR `filter_chain_not_found`.
fn no_chain(place: Place<'_>, listener: &Value, facts: &chain::Facts<'_>) -> End {
    let names = chain::server_names(listener);
    if facts.transport != "tls" {
        return not_tls(place);
    }
    let sni = facts.server_name.unwrap_or("no server name");
    let why = format!(
        "{} has no filter chain for {sni}; it has some for: {}",
        place.name(),
        if names.is_empty() {
            "no name".to_owned()
        } else {
            names.join(", ")
        }
    );
    End::refused(place.hop, Cause::SniMismatch, why)
}
