//! The window of a case on the database, and the row that must be there.

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
    let query = match running.case.expect.database.as_ref().map(|at| &at.value) {
        Some(ExpectedDatabase::Rows(wanted)) => Some(wanted.query.value.as_str()),
        _ => None,
    };
    let (rows, after) = match &running.stage.environment.database {
        Ok(database) => {
            let rows = match query {
                Some(query) => Some(database.rows(query).await),
                None => None,
            };
            (rows, database.read().await)
        }
        Err(why) => (query.map(|_| Err(why.clone())), Err(why.clone())),
    };
    put(&mut running.evidence, &window.before, &after);
    match (rows, running.evidence.database.as_mut()) {
        (Some(Ok(rows)), Some(found)) => found.rows = Some(rows),
        (Some(Err(why)), _) => running.missing(source::ROWS, why),
        (Some(Ok(_)), None) => {
            running.missing(source::ROWS, "the database's counters could not be read");
        }
        (None, _) => {}
    }
}
