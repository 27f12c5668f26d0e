//! The API as `kube` sees it, in memory and over HTTPS.
#![allow(clippy::unwrap_used, missing_docs)] // a panic is how a test fails

mod support;

use std::time::Duration;

use futures::{AsyncBufReadExt, SinkExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{
    Api, AttachParams, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams,
    PostParams, TerminalSize, WatchEvent, WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use self::support::{https_client, listen, server};

/// Runs a test over both ways in.
macro_rules! both_ways {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[tokio::test]
            async fn in_memory() {
                let server = super::server();
                super::$name(server.in_memory_client(), server).await;
            }

            #[tokio::test]
            async fn over_https() {
                let server = super::server();
                let listening = super::listen(&server).await;
                super::$name(super::https_client(&listening).await, server).await;
            }
        }
    )* };
}

both_ways!(
    objects_live,
    watches_follow,
    watcher_runs,
    patches_apply,
    conflicts_are_told,
    logs_stream,
    exec_echoes,
    exec_has_a_terminal,
    ports_forward,
    istio_versions_are_one,
    pods_go_in_two_steps,
    namespaces_cascade,
    owners_take_dependents_along,
    lists_page,
);

fn config_map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(
        json!({ "metadata": { "name": name, "labels": { "v": value } }, "data": { "a": value } }),
    )
    .unwrap()
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": { "nodeName": "n", "containers": [{ "name": "main", "image": "mysql:5.6" }] },
    }))
    .unwrap()
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("no answer of the API: {other}"),
    }
}

type Server = meshproof_pocket_api::ApiServer;

async fn objects_live(client: Client, _: Server) {
    let maps: Api<ConfigMap> = Api::namespaced(client, "d");
    let made = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    assert!(made.uid().is_some());
    let again = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap_err();
    assert_eq!(code(&again), 409);
    let mut changed = maps.get("a").await.unwrap();
    changed.data = Some([("a".to_owned(), "2".to_owned())].into());
    let replaced = maps
        .replace("a", &PostParams::default(), &changed)
        .await
        .unwrap();
    assert_ne!(replaced.resource_version(), made.resource_version());
    let selected = maps
        .list(&ListParams::default().labels("v=1"))
        .await
        .unwrap();
    assert_eq!(selected.items.len(), 1);
    assert!(
        maps.list(&ListParams::default().fields("metadata.name=b"))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

async fn watches_follow(client: Client, _: Server) {
    let maps: Api<ConfigMap> = Api::namespaced(client, "d");
    let start = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let mut events = maps
        .watch(&WatchParams::default().labels("v=1"), &start)
        .await
        .unwrap()
        .boxed();
    maps.create(&PostParams::default(), &config_map("other", "2"))
        .await
        .unwrap();
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let relabel = json!({ "metadata": { "labels": { "v": "3" } } });
    maps.patch("a", &PatchParams::default(), &Patch::Merge(&relabel))
        .await
        .unwrap();
    let added = events.try_next().await.unwrap().unwrap();
    assert!(matches!(added, WatchEvent::Added(map) if map.name_any() == "a"));
    let left = events.try_next().await.unwrap().unwrap();
    assert!(matches!(left, WatchEvent::Deleted(map) if map.labels()["v"] == "1"));
}

async fn watcher_runs(client: Client, _: Server) {
    let maps: Api<ConfigMap> = Api::all(client.clone());
    maps_in(&client)
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let config = watcher::Config::default().streaming_lists();
    let mut events = Box::pin(watcher(maps, config));
    assert!(matches!(
        events.try_next().await.unwrap().unwrap(),
        watcher::Event::Init
    ));
    assert!(matches!(
        events.try_next().await.unwrap().unwrap(),
        watcher::Event::InitApply(_)
    ));
    assert!(matches!(
        events.try_next().await.unwrap().unwrap(),
        watcher::Event::InitDone
    ));
    maps_in(&client)
        .delete("a", &DeleteParams::default())
        .await
        .unwrap();
    assert!(matches!(
        events.try_next().await.unwrap().unwrap(),
        watcher::Event::Delete(_)
    ));
}

fn maps_in(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "d")
}

async fn patches_apply(client: Client, _: Server) {
    let maps = maps_in(&client);
    let apply = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "s" }, "data": { "a": "1" } });
    let made = maps
        .patch("s", &PatchParams::apply("one"), &Patch::Apply(&apply))
        .await
        .unwrap();
    assert_eq!(
        made.metadata.managed_fields.unwrap()[0].manager.as_deref(),
        Some("one")
    );
    let merge = json!({ "data": { "b": "2" } });
    maps.patch("s", &PatchParams::default(), &Patch::Merge(&merge))
        .await
        .unwrap();
    let json_patch: kube::core::params::Patch<()> = Patch::Json(
        serde_json::from_value(json!([{ "op": "move", "from": "/data/b", "path": "/data/c" }]))
            .unwrap(),
    );
    let moved = maps
        .patch("s", &PatchParams::default(), &json_patch)
        .await
        .unwrap();
    assert_eq!(moved.data.unwrap().keys().collect::<Vec<_>>(), ["a", "c"]);
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "9" } });
    let refused = maps
        .patch("s", &PatchParams::apply("two"), &Patch::Apply(&other))
        .await
        .unwrap_err();
    assert_eq!(code(&refused), 409);
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    maps.patch("s", &dry, &Patch::Merge(&json!({ "data": null })))
        .await
        .unwrap();
    assert!(maps.get("s").await.unwrap().data.is_some());
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let image = json!({ "spec": { "containers": [{ "name": "main", "image": "mysql:8" }] } });
    let patched = pods
        .patch("p", &PatchParams::default(), &Patch::Strategic(&image))
        .await
        .unwrap();
    assert_eq!(patched.metadata.generation, Some(2));
    assert_eq!(
        patched.spec.unwrap().containers[0]
            .image_pull_policy
            .as_deref(),
        Some("IfNotPresent")
    );
    let running = json!({ "status": { "phase": "Running" }, "spec": { "nodeName": "elsewhere" } });
    let status = pods
        .patch_status("p", &PatchParams::default(), &Patch::Merge(&running))
        .await
        .unwrap();
    assert_eq!(status.spec.unwrap().node_name.as_deref(), Some("n"));
    assert_eq!(status.status.unwrap().phase.as_deref(), Some("Running"));
}

