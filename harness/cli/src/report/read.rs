//! A run record from a file, or in clear words why it is none.

use std::fs;
use std::path::{Path, PathBuf};

use meshproof_record::{RunRecord, SCHEMA};
use serde::Deserialize;
use serde_json::error::Category;

use crate::exit::Exit;
use crate::failure::Failure;

/// What every version of a record has.
#[derive(Deserialize)]
#[serde(rename = "run record")]
struct Versioned {
    schema: String,
}

/// The record's own file: a folder stands for the `run.json` in it.
pub(super) fn place(given: &Path) -> PathBuf {
    if given.is_dir() {
        given.join("run.json")
    } else {
        given.to_owned()
    }
}

/// Reads a run record.
pub(super) fn record(path: &Path) -> Result<RunRecord, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let message = format!("reading the run record {}: {error}", path.display());
        Failure::new(Exit::BadInput, message)
    })?;
    parse(&bytes).map_err(|why| {
        let message = format!("reading the run record {}: {why}", path.display());
        Failure::new(Exit::UnreadableRecord, message)
    })
}

fn parse(bytes: &[u8]) -> Result<RunRecord, String> {
    // The version first: what another version means by a field is not for this one to say.
    let versioned: Versioned =
        serde_json::from_slice(bytes).map_err(|error| broken(bytes, &error))?;
    if versioned.schema != SCHEMA {
        return Err(format!(
            "it is of version {:?} and this meshproof {} reads {SCHEMA:?}: use the meshproof that wrote it, \
             or a later one",
            versioned.schema,
            env!("CARGO_PKG_VERSION")
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| broken(bytes, &error))
}

fn broken(bytes: &[u8], error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof if bytes.is_empty() => {
            "it is empty: whoever wrote it did not come to its end; run again".to_owned()
        }
        _ if cut_off(bytes, error) => format!(
            "it is cut off after {} bytes ({error}): copy it again, or run again",
            bytes.len()
        ),
        Category::Syntax | Category::Io | Category::Eof => {
            format!("it is not JSON, or damaged: {error}: copy it again, or run again")
        }
        Category::Data => format!(
            "it is JSON and not a run record of {SCHEMA:?}: {error}: give the run.json of a run's folder"
        ),
    }
}

/// Whether what is wrong with the text is that it ends. A number that ends at its point counts as one that
/// is wrong.
fn cut_off(bytes: &[u8], error: &serde_json::Error) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n');
    let (number, last) = lines.enumerate().last().unwrap_or_default();
    let at_the_end = error.line() == number + 1 && error.column() >= last.len();
    error.is_eof() || (error.is_syntax() && bytes.starts_with(b"{") && at_the_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::journal::Journal;

    fn whole() -> Vec<u8> {
        serde_json::to_vec_pretty(&Journal::begin("embedded").end()).unwrap()
    }

    #[test]
    fn a_whole_record_is_read() {
        assert_eq!(parse(&whole()).unwrap().provider, "embedded");
    }

    #[test]
    fn a_record_cut_anywhere_is_told_as_such() {
        let whole = whole();
        for end in 1..whole.len() {
            let why = parse(&whole[..end]).unwrap_err();
            assert!(why.contains("cut off"), "{end}: {why}");
        }
    }

    #[test]
    fn what_is_none_says_so() {
        let newer = String::from_utf8(whole())
            .unwrap()
            .replace("v1alpha1", "v2");
        let said = [
            &b""[..],
            b"{",
            b"[]",
            b"{\"schema\": 1}",
            b"\xff\xfe",
            b"{} trailing",
            newer.as_bytes(),
        ]
        .map(|bytes| parse(bytes).unwrap_err());
        insta::assert_snapshot!(said.join("\n"));
    }
}
