//! What cases change is taken back at the end: after refusals, interruptions, and changes by others.
#![allow(clippy::unwrap_used)]

mod support;

use http::Method;
use meshproof_cluster::{ClusterAccess, ObjectRef, RUN_LABEL};
use serde_json::{Value, json};
use support::{Server, Stuck};

const PATH: &str = "/apis/networking.istio.io/v1/namespaces/default/gateways/g";

fn object() -> ObjectRef {
    ObjectRef {
        api_version: "networking.istio.io/v1".to_owned(),
        kind: "Gateway".to_owned(),
        namespace: "default".to_owned(),
        name: "g".to_owned(),
    }
}

fn gateway(spec: &Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"name": "g", "namespace": "default"}, "spec": spec})
}

fn labelled(mut object: Value, run: &str) -> Value {
    object["metadata"]["labels"] = json!({RUN_LABEL: run});
    object
}

/// A server with this object in it, the run's way in, and the object as the run reads it.
async fn with(kept: &Value) -> (Server, ClusterAccess, Option<Value>) {
    let server = Server::default();
    server.others(PATH, Some(kept.clone()));
    let access = server.access("r1");
    let base = access.object(&object()).await.unwrap();
    (server, access, base)
}

async fn taken_back(access: &ClusterAccess) {
    let errors = access.tear_down().await;
    assert!(errors.is_empty(), "{errors:?}");
}

/// The one thing that could not be taken back, in words.
async fn complaint(access: &ClusterAccess) -> String {
    let errors: Vec<String> = access
        .tear_down()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.concat()
}

/// Begins to bring the object from one state to the other, and drops that when the server no longer answers.
async fn interrupted(
    server: &Server,
    access: &ClusterAccess,
    base: Option<&Value>,
    from: Option<&Value>,
    to: Option<&Value>,
) {
    let object = object();
    tokio::select! {
        done = access.bring(&object, base, from, to) => panic!("{done:?}"),
        () = server.reached() => {}
    }
}

/// Other states that cases ask for, with the method that brings the object back from them.
fn others() -> [(Option<Value>, Method); 4] {
    [
        (
            Some(gateway(&json!({"a": 2, "list": [1, 2]}))),
            Method::PATCH,
        ),
        (Some(gateway(&json!({"a": 1, "list": [1]}))), Method::PATCH),
        (
            Some(gateway(&json!({"a": 1, "list": [1, 2], "b": {"c": 1}}))),
            Method::PATCH,
        ),
        (None, Method::POST),
    ]
}

fn original() -> Value {
    gateway(&json!({"a": 1, "list": [1, 2]}))
}

#[tokio::test]
async fn a_refused_way_back_is_gone_at_the_end() {
    for (to, back) in others() {
        let (server, access, base) = with(&original()).await;
        let (base, to) = (base.as_ref(), to.as_ref());
        access.bring(&object(), base, base, to).await.unwrap();
        assert_ne!(server.kept(PATH), Some(original()));
        server.refuse(&back, 1);
        let refused = access.bring(&object(), base, to, base).await.unwrap_err();
        assert!(
            refused.to_string().contains("Gateway default/g"),
            "{refused}"
        );
        taken_back(&access).await;
        assert_eq!(server.kept(PATH), Some(original()), "{to:?}");
    }
}

