//! Growth of the database's counters, without the harness's own share.

use std::collections::BTreeMap;

use meshproof_record::DatabaseEvidence;

/// Statements sent by clients (MySQL manual, server status variables).
pub(crate) const QUESTIONS: &str = "Questions";
/// Connection attempts, successful or not.
pub(crate) const CONNECTIONS: &str = "Connections";
/// Connections that are open.
pub(crate) const CONNECTED: &str = "Threads_connected";
/// How much a counter grew beyond the harness's own share.
pub(crate) fn grown(database: &DatabaseEvidence, counter: &str) -> Result<u64, String> {
    let get = |values: &BTreeMap<String, u64>, when: &str| {
        values
            .get(counter)
            .copied()
            .ok_or_else(|| format!("the counter {counter} was not read {when} the case"))
    };
    let (before, after) = (
        get(&database.before, "before")?,
        get(&database.after, "after")?,
    );
    let own = database.own.get(counter).copied().unwrap_or(0);
    after
        .checked_sub(before)
        .and_then(|grown| grown.checked_sub(own))
        .ok_or_else(|| format!("the counter {counter} went from {before} to {after} with {own} of the harness: the server was restarted or its status flushed"))
}
