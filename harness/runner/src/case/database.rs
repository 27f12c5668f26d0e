//! The window of a case on the database, and the row that must be there.

use meshproof_record::Missing;
use meshproof_scenario::ExpectedDatabase;

use super::{Running, Stage};
use crate::database::{Reading, put};
use crate::judge::source;

/// The beginning of a window on the database. Cases that run beside each other share one: found
/// empty at its end, it was empty for each of them.
pub(crate) struct Window {
    before: Result<Reading, String>,
}

impl Window {
    pub(crate) async fn open(stage: &Stage<'_>) -> Self {
        let before = match &stage.environment.database {
            Ok(database) => database.read().await,
            Err(why) => Err(why.clone()),
        };
        Self { before }
    }
}

/// Reads the row that is expected, then the counters at the end of the window.
pub(super) async fn finish(running: &mut Running<'_>, window: &Window) {
    let database = match &running.stage.environment.database {
        Ok(database) => database,
        Err(why) => {
            running.missing(source::DATABASE, why.clone());
            return running.missing(source::ROWS, why.clone());
        }
    };
    let rows = match running
        .case
        .expect
        .database
        .as_ref()
        .map(|expected| &expected.value)
    {
        Some(ExpectedDatabase::Rows(wanted)) => Some(database.rows(&wanted.query).await),
        _ => None,
    };
    let after = database.read().await;
    put(&mut running.evidence, &window.before, &after);
    match (rows, running.evidence.database.as_mut()) {
        (Some(Ok(rows)), Some(found)) => found.rows = Some(rows),
        (Some(Err(why)), _) => running.evidence.missing.push(Missing {
            source: source::ROWS.to_owned(),
            why,
        }),
        (Some(Ok(_)), None) => {
            running.missing(source::ROWS, "the database's counters could not be read");
        }
        (None, _) => {}
    }
}
