//! Streams played request by request.

use serde_json::json;

use super::*;
use crate::{Snapshot, cache::Cache, discovery::ErrorDetail};

struct Talk {
    conversation: Conversation,
    resources: Resources,
}

impl Talk {
    fn new() -> Self {
        Self {
            conversation: Conversation::new(1),
            resources: Resources::default(),
        }
    }

    fn set(&mut self, cluster_timeout: &str, secrets: &[&str]) -> Vec<String> {
        let clusters = vec![json!({"name": "c", "connect_timeout": cluster_timeout}).into()];
        let secrets = secrets.iter().map(|name| json!({"name": name}).into());
        let secrets = secrets.collect();
        let snapshot = Snapshot {
            clusters,
            secrets,
            ..Snapshot::default()
        };
        self.replace(&snapshot);
        self.due()
    }

    fn replace(&mut self, snapshot: &Snapshot) {
        let encoded = self.resources.encode(snapshot, &mut Cache::default());
        self.resources.replace(snapshot, encoded.unwrap());
    }

    fn due(&mut self) -> Vec<String> {
        let due = self.conversation.due(&self.resources);
        due.iter()
            .map(|one| {
                format!(
                    "{} {} x{}",
                    one.type_url.rsplit('.').next().unwrap(),
                    one.nonce,
                    one.resources.len()
                )
            })
            .collect()
    }

    fn ask(
        &mut self,
        kind: ResourceType,
        nonce: &str,
        names: &[&str],
        error: Option<&str>,
    ) -> Vec<String> {
        self.conversation.request(DiscoveryRequest {
            type_url: kind.type_url(),
            response_nonce: nonce.to_owned(),
            resource_names: names.iter().map(|&name| name.to_owned()).collect(),
            error_detail: error.map(|message| ErrorDetail {
                code: 13,
                message: message.to_owned(),
            }),
            ..DiscoveryRequest::default()
        });
        self.due()
    }

    fn status(&self) -> ProxyStatus {
        self.conversation.status(&self.resources)
    }
}

const NONE: [&str; 0] = [];

#[test]
fn nothing_is_said_before_there_is_something_to_say() {
    let mut talk = Talk::new();
    assert_eq!(talk.ask(ResourceType::Cluster, "", &[], None), NONE);
    assert_eq!(talk.set("1s", &[]), ["Cluster 1-1 x1"]);
    assert_eq!(talk.ask(ResourceType::Cluster, "1-1", &[], None), NONE);
    assert_eq!(talk.set("1s", &[]), NONE);
    assert_eq!(talk.set("2s", &[]), ["Cluster 1-2 x1"]);
}

#[test]
fn secrets_are_answered_by_name_and_the_rest_is_noted() {
    let mut talk = Talk::new();
    talk.set("1s", &["a", "x"]);
    assert_eq!(talk.ask(ResourceType::Secret, "", &["b"], None), NONE);
    assert_eq!(
        talk.ask(ResourceType::Secret, "", &["a", "b"], None),
        ["Secret 1-1 x1"]
    );
    let missing: Vec<_> = talk
        .status()
        .unanswered
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(missing, ["b"]);
    talk.ask(ResourceType::Secret, "1-1", &["a", "b"], None);
    assert_eq!(talk.set("1s", &["a", "b", "x"]), ["Secret 1-2 x2"]);
    assert!(talk.status().unanswered.is_empty());
}

#[test]
fn a_secret_that_was_given_is_not_missed_when_it_is_gone() {
    let mut talk = Talk::new();
    talk.set("1s", &["a", "b"]);
    talk.ask(ResourceType::Secret, "", &["a", "b"], None);
    talk.ask(ResourceType::Secret, "1-1", &["a", "b"], None);
    assert_eq!(talk.set("1s", &["b"]), NONE);
    assert_eq!(talk.status().unanswered, []);
    talk.ask(ResourceType::Secret, "1-1", &["b"], None);
    talk.ask(ResourceType::Secret, "1-1", &["a", "b"], None);
    let missing = talk.status().unanswered;
    assert_eq!(missing.len(), 1, "it asked anew: {missing:?}");
}

