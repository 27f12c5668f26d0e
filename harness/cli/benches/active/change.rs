//! Changes to the tutorial's resources, there and back, each with a clock.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::StreamExt;
use meshproof_cluster::Side;
use meshproof_cluster::kube::api::{
    Api, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams,
};
use meshproof_cluster::kube::core::{ApiResource, GroupVersionKind};
use meshproof_cluster::kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// Every object's own word, or the word on all that has no status.
const ACTIVE: &str = "meshproof.dev/Active";
const STATUS: (&str, &str) = ("istio-system", "meshproof-mesh-status");
/// What the mesh waits for when every proxy has followed.
const ROUTER: &str = "the router's rules";
/// Beyond this a change has not become active at all.
const NEVER: Duration = Duration::from_secs(20);

/// Something to change, in one of two ways in turn.
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    /// Group, version, kind, namespace, name.
    object: [&'static str; 5],
    make: fn(&mut Value, bool),
}

pub(crate) const CHANGES: &[Change] = &[
    Change {
        name: "Gateway, a host",
        side: Side::Server,
        object: [
            "networking.istio.io",
            "v1",
            "Gateway",
            "default",
            "gateway-mysql",
        ],
        make: |o, there| {
            extra(
                &mut o["spec"]["servers"][0]["hosts"],
                there,
                json!("other.example.com"),
            );
        },
    },
    Change {
        name: "Secret, a certificate",
        side: Side::Server,
        object: ["", "v1", "Secret", "istio-system", "mysql-credential"],
        make: |o, _| renew(&mut o["data"]),
    },
    Change {
        name: "VirtualService, a port",
        side: Side::Client,
        object: [
            "networking.istio.io",
            "v1",
            "VirtualService",
            "default",
            "direct-mysql-through-egress-gateway",
        ],
        make: |o, there| {
            o["spec"]["tcp"][0]["match"][0]["port"] = json!(if there { 3307 } else { 3306 });
        },
    },
    Change {
        name: "PeerAuthentication, the mode",
        side: Side::Server,
        object: [
            "security.istio.io",
            "v1",
            "PeerAuthentication",
            "default",
            "bench",
        ],
        make: |o, there| {
            o["spec"] = json!({"mtls": {"mode": if there { "STRICT" } else { "PERMISSIVE" }}});
        },
    },
    Change {
        name: "Service, a port",
        side: Side::Server,
        object: ["", "v1", "Service", "default", "mysql"],
        make: |o, there| {
            let port =
                json!({"name": "tcp-other", "port": 3399, "targetPort": 3306, "protocol": "TCP"});
            o["spec"]["ports"][0]["name"] = json!("mysql");
            extra(&mut o["spec"]["ports"], there, port);
        },
    },
];

/// Puts something at the end of a list, or takes it away again.
fn extra(list: &mut Value, there: bool, item: Value) {
    let list = list.as_array_mut().expect("a list");
    if there {
        list.push(item);
    } else {
        list.pop();
    }
}

/// The same certificates in other bytes: an empty line more.
fn renew(data: &mut Value) {
    for value in data.as_object_mut().expect("data").values_mut() {
        let text = value.as_str().expect("base64");
        let mut bytes = STANDARD.decode(text).expect("base64");
        bytes.push(b'\n');
        *value = STANDARD.encode(bytes).into();
    }
}

/// Writes the `nth` change and waits until it is active at every proxy; of what has no condition of its own
/// also until the router's rules have followed.
pub(crate) async fn time(
    client: &Client,
    change: &Change,
    nth: usize,
) -> (Duration, Option<Duration>) {
    let [group, version, kind, namespace, name] = change.object;
    let api = api(client, [group, version, kind], namespace);
    let object = api.get_opt(name).await.expect("reading the object");
    let mut value = match object {
        Some(object) => serde_json::to_value(object).unwrap(),
        None => json!({"apiVersion": format!("{group}/{version}"), "kind": kind,
            "metadata": {"name": name, "namespace": namespace}}),
    };
    (change.make)(&mut value, nth.is_multiple_of(2));
    value["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("managedFields");
    let has_condition = group.ends_with("istio.io");
    let (watched, of) = if has_condition {
        (api.clone(), name)
    } else {
        (
            self::api(client, ["", "v1", "ConfigMap"], STATUS.0),
            STATUS.1,
        )
    };
    let params = WatchParams::default().fields(&format!("metadata.name={of}"));
    let mut events = watched.watch(&params, "0").await.expect("a watch").boxed();
    let begun = Instant::now();
    let written = write(&api, name, &value).await;
    assert_ne!(
        json!(written.resource_version()),
        value["metadata"]["resourceVersion"],
        "{}: nothing was changed",
        change.name
    );
    let mut at_proxies = None;
    let active = async {
        while let Some(event) = events.next().await {
            let (WatchEvent::Added(seen) | WatchEvent::Modified(seen)) = event.expect("an event")
            else {
                continue;
            };
            if at_proxies.is_none() && !has_condition && is_at_proxies(&seen, &written) {
                at_proxies = Some(begun.elapsed());
            }
            if is_active(&seen, &written, has_condition) {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(NEVER, active)
        .await
        .unwrap_or_else(|_| panic!("{}: not active within {NEVER:?}", change.name));
    let all = begun.elapsed();
    match at_proxies {
        _ if has_condition => (all, None),
        at_proxies => (at_proxies.unwrap_or(all), Some(all)),
    }
}

/// Whether every proxy has what was written, whatever the router has.
fn is_at_proxies(seen: &DynamicObject, written: &DynamicObject) -> bool {
    let text = |key: &str| seen.data["data"][key].as_str().unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let told = number(text("toldResourceVersion"));
    told >= number(&written.resource_version().unwrap())
        && text("warming").is_empty()
        && text("rejected").is_empty()
        && matches!(text("waiting"), "" | ROUTER)
}

async fn write(api: &Api<DynamicObject>, name: &str, value: &Value) -> DynamicObject {
    let params = PatchParams::apply("bench").force();
    let exists = value["metadata"]["uid"].is_string();
    if exists {
        let patch = json!({"spec": value["spec"], "data": value["data"]});
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
    } else {
        api.patch(name, &params, &Patch::Apply(value)).await
    }
    .expect("writing the change")
}

fn is_active(seen: &DynamicObject, written: &DynamicObject, has_condition: bool) -> bool {
    if !has_condition {
        let number = |text: &str| text.parse::<u64>().expect("a resource version");
        let active = seen.data["data"]["activeResourceVersion"]
            .as_str()
            .unwrap_or("0");
        return number(active) >= number(&written.resource_version().unwrap());
    }
    let conditions = seen.data["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| {
        c["type"] == ACTIVE
            && c["status"] == "True"
            && c["observedGeneration"].as_i64() >= written.metadata.generation
    })
}

fn api(client: &Client, [group, version, kind]: [&str; 3], namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}
