//! `meshproof explain`: who ended recorded sessions, why, and how that is known.

use std::fs;

use meshproof_runner::{Explained, Shape, explain};
use serde::{Deserialize, Serialize};

use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::show;

/// An explanation, and which record it is of.
#[derive(Serialize)]
struct Answer {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(flatten)]
    explained: Explained,
}

/// The name of a record is printed and takes no part in the explanation.
#[derive(Deserialize)]
struct Named {
    id: Option<String>,
}

/// Explains each record of the file. Lines that are no records are told one by one; the others are
/// still explained.
pub(crate) fn command(args: &ExplainArgs) -> Result<Exit, Failure> {
    let file = args.record.display();
    let text = fs::read_to_string(&args.record).map_err(|error| {
        Failure::new(
            Exit::BadInput,
            format!("reading the records in {file}: {error}"),
        )
    })?;
    let shape = if args.default_format {
        Shape::Default
    } else {
        Shape::AsRecorded
    };
    let mut exit = Exit::Pass;
    let mut any = false;
    for (index, record) in text.lines().enumerate() {
        if record.trim().is_empty() {
            continue;
        }
        any = true;
        let line = index + 1;
        match explain(record, shape) {
            Ok(explained) => print(&Answer {
                line,
                id: name(record),
                explained,
            })?,
            Err(error) => {
                show::error(&format!("{file}:{line}: {}", chain(&error)));
                exit = Exit::BadInput;
            }
        }
    }
    if any {
        Ok(exit)
    } else {
        Err(Failure::new(
            Exit::BadInput,
            format!("{file} holds no record: one JSON object a line is expected"),
        ))
    }
}

fn name(record: &str) -> Option<String> {
    serde_json::from_str::<Named>(record).ok()?.id
}

fn print(answer: &Answer) -> Result<(), Failure> {
    let mut text =
        serde_json::to_string(answer).map_err(|error| Failure::of(Exit::Internal, &error))?;
    text.push('\n');
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))
}
