//! The walk from a pod to the end of its connection.

use std::{net::IpAddr, rc::Rc};

use meshproof_mesh::{Pod, ProxyConfig, ProxyKind};
use meshproof_record::{Cause, Hop};
use thiserror::Error;

use crate::{
    accept::no_listener,
    capture,
    certificate::{Bundle, Chain, Unusable},
    cluster::Cluster,
    credential::{Credential, Names, Trust},
    hello::{Hello, Payload, Talk},
    listener,
    names::{self, Resolved},
    query::{ClientTls, Opening, Query, TlsVersion},
    report::{Ending, Trace},
    way::{End, Path, Way, worst},
};

/// A question that cannot be asked of these clusters.
#[derive(Debug, Error)]
pub enum TraceError {
    /// No pod has the name.
    #[error("no pod `{wanted}` in the clusters given; there are: {known}")]
    NoPod {
        /// The name as given.
        wanted: String,
        /// Every pod.
        known: String,
    },
    /// Several pods have the name.
    #[error(
        "`{wanted}` is the name of several pods ({found}); say which, as cluster:namespace/name"
    )]
    SeveralPods {
        /// The name as given.
        wanted: String,
        /// The pods.
        found: String,
    },
    /// The certificate or the authorities that the client is to use.
    #[error("{what} of the client: {why}")]
    Client {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// A connection on its way between two programs.
#[derive(Clone)]
pub(crate) struct Flow {
    /// Index of the cluster that it is in.
    pub(crate) cluster: usize,
    /// The address that the receiver sees, unless something on the way changes it.
    pub(crate) source: Option<IpAddr>,
    pub(crate) to: IpAddr,
    pub(crate) port: u16,
    pub(crate) payload: Payload,
    /// Whether it came from another cluster, or through an address for the world outside.
    pub(crate) crossed: bool,
    /// How many programs it has passed.
    pub(crate) passed: usize,
}

/// Follows the connection of `query` through `clusters`.
pub fn trace(clusters: &[Cluster], query: &Query) -> Result<Trace, TraceError> {
    let (cluster, pod) = source(clusters, &query.from)?;
    let walk = Walk { clusters, query };
    let payload = opening(&query.opening)?;
    let path = walk.start(cluster, pod, payload);
    let Path { way, end, others } = path;
    let mut assumed = way.assumed;
    assumed.sort();
    assumed.dedup();
    Ok(Trace {
        from: clusters[cluster].place(pod),
        to: format!("{}:{}", query.host, query.port),
        outcome: end.outcome,
        hop: end.hop,
        cause: end.cause,
        why: end.why,
        steps: way.steps,
        assumed,
        others,
    })
}

/// The pod that connects.
fn source<'a>(clusters: &'a [Cluster], wanted: &str) -> Result<(usize, &'a Pod), TraceError> {
    let pods = || {
        let all = clusters.iter().enumerate();
        all.flat_map(|(index, cluster)| cluster.pods().map(move |pod| (index, pod)))
    };
    let place = |(index, pod): &(usize, &Pod)| clusters[*index].place(pod);
    let is_meant = |found: &(usize, &Pod)| {
        let (id, whole) = (found.1.id(), place(found));
        wanted == whole || wanted == id.to_string() || wanted == id.name
    };
    let listed = |found: Vec<(usize, &Pod)>| found.iter().map(place).collect::<Vec<_>>().join(", ");
    let found: Vec<(usize, &Pod)> = pods().filter(is_meant).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(TraceError::NoPod {
            wanted: wanted.to_owned(),
            known: listed(pods().collect()),
        }),
        _ => Err(TraceError::SeveralPods {
            wanted: wanted.to_owned(),
            found: listed(found),
        }),
    }
}

fn opening(opening: &Opening) -> Result<Payload, TraceError> {
    Ok(match opening {
        Opening::ServerFirst => Payload::plain(Talk::ServerFirst),
        Opening::Plaintext => Payload::plain(Talk::ClientFirst),
        Opening::Tls(tls) => Payload::plain(Talk::ServerFirst).within(own_hello(tls)?),
    })
}

