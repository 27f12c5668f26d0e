//! One cluster as it should be, and one for each thing that may be wrong with it.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use meshproof_cluster::Facts;
use meshproof_cluster::kube::core::DynamicObject;
use serde_json::json;

use super::*;
use crate::discover::facts;
use crate::doctor::{needs, stops, text};
use Side::{Client, Server};

/// Recorded on real clusters, but for istiod and its webhook, which are as Istio's charts make them.
fn seen() -> Seen {
    let mut ingress: Pod =
        serde_json::from_str(include_str!("../../../tests/data/egress.json")).unwrap();
    ingress.metadata.name = Some("istio-ingressgateway-7f66cc6c68-2p729".to_owned());
    let labels = ingress.metadata.labels.as_mut().unwrap();
    labels.insert("istio".to_owned(), "ingressgateway".to_owned());
    labels.insert("app".to_owned(), "istio-ingressgateway".to_owned());
    let recorded = |text: &str| serde_json::from_str(text).unwrap();
    Seen {
        version: Ok(serde_json::from_value(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        }))
        .unwrap()),
        kube_system: Ok(Some(
            serde_json::from_value(json!({"metadata": {"name": "kube-system", "uid": "1"}})).unwrap(),
        )),
        istiods: Ok(vec![istiod("default", 1)]),
        webhooks: Ok(vec![webhook("istio-sidecar-injector", "default", "istio-injection", "enabled")]),
        mesh_configs: Ok(vec![recorded(include_str!("../../../tests/data/mesh-configmap.json"))]),
        telemetries: Ok(Vec::new()),
        gateway_pods: Ok(vec![
            serde_json::from_str(include_str!("../../../tests/data/egress.json")).unwrap(),
            ingress,
        ]),
        gateway_services: Ok(vec![
            serde_json::from_str(include_str!("../../../tests/data/egress-service.json")).unwrap(),
            serde_json::from_str(include_str!("../../../tests/data/ingress-service.json")).unwrap(),
        ]),
    }
}

fn istiod(revision: &str, ready: i32) -> Deployment {
    let container = json!({"name": "discovery", "image": "docker.io/istio/pilot:1.32.0"});
    serde_json::from_value(json!({
        "metadata": {
            "name": "istiod", "namespace": "istio-system",
            "labels": {"app": "istiod", "istio.io/rev": revision},
        },
        "spec": {"selector": {}, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": ready},
    }))
    .unwrap()
}

fn webhook(name: &str, revision: &str, key: &str, value: &str) -> MutatingWebhookConfiguration {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": "sidecar-injector", "istio.io/rev": revision}},
        "webhooks": [{
            "name": "namespace.sidecar-injector.istio.io",
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {},
            "namespaceSelector": {"matchLabels": {key: value}},
        }],
    }))
    .unwrap()
}

fn mesh(text: &str) -> Vec<ConfigMap> {
    let map = json!({
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": text},
    });
    vec![serde_json::from_value(map).unwrap()]
}

fn telemetry() -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry",
        "metadata": {"name": "mesh-default", "namespace": "istio-system"},
        "spec": {"accessLogging": [{"providers": [{"name": "envoy"}]}]},
    }))
    .unwrap()
}

/// Everything is allowed, but what `denied` says by verb and resource.
fn answers(side: Side, seen: &Seen, denied: &[(&str, &str)]) -> Vec<Answer> {
    let facts = facts(Facts::istio_defaults("contexts"), seen);
    let answer = |need: crate::doctor::Need| Answer {
        allowed: Ok(!denied.iter().any(|(verb, resource)| {
            *verb == need.verb && [need.resource, need.subresource].contains(resource)
        })),
        need,
    };
    needs::of(side, &facts).into_iter().map(answer).collect()
}

fn found(side: Side, seen: &Seen, answers: &[Answer]) -> Vec<Finding> {
    let about = About {
        side,
        context: "gke-a",
        server: "https://10.0.0.1:6443/",
        seen,
    };
    of(&about, answers)
}

