//! The servers of all Gateways that a workload is selected by, sorted onto the ports where it really
//! listens (`pilot/pkg/model/gateway.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::super::{conflict::Conflict, scope::Scope};
use crate::{
    api::gateway::{Gateway, Server},
    objects::{Config, Same, service::UNSPECIFIED},
    protocol::Protocol,
};

/// What tells servers of one port apart before their names do: protocol and address, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// Of the pod.
    pub(crate) port: u32,
    pub(crate) protocol: &'a str,
    /// Empty for every address.
    bind: &'a str,
}

impl Place<'_> {
    pub(crate) fn speaks(&self) -> Protocol {
        Protocol::parse(self.protocol)
    }

    pub(crate) fn address(&self) -> &str {
        if self.bind.is_empty() {
            UNSPECIFIED
        } else {
            self.bind
        }
    }

    fn listener(&self) -> String {
        format!("listener {}:{}", self.address(), self.port)
    }
}

/// A server of some `Gateway` that has a place.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) server: &'a Server,
    /// `namespace/name` of its `Gateway`.
    pub(crate) gateway: String,
    /// The server's hosts, with `.` made the `Gateway`'s namespace and `*/` gone.
    pub(crate) hosts: Vec<String>,
}

impl Placed<'_> {
    /// The port as the `Gateway` says it.
    pub(crate) fn number(&self) -> i64 {
        self.server.port.as_ref().map_or(0, |p| p.number)
    }

    pub(crate) fn protocol(&self) -> Protocol {
        Protocol::parse(self.server.port.as_ref().map_or("", |p| &p.protocol))
    }

    pub(crate) fn title(&self) -> String {
        let port = self.server.port.as_ref().map_or("", |p| &p.name);
        format!("port {port} of Gateway {}", self.gateway)
    }

    /// Whether the server is told apart by TLS; one of plain HTTP never is, whatever its `tls` says.
    fn is_tls(&self) -> bool {
        self.server.tls.is_some() && !self.protocol().is_http()
    }

    /// Whether an HTTP server stands behind it.
    pub(crate) fn is_http(&self) -> bool {
        let protocol = self.protocol();
        let passes = self
            .server
            .tls
            .as_ref()
            .is_some_and(|t| t.mode.is_passthrough());
        protocol.is_http() || (protocol == Protocol::Https && !passes)
    }
}

/// Names that are taken on one port, each with the address it is taken on and by whom.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, (String, String)>);

impl Names {
    /// Takes `names` for `owner`, all or none of them; else the name that is taken, and by whom.
    pub(crate) fn take(
        &mut self,
        names: &[String],
        bind: &str,
        owner: &str,
    ) -> Result<(), (String, String)> {
        let taken = |name: &&String| self.0.get(*name).is_some_and(|(b, _)| b == bind);
        if let Some(name) = names.iter().find(taken) {
            let (_, owner) = &self.0[name];
            return Err((name.clone(), owner.clone()));
        }
        for name in names {
            self.0
                .insert(name.clone(), (bind.to_owned(), owner.to_owned()));
        }
        Ok(())
    }
}

/// All servers that have a place, by place in the order in which places first appear.
#[derive(Debug, Default)]
pub(crate) struct Merged<'a> {
    pub(crate) places: Vec<(Place<'a>, Vec<Placed<'a>>)>,
    pub(crate) conflicts: Vec<Conflict>,
    /// The last plaintext place of a port.
    plain: BTreeMap<u32, Place<'a>>,
    ports: BTreeSet<u32>,
    names: BTreeMap<u32, Names>,
}

/// The servers of a workload, the oldest `Gateway` first.
pub(crate) fn servers<'a>(gateways: &'a [Same<Config<Gateway>>], scope: &Scope<'_>) -> Merged<'a> {
    let mut merged = Merged::default();
    for gateway in gateways {
        for server in &gateway.spec.servers {
            let Some(port) = server.port.as_ref() else {
                continue;
            };
            let Ok(number) = u32::try_from(port.number) else {
                continue;
            };
            let place = Place {
                port: real_port(number, scope),
                protocol: &port.protocol,
                bind: &server.bind,
            };
            merged.add(place, placed(server, gateway));
        }
    }
    merged
}

fn placed<'a>(server: &'a Server, gateway: &Config<Gateway>) -> Placed<'a> {
    let namespace = &gateway.meta.namespace;
    let bare = |h: &String| match h.split_once('/') {
        Some((".", name)) => format!("{namespace}/{name}"),
        Some(("*", name)) => name.to_owned(),
        _ => h.clone(),
    };
    let hosts = if server.hosts.iter().any(|h| h == "*/*") {
        vec!["*".to_owned()]
    } else {
        server.hosts.iter().map(bare).collect()
    };
    Placed {
        server,
        gateway: format!("{namespace}/{}", gateway.meta.name),
        hosts,
    }
}

/// The port of the pod behind a port of its Service, unless the Service says by its label that a
/// Gateway's ports are the pod's; a port of no Service is the pod's own.
fn real_port(number: u32, scope: &Scope<'_>) -> u32 {
    scope
        .own_ports()
        .iter()
        .find(|own| own.port.number == number && own.service.translates_gateway_ports())
        .map_or(number, |own| own.target)
}

impl<'a> Merged<'a> {
    fn add(&mut self, place: Place<'a>, placed: Placed<'a>) {
        if placed.server.tls.is_some() {
            let names = self.names.entry(place.port).or_default();
            if let Err((host, winner)) = names.take(&placed.hosts, place.bind, &placed.title()) {
                let reason = format!("the server that is seen first keeps the host {host}");
                return self.lost(place, winner, &placed, reason);
            }
        }
        let is_first = self.ports.insert(place.port);
        match self.plain.get(&place.port).copied() {
            Some(current) if !is_first && current.bind == place.bind => {
                self.join(current, place, placed);
            }
            _ => self.put(place, placed),
        }
    }

    /// A plaintext server takes every connection of its listener: only HTTP servers share one.
    fn join(&mut self, current: Place<'a>, place: Place<'a>, placed: Placed<'a>) {
        let both_http = current.speaks().is_http() && place.speaks().is_http();
        let Some((_, servers)) = self.places.iter_mut().find(|(p, _)| *p == current) else {
            return self.put(place, placed);
        };
        if both_http {
            servers.push(placed);
            return;
        }
        let winner = servers.first().map(Placed::title).unwrap_or_default();
        let reason = format!(
            "a {} server without TLS takes every connection of its listener",
            current.protocol
        );
        self.lost(place, winner, &placed, reason);
    }

    fn put(&mut self, place: Place<'a>, placed: Placed<'a>) {
        if let Some((_, servers)) = self.places.iter_mut().find(|(p, _)| *p == place) {
            return servers.push(placed);
        }
        if !placed.is_tls() {
            self.plain.insert(place.port, place);
        }
        self.places.push((place, vec![placed]));
    }

    fn lost(&mut self, place: Place<'a>, winner: String, loser: &Placed<'a>, reason: String) {
        self.conflicts.push(Conflict {
            place: place.listener(),
            winner,
            loser: loser.title(),
            reason,
        });
    }
}
