//! Where a sidecar has outbound listeners, and which services share each of them
//! (`buildSidecarOutboundListeners` in `pilot/pkg/networking/core/listener.go`).

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{INBOUND_PORT, OUTBOUND_PORT};
use crate::{
    api::{
        Labels,
        sidecar::{CaptureMode, Egress, SidecarPort},
    },
    compile::outlook::Import,
    objects::{
        Same,
        service::{Port, Registry, Resolution, Service, Target, UNSPECIFIED},
    },
    protocol::Protocol,
};

/// Ports that the proxy answers on for itself: health and metrics.
const STATUS_PORTS: [u32; 2] = [15021, 15090];
const LOCALHOST: &str = "127.0.0.1";

/// A port of a service at a listener.
#[derive(Clone, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) service: Same<Service>,
    /// The listener's port, which a `Sidecar` may say otherwise than the service.
    pub(crate) port: Port,
    /// The block of addresses that connections to the service go to.
    pub(crate) cidr: Option<String>,
    /// Whether the listener's address is that of an endpoint, not the service's own.
    pub(crate) is_endpoint: bool,
    /// Whether the listener has a port of its own in the pod.
    pub(crate) binds_port: bool,
    /// Position of the `Sidecar`'s listener that takes the service in.
    pub(crate) import: usize,
}

struct Place {
    bind: String,
    port: u32,
    tenants: Vec<Tenant>,
    /// A listener that a `Sidecar` defines by its port takes no services but those that it names.
    is_closed: bool,
}

/// Addresses and ports with their tenants, in the order of the first tenant of each.
#[derive(Default)]
pub(crate) struct Places {
    all: Vec<Place>,
    /// Port and position by address.
    index: HashMap<String, Vec<(u32, usize)>>,
}

/// What one listener of a `Sidecar` says for all its services.
struct Said {
    bind: Option<String>,
    binds_port: bool,
    port: Option<Port>,
    import: usize,
}

/// The places of what is taken in.
pub(crate) fn places(imports: &[Import<'_>]) -> Places {
    let mut places = Places::default();
    for (position, import) in imports.iter().enumerate() {
        places.import(import, position);
    }
    places
}

impl Places {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.all.iter().map(|p| (p.bind.as_str(), p.port))
    }

    pub(crate) fn tenants(&self, bind: &str, port: u32) -> impl Iterator<Item = &Tenant> {
        let place = self.position(bind, port).map(|i| &self.all[i]);
        place.into_iter().flat_map(|p| &p.tenants)
    }

    /// Positions and ports of the places that some service has for an endpoint's address.
    pub(crate) fn of_endpoint(&self, address: &str) -> impl Iterator<Item = (usize, u32)> {
        let found = self.index.get(address).into_iter().flatten();
        found
            .filter(|(_, index)| self.all[*index].tenants.iter().any(|t| t.is_endpoint))
            .map(|(port, index)| (*index, *port))
    }

    fn position(&self, bind: &str, port: u32) -> Option<usize> {
        let ports = self.index.get(bind)?;
        ports.iter().find(|(p, _)| *p == port).map(|(_, i)| *i)
    }

    fn import(&mut self, import: &Import<'_>, position: usize) {
        let binds_port = import.said.is_some_and(binds_port);
        let said = Said {
            bind: import.said.and_then(|e| bind_of(e, binds_port)),
            binds_port,
            port: import.said.and_then(|e| e.port.as_ref()).map(listener_port),
            import: position,
        };
        if said.port.is_none() {
            for place in &mut self.all {
                place.is_closed = true;
            }
        }
        let services = import.services.iter();
        for service in services.filter(|s| s.resolution != Resolution::Alias) {
            match &said.port {
                Some(port) => self.add(service, port, &said),
                None => {
                    for port in &service.ports {
                        self.add(service, port, &said);
                    }
                }
            }
        }
    }

    /// A service without an address of its own has a listener for each endpoint; the pod itself needs none.
    fn add(&mut self, service: &Arc<Service>, port: &Port, said: &Said) {
        if port.protocol == Protocol::Udp || is_reserved(port, said) {
            return;
        }
        let tenant = |cidr, is_endpoint| Tenant {
            service: Same::of(service),
            port: port.clone(),
            cidr,
            is_endpoint,
            binds_port: said.binds_port,
            import: said.import,
        };
        if let Some(bind) = &said.bind {
            return self.put(bind, tenant(None, false));
        }
        let opaque = port.protocol.is_tcp() || port.protocol.is_unsupported();
        let headless =
            service.resolution == Resolution::Passthrough && service.address == UNSPECIFIED;
        let any = Labels::new();
        let mut found = service.pool.written(port, &any).peekable();
        let declared_alone = service.registry == Registry::External
            && service.selector.is_none()
            && found.peek().is_none();
        if !(headless && opaque) || said.port.is_some() || declared_alone {
            let (bind, cidr) = bind(service, port);
            return self.put(bind, tenant(cidr, false));
        }
        for endpoint in found.filter(|e| e.address.parse::<IpAddr>().is_ok()) {
            self.put(&endpoint.address, tenant(None, true));
        }
    }

    fn put(&mut self, bind: &str, tenant: Tenant) {
        let port = tenant.port.number;
        if let Some(index) = self.position(bind, port) {
            let place = &mut self.all[index];
            if !place.is_closed {
                place.tenants.push(tenant);
            }
            return;
        }
        let ports = self.index.entry(bind.to_owned()).or_default();
        ports.push((port, self.all.len()));
        self.all.push(Place {
            bind: bind.to_owned(),
            port,
            tenants: vec![tenant],
            is_closed: false,
        });
    }
}

/// Whether a listener of a `Sidecar` has a port of its own in the pod.
fn binds_port(egress: &Egress) -> bool {
    egress.capture_mode == CaptureMode::None
}

fn bind_of(egress: &Egress, binds_port: bool) -> Option<String> {
    match egress.bind.as_str() {
        "" if binds_port => Some(LOCALHOST.to_owned()),
        "" => None,
        bind => Some(bind.to_owned()),
    }
}

fn listener_port(said: &SidecarPort) -> Port {
    let number = u32::try_from(said.number).unwrap_or_default();
    Port {
        name: said.name.clone(),
        number,
        protocol: Protocol::parse(&said.protocol),
        target: Target::Number(number),
        passed_to: None,
    }
}

/// Whether the proxy has a listener of its own there (`conflictWithReservedListener` in
/// `pilot/pkg/model/context.go`). Where a service's address is not yet known, only HTTP counts, which
/// listens on all addresses.
fn is_reserved(port: &Port, said: &Said) -> bool {
    let anywhere = match &said.bind {
        Some(bind) => bind == UNSPECIFIED,
        None => port.protocol.is_http(),
    };
    let number = port.number;
    anywhere
        && (number == OUTBOUND_PORT || number == INBOUND_PORT || STATUS_PORTS.contains(&number))
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