#[test]
fn a_cluster_as_it_should_be() {
    let mut all = Vec::new();
    for side in [Side::Client, Side::Server] {
        all.extend(found(side, &seen(), &answers(side, &seen(), &[])));
    }
    assert!(!stops(&all));
    insta::assert_snapshot!(text(&all));
}

/// A title, and what is different from a cluster as it should be.
struct Case {
    title: &'static str,
    side: Side,
    change: fn(&mut Seen),
    denied: &'static [(&'static str, &'static str)],
    /// Whether a run is not begun.
    stops: bool,
}

fn case(title: &'static str, side: Side, stops: bool, change: fn(&mut Seen)) -> Case {
    Case {
        title,
        side,
        change,
        denied: &[],
        stops,
    }
}

fn denied(
    title: &'static str,
    side: Side,
    denied: &'static [(&'static str, &'static str)],
) -> Case {
    Case {
        denied,
        ..case(title, side, true, |_| {})
    }
}

fn cases() -> Vec<Case> {
    let all = [
        of_access(),
        of_istio(),
        of_gateways(),
        of_services(),
        of_logs(),
    ];
    all.into_iter().flatten().collect()
}

fn of_access() -> Vec<Case> {
    vec![
        case("no API server", Client, true, |seen| {
            seen.version = Err(Unseen::Failed(
                "tcp connect error: Connection refused".to_owned(),
            ));
        }),
        case("credentials that are refused", Client, true, |seen| {
            seen.version = Err(Unseen::Unauthorized("Unauthorized".to_owned()));
        }),
        Case {
            stops: false,
            ..denied(
                "proxies that may not be asked",
                Client,
                &[("get", "portforward"), ("create", "portforward")],
            )
        },
        denied(
            "no permission",
            Client,
            &[
                ("create", "pods"),
                ("patch", "pods"),
                ("create", "namespaces"),
            ],
        ),
        denied(
            "no permission at a gateway",
            Server,
            &[("patch", "services")],
        ),
    ]
}

fn of_istio() -> Vec<Case> {
    vec![
        case("no Istio", Client, true, |seen| {
            seen.istiods = Ok(Vec::new());
            seen.webhooks = Ok(Vec::new());
            seen.gateway_pods = Ok(Vec::new());
            seen.gateway_services = Ok(Vec::new());
            seen.mesh_configs = Ok(Vec::new());
        }),
        case("istiod without a ready replica", Client, true, |seen| {
            seen.istiods = Ok(vec![istiod("default", 0)]);
        }),
        case("a managed control plane", Client, false, |seen| {
            seen.istiods = Ok(Vec::new());
            seen.webhooks = Ok(vec![webhook(
                "istiod-asm-managed",
                "asm-managed",
                "istio-injection",
                "enabled",
            )]);
        }),
        case(
            "gateways and nothing else of Istio",
            Client,
            false,
            |seen| {
                seen.istiods = Ok(Vec::new());
                seen.webhooks = Err(Unseen::NotServed);
            },
        ),
        case("several revisions, no default", Client, true, |seen| {
            let injector = |revision: &str| {
                let name = format!("istio-sidecar-injector-{revision}");
                webhook(&name, revision, "istio.io/rev", revision)
            };
            seen.webhooks = Ok(vec![injector("1-31"), injector("1-32")]);
        }),
        case("injection by revision alone", Client, false, |seen| {
            seen.istiods = Ok(vec![istiod("canary", 1)]);
            seen.webhooks = Ok(vec![webhook(
                "istio-sidecar-injector-canary",
                "canary",
                "istio.io/rev",
                "canary",
            )]);
        }),
        case("no injection", Client, true, |seen| {
            seen.webhooks = Ok(Vec::new());
        }),
    ]
}

