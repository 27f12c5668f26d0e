//! What was found, in the words of the runner. Pure.

use meshproof_cluster::{Facts, GatewayFacts};

use super::gateways::{Gateway, GatewayKind, gateways};
use super::istio::{
    ControlPlane, Injector, chosen_injector, control_planes, effective_revision, injectors,
    mesh_config_name,
};
use super::look::Seen;
use super::mesh::{Mesh, log_providers, logging_telemetries};

impl Seen {
    /// Control planes.
    pub fn control_planes(&self) -> Vec<ControlPlane> {
        control_planes(self.istiods.as_deref().unwrap_or_default())
    }

    /// Webhooks that inject.
    pub fn injectors(&self) -> Vec<Injector> {
        injectors(self.webhooks.as_deref().unwrap_or_default())
    }

    /// The mesh configuration that holds for namespaces with `istio-injection=enabled`; `None` where there is none.
    ///
    /// # Errors
    /// In words: there is one and it cannot be read.
    pub fn mesh(&self) -> Result<Option<Mesh>, String> {
        let maps = self.mesh_configs.as_deref().unwrap_or_default();
        let revision = effective_revision(&self.control_planes(), &self.injectors());
        let wanted = mesh_config_name(&revision);
        let of_revision = maps
            .iter()
            .find(|map| map.metadata.name.as_ref() == Some(&wanted));
        let only = || match maps {
            [only] => Some(only),
            _ => None,
        };
        of_revision.or_else(only).map(Mesh::of).transpose()
    }

    /// Telemetries that switch access logs on.
    pub fn logging_telemetries(&self) -> Vec<String> {
        logging_telemetries(self.telemetries.as_deref().unwrap_or_default())
    }

    /// Gateways of a kind, the one that is used first.
    pub fn gateways(&self, kind: GatewayKind) -> Vec<Gateway> {
        let pods = self.gateway_pods.as_deref().unwrap_or_default();
        gateways(
            kind,
            pods,
            self.gateway_services.as_deref().unwrap_or_default(),
        )
    }

    /// Istio's version: of the control plane that serves, else of a gateway's proxies.
    pub fn istio_version(&self) -> Option<String> {
        let planes = self.control_planes();
        let revision = effective_revision(&planes, &self.injectors());
        let serving = planes.iter().find(|plane| plane.revision == revision);
        let version = serving
            .or(planes.first())
            .and_then(|plane| plane.version.clone());
        let gateways = [GatewayKind::Egress, GatewayKind::Ingress].map(|kind| self.gateways(kind));
        version.or_else(|| {
            gateways
                .iter()
                .flatten()
                .find_map(|gateway| gateway.version.clone())
        })
    }
}

/// What a provider knows, with what was found on top.
pub fn facts(known: Facts, seen: &Seen) -> Facts {
    let gateway = |kind, known: GatewayFacts| {
        let found = seen.gateways(kind).into_iter().next();
        found.map_or(known, |gateway| GatewayFacts {
            namespace: gateway.namespace,
            selector: gateway.selector,
        })
    };
    let mut versions = known.versions;
    let kubernetes = seen
        .version
        .as_ref()
        .ok()
        .map(|info| info.git_version.clone());
    let found = [("kubernetes", kubernetes), ("istio", seen.istio_version())];
    for (name, version) in found {
        versions.extend(version.map(|version| (name.to_owned(), version)));
    }
    Facts {
        egress: gateway(GatewayKind::Egress, known.egress),
        ingress: gateway(GatewayKind::Ingress, known.ingress),
        mesh_config: seen
            .mesh()
            .ok()
            .flatten()
            .map(|mesh| mesh.text)
            .or(known.mesh_config),
        log_providers: log_providers(seen.telemetries.as_deref().unwrap_or_default()),
        injection: chosen_injector(&seen.injectors()).map_or(known.injection, Injector::label),
        versions,
        ..known
    }
}
