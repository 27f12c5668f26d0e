//! The verbs against an API server of a few canned answers: what they wait for, and what they say when
//! it does not come.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use kube::client::Body;
use meshproof_cluster::{
    Activation, ActiveEvidence, ClusterAccess, Error, Facts, Manifest, PodRef, Side, kube,
};
use serde_json::{Value, json};

/// Answers by `METHOD path`; a list is answered from its path alone, a watch never ends, and what is
/// not there is a 404 as Kubernetes gives it.
fn access(answers: &[(&str, u16, Value)]) -> ClusterAccess {
    let answers: Arc<BTreeMap<String, (u16, Value)>> = Arc::new(
        answers
            .iter()
            .map(|(key, code, body)| ((*key).to_owned(), (*code, body.clone())))
            .collect(),
    );
    let service = tower::service_fn(move |request: Request<Body>| {
        let answers = answers.clone();
        async move {
            if request
                .uri()
                .query()
                .is_some_and(|query| query.contains("watch=true"))
            {
                std::future::pending::<()>().await;
            }
            let key = format!("{} {}", request.method(), request.uri().path());
            let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": format!("{key} not found")});
            let (code, body) = answers.get(&key).cloned().unwrap_or((404, missing));
            let body = body
                .as_str()
                .map_or_else(|| body.to_string(), str::to_owned);
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(code)
                    .body(Body::from(body.into_bytes()))
                    .unwrap(),
            )
        }
    });
    let facts = Facts {
        ephemeral: true,
        active: ActiveEvidence::Conditions,
        ready_within: Duration::from_millis(300),
        active_within: Duration::from_millis(300),
        ..Facts::istio_defaults("embedded")
    };
    ClusterAccess::new(
        Side::Server,
        kube::Client::new(service, "default"),
        facts,
        "r1",
    )
}

fn list(kind: &str, items: &[Value]) -> Value {
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items})
}

fn pod(state: &Value) -> Value {
    json!({
        "metadata": {"name": "mysql", "namespace": "default"}, "spec": {"containers": []},
        "status": {"phase": "Pending", "containerStatuses": [{
            "name": "mysql", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]},
    })
}

fn warning(message: &str) -> Value {
    json!({"metadata": {"name": "e"}, "involvedObject": {}, "type": "Warning", "reason": "Failed", "message": message})
}

#[tokio::test]
async fn an_unknown_image_fails_at_once_with_its_events() {
    let waiting =
        json!({"waiting": {"reason": "ErrImagePull", "message": "unknown image nosuch:1"}});
    let access = access(&[
        (
            "GET /api/v1/namespaces/default/pods",
            200,
            list("Pod", &[pod(&waiting)]),
        ),
        (
            "GET /api/v1/namespaces/default/events",
            200,
            list(
                "Event",
                &[
                    warning("unknown image nosuch:1"),
                    warning("known: mysql, mariadb"),
                ],
            ),
        ),
    ]);
    let error = access
        .wait_pod_ready(&PodRef::new("default", "mysql"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cluster server: pod default/mysql to be ready: container mysql: ErrImagePull: unknown image nosuch:1; events: Failed: known: mysql, mariadb"
    );
}

#[tokio::test]
async fn a_crash_shows_the_last_lines() {
    let access = access(&[
        (
            "GET /api/v1/namespaces/default/pods",
            200,
            list(
                "Pod",
                &[pod(&json!({"waiting": {"reason": "CrashLoopBackOff"}}))],
            ),
        ),
        (
            "GET /api/v1/namespaces/default/pods/mysql/log",
            200,
            json!("InnoDB: no space left on device\n"),
        ),
        (
            "GET /api/v1/namespaces/default/events",
            200,
            list("Event", &[]),
        ),
    ]);
    let error = access
        .wait_pod_ready(&PodRef::new("default", "mysql"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its last lines:\nInnoDB: no space left on device"),
        "{error}"
    );
}

#[tokio::test]
async fn a_pod_that_was_ready_and_crashes_is_told() {
    let crashed = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for (state, told) in [(crashed, true), (json!({"running": {}}), false)] {
        let access = access(&[
            (
                "GET /api/v1/namespaces/default/pods",
                200,
                list("Pod", &[pod(&state)]),
            ),
            (
                "GET /api/v1/namespaces/default/pods/mysql/log",
                200,
                json!("unknown option\n"),
            ),
            (
                "GET /api/v1/namespaces/default/events",
                200,
                list("Event", &[]),
            ),
        ]);
        let pod = PodRef::new("default", "mysql");
        let waited = tokio::time::timeout(Duration::from_millis(300), access.pod_trouble(&pod));
        let found = waited.await.ok().map(|error| error.to_string());
        let wanted = "cluster server: a pod to stay up: pod default/mysql: container mysql: CrashLoopBackOff; its last lines:\nunknown option";
        assert_eq!(found.as_deref(), told.then_some(wanted));
    }
}

#[tokio::test]
async fn a_missed_deadline_says_what_was_waited_for_and_what_was_there() {
    let access = access(&[
        (
            "GET /api/v1/namespaces/default/pods",
            200,
            list(
                "Pod",
                &[pod(&json!({"waiting": {"reason": "ContainerCreating"}}))],
            ),
        ),
        (
            "GET /api/v1/namespaces/default/events",
            200,
            list("Event", &[]),
        ),
    ]);
    let error = access
        .wait_pod_ready(&PodRef::new("default", "mysql"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cluster server: waited 0.3 s for pod default/mysql to be ready: phase Pending; container mysql: ContainerCreating"
    );
}

const GATEWAY: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: default}\nspec: {}\n";
const GATEWAY_PATH: &str = "/apis/networking.istio.io/v1/namespaces/default/gateways";

fn gateway(condition: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"name": "g", "namespace": "default", "resourceVersion": "9", "generation": 1},
        "status": {"conditions": [condition]},
    })
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!({"type": "meshproof.dev/Active", "status": status, "reason": reason, "message": message, "observedGeneration": 1})
}

