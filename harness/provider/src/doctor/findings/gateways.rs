//! The gateway of a side, its Service and its load balancer. Pure.

use super::{About, List};
use crate::discover::{Gateway, GatewayKind, GatewayService};
use crate::doctor::Answer;

/// The port of the egress gateway that the tutorial's mutual TLS goes to.
const EGRESS_PORT: i32 = 15443;
/// The port of the ingress gateway that the tutorial's MySQL goes to.
const INGRESS_PORT: i32 = 13306;

impl List {
    pub(super) fn gateway(&mut self, about: &About<'_>, answers: &[Answer]) {
        let kind = GatewayKind::of(self.side);
        let point = kind.name();
        if let Err(why) = &about.seen.gateway_pods {
            self.unknown(point, format!("its pods cannot be seen: {why}"));
            return;
        }
        let gateways = about.seen.gateways(kind);
        let Some(gateway) = gateways.first() else {
            let labels = kind.labels().map(|(key, value)| format!("{key}={value}"));
            self.missing(
                point,
                format!(
                    "no pod in any namespace has one of the labels {}",
                    labels.join(", ")
                ),
                format!("install an Istio {point}, or give its pods the first of these labels"),
            );
            return;
        };
        self.pods(about, point, gateway, gateways.len());
        if let Err(why) = &about.seen.gateway_services {
            self.unknown(point, format!("its Service cannot be seen: {why}"));
            return;
        }
        let Some(service) = &gateway.service else {
            self.missing(
                point,
                format!(
                    "no Service in namespace {} selects its pods",
                    gateway.namespace
                ),
                "create a Service for it",
            );
            return;
        };
        self.port(kind, gateway, service, answers);
        if kind == GatewayKind::Ingress {
            self.load_balancer(about, gateway, service);
        }
    }

    fn pods(&mut self, about: &About<'_>, point: &str, gateway: &Gateway, of: usize) {
        let Gateway {
            namespace,
            selector,
            pods,
            ..
        } = gateway;
        let ready = pods.iter().filter(|(_, ready)| *ready).count();
        let others = match of {
            1 => String::new(),
            of => format!("; the first of {of} namespaces that have one"),
        };
        let found = format!(
            "{ready} of {} pods ready in {namespace} ({selector}){others}",
            pods.len()
        );
        if ready > 0 {
            self.ok(point, found);
        } else {
            let context = about.context;
            let look =
                format!("kubectl --context {context} -n {namespace} describe pods -l {selector}");
            self.missing(point, found, look);
        }
    }

    fn port(
        &mut self,
        kind: GatewayKind,
        gateway: &Gateway,
        service: &GatewayService,
        answers: &[Answer],
    ) {
        let point = kind.name();
        let port = match kind {
            GatewayKind::Egress => EGRESS_PORT,
            GatewayKind::Ingress => INGRESS_PORT,
        };
        let named = format!("Service {}/{}", gateway.namespace, service.name);
        let may_not = answers.iter().any(|answer| {
            let need = &answer.need;
            (need.verb, need.resource, need.namespace.as_ref())
                == ("patch", "services", Some(&gateway.namespace))
                && answer.allowed == Ok(false)
        });
        if service.ports.contains(&port) {
            self.ok(point, format!("{named} has port {port}"));
        } else if may_not {
            self.missing(
                point,
                format!("{named} lacks port {port}, and patching it is not allowed"),
                format!("add port {port} to it, or allow to patch it"),
            );
        } else {
            self.ok(
                point,
                format!(
                    "{named} lacks port {port}: a scenario that needs it adds it and takes it back"
                ),
            );
        }
    }

    fn load_balancer(&mut self, about: &About<'_>, gateway: &Gateway, service: &GatewayService) {
        const POINT: &str = "load balancer";
        let GatewayService {
            name,
            kind,
            address,
            ..
        } = service;
        let named = format!("Service {}/{name}", gateway.namespace);
        match address {
            Some(address) => self.ok(POINT, format!("{named} has the address {address}")),
            None if kind != "LoadBalancer" => self.missing(
                POINT,
                format!("{named} is of type {kind} and has no address for other clusters"),
                "make it a Service of type LoadBalancer",
            ),
            None => self.missing(
                POINT,
                format!("{named} has no address yet"),
                format!(
                    "wait for it, or see why the cluster gives none: kubectl --context {} -n {} describe service {name}",
                    about.context, gateway.namespace
                ),
            ),
        }
    }
}