#[tokio::test]
async fn an_interrupted_way_back_is_gone_to_its_end() {
    for side in [Stuck::Before, Stuck::After] {
        for (to, back) in others() {
            let (server, access, base) = with(&original()).await;
            let (base, to) = (base.as_ref(), to.as_ref());
            access.bring(&object(), base, base, to).await.unwrap();
            server.stick(&back, side);
            interrupted(&server, &access, base, to, base).await;
            taken_back(&access).await;
            assert_eq!(server.kept(PATH), Some(original()), "{side:?} {to:?}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_change_is_taken_back() {
    for side in [Stuck::Before, Stuck::After] {
        for (to, back) in others() {
            let there = if back == Method::POST {
                Method::DELETE
            } else {
                back
            };
            let (server, access, base) = with(&original()).await;
            let (base, to) = (base.as_ref(), to.as_ref());
            server.stick(&there, side);
            interrupted(&server, &access, base, base, to).await;
            taken_back(&access).await;
            assert_eq!(server.kept(PATH), Some(original()), "{side:?} {to:?}");
        }
    }
}

#[tokio::test]
async fn after_a_refusal_the_next_case_starts_from_what_is_there() {
    // The write was executed and its answer lost: patching the list from the state before would be wrong.
    let (server, access, base) = with(&original()).await;
    let (base, short) = (base.as_ref(), gateway(&json!({"a": 1, "list": [1]})));
    access
        .bring(&object(), base, base, Some(&short))
        .await
        .unwrap();
    server.stick(&Method::PATCH, Stuck::After);
    interrupted(&server, &access, base, Some(&short), base).await;
    let other = gateway(&json!({"a": 1, "list": [1, 2, 3]}));
    access
        .bring(&object(), base, Some(&short), Some(&other))
        .await
        .unwrap();
    assert_eq!(server.kept(PATH), Some(other));
    taken_back(&access).await;
    assert_eq!(server.kept(PATH), Some(original()));
}

#[tokio::test]
async fn what_is_back_is_left_alone() {
    let (server, access, base) = with(&original()).await;
    let (base, to) = (base.as_ref(), gateway(&json!({"a": 2})));
    for (from, to) in [(base, Some(&to)), (Some(&to), base)] {
        access.bring(&object(), base, from, to).await.unwrap();
    }
    let later = gateway(&json!({"a": 3}));
    server.others(PATH, Some(later.clone()));
    taken_back(&access).await;
    assert_eq!(server.kept(PATH), Some(later));
    assert_eq!(server.writes(), [Method::PATCH, Method::PATCH]);
}

#[tokio::test]
async fn an_overwrite_by_somebody_else_is_told_and_kept() {
    let cases = [
        (json!({"a": 2}), json!({"a": 3}), "/spec/a"),
        (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), "/spec/b"),
        (json!({}), json!({"a": 3}), "/spec/a"),
        (json!({"a": [1, 2]}), json!({"a": [1, 3]}), "/spec/a"),
    ];
    for (to, overwritten, place) in cases {
        let (server, access, base) = with(&gateway(&json!({"a": 1}))).await;
        let (base, to) = (base.as_ref(), gateway(&to));
        access
            .bring(&object(), base, base, Some(&to))
            .await
            .unwrap();
        server.others(PATH, Some(gateway(&overwritten)));
        assert_eq!(
            complaint(&access).await,
            format!(
                "cluster server: restore Gateway default/g: somebody else has changed {place}, which this run had changed too: compare it with the object's manifest, and apply that again"
            )
        );
        assert_eq!(server.kept(PATH), Some(gateway(&overwritten)));
    }
}

#[tokio::test]
async fn a_secret_that_somebody_else_overwrote_is_not_shown() {
    let secret = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        ..object()
    };
    let path = "/api/v1/namespaces/default/secrets/g";
    let data = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"tls.key": value},
            "metadata": {"name": "g", "namespace": "default"}})
    };
    let server = Server::default();
    server.others(path, Some(data("Zmlyc3Q=")));
    let access = server.access("r1");
    let base = access.object(&secret).await.unwrap();
    let ours = data("b3Vycw==");
    access
        .bring(&secret, base.as_ref(), base.as_ref(), Some(&ours))
        .await
        .unwrap();
    server.others(path, Some(data("dGhlaXJz")));
    let words = complaint(&access).await;
    assert!(words.contains("Secret default/g"), "{words}");
    assert!(words.contains("/data/tls.key"), "{words}");
    for value in ["Zmlyc3Q=", "b3Vycw==", "dGhlaXJz"] {
        assert!(!words.contains(value), "{words}");
    }
}

#[tokio::test]
async fn a_deletion_by_somebody_else_is_told_and_kept() {
    let (server, access, base) = with(&original()).await;
    let (base, to) = (base.as_ref(), gateway(&json!({"a": 2})));
    access
        .bring(&object(), base, base, Some(&to))
        .await
        .unwrap();
    server.others(PATH, None);
    assert_eq!(
        complaint(&access).await,
        "cluster server: restore Gateway default/g: somebody else has deleted it while this run had it changed: apply its manifest again if it is still wanted"
    );
    assert_eq!(server.kept(PATH), None);
}

