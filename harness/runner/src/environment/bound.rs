//! A scenario with the values of this run in place.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futures::future;
use meshproof_cluster::{ClusterAccess, Side};
use meshproof_scenario::{AddressOf, Bindings, Loaded, Scenario};

use super::{During, SetupError};
use crate::guest::{Disruptive, Guest, RunName, ServerNames};
use crate::nip_io;
use crate::prober::{self, Prober};
use crate::setup::Setup;
use crate::side::{Clusters, from_scenario, to_scenario};

/// A scenario with all its values in place, and what goes into each cluster.
pub(crate) struct Bound {
    pub(crate) scenario: Scenario,
    pub(crate) bindings: Bindings,
    /// The text that everything of the run has in its name, on clusters that others use too.
    pub(crate) run: Option<String>,
    /// Cases that reach beyond the run, on clusters that others use too.
    pub(crate) disruptive: Disruptive,
    /// The server names by which sessions of this run are told from others', on such clusters.
    pub(crate) server_names: Option<ServerNames>,
    client: Setup,
    server: Setup,
}

/// Looks up what bindings ask for and puts the values in place.
pub(crate) async fn bind(loaded: &Loaded, clusters: &Clusters) -> Result<Bound, SetupError> {
    const WHAT: &str = "resolve bindings";
    let lookups = loaded
        .scenario
        .lookups()
        .map(|(name, whose, lookup)| async move {
            let access = clusters.get(from_scenario(lookup.cluster));
            let (namespace, service) = (&lookup.service.namespace, &lookup.service.name);
            let address = match whose {
                AddressOf::LoadBalancer => {
                    access
                        .load_balancer_address(namespace, service, access.facts.ready_within)
                        .await?
                }
                AddressOf::Endpoint => access.endpoint_address(namespace, service).await?,
            };
            Ok::<_, meshproof_cluster::Error>((name.to_owned(), address))
        });
    let found: BTreeMap<String, String> = future::try_join_all(lookups)
        .await
        .during(WHAT)?
        .into_iter()
        .collect();
    let run = guest(clusters).map(|run_id| RunName::of(run_id, &loaded.source.file));
    let host = |value: String| run.as_ref().map_or(value.clone(), |run| run.host(&value));
    let bindings = loaded.scenario.resolve_as(&found, host).during(WHAT)?;
    let scenario = loaded
        .scenario
        .bind(&loaded.source, &bindings)
        .during(WHAT)?;
    let mut bound = Bound::of(scenario, loaded, bindings, clusters)?;
    if let Some(run) = run {
        bound = bound.into_guest(&run, loaded, clusters)?;
    }
    bound.place(&clusters.prober).during("place the prober")?;
    Ok(bound)
}

/// The run's id where one of the clusters is there for others too.
fn guest(clusters: &Clusters) -> Option<&str> {
    let shared = |access: &&ClusterAccess| !access.facts.ephemeral;
    let found = clusters.both().into_iter().find(shared);
    found.map(ClusterAccess::run_id)
}

impl Bound {
    fn of(
        scenario: Scenario,
        loaded: &Loaded,
        bindings: Bindings,
        clusters: &Clusters,
    ) -> Result<Self, SetupError> {
        let setup = |side| {
            let facts = &clusters.get(side).facts;
            Setup::of(side, &scenario, loaded, &bindings, facts).during("read manifests")
        };
        let (client, server) = (setup(Side::Client)?, setup(Side::Server)?);
        Ok(Self {
            scenario,
            bindings,
            run: None,
            disruptive: Disruptive::default(),
            server_names: None,
            client,
            server,
        })
    }

    /// The same under the names of the run.
    fn into_guest(
        self,
        run: &RunName,
        loaded: &Loaded,
        clusters: &Clusters,
    ) -> Result<Self, SetupError> {
        let gateways = [
            clusters.client.facts.egress.namespace.as_str(),
            clusters.server.facts.ingress.namespace.as_str(),
        ];
        let setups = [&self.client, &self.server];
        let guest = Guest::new(run, gateways, &self.scenario, setups);
        let guest = guest.during("name what the run makes")?;
        let mut scenario = self.scenario;
        guest.scenario(&mut scenario);
        let mut bound = Self::of(scenario, loaded, self.bindings, clusters)?;
        guest.manifests(to_scenario(Side::Client), &mut bound.client.manifests);
        guest.manifests(to_scenario(Side::Server), &mut bound.server.manifests);
        let names = ServerNames::of(&bound.scenario, [&bound.client, &bound.server]);
        bound.run = Some(run.as_str().to_owned());
        bound.server_names = Some(names);
        bound.disruptive = guest.disruptive;
        Ok(bound)
    }

    /// Puts the prober where its image stands.
    pub(super) fn place(&mut self, prober: &Prober) -> Result<(), String> {
        prober::place(prober, [&mut self.client, &mut self.server])
    }

    /// Every name of nip.io in it, with its address.
    pub(super) fn hosts(&self) -> BTreeMap<String, Ipv4Addr> {
        let setups = [&self.client, &self.server];
        nip_io::hosts(&self.scenario, &self.bindings, setups)
    }

    /// Writes the addresses of these names down wherever a pod or a proxy would ask for them.
    pub(super) fn write_down(&mut self, hosts: &BTreeMap<String, Ipv4Addr>) -> Result<(), String> {
        let setups = [&mut self.client, &mut self.server];
        nip_io::write_down(hosts, &mut self.scenario, setups)
    }

    pub(super) fn setup(&self, side: Side) -> &Setup {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(super) fn database_side(&self) -> Side {
        from_scenario(self.scenario.database.cluster.value)
    }
}
