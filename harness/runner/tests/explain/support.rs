//! The recorded failures, as values that tests may change.

use std::path::Path;

use meshproof_record::{Cause, Hop, Observed, Outcome};
use meshproof_runner::{Confidence, Explained, Shape, explain};
use serde_json::Value;

pub(crate) const HOPS: [&str; 4] = ["client", "egress", "ingress", "server"];
pub(crate) const SHAPES: [Shape; 2] = [Shape::AsRecorded, Shape::Default];

/// A record, with what was really wrong.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) truth: Observed,
    pub(crate) told_by: String,
    /// What is explained: without what the record says of itself.
    pub(crate) evidence: Value,
}

pub(crate) fn text() -> Vec<Recorded> {
    read("istio-1.32-envoy-1.40.jsonl")
}

pub(crate) fn json() -> Vec<Recorded> {
    read("istio-1.32-json-logs.jsonl")
}

pub(crate) fn recorded(id: &str) -> Recorded {
    text().into_iter().find(|record| record.id == id).unwrap()
}

fn read(file: &str) -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evidence/tests/data/failures");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines().map(of).collect()
}

fn of(line: &str) -> Recorded {
    let mut evidence: Value = serde_json::from_str(line).unwrap();
    let object = evidence.as_object_mut().unwrap();
    object.remove("what").unwrap();
    let id = object.remove("id").unwrap();
    let mut truth = object.remove("truth").unwrap();
    let told_by = truth.as_object_mut().unwrap().remove("told_by").unwrap();
    Recorded {
        id: id.as_str().unwrap().to_owned(),
        truth: serde_json::from_value(truth).unwrap(),
        told_by: told_by.as_str().unwrap().to_owned(),
        evidence,
    }
}

impl Recorded {
    pub(crate) fn explain(&self, shape: Shape) -> Explained {
        explain(&self.evidence.to_string(), shape).unwrap()
    }

    pub(crate) fn lines(&mut self, hop: &str) -> &mut Vec<Value> {
        self.evidence["logs"][hop].as_array_mut().unwrap()
    }

    /// Right, or open. Never another answer.
    pub(crate) fn is_not_wrong(&self, shape: Shape) {
        let explained = self.explain(shape);
        if let Some(found) = observed(&explained) {
            assert_eq!(found, self.truth, "{} {shape:?}: {explained:#?}", self.id);
        } else {
            assert_ne!(explained.confidence, Confidence::Certain);
        }
    }
}

pub(crate) fn observed(explained: &Explained) -> Option<Observed> {
    let all: (Option<Outcome>, Option<Hop>, Option<Cause>) =
        (explained.outcome, explained.hop, explained.cause);
    let (Some(outcome), Some(hop), Some(cause)) = all else {
        return None;
    };
    Some(Observed {
        outcome,
        hop,
        cause,
    })
}
