//! An environment that one scenario leaves to the next, where nothing of the first is left in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::environment::Environment;

/// What a scenario leaves to the next one on the same clusters; see [`crate::together`].
#[derive(Default)]
pub struct Kept {
    wanted: bool,
    left: Option<Left>,
}

/// An environment, and what its database held when it was new.
pub(crate) struct Left {
    pub(crate) environment: Environment,
    /// Only where another scenario can follow.
    contents: Option<Result<Contents, String>>,
}

/// What a scenario's statements can leave in a database, by the query that tells it: databases, tables, accounts, and
/// what is set.
type Contents = BTreeMap<&'static str, BTreeSet<Vec<String>>>;

/// System tables change by themselves; what makes accounts and databases is read from where it is in all of MySQL 5.6
/// to 9 and in MariaDB.
const CONTENTS: [&str; 5] = [
    "SHOW DATABASES",
    "SELECT table_schema, table_name, create_time, update_time, table_rows FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')",
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.db",
    "SHOW GLOBAL VARIABLES",
];

impl Kept {
    /// Another scenario can follow.
    pub fn wanted() -> Self {
        Self {
            wanted: true,
            left: None,
        }
    }

    /// Whether the next scenario finds an environment.
    pub fn is_left(&self) -> bool {
        self.left.is_some()
    }

    pub(crate) fn take(&mut self) -> Option<Left> {
        self.left.take()
    }

    /// An environment that was just set up.
    pub(crate) async fn begin(&self, environment: Environment) -> Left {
        let contents = if self.wanted {
            Some(contents(&environment).await)
        } else {
            None
        };
        Left {
            environment,
            contents,
        }
    }

    /// Keeps an environment for the next scenario.
    ///
    /// # Errors
    /// Why it is not kept, where another scenario would have it: what differs from how it was when it was new.
    pub(crate) async fn keep(&mut self, left: Left) -> Result<(), String> {
        let Some(before) = &left.contents else {
            return Ok(());
        };
        let before = before.as_ref().map_err(Clone::clone)?;
        if let Some(why) = left.environment.lacks().await {
            return Err(why);
        }
        let now = contents(&left.environment).await?;
        if let Some((query, _)) = now
            .iter()
            .find(|(query, rows)| before.get(*query) != Some(rows))
        {
            return Err(format!("the database has another answer to {query}"));
        }
        self.left = Some(left);
        Ok(())
    }
}

/// What the database holds.
async fn contents(environment: &Environment) -> Result<Contents, String> {
    let database = environment.database.as_ref().map_err(Clone::clone)?;
    let mut found = Contents::new();
    for query in CONTENTS {
        let rows = database.rows(query).await?;
        found.insert(query, rows.into_iter().collect());
    }
    Ok(found)
}