async fn conflicts_are_told(client: Client, _: Server) {
    let maps = maps_in(&client);
    let stale = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    maps.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(&json!({ "data": { "a": "2" } })),
    )
    .await
    .unwrap();
    let refused = maps
        .replace("a", &PostParams::default(), &stale)
        .await
        .unwrap_err();
    assert_eq!(code(&refused), 409);
    let nowhere: Api<ConfigMap> = Api::namespaced(client, "nosuch");
    let refused = nowhere
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("namespaces \"nosuch\" not found"),
        "{refused}"
    );
}

async fn logs_stream(client: Client, _: Server) {
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let text = pods
        .logs(
            "p",
            &LogParams {
                tail_lines: Some(3),
                ..LogParams::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(text, "p/main tail=Some(3)\n");
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let lines: Vec<String> = pods
        .log_stream("p", &follow)
        .await
        .unwrap()
        .lines()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(lines, ["p/main tail=None", "line 0", "line 1", "line 2"]);
    let wrong = LogParams {
        container: Some("nosuch".into()),
        ..LogParams::default()
    };
    assert_eq!(code(&pods.logs("p", &wrong).await.unwrap_err()), 400);
}

async fn exec_echoes(client: Client, _: Server) {
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let params = AttachParams::default()
        .stdin(true)
        .stdout(true)
        .stderr(true);
    let mut process = pods.exec("p", ["cat", "-"], &params).await.unwrap();
    let status = process.take_status().unwrap();
    let mut stdin = process.stdin().unwrap();
    let mut stdout = process.stdout().unwrap();
    let mut stderr = process.stderr().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    stdin.shutdown().await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let (a, b) = tokio::join!(
        stdout.read_to_string(&mut out),
        stderr.read_to_string(&mut err)
    );
    a.unwrap();
    b.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("hello", "cat -"));
    let status = status.await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    process.join().await.unwrap();
}

/// A client that is still sending when the process has ended can do so, and reads the status afterwards.
#[tokio::test]
async fn exec_ends_before_its_input() {
    let client = server().in_memory_client();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let request = http::Request::get(
        "/api/v1/namespaces/d/pods/p/exec?command=true&container=main&stdin=true&stdout=true&stderr=true",
    );
    let connection = client.connect(request.body(Vec::new()).unwrap()).await;
    let mut stream = connection.unwrap().into_stream();
    // One thread: with these turns the server has come to where it waits for nothing but this client.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    for message in [&[0, b'x'][..], &[255, 0]] {
        stream
            .send(Message::binary(message.to_vec()))
            .await
            .unwrap();
    }
    let mut channels = Vec::new();
    while let Some(Ok(Message::Binary(message))) = stream.next().await {
        channels.push(message[0]);
    }
    assert_eq!(channels.last(), Some(&3), "{channels:?}");
}

async fn exec_has_a_terminal(client: Client, _: Server) {
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let params = AttachParams::default()
        .stdin(false)
        .stdout(true)
        .stderr(false)
        .tty(true);
    let mut process = pods.exec("p", ["sh"], &params).await.unwrap();
    let mut size = process.terminal_size().unwrap();
    size.send(TerminalSize {
        width: 80,
        height: 24,
    })
    .await
    .unwrap();
    let mut out = String::new();
    process
        .stdout()
        .unwrap()
        .read_to_string(&mut out)
        .await
        .unwrap();
    assert_eq!(out, "80x24\n");
}