#[tokio::test]
async fn changes_by_others_to_other_fields_are_kept() {
    for (to, _) in others() {
        let (server, access, base) = with(&original()).await;
        let (base, to) = (base.as_ref(), to.as_ref());
        access.bring(&object(), base, base, to).await.unwrap();
        // Of an object that is gone somebody else makes the same one again.
        let theirs = |mut object: Value| {
            object["spec"]["theirs"] = json!({"x": 1});
            object["metadata"]["labels"] = json!({"team": "net"});
            object
        };
        let now = server.kept(PATH).unwrap_or_else(original);
        server.others(PATH, Some(theirs(now)));
        taken_back(&access).await;
        assert_eq!(server.kept(PATH), Some(theirs(original())), "{to:?}");
    }
}

#[tokio::test]
async fn only_what_is_the_runs_own_gets_its_label() {
    let cases = [
        (original(), original()),
        (labelled(original(), "r1"), labelled(original(), "r1")),
        (labelled(original(), "r0"), labelled(original(), "r0")),
    ];
    for (kept, expected) in cases {
        for at_the_end in [true, false] {
            let (server, access, base) = with(&kept).await;
            let base = base.as_ref();
            access.bring(&object(), base, base, None).await.unwrap();
            assert_eq!(server.kept(PATH), None);
            if at_the_end {
                taken_back(&access).await;
            } else {
                access.bring(&object(), base, None, base).await.unwrap();
            }
            assert_eq!(server.kept(PATH), Some(expected.clone()));
        }
    }
}

#[tokio::test]
async fn a_new_object_keeps_the_label_through_its_states_and_goes() {
    let server = Server::default();
    let access = server.access("r1");
    let mut state = None;
    let team = |value: &str| {
        let mut with = gateway(&json!({"a": 2}));
        with["metadata"]["labels"] = json!({"team": value});
        with
    };
    for to in [
        gateway(&json!({"a": 1})),
        team("net"),
        gateway(&json!({"a": 3})),
    ] {
        access
            .bring(&object(), None, state.as_ref(), Some(&to))
            .await
            .unwrap();
        let kept = server.kept(PATH).unwrap();
        assert_eq!(kept["metadata"]["labels"][RUN_LABEL], "r1", "{to}");
        assert_eq!(kept["spec"], to["spec"]);
        state = Some(to);
    }
    taken_back(&access).await;
    assert_eq!(server.kept(PATH), None);
}

#[tokio::test]
async fn an_own_object_that_a_case_makes_anew_has_the_label() {
    let (server, access, base) = with(&labelled(original(), "r1")).await;
    let (base, anew) = (base.as_ref(), gateway(&json!({"a": 9})));
    access
        .bring(&object(), base, base, Some(&anew))
        .await
        .unwrap();
    assert_eq!(server.kept(PATH), Some(labelled(anew, "r1")));
    taken_back(&access).await;
    assert_eq!(server.kept(PATH), Some(labelled(original(), "r1")));
}

#[tokio::test]
async fn what_somebody_else_made_first_is_not_deleted() {
    let server = Server::default();
    let access = server.access("r1");
    server.others(PATH, Some(original()));
    let ours = gateway(&json!({"a": 2}));
    let refused = access
        .bring(&object(), None, None, Some(&ours))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("exists already"), "{refused}");
    assert_eq!(
        complaint(&access).await,
        "cluster server: restore Gateway default/g: there was none before this run, and the one that is there does not carry the run's label: delete it if nobody else needs it"
    );
    assert_eq!(server.kept(PATH), Some(original()));
}

#[tokio::test]
async fn an_object_that_is_about_to_go_is_waited_for_and_made_again() {
    let (server, access, base) = with(&original()).await;
    server.finalizers();
    server.stick(&Method::DELETE, Stuck::After);
    interrupted(&server, &access, base.as_ref(), base.as_ref(), None).await;
    assert!(server.kept(PATH).is_some());
    taken_back(&access).await;
    assert_eq!(server.kept(PATH), Some(original()));
    let again = [Method::DELETE, Method::DELETE, Method::POST];
    assert_eq!(server.writes(), again);
}
