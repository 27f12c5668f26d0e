//! `meshproof report`: reports of a run record, judged again.

mod read;
mod trust;

use std::path::Path;

use meshproof_record::RunRecord;
use meshproof_reports::{
    COMMENT_LIMIT, TableOptions, WriteError, html, junit, printable, replace_file, summary, table,
};

use crate::args::ReportArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::ending;
use crate::show;

/// Reads the record, computes its verdicts again, and writes what was asked for. The exit code is that of
/// a run with these verdicts.
pub(crate) fn command(args: &ReportArgs) -> Result<Exit, Failure> {
    let path = read::place(&args.record);
    let recorded = read::record(&path)?;
    let record = trust::judged(&recorded);
    for change in trust::changes(&recorded, &record) {
        show::note(&printable(&change));
    }
    let system = |error: &WriteError| Failure::of(Exit::EnvironmentFailed, error);
    if let Some(file) = &args.html {
        let text = html(&record).map_err(|error| Failure::of(Exit::Internal, &error))?;
        replace_file(file, text.as_bytes()).map_err(|error| system(&error))?;
    }
    if let Some(file) = &args.markdown {
        let text = summary(&record, COMMENT_LIMIT);
        replace_file(file, text.as_bytes()).map_err(|error| system(&error))?;
    }
    if let Some(file) = &args.junit {
        let text = junit(&record, &[&path]).map_err(|error| Failure::of(Exit::Internal, &error))?;
        replace_file(file, text.as_bytes()).map_err(|error| system(&error))?;
    }
    if args.html.is_none() && args.markdown.is_none() && args.junit.is_none() {
        print(&record, path.parent())?;
    }
    Ok(ending::verdict(&record))
}

fn print(record: &RunRecord, folder: Option<&Path>) -> Result<(), Failure> {
    let options = TableOptions {
        colour: show::colour_on_stdout(),
        folder,
    };
    show::out(&table(record, options)).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))
}