async fn ports_forward(client: Client, _: Server) {
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    let mut forwarder = pods.portforward("p", &[3306, 9]).await.unwrap();
    let refused = forwarder.take_error(9).unwrap();
    let mut stream = forwarder.take_stream(3306).unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    assert!(refused.await.unwrap().contains("connection refused"));
}

async fn istio_versions_are_one(client: Client, _: Server) {
    let api = |version: &str| -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("networking.istio.io", version, "Gateway");
        Api::namespaced_with(client.clone(), "d", &ApiResource::from_gvk(&kind))
    };
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "Gateway", "metadata": { "name": "g" },
        "spec": { "servers": [] },
    }))
    .unwrap();
    api("v1alpha3")
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let read = api("v1").get("g").await.unwrap();
    assert_eq!(read.types.unwrap().api_version, "networking.istio.io/v1");
    let wrong = api("v1")
        .create(&PostParams::default(), &object)
        .await
        .unwrap_err();
    assert_eq!(code(&wrong), 400);
    assert_eq!(code(&api("v9").get("g").await.unwrap_err()), 404);
}

async fn pods_go_in_two_steps(client: Client, _: Server) {
    let pods: Api<Pod> = Api::namespaced(client, "d");
    pods.create(&PostParams::default(), &pod("p"))
        .await
        .unwrap();
    pods.delete("p", &DeleteParams::default()).await.unwrap();
    let leaving = pods.get("p").await.unwrap();
    assert_eq!(leaving.metadata.deletion_grace_period_seconds, Some(30));
    pods.delete("p", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    assert!(pods.get_opt("p").await.unwrap().is_none());
}

async fn namespaces_cascade(client: Client, server: Server) {
    let collector = tokio::spawn(server.collect_garbage());
    let spaces: Api<Namespace> = Api::all(client.clone());
    maps_in(&client)
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    spaces.delete("d", &DeleteParams::default()).await.unwrap();
    let gone = kube::runtime::wait::await_condition(spaces, "d", |space: Option<&Namespace>| {
        space.is_none()
    });
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap()
        .unwrap();
    assert!(maps_in(&client).get_opt("a").await.unwrap().is_none());
    collector.abort();
}

async fn owners_take_dependents_along(client: Client, server: Server) {
    let collector = tokio::spawn(server.collect_garbage());
    let maps = maps_in(&client);
    let owner = maps
        .create(&PostParams::default(), &config_map("owner", "1"))
        .await
        .unwrap();
    let mut child = config_map("child", "1");
    child.metadata.owner_references = Some(vec![
        serde_json::from_value(json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid().unwrap() }))
            .unwrap(),
    ]);
    maps.create(&PostParams::default(), &child).await.unwrap();
    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    let gone = kube::runtime::wait::await_condition(maps, "child", |map: Option<&ConfigMap>| {
        map.is_none()
    });
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap()
        .unwrap();
    collector.abort();
}

async fn lists_page(client: Client, _: Server) {
    let maps = maps_in(&client);
    for number in 0..5 {
        maps.create(
            &PostParams::default(),
            &config_map(&format!("m{number}"), "1"),
        )
        .await
        .unwrap();
    }
    let first = maps.list(&ListParams::default().limit(3)).await.unwrap();
    assert_eq!(
        (first.items.len(), first.metadata.remaining_item_count),
        (3, Some(2))
    );
    let token = first.metadata.continue_.unwrap();
    let rest = maps
        .list(&ListParams::default().limit(3).continue_token(&token))
        .await
        .unwrap();
    assert_eq!(
        rest.items
            .iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>(),
        ["m3", "m4"]
    );
}

#[tokio::test]
async fn requests_without_the_token_are_refused() {
    let server = server();
    let mut listening = listen(&server).await;
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&listening.kubeconfig).unwrap();
    kubeconfig["users"][0]["user"]["token"] = "wrong".into();
    listening.kubeconfig = kubeconfig.to_string();
    let maps: Api<ConfigMap> = Api::namespaced(https_client(&listening).await, "d");
    assert_eq!(
        code(&maps.list(&ListParams::default()).await.unwrap_err()),
        401
    );
}

#[tokio::test]
async fn small_requests_are_quick() {
    let client = server().in_memory_client();
    let maps = maps_in(&client);
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    maps.get("a").await.unwrap();
    let started = std::time::Instant::now();
    for _ in 0..100 {
        maps.get("a").await.unwrap();
    }
    // The limit that is meant (100 us) holds for release builds; this catches what waits.
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?} for 100 requests",
        started.elapsed()
    );
}
