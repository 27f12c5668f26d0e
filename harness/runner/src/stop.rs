//! Being told to stop: by a signal, by a person.

use tokio::sync::watch;

/// Tells a run to stop. Cheap to clone; every clone tells and hears the same.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Sender<Option<String>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Nobody has told to stop yet.
    pub fn new() -> Self {
        Self {
            told: watch::Sender::new(None),
        }
    }

    /// Tells to stop, for example `interrupted by SIGINT`. The first reason stays.
    pub fn stop(&self, why: impl Into<String>) {
        self.told.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(why.into());
            }
            first
        });
    }

    /// The reason, once told.
    pub fn told(&self) -> Option<String> {
        self.told.borrow().clone()
    }

    /// Waits to be told.
    pub async fn wait(&self) -> String {
        let mut heard = self.told.subscribe();
        loop {
            if let Some(why) = heard.borrow_and_update().clone() {
                return why;
            }
            // The sender lives in `self`, so this cannot fail; were it to, nobody will ever tell.
            if heard.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let stop = Stop::new();
        assert_eq!(stop.told(), None);
        stop.stop("SIGINT");
        stop.clone().stop("SIGTERM");
        assert_eq!(stop.wait().await, "SIGINT");
    }
}
