//! From a proxy to the next one: cluster, endpoint, TLS as a client, the network between.

use meshproof_mesh::{Pod, ProxyKind};
use meshproof_record::{Cause, Hop};
use serde_json::Value;

use crate::{
    accept::no_listener,
    app, capture,
    credential::{Secrets, Trust, unsupplied},
    handshake,
    hello::Hello,
    kube::{Backends, Service},
    listener,
    network::{self, Owner},
    upstream::{self, Asker, Endpoint, Targets, Transport},
    walk::{Flow, Place, Walk},
    way::{End, Path, Way, worst},
};

/// A connection that passes more programs than this goes round in circles.
const MOST: usize = 16;

/// Endpoints beyond these are taken to be like them.
const MOST_ENDPOINTS: usize = 16;

impl<'s> Walk<'s> {
    /// A proxy sends a connection to a cluster.
    pub(crate) fn dial(&self, place: Place<'s>, name: &str, flow: Flow, way: Way) -> Path {
        let at = place.name();
        let way = way.and(place.hop, &at, "cluster", name.to_owned());
        let refused = |way: Way, cause, why| way.ends(End::refused(place.hop, cause, why));
        if name.starts_with("inbound|") || name == "InboundPassthroughCluster" {
            return app::reached(place.cluster, place.pod, &flow, way);
        }
        let asker = Asker {
            pod: place.pod,
            cluster: place.cluster,
            config: place.config,
            resolve: &self.query.resolve,
        };
        match upstream::targets(name, &asker) {
            Targets::NoCluster => refused(way, Cause::NoRoute, no_cluster(name, place)),
            Targets::BlackHole if place.hop != Hop::ClientSidecar => {
                let why = format!("{at} would speak HTTP here, which is not followed");
                way.ends(End::unknown(place.hop, why))
            }
            Targets::BlackHole => {
                let why = format!("{at} lets nothing out that it has no route for (REGISTRY_ONLY)");
                refused(way, Cause::NoRoute, why)
            }
            Targets::NoSuchName(host) => {
                let why = format!("{at} cannot resolve {host}, the endpoint of {name}");
                refused(way, Cause::Dns, why)
            }
            Targets::UnknownName(host) => {
                let why =
                    format!("the address of {host} is not told by the clusters given (--resolve)");
                way.ends(End::unknown(place.hop, why))
            }
            Targets::Endpoints(found) if found.is_empty() => {
                let why = format!("{name} has no endpoint: no ready pod is behind it");
                refused(way, Cause::NoEndpoint, why)
            }
            Targets::Endpoints(found) => {
                let ways = found.iter().take(MOST_ENDPOINTS);
                let ways = ways.map(|endpoint| {
                    let label = format!("endpoint {}:{}", endpoint.address, endpoint.port);
                    (
                        label,
                        self.connect(place, endpoint, flow.clone(), way.clone()),
                    )
                });
                worst(ways.collect())
            }
            Targets::OriginalDestination(port, transport) => {
                let endpoint = Endpoint {
                    address: flow.to,
                    port: port.unwrap_or(flow.port),
                    transport,
                };
                self.connect(place, &endpoint, flow, way)
            }
        }
    }

    /// A proxy connects to an endpoint.
    fn connect(&self, place: Place<'s>, endpoint: &Endpoint<'s>, flow: Flow, way: Way) -> Path {
        let at = place.name();
        let mut payload = flow.payload;
        let socket = format!("{}:{}", endpoint.address, endpoint.port);
        let said = match endpoint.transport {
            Transport::Plaintext if payload.hello().is_some() => {
                format!("{socket}, with the TLS inside untouched")
            }
            Transport::Plaintext => format!("{socket}, in plaintext"),
            Transport::Tls(context) => {
                let hello = match hello(place, context) {
                    Ok(hello) => hello,
                    Err(end) => return way.ends(end),
                };
                let sni = hello.sni.as_deref().unwrap_or("none");
                let shown = format!(
                    "over TLS with SNI {sni}, ready to show {}",
                    hello.credential
                );
                payload = payload.within(hello);
                format!("{socket}, {shown}")
            }
            Transport::Other(name) => {
                let why = format!("{at} connects over {name}, which is not followed");
                return way.ends(End::unknown(place.hop, why));
            }
        };
        let flow = Flow {
            cluster: flow.cluster,
            source: place.pod.address().parse().ok(),
            to: endpoint.address,
            port: endpoint.port,
            payload,
            crossed: false,
            passed: flow.passed + 1,
        };
        self.arrive(flow, way.and(place.hop, &at, "endpoint", said))
    }

    /// Across the network to whoever has the address.
    pub(crate) fn arrive(&self, mut flow: Flow, way: Way) -> Path {
        if flow.passed > MOST {
            let why =
                format!("the connection has passed {MOST} programs and goes round in circles");
            return way.ends(End::unknown(Hop::Network, why));
        }
        let (to, port) = (flow.to, flow.port);
        match network::owner(self.clusters, flow.cluster, to) {
            Owner::Pod(pod) => self.deliver(pod, flow, way),
            Owner::Inside(service) => self.balance(service, flow, way),
            Owner::Outside(cluster, service) => {
                flow.cluster = cluster;
                flow.crossed = true;
                flow.source = self.query.seen_as;
                self.balance(service, flow, way)
            }
            Owner::Unrouted(whose) => {
                let why =
                    format!("{to} is the address of {whose}, which is not routed between clusters");
                way.ends(End::refused(Hop::Network, Cause::Dropped, why))
            }
            Owner::Nobody => {
                let why = format!(
                    "{to}:{port} belongs to no pod, Service or load balancer of the clusters given"
                );
                way.ends(End::unknown(Hop::Network, why))
            }
        }
    }

