//! Waiting for what a test expects to become true.

use std::time::{Duration, Instant};

/// How often a test looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until something is there; the failure says what was waited for and what was seen last.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    let mut every = tokio::time::interval(LOOK);
    loop {
        every.tick().await;
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(
                begun.elapsed() < within,
                "waited {within:?} for {what}; last seen: {seen}"
            ),
        }
    }
}
