//! What of its services a listener takes, and what gives way where two want the same
//! (`buildSidecarOutboundListener` in `pilot/pkg/networking/core/listener.go`).

use super::{
    Tenant,
    chains::{Chain, Place, Takes},
    unknown,
};
use crate::{
    compile::{conflict::Conflict, scope::View},
    objects::service::UNSPECIFIED,
    protocol::Protocol,
};

/// A listener in the making: all services that share an address and port.
pub(super) struct Entry {
    pub(super) bind: String,
    pub(super) binds_port: bool,
    pub(super) port: u32,
    protocol: Protocol,
    pub(super) chains: Vec<Chain>,
    /// What declared it first.
    owner: String,
}

struct Building<'a> {
    scope: &'a View<'a>,
    entry: Option<Entry>,
    conflicts: Vec<Conflict>,
}

/// The listener of a place, and what gives way there.
pub(super) fn build(
    view: &View<'_>,
    bind: &str,
    port: u32,
    tenants: &[Tenant],
) -> (Option<Entry>, Vec<Conflict>) {
    let mut building = Building {
        scope: view,
        entry: None,
        conflicts: Vec::new(),
    };
    for tenant in tenants {
        building.add(tenant, bind, port);
    }
    (building.entry, building.conflicts)
}

impl Building<'_> {
    fn add(&mut self, tenant: &Tenant, bind: &str, port: u32) {
        let place = Place {
            scope: self.scope,
            service: &tenant.service,
            port: &tenant.port,
            bind,
            cidr: tenant.cidr.clone(),
            import: tenant.import,
        };
        let existing = self.entry.as_ref().map(|e| e.protocol);
        let Some((protocol, chains)) = self.chains(&place, existing) else {
            return;
        };
        let fresh = Entry {
            bind: bind.to_owned(),
            binds_port: tenant.binds_port,
            port,
            protocol,
            chains,
            owner: tenant.service.origin.to_string(),
        };
        self.join(tenant.port.protocol, fresh);
    }

    /// The chains of a service's port, and what its listener speaks with them; `None` where the listener that
    /// exists takes the port's HTTP already.
    fn chains(
        &mut self,
        place: &Place<'_>,
        existing: Option<Protocol>,
    ) -> Option<(Protocol, Vec<Chain>)> {
        let protocol = place.port.protocol;
        let owner = place.service.origin.to_string();
        if !protocol.is_http() {
            let mut chains = place.chains(&mut self.conflicts);
            if protocol.is_unsupported() && !existing.is_some_and(Protocol::is_unsupported) {
                chains.push(Chain::http(Takes::SniffedHttp, place.straight(), owner));
            }
            return Some((protocol, chains));
        }
        let is_proxy = protocol == Protocol::HttpProxy;
        if existing.is_some_and(|p| !p.is_tcp()) && !is_proxy {
            return None;
        }
        let (becomes, takes) = if place.bind == UNSPECIFIED && !is_proxy {
            // With the way left open for other traffic, it is no longer known what the port speaks.
            (Protocol::Unsupported, Takes::SniffedHttp)
        } else {
            (protocol, Takes::AllAsHttp)
        };
        let chain = Chain::http(takes, unknown(self.scope), owner);
        Some((becomes, vec![chain]))
    }

    /// Joins the chains of another service on the same address and port; the earlier wins where both would
    /// take a connection. Server-first protocols share a port with nothing else.
    fn join(&mut self, incoming: Protocol, fresh: Entry) {
        let Some(current) = &mut self.entry else {
            self.entry = Some(fresh);
            return;
        };
        let existing = current.protocol;
        let lose = |winner: &str, loser: &str, reason: &str| Conflict {
            place: format!("listener {}:{}", fresh.bind, fresh.port),
            winner: winner.to_owned(),
            loser: loser.to_owned(),
            reason: reason.to_owned(),
        };
        if incoming == Protocol::HttpProxy || (incoming.is_unsupported() && existing.is_http()) {
            let reason = "the later protocol cannot share the port with the earlier";
            self.conflicts
                .push(lose(&fresh.owner, &current.owner, reason));
            *current = fresh;
            return;
        }
        let alone = [incoming, existing]
            .into_iter()
            .find(|p| speaks_server_first(*p));
        if let Some(alone) = alone.filter(|_| incoming != existing) {
            let name = alone.name();
            let reason =
                format!("{name} shares a port with no other protocol, and the earlier stands");
            self.conflicts
                .push(lose(&current.owner, &fresh.owner, &reason));
            return;
        }
        for chain in &fresh.chains {
            let Some(winner) = current.chains.iter().find(|c| c.conflicts_with(chain)) else {
                current.chains.push(chain.clone());
                continue;
            };
            if winner.owner != chain.owner && !winner.leads_where(chain) {
                let reason = "both would take the same connections, and the earlier does";
                self.conflicts
                    .push(lose(&winner.owner, &chain.owner, reason));
            }
        }
        let mixes =
            (existing.is_tcp() && !incoming.is_tcp()) || (existing.is_http() && incoming.is_tcp());
        if mixes {
            current.protocol = Protocol::Unsupported;
        }
    }
}

/// Whether inspecting the client's first bytes would wait in vain.
fn speaks_server_first(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Mongo | Protocol::Mysql)
}