fn mesh_status(data: &Value) -> Value {
    json!({"metadata": {"name": "meshproof-mesh-status", "namespace": "istio-system"}, "data": data})
}

async fn activate(condition: &Value, status: &Value) -> Result<Activation, Error> {
    let one = format!("PATCH {GATEWAY_PATH}/g");
    let all = format!("GET {GATEWAY_PATH}");
    let access = access(&[
        (&one, 200, gateway(condition)),
        (&all, 200, list("Gateway", &[gateway(condition)])),
        (
            "GET /api/v1/namespaces/istio-system/configmaps",
            200,
            list("ConfigMap", &[mesh_status(status)]),
        ),
    ]);
    let applied = access
        .apply(
            &Manifest::parse(Path::new("g.yaml"), GATEWAY).unwrap(),
            "default",
        )
        .await?;
    assert_eq!(applied.version(), 9);
    access.wait_active(&applied).await
}

#[tokio::test]
async fn active_means_object_and_version() {
    let active = condition("True", "Active", "");
    assert_eq!(
        activate(&active, &json!({"activeResourceVersion": "9"}))
            .await
            .unwrap(),
        Activation::Active
    );
    let error = activate(&active, &json!({"activeResourceVersion": "8"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("resource version 9"), "{error}");
}

#[tokio::test]
async fn warming_is_told_and_no_error() {
    let warming = json!({"activeResourceVersion": "8", "warming": "listener 0.0.0.0_13306 waits for kubernetes://none"});
    let found = activate(&condition("True", "Active", ""), &warming)
        .await
        .unwrap();
    assert!(matches!(found, Activation::Warming { names, .. } if names.contains("0.0.0.0_13306")));
}

#[tokio::test]
async fn a_rejection_names_the_object_and_does_not_wait() {
    let error = activate(
        &condition("False", "Rejected", "spec.servers[0].foo"),
        &json!({}),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cluster server: Gateway default/g is rejected by the mesh: spec.servers[0].foo"
    );
}

#[tokio::test]
async fn a_refused_apply_names_file_and_line() {
    let path = format!("PATCH {GATEWAY_PATH}/g");
    let denied = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 400, "reason": "BadRequest", "message": "unknown field \"spec.serverz\""});
    let access = access(&[(&path, 400, denied)]);
    let text = format!("# two lines\n\n{GATEWAY}");
    let error = access
        .apply(
            &Manifest::parse(Path::new("g.yaml"), &text).unwrap(),
            "default",
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cluster server: g.yaml:3: apply Gateway default/g: unknown field \"spec.serverz\""
    );
}

#[tokio::test]
async fn an_unknown_kind_names_file_and_line() {
    let access = access(&[]);
    let text = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t}\n";
    let error = access
        .apply(
            &Manifest::parse(Path::new("t.yaml"), text).unwrap(),
            "default",
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:1: cluster server does not know kind Thing in example.org/v1"
    );
}

#[tokio::test]
async fn a_secrets_missing_key_lists_keys_and_no_value() {
    let secret = json!({"metadata": {"name": "s"}, "data": {"user": "cm9vdA=="}});
    let access = access(&[("GET /api/v1/namespaces/default/secrets/s", 200, secret)]);
    let error = access
        .secret_value("default", "s", "password")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cluster server: read Secret default/s: it has no key password, but has: user"
    );
}