fn of_gateways() -> Vec<Case> {
    vec![
        case("no gateway with a label", Server, true, |seen| {
            for pod in seen.gateway_pods.as_mut().unwrap() {
                pod.metadata.labels = None;
            }
            seen.gateway_services = Ok(Vec::new());
        }),
        case("a gateway that is not ready", Client, true, |seen| {
            for pod in seen.gateway_pods.as_mut().unwrap() {
                pod.status = None;
            }
        }),
        case("a gateway without a Service", Client, true, |seen| {
            seen.gateway_services = Ok(Vec::new());
        }),
        case("gateways in two namespaces", Client, false, |seen| {
            let pods = seen.gateway_pods.as_mut().unwrap();
            let mut other = pods[0].clone();
            other.metadata.namespace = Some("edge".to_owned());
            pods.push(other);
        }),
        case("pods that may not be seen", Client, false, |seen| {
            seen.gateway_pods = Err(Unseen::Forbidden(
                "pods is forbidden: User \"dev\" cannot list".to_owned(),
            ));
        }),
    ]
}

fn of_services() -> Vec<Case> {
    vec![
        case("a port that is lacking", Client, false, without_port),
        Case {
            denied: &[("patch", "services")],
            ..case(
                "a port that is lacking and may not be added",
                Client,
                true,
                without_port,
            )
        },
        case("no load balancer's address", Server, true, |seen| {
            seen.gateway_services.as_mut().unwrap()[1].status = None;
        }),
        case("no load balancer", Server, true, |seen| {
            let service = &mut seen.gateway_services.as_mut().unwrap()[1];
            service.status = None;
            service.spec.as_mut().unwrap().type_ = Some("NodePort".to_owned());
        }),
    ]
}

fn of_logs() -> Vec<Case> {
    vec![
        case("logs off", Client, true, |seen| {
            seen.mesh_configs = Ok(mesh("rootNamespace: istio-system"));
        }),
        case("logs by Telemetry", Client, false, |seen| {
            seen.mesh_configs = Ok(mesh("accessLogFile: ''"));
            seen.telemetries = Ok(vec![telemetry()]);
        }),
        case("logs by a default provider", Client, false, |seen| {
            seen.mesh_configs = Ok(mesh("defaultProviders: {accessLogging: [envoy]}"));
        }),
        case("logs into a file", Client, true, |seen| {
            seen.mesh_configs = Ok(mesh("accessLogFile: /var/log/access.log"));
        }),
        case("logs as JSON", Client, false, |seen| {
            seen.mesh_configs = Ok(mesh(
                "{accessLogFile: /dev/stdout, accessLogEncoding: JSON, trustDomain: a.b}",
            ));
        }),
        case("a mesh configuration that is none", Client, false, |seen| {
            seen.mesh_configs = Ok(mesh("accessLogFile: ["));
        }),
        case("no mesh configuration", Client, false, |seen| {
            seen.mesh_configs = Ok(Vec::new());
        }),
    ]
}

fn without_port(seen: &mut Seen) {
    let service = &mut seen.gateway_services.as_mut().unwrap()[0];
    let ports = service.spec.as_mut().unwrap().ports.as_mut().unwrap();
    ports.retain(|port| port.port != 15443);
}

/// Of each case what is not as on the cluster as it should be.
#[test]
fn what_is_wrong_is_a_line() {
    let mut told = Vec::new();
    for case in cases() {
        let (mut seen, side) = (seen(), case.side);
        let good = found(side, &seen, &answers(side, &seen, &[]));
        (case.change)(&mut seen);
        let all = found(side, &seen, &answers(side, &seen, case.denied));
        assert_eq!(stops(&all), case.stops, "{}: {}", case.title, text(&all));
        let new: Vec<Finding> = all
            .into_iter()
            .filter(|finding| !good.contains(finding))
            .collect();
        assert!(!new.is_empty(), "{}", case.title);
        told.push(format!("# {}\n{}\n", case.title, text(&new)));
    }
    insta::assert_snapshot!(told.concat());
}

#[test]
fn a_question_without_an_answer_is_not_an_answer() {
    let mut answers = answers(Side::Client, &seen(), &[]);
    answers[0].allowed = Err("the server could not find the requested resource".to_owned());
    let all = found(Side::Client, &seen(), &answers);
    let permissions: Vec<&Finding> = all
        .iter()
        .filter(|finding| finding.point == "permissions")
        .collect();
    assert_eq!(permissions.len(), 1);
    assert_eq!(permissions[0].state, FindingState::Unknown);
}
