//! A scenario with the values of this run in place.

use std::collections::BTreeMap;

use futures::future;
use meshproof_cluster::Side;
use meshproof_scenario::{AddressOf, Bindings, Loaded, Scenario};

use super::{During, SetupError};
use crate::setup::Setup;
use crate::side::{Clusters, from_scenario};

/// A scenario with all its values in place, and what goes into each cluster.
pub(crate) struct Bound {
    pub(crate) scenario: Scenario,
    pub(crate) bindings: Bindings,
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
    let bindings = loaded.scenario.resolve(&found).during(WHAT)?;
    let scenario = loaded
        .scenario
        .bind(&loaded.source, &bindings)
        .during(WHAT)?;
    let client = Setup::of(Side::Client, &scenario, loaded, &bindings).during("read manifests")?;
    let server = Setup::of(Side::Server, &scenario, loaded, &bindings).during("read manifests")?;
    Ok(Bound {
        scenario,
        bindings,
        client,
        server,
    })
}

impl Bound {
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
