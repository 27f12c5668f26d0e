//! No event is lost or doubled, whoever writes at the same time.
#![allow(clippy::unwrap_used, missing_docs)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::sync::Arc;

use meshproof_pocket_api::{DeleteHow, EventType, Kind, Store};
use serde_json::{Value, json};

const WRITERS: u64 = 4;
const WRITES: u64 = 200;

fn map(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "d" }, "data": { "n": "0" } })
}

fn write(store: &Store, writer: u64) {
    let mut state = writer + 1;
    for round in 0..WRITES {
        // A linear congruential step: the same order of operations in every run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let name = format!("m{}", (state >> 33) % 5);
        // Operations that come too late or too early are refused, and give no event.
        let _refused = match (state >> 40) % 3 {
            0 => store.create(Kind::ConfigMap, map(&name)),
            1 => store.modify(Kind::ConfigMap, "d", &name, |map| {
                map["data"]["n"] = format!("{writer}-{round}").into();
            }),
            _ => store.delete(Kind::ConfigMap, "d", &name, DeleteHow::default()),
        };
    }
}

/// Follows the store until it is as new as `target` says, disconnecting now and then.
async fn follow(
    store: Arc<Store>,
    mut target: tokio::sync::watch::Receiver<Option<u64>>,
) -> BTreeMap<String, Value> {
    let (objects, mut watch) = store.list_and_watch(&[Kind::ConfigMap]);
    let mut model: BTreeMap<String, Value> = objects
        .iter()
        .map(|(_, map)| {
            (
                map["metadata"]["name"].as_str().unwrap().to_owned(),
                (**map).clone(),
            )
        })
        .collect();
    let (mut last, mut seen) = (0, 0);
    loop {
        let end = *target.borrow_and_update();
        let event = match watch.try_next().unwrap() {
            Some(event) => event,
            None if end.is_some_and(|end| watch.revision() >= end) => return model,
            None => tokio::select! {
                event = watch.next() => event.unwrap(),
                _ = target.changed() => continue,
            },
        };
        assert!(event.revision > last, "{} after {last}", event.revision);
        last = event.revision;
        let name = event.object["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        match event.event_type {
            EventType::Added => assert!(model.insert(name, (*event.object).clone()).is_none()),
            EventType::Modified => assert!(model.insert(name, (*event.object).clone()).is_some()),
            EventType::Deleted => assert!(model.remove(&name).is_some()),
        }
        seen += 1;
        if seen % 50 == 0 {
            watch = store.watch(&[Kind::ConfigMap], last);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watchers_agree_with_the_store() {
    let store = Arc::new(Store::new());
    let (done, target) = tokio::sync::watch::channel(None);
    let watchers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(follow(Arc::clone(&store), target.clone())))
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::task::spawn_blocking(move || write(&store, writer))
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.send_replace(Some(store.revision()));
    let expected: Vec<Value> = store
        .snapshot(Kind::ConfigMap)
        .iter()
        .map(|map| (**map).clone())
        .collect();
    for watcher in watchers {
        let model = watcher.await.unwrap();
        assert_eq!(model.into_values().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_watcher_that_fell_behind_is_told() {
    let store = Arc::new(Store::new());
    let start = store.revision();
    store.create(Kind::ConfigMap, map("a")).unwrap();
    for round in 0..2000 {
        store
            .modify(Kind::ConfigMap, "d", "a", |map| {
                map["data"]["n"] = round.to_string().into();
            })
            .unwrap();
    }
    let lagged = store
        .watch(&[Kind::ConfigMap], start)
        .next()
        .await
        .unwrap_err();
    assert_eq!(lagged.asked, start);
    assert!(
        store
            .watch(&[Kind::ConfigMap], lagged.oldest)
            .next()
            .await
            .is_ok()
    );
}
