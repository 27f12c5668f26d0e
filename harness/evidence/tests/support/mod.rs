//! The recorded failures.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;

use meshproof_evidence::{BuiltIn, HopLogs, Opening, Reader};
use meshproof_record::{Cause, Hop, Outcome};
use serde::Deserialize;

/// One recording.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) speaks: String,
    pub(crate) logs: BTreeMap<String, Vec<String>>,
    pub(crate) truth: Truth,
}

/// What was wrong.
#[derive(Deserialize)]
pub(crate) struct Truth {
    pub(crate) outcome: Outcome,
    pub(crate) hop: Hop,
    pub(crate) cause: Cause,
    pub(crate) told_by: String,
}

pub(crate) fn text() -> Vec<Recorded> {
    parse(include_str!("../data/failures/istio-1.32-envoy-1.40.jsonl"))
}

pub(crate) fn json() -> Vec<Recorded> {
    parse(include_str!("../data/failures/istio-1.32-json-logs.jsonl"))
}

pub(crate) fn text_of(id: &str) -> Recorded {
    text()
        .into_iter()
        .find(|recorded| recorded.id == id)
        .unwrap()
}

fn parse(lines: &str) -> Vec<Recorded> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Recorded {
    /// Lines of the longer format, as recorded.
    pub(crate) fn full(&self) -> HopLogs {
        self.read(&BuiltIn::Failures.into(), str::to_owned)
    }

    /// The same, cut to what Istio's default format shows.
    pub(crate) fn default_format(&self) -> HopLogs {
        self.read(&BuiltIn::Text.into(), |line| {
            line.split(" | ").next().unwrap().to_owned()
        })
    }

    pub(crate) fn read(&self, reader: &Reader, cut: impl Fn(&str) -> String) -> HopLogs {
        let read = |line: &String| reader.read(&cut(line)).unwrap();
        self.logs
            .iter()
            .map(|(name, lines)| (hop(name), lines.iter().map(read).collect()))
            .collect()
    }

    pub(crate) fn opening(&self) -> Opening {
        match self.speaks.as_str() {
            "tls" => Opening::Tls,
            text if text.starts_with("plaintext") => Opening::Plaintext,
            _ => Opening::ServerFirst,
        }
    }
}

pub(crate) fn hop(name: &str) -> Hop {
    match name {
        "client" => Hop::ClientSidecar,
        "egress" => Hop::Egress,
        "ingress" => Hop::Ingress,
        "server" => Hop::ServerSidecar,
        other => panic!("no such hop: {other}"),
    }
}

/// The tutorial's four lines, in the order of the path.
pub(crate) fn tutorial() -> HopLogs {
    let lines = include_str!("../data/tutorial.log").lines();
    let reader = Reader::from(BuiltIn::Text1x3);
    lines
        .zip(meshproof_evidence::PATH)
        .map(|(line, hop)| (hop, vec![reader.read(line).unwrap()]))
        .collect()
}