#[test]
fn more_names_and_repeated_questions_are_answered_fewer_names_are_not() {
    let mut talk = Talk::new();
    talk.set("1s", &["a", "b"]);
    talk.ask(ResourceType::Secret, "", &["a"], None);
    assert_eq!(talk.ask(ResourceType::Secret, "1-1", &["a"], None), NONE);
    assert_eq!(
        talk.ask(ResourceType::Secret, "1-1", &["a", "b"], None),
        ["Secret 1-2 x2"]
    );
    assert_eq!(
        talk.ask(ResourceType::Secret, "1-2", &["a", "b"], None),
        NONE
    );
    assert_eq!(talk.ask(ResourceType::Secret, "1-2", &["b"], None), NONE);
    assert_eq!(
        talk.ask(ResourceType::Secret, "1-2", &["b"], None),
        ["Secret 1-3 x1"]
    );
}

/// An answer and a question that came as one: only the answer is seen.
#[test]
fn endpoints_follow_clusters_unasked() {
    let mut talk = Talk::new();
    let of = |timeout: &str| Snapshot {
        clusters: vec![json!({"name": "c", "connect_timeout": timeout}).into()],
        endpoints: vec![json!({"cluster_name": "c"}).into()],
        ..Snapshot::default()
    };
    talk.replace(&of("1s"));
    assert_eq!(
        talk.ask(ResourceType::Cluster, "", &[], None),
        ["Cluster 1-1 x1"]
    );
    let asked = talk.ask(ResourceType::Endpoint, "", &["c"], None);
    assert_eq!(asked, ["ClusterLoadAssignment 1-2 x1"]);
    assert_eq!(talk.ask(ResourceType::Cluster, "1-1", &[], None), NONE);
    talk.replace(&of("2s"));
    assert_eq!(
        talk.due(),
        ["Cluster 1-3 x1", "ClusterLoadAssignment 1-4 x1"]
    );
    assert_eq!(talk.ask(ResourceType::Endpoint, "1-2", &["c"], None), NONE);
    assert_eq!(talk.ask(ResourceType::Endpoint, "1-4", &["c"], None), NONE);
    assert_eq!(talk.ask(ResourceType::Cluster, "1-3", &[], None), NONE);
    assert_eq!(talk.due(), NONE);
}

#[test]
fn an_old_nonce_answers_nothing() {
    let mut talk = Talk::new();
    talk.ask(ResourceType::Cluster, "", &[], None);
    talk.set("1s", &[]);
    talk.set("2s", &[]);
    assert_eq!(
        talk.ask(ResourceType::Cluster, "1-1", &[], Some("old")),
        NONE
    );
    assert_eq!(talk.status().progress[0], Progress::Waiting);
    talk.ask(ResourceType::Cluster, "1-2", &[], None);
    assert_eq!(talk.status().progress[0], Progress::Acknowledged(2));
}

#[test]
fn a_refusal_stands_until_something_better_is_accepted() {
    let mut talk = Talk::new();
    talk.ask(ResourceType::Cluster, "", &[], None);
    talk.set("1s", &[]);
    assert_eq!(
        talk.ask(ResourceType::Cluster, "1-1", &[], Some("no")),
        NONE
    );
    let refused = talk.status().rejection.unwrap();
    assert_eq!(
        (refused.message.as_str(), &refused.names[..]),
        ("no", &["c".to_owned()][..])
    );
    assert_eq!(talk.set("2s", &[]), ["Cluster 1-2 x1"]);
    talk.ask(ResourceType::Cluster, "1-2", &[], None);
    assert_eq!(talk.status().rejection, None);
}

#[test]
fn a_refusal_names_what_was_new() {
    let mut talk = Talk::new();
    let all = ["a", "b", "c", "d"];
    talk.set("1s", &["a", "b"]);
    talk.ask(ResourceType::Secret, "", &all, None);
    talk.ask(ResourceType::Secret, "1-1", &all, None);
    assert_eq!(talk.set("1s", &all), ["Secret 1-2 x4"]);
    for (said, names) in [("<inline>", &["c", "d"][..]), ("d: no", &["d"])] {
        talk.ask(ResourceType::Secret, "1-2", &all, Some(said));
        assert_eq!(talk.status().rejection.unwrap().names, names, "{said}");
    }
}

