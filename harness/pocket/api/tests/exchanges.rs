//! Replays what a real API server answered.
//!
//! An exchange that `tests/data/not-yet-equal.txt` does not name must be equal; one that it
//! names must not be.
#![allow(clippy::unwrap_used, missing_docs)] // a panic is how a test fails

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use http::{Request, Response};
use meshproof_pocket_api::{AdmitAll, ApiServer, Kind, NoStreams, Store};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("data/exchanges.jsonl");
const LIST: &str = "tests/data/not-yet-equal.txt";

struct Replay {
    client: kube::Client,
    saved: HashMap<String, String>,
    /// Placeholders of the recording and the values they stood for first, both ways.
    bound: HashMap<String, String>,
}

struct Answer {
    status: u16,
    content_type: String,
    warnings: Vec<String>,
    body: Value,
}

/// A server as the recorded one stood: its system namespaces, no controllers.
fn fresh() -> ApiServer {
    let store = Arc::new(Store::new());
    let server = ApiServer::new(store, Arc::new(AdmitAll), Arc::new(NoStreams));
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let namespace = json!({ "metadata": { "name": name } });
        server
            .create_admitted(Kind::Namespace, namespace, "kube-apiserver")
            .unwrap();
    }
    server
}

impl Replay {
    fn fill(&self, text: &str) -> String {
        self.saved
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }

    async fn send(&self, request: &Value) -> Answer {
        let path = self
            .fill(request["path"].as_str().unwrap())
            .replace(' ', "%20");
        let mut builder = Request::builder()
            .method(request["method"].as_str().unwrap())
            .uri(path);
        for (name, value) in request["headers"].as_object().unwrap() {
            builder = builder.header(name, value.as_str().unwrap());
        }
        let body = match &request["body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => self.fill(&other.to_string()),
        };
        let response = self
            .client
            .send(
                builder
                    .body(kube::client::Body::from(body.into_bytes()))
                    .unwrap(),
            )
            .await
            .unwrap();
        read(response).await
    }

    /// Whether two values are equal up to placeholders.
    fn same(&mut self, recorded: &Value, got: &Value) -> bool {
        match (recorded, got) {
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|(key, a)| b.get(key).is_some_and(|b| self.same(a, b)))
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b))
            }
            (Value::String(a), got) => self.same_text(a, got),
            (a, b) => a == b,
        }
    }

    fn same_text(&mut self, recorded: &str, got: &Value) -> bool {
        let text = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
        if recorded == text {
            return true;
        }
        // The one generated name that the recording shows as it was.
        if recorded.starts_with("kube-api-access-") {
            return text.starts_with("kube-api-access-");
        }
        let Some(start) = recorded.find('<') else {
            return false;
        };
        let Some(length) = recorded[start..].find('>') else {
            return false;
        };
        let (before, rest) = recorded.split_at(start);
        let (placeholder, after) = rest.split_at(length + 1);
        let Some(value) = text
            .strip_prefix(before)
            .and_then(|text| text.strip_suffix(after))
        else {
            return false;
        };
        // Numbered words stand for one value throughout.
        if placeholder.contains(' ') {
            return self
                .bound
                .entry(placeholder.to_owned())
                .or_insert_with(|| value.to_owned())
                == value;
        }
        !value.is_empty()
    }

    fn differences(&mut self, recorded: &Value, got: &Answer) -> Option<String> {
        let mut text = String::new();
        if recorded["status"] != got.status {
            let _ = write!(text, "status {} for {}; ", got.status, recorded["status"]);
        }
        if recorded["content_type"] != *got.content_type && recorded["content_type"] != "" {
            let _ = write!(
                text,
                "content type {} for {}; ",
                got.content_type, recorded["content_type"]
            );
        }
        let warnings = recorded
            .get("warning")
            .cloned()
            .unwrap_or_else(|| json!([]));
        if warnings != json!(got.warnings) {
            let _ = write!(text, "warnings {:?} for {warnings}; ", got.warnings);
        }
        if !self.same(&recorded["body"], &got.body) {
            let _ = write!(
                text,
                "body\n   got  {}\n   want {}",
                got.body, recorded["body"]
            );
        }
        (!text.is_empty()).then_some(text)
    }
}

async fn read(response: Response<kube::client::Body>) -> Answer {
    let header = |name: &str| -> Vec<String> {
        response
            .headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    let (status, content_type, warnings) = (
        response.status().as_u16(),
        header("content-type"),
        header("warning"),
    );
    let bytes = response.into_body().collect_bytes().await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        content_type: content_type.first().cloned().unwrap_or_default(),
        warnings,
        body,
    }
}

/// A watch's events, in the recording's form.
fn events(answer: &mut Answer) {
    let text = match &answer.body {
        Value::String(text) => text.clone(),
        Value::Object(_) if answer.status == 200 => answer.body.to_string(),
        _ => return,
    };
    if answer.status == 200 {
        answer.body = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect();
    }
}

fn listed() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST))
        .unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (id, reason) = line
                .split_once(' ')
                .unwrap_or_else(|| panic!("{LIST}: no reason for {line}"));
            (id.to_owned(), reason.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn exchanges_are_answered_as_recorded() {
    let mut replay = Replay {
        client: fresh().in_memory_client(),
        saved: HashMap::new(),
        bound: HashMap::new(),
    };
    let listed = listed();
    let (mut seen, mut problems) = (BTreeSet::new(), String::new());
    for line in RECORDED.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let id = exchange["id"].as_str().unwrap();
        let request = &exchange["request"];
        seen.insert(id.to_owned());
        if request["headers"].get("Authorization").is_some() {
            // Who may do what is decided before this router; there is one user so far.
            assert!(
                listed.contains_key(id),
                "{id}: of another user, and not in {LIST}"
            );
            continue;
        }
        let mut answer = replay.send(request).await;
        if exchange["watch"] == true {
            events(&mut answer);
        }
        for (name, place) in exchange["save"].as_object().into_iter().flatten() {
            let found = place
                .as_str()
                .unwrap()
                .split('.')
                .fold(&answer.body, |value, key| &value[key]);
            replay
                .saved
                .insert(name.clone(), found.as_str().unwrap_or_default().to_owned());
        }
        let difference = replay.differences(&exchange["response"], &answer);
        match (difference, listed.contains_key(id)) {
            (Some(difference), false) => {
                let _ = writeln!(
                    problems,
                    "{id}: {} {}: {difference}",
                    request["method"], request["path"]
                );
            }
            (None, true) => {
                let _ = writeln!(problems, "{id}: equal by now, take it out of {LIST}");
            }
            _ => {}
        }
    }
    for id in listed.keys().filter(|id| !seen.contains(*id)) {
        let _ = writeln!(problems, "{id}: in {LIST}, but not recorded");
    }
    assert!(problems.is_empty(), "{problems}");
}