fn own_hello(tls: &ClientTls) -> Result<Hello, TraceError> {
    let bad = |what| {
        move |why: Unusable| TraceError::Client {
            what,
            why: why.to_string(),
        }
    };
    let credential = match &tls.certificate {
        None => Credential::None,
        Some(pem) => {
            let chain = Chain::read(pem, None).map_err(bad("the certificate"))?;
            Credential::Chain(Rc::new(chain))
        }
    };
    let trust = match &tls.authorities {
        None => Trust::Anyone,
        Some(pem) => {
            let bundle = Bundle::read(pem, None).map_err(bad("the authorities"))?;
            Trust::Authorities(Rc::new(bundle), Names::default())
        }
    };
    Ok(Hello {
        hop: Hop::Client,
        sni: tls.sni.clone(),
        alpn: tls.alpn.clone(),
        min: tls.min.unwrap_or(TlsVersion::V1_2),
        max: tls.max.unwrap_or(TlsVersion::V1_3),
        ciphers: Vec::new(),
        credential,
        trust,
    })
}

/// The clusters, and what is asked of them.
pub(crate) struct Walk<'s> {
    pub(crate) clusters: &'s [Cluster],
    pub(crate) query: &'s Query,
}

/// A proxy that has a connection in hand.
#[derive(Clone, Copy)]
pub(crate) struct Place<'s> {
    pub(crate) hop: Hop,
    pub(crate) cluster: &'s Cluster,
    pub(crate) pod: &'s Pod,
    pub(crate) config: &'s ProxyConfig,
}

impl Place<'_> {
    pub(crate) fn name(&self) -> String {
        self.cluster.place(self.pod)
    }
}

impl<'s> Walk<'s> {
    fn start(&self, index: usize, pod: &'s Pod, payload: Payload) -> Path {
        let cluster = &self.clusters[index];
        let host = &self.query.host;
        let way = Way::default();
        let addresses = match names::resolve(host, pod, cluster, &self.query.resolve) {
            Resolved::Addresses(addresses) => addresses,
            Resolved::NoSuchName => {
                let why = format!("{host} is no name in the cluster {}", cluster.name);
                return way.ends(End {
                    outcome: Ending::Unreachable,
                    hop: Hop::Client,
                    cause: Cause::Dns,
                    why,
                });
            }
            Resolved::Outside => {
                let why =
                    format!("the address of {host} is not told by the clusters given (--resolve)");
                return way.ends(End::unknown(Hop::Client, why));
            }
        };
        let flows = addresses.into_iter().map(|to| {
            let flow = Flow {
                cluster: index,
                source: pod.address().parse().ok(),
                to,
                port: self.query.port,
                payload: payload.clone(),
                crossed: false,
                passed: 0,
            };
            let from = cluster.place(pod);
            let said = format!("{host} is {to}");
            let way = Way::default().and(Hop::Client, &from, "name", said);
            (format!("to {to}"), self.leave(pod, flow, way))
        });
        worst(flows.collect())
    }

    /// Out of the pod: through its sidecar, or straight into the network.
    fn leave(&self, pod: &'s Pod, flow: Flow, way: Way) -> Path {
        let cluster = &self.clusters[flow.cluster];
        let captured = pod.proxy() == Some(ProxyKind::Sidecar)
            && capture::takes_outbound(pod, flow.to, flow.port);
        let Some(config) = cluster.config(pod).filter(|_| captured) else {
            let said = match pod.proxy() {
                None => "no sidecar in the pod",
                Some(_) => "not captured by the pod's proxy",
            };
            let way = way.and(Hop::Client, &cluster.place(pod), "capture", said.to_owned());
            return self.arrive(flow, way);
        };
        let place = Place {
            hop: Hop::ClientSidecar,
            cluster,
            pod,
            config,
        };
        match listener::outbound(config, flow.to, flow.port) {
            Some(found) => self.accept(place, found, flow, way),
            None => no_listener(place, &flow, way),
        }
    }
}