#[test]
fn all_is_acknowledged_when_both_clusters_and_listeners_are() {
    let mut talk = Talk::new();
    talk.set("1s", &[]);
    talk.ask(ResourceType::Cluster, "", &[], None);
    talk.ask(ResourceType::Cluster, "1-1", &[], None);
    assert_eq!(talk.status().acknowledged, None);
    talk.ask(ResourceType::Listener, "", &[], None);
    talk.ask(ResourceType::Listener, "1-2", &[], None);
    assert_eq!(talk.status().acknowledged, Some(talk.resources.version));
}

/// A proxy that has cluster `old`, a listener, and asked for secret `secret`; then it is to have `new`.
fn moved(secrets: &[&str]) -> (Talk, Vec<String>) {
    let mut talk = Talk::new();
    let snapshot = |cluster: &str, listener: &str| Snapshot {
        clusters: vec![json!({"name": cluster}).into()],
        listeners: vec![json!({"name": "l", "stat_prefix": listener}).into()],
        secrets: secrets
            .iter()
            .map(|name| json!({"name": name}).into())
            .collect(),
        ..Snapshot::default()
    };
    talk.replace(&snapshot("old", "a"));
    talk.ask(ResourceType::Cluster, "", &[], None);
    talk.ask(ResourceType::Cluster, "1-1", &[], None);
    talk.ask(ResourceType::Listener, "", &[], None);
    talk.ask(ResourceType::Listener, "1-2", &[], None);
    talk.ask(ResourceType::Secret, "", &["secret"], None);
    talk.ask(ResourceType::Secret, "1-3", &["secret"], None);
    talk.replace(&snapshot("new", "b"));
    let due = talk.due();
    (talk, due)
}

#[test]
fn listeners_wait_for_clusters_and_clusters_end_after_listeners() {
    let (mut talk, due) = moved(&["secret"]);
    assert_eq!(due, ["Cluster 1-4 x2"], "the new and the old");
    assert_eq!(
        talk.ask(ResourceType::Cluster, "1-4", &[], None),
        ["Listener 1-5 x1"]
    );
    assert_eq!(
        talk.ask(ResourceType::Listener, "1-5", &[], None),
        ["Cluster 1-6 x1"],
        "the old one ends"
    );
    assert_eq!(talk.status().acknowledged, None, "it has not ended yet");
    assert_eq!(talk.ask(ResourceType::Cluster, "1-6", &[], None), NONE);
    let version = talk.resources.version;
    assert_eq!(talk.status().acknowledged, Some(version));
    assert_eq!(
        talk.conversation.clusters_without_retired(),
        version.types[ResourceType::Cluster.index()]
    );
}

#[test]
fn clusters_that_were_refused_hold_no_listeners_and_end_all_the_same() {
    let (mut talk, _) = moved(&["secret"]);
    assert_eq!(
        talk.ask(ResourceType::Cluster, "1-4", &[], Some("no")),
        ["Listener 1-5 x1"]
    );
    assert_eq!(
        talk.ask(ResourceType::Listener, "1-5", &[], Some("no")),
        ["Cluster 1-6 x1"]
    );
}

#[test]
fn listeners_do_not_wait_for_a_secret_that_is_not_there() {
    let (_, due) = moved(&[]);
    assert_eq!(due, ["Cluster 1-3 x2", "Listener 1-4 x1"]);
}

#[test]
fn types_that_are_not_served_are_noted() {
    let mut talk = Talk::new();
    let type_url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration".to_owned();
    talk.conversation.request(DiscoveryRequest {
        type_url: type_url.clone(),
        resource_names: vec!["80".into()],
        ..DiscoveryRequest::default()
    });
    assert_eq!(
        talk.status().unanswered,
        [Unanswered {
            type_url,
            name: "80".into()
        }]
    );
}
