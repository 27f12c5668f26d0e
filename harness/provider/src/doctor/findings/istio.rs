//! Control planes, and who gets sidecars. Pure.

use super::{About, List};
use crate::discover::{GatewayKind, Injector, chosen_injector};

impl List {
    pub(super) fn istio(&mut self, about: &About<'_>) {
        const POINT: &str = "Istio";
        let seen = about.seen;
        let planes = seen.control_planes();
        let kind = GatewayKind::of(self.side);
        if let Err(why) = &seen.istiods {
            self.unknown(POINT, format!("its control plane cannot be seen: {why}"));
            return;
        }
        for plane in &planes {
            let version = plane.version.as_deref().unwrap_or("of unknown version");
            let what = format!(
                "{version}, revision {}, Deployment {}/{}",
                plane.revision, plane.namespace, plane.name
            );
            if plane.ready > 0 {
                self.ok(POINT, what);
            } else {
                let look = format!(
                    "kubectl --context {} -n {} describe deployment {}",
                    about.context, plane.namespace, plane.name
                );
                self.missing(POINT, format!("{what}: no replica is ready"), look);
            }
        }
        if !planes.is_empty() {
            return;
        }
        let injectors = seen.injectors();
        let gateways = seen.gateways(kind);
        let proxies = gateways
            .iter()
            .find_map(|gateway| gateway.version.as_deref());
        let proxies =
            proxies.map_or_else(String::new, |version| format!("; proxies are {version}"));
        if let Some(injector) = injectors.first() {
            self.ok(
                POINT,
                format!(
                    "managed or remote: webhook {} and no istiod here{proxies}",
                    injector.name
                ),
            );
        } else if gateways.iter().any(|gateway| !gateway.pods.is_empty()) {
            self.unknown(
                POINT,
                format!("gateways run, but no Deployment has the label app=istiod{proxies}"),
            );
        } else {
            self.missing(
                POINT,
                "no Deployment with the label app=istiod, no injection webhook, no gateway in any namespace",
                format!("install it, with gateways: istioctl install --context {} --set profile=demo", about.context),
            );
        }
    }

    pub(super) fn injection(&mut self, about: &About<'_>) {
        const POINT: &str = "injection";
        if let Err(why) = &about.seen.webhooks {
            self.unknown(POINT, format!("webhooks cannot be seen: {why}"));
            return;
        }
        let injectors = about.seen.injectors();
        if let Some(injector) = chosen_injector(&injectors) {
            let by = if injector.by_injection_label {
                String::new()
            } else {
                let (key, value) = injector.label();
                format!(", for namespaces with {key}={value}")
            };
            let of = injector.tag.as_ref().map_or_else(String::new, |tag| {
                format!(" (tag {tag}, revision {})", injector.revision)
            });
            self.ok(POINT, format!("webhook {}{of}{by}", injector.name));
            return;
        }
        match injectors.first() {
            None => self.missing(
                POINT,
                "no webhook injects sidecars (label app=sidecar-injector)",
                "install Istio with its sidecar injector",
            ),
            Some(injector) => self.missing(
                POINT,
                format!(
                    "several revisions inject and none of them is the default: {}",
                    revisions(&injectors)
                ),
                format!(
                    "istioctl --context {} tag set default --revision {}",
                    about.context, injector.revision
                ),
            ),
        }
    }
}

fn revisions(injectors: &[Injector]) -> String {
    let mut names: Vec<&str> = injectors
        .iter()
        .map(|injector| injector.revision.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
