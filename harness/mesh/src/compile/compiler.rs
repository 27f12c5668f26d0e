//! Compiling all proxies again and again, and each thing only once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use super::{
    Conflict, ProxyConfig,
    access_log::LogPlan,
    cluster, envoy, gateway, inbound,
    memo::{Draft, Memo, Part, Piece},
    outbound,
    outlook::{ClassKey, Outlook},
    scope::{Facts, Scope, View},
    secrets,
};
use crate::{
    MeshConfig, Objects, ProxyId,
    objects::pod::{Pod, ProxyKind},
};

/// Compiles all proxies of a cluster, round after round.
///
/// The result is always that of [`super::compile`]. What a round has in common with the one before, and
/// what proxies have in common, is compiled once and is the same `Arc` wherever it stands.
#[derive(Default)]
pub struct Compiler {
    mesh: Option<Arc<MeshConfig>>,
    memo: Memo,
    logs: Vec<Arc<LogPlan>>,
    told: BTreeMap<ProxyId, Told>,
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxies = self.told.keys().collect::<Vec<_>>();
        f.debug_struct("Compiler")
            .field("proxies", &proxies)
            .finish_non_exhaustive()
    }
}

/// A proxy's configuration and the pieces that it is made of.
struct Told {
    pieces: Vec<Arc<Piece>>,
    config: Arc<ProxyConfig>,
}

/// What a class of proxies shares: pieces before and after those of each one's own pod.
struct Class<'a> {
    outlook: Outlook<'a>,
    before: Vec<Arc<Piece>>,
    places: Vec<Arc<Piece>>,
    after: Vec<Arc<Piece>>,
    secrets: BTreeSet<String>,
}

impl Compiler {
    /// Compiles every proxy of the cluster. A proxy whose configuration is what it was keeps its `Arc`.
    pub fn round(&mut self, objects: &Objects) -> BTreeMap<ProxyId, Arc<ProxyConfig>> {
        self.begin(objects);
        let mut classes = HashMap::new();
        let mut told = BTreeMap::new();
        for (id, pod) in objects.pods.iter().filter(|(_, p)| p.proxy.is_some()) {
            told.insert(id.clone(), self.proxy(objects, id, pod, &mut classes));
        }
        self.told = told;
        self.memo.end();
        self.logs.retain(|log| Arc::strong_count(log) > 1);
        let config = |(id, told): (&ProxyId, &Told)| (id.clone(), Arc::clone(&told.config));
        self.told.iter().map(config).collect()
    }

    /// What the last round had to compile, one name for each thing: the clusters of a service, a
    /// listener, a proxy's own part.
    pub fn made(&self) -> Vec<String> {
        self.memo.made.iter().map(ToString::to_string).collect()
    }

    /// Compiles one proxy alone.
    pub(super) fn one(mut self, objects: &Objects, id: &ProxyId) -> Option<Arc<ProxyConfig>> {
        self.begin(objects);
        let pod = objects.pods.get(id).filter(|p| p.proxy.is_some())?;
        let told = self.proxy(objects, id, pod, &mut HashMap::new());
        Some(told.config)
    }

    fn begin(&mut self, objects: &Objects) {
        self.memo.begin();
        let mesh = objects.shared_mesh();
        if self.mesh.as_ref().is_none_or(|m| !Arc::ptr_eq(m, mesh)) {
            self.memo.forget();
            self.mesh = Some(Arc::clone(mesh));
        }
    }

