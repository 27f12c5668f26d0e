//! Where a sidecar has outbound listeners, and which services share each of them.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{INBOUND_PORT, OUTBOUND_PORT};
use crate::{
    objects::{
        Same,
        service::{Port, Registry, Resolution, Service, UNSPECIFIED},
    },
    protocol::Protocol,
};

/// A port of a service at a listener.
#[derive(Clone, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) service: Same<Service>,
    pub(crate) port: Port,
    /// The block of addresses that connections to the service go to.
    pub(crate) cidr: Option<String>,
    /// Whether the listener's address is that of an endpoint, not the service's own.
    pub(crate) is_endpoint: bool,
}

/// Addresses and ports with their tenants, in the order of the first tenant of each.
#[derive(Default)]
pub(crate) struct Places {
    all: Vec<(String, u32, Vec<Tenant>)>,
    /// Port and position by address.
    index: HashMap<String, Vec<(u32, usize)>>,
}

/// The places of visible services.
pub(crate) fn places(services: &[Arc<Service>]) -> Places {
    let mut places = Places::default();
    let real = services
        .iter()
        .filter(|s| s.resolution != Resolution::Alias);
    for service in real {
        for port in &service.ports {
            places.add(service, port);
        }
    }
    places
}

impl Places {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.all
            .iter()
            .map(|(bind, port, _)| (bind.as_str(), *port))
    }

    pub(crate) fn tenants(&self, bind: &str, port: u32) -> impl Iterator<Item = &Tenant> {
        let place = self.position(bind, port).map(|i| &self.all[i]);
        place.into_iter().flat_map(|(_, _, tenants)| tenants)
    }

    /// Positions and ports of the places that some service has for an endpoint's address.
    pub(crate) fn of_endpoint(&self, address: &str) -> impl Iterator<Item = (usize, u32)> {
        let found = self.index.get(address).into_iter().flatten();
        found
            .filter(|(_, index)| self.all[*index].2.iter().any(|t| t.is_endpoint))
            .map(|(port, index)| (*index, *port))
    }

    fn position(&self, bind: &str, port: u32) -> Option<usize> {
        let ports = self.index.get(bind)?;
        ports.iter().find(|(p, _)| *p == port).map(|(_, i)| *i)
    }

    fn add(&mut self, service: &Arc<Service>, port: &Port) {
        if port.protocol == Protocol::Udp
            || port.number == OUTBOUND_PORT
            || port.number == INBOUND_PORT
        {
            return;
        }
        let opaque = port.protocol.is_tcp() || port.protocol.is_unsupported();
        let headless =
            service.resolution == Resolution::Passthrough && service.address == UNSPECIFIED;
        let found = service
            .endpoints
            .iter()
            .filter(|e| e.service_port == port.number);
        let mut found = found
            .filter(|e| e.address.parse::<IpAddr>().is_ok())
            .peekable();
        let declared_alone = service.registry == Registry::External
            && found.peek().is_none()
            && service.selector.is_none();
        let tenant = |cidr, is_endpoint| Tenant {
            service: Same::of(service),
            port: port.clone(),
            cidr,
            is_endpoint,
        };
        if !(headless && opaque) || declared_alone {
            let (bind, cidr) = bind(service, port);
            return self.put(bind, tenant(cidr, false));
        }
        // Without an address of the service's own, each endpoint has a listener; the pod itself needs none.
        for endpoint in found {
            self.put(&endpoint.address, tenant(None, true));
        }
    }

    fn put(&mut self, bind: &str, tenant: Tenant) {
        let port = tenant.port.number;
        if let Some(index) = self.position(bind, port) {
            self.all[index].2.push(tenant);
            return;
        }
        let ports = self.index.entry(bind.to_owned()).or_default();
        ports.push((port, self.all.len()));
        self.all.push((bind.to_owned(), port, vec![tenant]));
    }
}

/// The listener's address: the service's own, or any with a match of the service's block of addresses.
fn bind<'a>(service: &'a Service, port: &Port) -> (&'a str, Option<String>) {
    if port.protocol.is_http() {
        return (UNSPECIFIED, None);
    }
    if service.address.contains('/') {
        return (UNSPECIFIED, Some(service.address.clone()));
    }
    (&service.address, None)
}
