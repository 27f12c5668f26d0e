//! What real clusters did.

use std::{fs, path::Path};

use meshproof_record::{Cause, Hop};
use serde::Deserialize;

/// One recording.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) speaks: String,
    pub(crate) truth: Truth,
}

/// How it ended.
#[derive(Deserialize)]
pub(crate) struct Truth {
    pub(crate) outcome: String,
    pub(crate) hop: Hop,
    pub(crate) cause: Cause,
}

pub(crate) fn all() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../evidence/tests/data/failures/istio-1.32-envoy-1.40.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}