    fn proxy<'a>(
        &mut self,
        objects: &'a Objects,
        id: &ProxyId,
        pod: &'a Arc<Pod>,
        classes: &mut HashMap<ClassKey<'a>, Class<'a>>,
    ) -> Told {
        let log = self.log(LogPlan::of(
            objects,
            pod,
            pod.proxy.unwrap_or(ProxyKind::Sidecar),
        ));
        let class = classes
            .entry(Outlook::class(objects, pod, &log))
            .or_insert_with(|| self.class(Outlook::of(objects, pod, log)));
        let own = self.own(id, pod, &class.outlook);
        let places = self.places(pod, class);
        let mut secrets: BTreeSet<&str> = class.secrets.iter().map(String::as_str).collect();
        secrets.extend(own.secrets.iter().map(String::as_str));
        let secrets = secrets::serve(objects, pod, &secrets);
        let own = std::iter::once(&own);
        let pieces = class.before.iter().chain(own).chain(&places);
        let pieces: Vec<Arc<Piece>> = pieces.chain(&class.after).cloned().collect();
        let unchanged = |old: &Told| is_same(&old.pieces, &pieces) && old.config.secrets == secrets;
        let config = match self.told.get(id).filter(|old| unchanged(old)) {
            Some(old) => Arc::clone(&old.config),
            None => Arc::new(assemble(&pieces, secrets)),
        };
        Told { pieces, config }
    }

    /// The one shared plan that is equal to `log`.
    fn log(&mut self, log: LogPlan) -> Arc<LogPlan> {
        if let Some(known) = self.logs.iter().find(|known| ***known == log) {
            return Arc::clone(known);
        }
        let log = Arc::new(log);
        self.logs.push(Arc::clone(&log));
        log
    }

    fn class<'a>(&mut self, outlook: Outlook<'a>) -> Class<'a> {
        let facts = Facts {
            outlook: &outlook,
            pod: None,
        };
        let is_sidecar = outlook.kind == ProxyKind::Sidecar;
        let mut before: Vec<Arc<Piece>> = outlook
            .services
            .iter()
            .map(|s| Part::Service(s.host.clone()))
            .map(|part| self.memo.shared(part, facts, service))
            .collect();
        let mut after = Vec::new();
        before.push(self.memo.shared(Part::Fixed("hosts"), facts, hosts));
        before.push(
            self.memo
                .shared(Part::Fixed("black hole"), facts, black_hole),
        );
        if is_sidecar {
            before.push(
                self.memo
                    .shared(Part::Fixed("pass through"), facts, pass_through),
            );
            after.push(
                self.memo
                    .shared(Part::Fixed("virtual outbound"), facts, virtual_outbound),
            );
        }
        let places: Vec<Arc<Piece>> = outlook
            .places
            .iter()
            .map(|(bind, port)| Part::Place(bind.to_owned(), port))
            .map(|part| self.memo.shared(part, facts, place))
            .collect();
        let all = before.iter().chain(&places).chain(&after);
        let secrets = all.flat_map(|p| p.secrets.iter().cloned()).collect();
        Class {
            outlook,
            before,
            places,
            after,
            secrets,
        }
    }

    fn own(&mut self, id: &ProxyId, pod: &Arc<Pod>, outlook: &Outlook<'_>) -> Arc<Piece> {
        let facts = Facts {
            outlook,
            pod: Some(pod),
        };
        let make = match outlook.kind {
            ProxyKind::Sidecar => own_of_sidecar,
            ProxyKind::Router => own_of_router,
        };
        self.memo
            .own(Part::Own(id.clone()), facts, Scope::new(outlook, pod), make)
    }

    /// The outbound listeners. Where the pod is itself an endpoint that has one, it is left out of it.
    fn places(&mut self, pod: &Arc<Pod>, class: &Class<'_>) -> Vec<Arc<Piece>> {
        let mut pieces = class.places.clone();
        for (index, port) in class.outlook.places.of_endpoint(&pod.address) {
            let facts = Facts {
                outlook: &class.outlook,
                pod: Some(pod),
            };
            let part = Part::Place(pod.address.clone(), port);
            pieces[index] = self.memo.shared(part, facts, place);
        }
        pieces
    }
}

fn is_same(one: &[Arc<Piece>], other: &[Arc<Piece>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn assemble(
    pieces: &[Arc<Piece>],
    secrets: BTreeMap<String, Option<crate::SecretValue>>,
) -> ProxyConfig {
    let conflicts: BTreeSet<Conflict> = pieces
        .iter()
        .flat_map(|p| p.conflicts.iter().cloned())
        .collect();
    ProxyConfig {
        listeners: pieces
            .iter()
            .flat_map(|p| p.listeners.iter().cloned())
            .collect(),
        clusters: pieces
            .iter()
            .flat_map(|p| p.clusters.iter().cloned())
            .collect(),
        endpoints: pieces
            .iter()
            .flat_map(|p| p.endpoints.iter().cloned())
            .collect(),
        http: pieces.iter().flat_map(|p| p.http.iter().cloned()).collect(),
        conflicts: conflicts.into_iter().collect(),
        secrets,
    }
}

fn service(view: &View<'_>, part: &Part) -> Draft {
    match part {
        Part::Service(host) => cluster::outbound(view, host),
        _ => Draft::default(),
    }
}

fn place(view: &View<'_>, part: &Part) -> Draft {
    match part {
        Part::Place(bind, port) => outbound::listener(view, bind, *port),
        _ => Draft::default(),
    }
}

/// What gives way to what among the hosts that are seen.
fn hosts(view: &View<'_>, _: &Part) -> Draft {
    Draft {
        conflicts: view.conflicts(),
        ..Draft::default()
    }
}

fn black_hole(view: &View<'_>, _: &Part) -> Draft {
    Draft {
        clusters: vec![envoy::black_hole_cluster(view)],
        ..Draft::default()
    }
}

fn pass_through(view: &View<'_>, _: &Part) -> Draft {
    Draft {
        clusters: vec![envoy::passthrough_cluster(view)],
        ..Draft::default()
    }
}

fn virtual_outbound(view: &View<'_>, _: &Part) -> Draft {
    Draft {
        listeners: vec![outbound::virtual_outbound(view)],
        ..Draft::default()
    }
}

fn own_of_sidecar(scope: &Scope<'_>) -> Draft {
    let mut clusters = cluster::inbound(scope);
    clusters.push(envoy::inbound_passthrough_cluster(scope));
    Draft {
        clusters,
        listeners: vec![inbound::virtual_inbound(scope)],
        conflicts: scope.duplicates(),
        ..Draft::default()
    }
}

fn own_of_router(scope: &Scope<'_>) -> Draft {
    let mut draft = gateway::listeners(scope);
    draft.conflicts.extend(scope.duplicates());
    draft
}
