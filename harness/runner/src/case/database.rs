//! The window of a case on the database, and the row that must be there.

use meshproof_record::Hop;
use meshproof_scenario::ExpectedDatabase;

use super::{Running, Stage};
use crate::database::{Reading, put};
use crate::judge::source;
use crate::timing::Wait;

/// The beginning of a case's window on the database, which is the case's alone.
pub(crate) struct Window {
    before: Result<Reading, String>,
}

impl Window {
    pub(crate) async fn open(stage: &Stage<'_>) -> Self {
        let before = match &stage.environment.database {
            Ok(database) => {
                stage
                    .timing
                    .wait(Wait::Database, database.read_at_rest())
                    .await
            }
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
    let reading = async {
        match &running.stage.environment.database {
            Ok(database) => {
                let rows = match query {
                    Some(query) => Some(database.rows(query).await),
                    None => None,
                };
                (rows, database.read_at_rest().await)
            }
            Err(why) => (query.map(|_| Err(why.clone())), Err(why.clone())),
        }
    };
    let (rows, after) = running.stage.timing.wait(Wait::Database, reading).await;
    put(&mut running.evidence, &window.before, &after);
    if let (Ok(database), Ok(_)) = (&running.stage.environment.database, &window.before)
        && let Some(why) = database.lost().await
    {
        running.missing(source::lasting(Hop::Mysqld), why);
    }
    match (rows, running.evidence.database.as_mut()) {
        (Some(Ok(rows)), Some(found)) => found.rows = Some(rows),
        (Some(Err(why)), _) => running.missing(source::ROWS, why),
        (Some(Ok(_)), None) => {
            running.missing(source::ROWS, "the database's counters could not be read");
        }
        (None, _) => {}
    }
}