    /// A node or a load balancer chooses a pod of a Service.
    fn balance(&self, service: &'s Service, flow: Flow, way: Way) -> Path {
        let cluster = &self.clusters[flow.cluster];
        let name = format!("{}:{}/{}", cluster.name, service.namespace, service.name);
        let said = format!("{}:{} is the Service {name}", flow.to, flow.port);
        let way = way.and(Hop::Network, "", "service", said);
        let dropped = |way: Way, why| way.ends(End::refused(Hop::Network, Cause::Dropped, why));
        let pods = match service.backends(flow.port, cluster) {
            Backends::NoPort => {
                let why = format!("the Service {name} has no port {}", flow.port);
                return dropped(way, why);
            }
            Backends::Pods(pods) => pods,
        };
        if pods.is_empty() {
            let why = format!(
                "no ready pod is behind port {} of the Service {name}",
                flow.port
            );
            if flow.crossed {
                return dropped(way, why);
            }
            // Nodes refuse what goes to a cluster address without endpoints.
            return way.ends(End::refused(Hop::Network, Cause::Refused, why));
        }
        let ways = pods
            .into_iter()
            .take(MOST_ENDPOINTS)
            .filter_map(|(pod, port)| {
                let to = pod.address().parse().ok()?;
                let flow = Flow {
                    to,
                    port,
                    ..flow.clone()
                };
                Some((
                    format!("pod {}", pod.id()),
                    self.deliver(pod, flow, way.clone()),
                ))
            });
        worst(ways.collect())
    }

    /// A pod gets a connection.
    fn deliver(&self, pod: &'s Pod, flow: Flow, way: Way) -> Path {
        let cluster = &self.clusters[flow.cluster];
        let proxy = pod
            .proxy()
            .and_then(|kind| Some((kind, cluster.config(pod)?)));
        let place = |hop, config| Place {
            hop,
            cluster,
            pod,
            config,
        };
        match proxy {
            Some((ProxyKind::Router, config)) => {
                let place = place(gateway_hop(pod, &flow), config);
                match listener::gateway(config, flow.to, flow.port) {
                    Some(found) => self.accept(place, found, flow, way),
                    None => no_listener(place, &flow, way),
                }
            }
            Some((ProxyKind::Sidecar, config)) if capture::takes_inbound(pod, flow.port) => {
                let place = place(Hop::ServerSidecar, config);
                match listener::inbound(config) {
                    Some(found) => self.accept(place, found, flow, way),
                    None => no_listener(place, &flow, way),
                }
            }
            _ => app::reached(cluster, pod, &flow, way),
        }
    }
}

/// Which of the two gateways a pod is: what comes from outside comes in.
fn gateway_hop(pod: &Pod, flow: &Flow) -> Hop {
    let is_ingress = pod
        .labels()
        .get("istio")
        .is_some_and(|l| l.contains("ingress"));
    if flow.crossed || is_ingress {
        Hop::Ingress
    } else {
        Hop::Egress
    }
}

/// The TLS that a proxy opens, by an `UpstreamTlsContext`.
fn hello(place: Place<'_>, context: &Value) -> Result<Hello, End> {
    let common = &context["common_tls_context"];
    let secrets = Secrets {
        cluster: place.cluster,
        config: place.config,
    };
    let credential = secrets.shown(common);
    let trust = secrets.trusted(common).unwrap_or(Trust::Anyone);
    if let Some((name, what)) = unsupplied(&credential, Some(&trust)) {
        let why = format!("the secret {name} of {} {what}", place.name());
        return Err(End::refused(place.hop, Cause::SecretMissing, why));
    }
    let (min, max, ciphers) = handshake::params(common);
    let alpn = common["alpn_protocols"].as_array().into_iter().flatten();
    Ok(Hello {
        hop: place.hop,
        sni: context["sni"].as_str().map(str::to_owned),
        alpn: alpn.filter_map(|p| p.as_str().map(str::to_owned)).collect(),
        min,
        max,
        ciphers,
        credential,
        trust,
    })
}

/// NC: the name of a cluster says which service, subset and port were meant.
fn no_cluster(name: &str, place: Place<'_>) -> String {
    let at = place.name();
    let parts: Vec<&str> = name.split('|').collect();
    let ["outbound", port, subset, host] = parts.as_slice() else {
        return format!("{at} has no cluster {name}");
    };
    let known = |wanted: &dyn Fn(&str) -> bool| {
        let clusters = &place.config.clusters;
        clusters
            .iter()
            .any(|c| c["name"].as_str().is_some_and(wanted))
    };
    let why = if known(&|n| n == format!("outbound|{port}||{host}")) {
        format!("no DestinationRule that it sees gives {host} a subset {subset}")
    } else if known(&|n| n.starts_with("outbound|") && n.ends_with(&format!("|{host}"))) {
        format!("{host} has no port {port}")
    } else {
        format!("it sees no service {host}")
    };
    format!("{at} has no cluster {name}: {why}")
}
