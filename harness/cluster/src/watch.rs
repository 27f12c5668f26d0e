//! Waiting for one object to become what it should be, by watch.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::access::ClusterAccess;
use crate::error::{Error, Result, chain};

impl ClusterAccess {
    /// Watches the object `name` until `reached` returns a value or an error, at most for `within`.
    ///
    /// `reached` sees `None` while the object does not exist. `describe` puts into words what the
    /// last state was, for the message when the deadline passes.
    pub(crate) async fn watch_until<K, T>(
        &self,
        api: Api<K>,
        name: &str,
        what: &str,
        within: Duration,
        mut reached: impl FnMut(Option<&K>) -> Result<Option<T>>,
        describe: impl Fn(Option<&K>) -> String,
    ) -> Result<T>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut last = Last::Nothing;
        let watching = async {
            let mut changes = std::pin::pin!(watcher::watch_object(api, name).default_backoff());
            while let Some(change) = changes.next().await {
                match change {
                    Ok(object) => {
                        if let Some(value) = reached(object.as_ref())? {
                            return Ok(value);
                        }
                        last = Last::State(object);
                    }
                    Err(error) if is_final(&error) => {
                        return Err(self.failed(format!("watch {what}"), chain(&error)));
                    }
                    Err(error) => last = Last::Broken(chain(&error)),
                }
            }
            Err(self.failed(format!("watch {what}"), "the watch ended"))
        };
        if let Ok(result) = tokio::time::timeout(within, watching).await {
            return result;
        }
        let found = match &last {
            Last::Nothing => "the cluster did not answer".to_owned(),
            Last::Broken(why) => why.clone(),
            Last::State(object) => describe(object.as_ref()),
        };
        Err(self.deadline(what, within, found))
    }

    pub(crate) fn deadline(&self, what: &str, waited: Duration, found: String) -> Error {
        Error::Deadline {
            cluster: self.side.to_string(),
            what: what.to_owned(),
            waited,
            found,
        }
    }
}

enum Last<K> {
    Nothing,
    Broken(String),
    State(Option<K>),
}

/// Whether trying again cannot help: no permission, or a kind that is not served.
pub(crate) fn is_final(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(inner) | watcher::Error::WatchStartFailed(inner)) =
        error
    else {
        return false;
    };
    matches!(inner, kube::Error::Api(status) if matches!(status.code, 400 | 401 | 403 | 404 | 405 | 422))
}
