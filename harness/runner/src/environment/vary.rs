//! Bringing the environment into the state that a case asks for: only what differs from the present
//! state is written, so that two cases with the same overlays cost one change, and the last step back
//! is the same mechanism.

use std::collections::{BTreeMap, BTreeSet};

use futures::future;
use meshproof_cluster::{Applied, ObjectRef, Side};
use meshproof_scenario::{Case, Edit, ObjectKey, Overlay, Scenario};
use serde_json::Value;

use super::proxies::To;
use super::{During, Environment, SetupError, activation};
use crate::side::{Clusters, from_scenario};
use crate::timing::{Timing, Wait};
use crate::variation::edited;

/// The state that a case asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// What is put on top of what set-up left.
    pub(crate) overlays: &'a [&'a Overlay],
    /// It shows at no proxy.
    pub(crate) unchanged: bool,
    /// It is a step from the state before, and no way round leads there.
    pub(crate) step: bool,
}

/// Objects that differ, or have differed, from what the set-up left.
#[derive(Debug, Default)]
pub(crate) struct Varied(BTreeMap<(Side, ObjectKey), State>);

impl Varied {
    /// Everything is as set-up left it.
    pub(super) fn is_base(&self) -> bool {
        self.0.values().all(|state| state.now == state.base)
    }
}

/// An object that cases change. `None` is that there is no such object.
#[derive(Clone, Debug)]
struct State {
    base: Option<Value>,
    now: Option<Value>,
}

/// The overlays of a case, in the order in which they are put on each other.
pub(crate) fn overlays<'a>(scenario: &'a Scenario, case: &'a Case) -> Vec<&'a Overlay> {
    let named = case.uses.iter().filter_map(|name| {
        let found = scenario.overlays.get(name.value.as_str());
        found.map(|overlay| &overlay.value)
    });
    named.chain(case.with.iter().map(|at| &at.value)).collect()
}

impl Environment {
    /// Brings both clusters to the state that set-up left, with these overlays on top, and waits until
    /// it is active. What is then still not active is remembered for the evidence.
    ///
    /// # Errors
    /// An overlay that does not fit what is there, or that the cluster refuses.
    pub(crate) async fn vary(
        &mut self,
        wanted: &Wanted<'_>,
        clusters: &Clusters,
        timing: &Timing<'_>,
    ) -> Result<(), SetupError> {
        let was_base = self.varied.is_base();
        self.change(wanted, clusters, timing).await?;
        // Two cases may change different objects and leave the proxies the same. From what set-up left it shows.
        if self.unseen.is_some() && !was_base && !self.varied.is_base() && !wanted.step {
            self.change(&Wanted::default(), clusters, timing).await?;
            self.change(wanted, clusters, timing).await?;
        }
        Ok(())
    }

    async fn change(
        &mut self,
        wanted: &Wanted<'_>,
        clusters: &Clusters,
        timing: &Timing<'_>,
    ) -> Result<(), SetupError> {
        const WHAT: &str = "change the environment for a case";
        let targets = self.targets(wanted.overlays, clusters).await.during(WHAT)?;
        let changed: Vec<((Side, ObjectKey), Option<Value>)> = targets
            .into_iter()
            .filter(|(key, to)| self.varied.0.get(key).is_some_and(|state| state.now != *to))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        self.look().await;
        let writes = changed.iter().map(|((side, key), to)| {
            let state = &self.varied.0[&(*side, key.clone())];
            let access = clusters.get(*side);
            async move {
                let (base, now) = (state.base.as_ref(), state.now.as_ref());
                let object = object_ref(key);
                let applied = access.bring(&object, base, now, to.as_ref()).await;
                applied.map(|applied| (*side, applied))
            }
        });
        let written = timing.wait(Wait::Write, future::join_all(writes)).await;
        // Who spoke TLS on the link did so under another configuration.
        if let Ok(wire) = &self.wire
            && changed.iter().any(|((side, _), _)| *side == Side::Server)
        {
            wire.forget_tls_servers();
        }
        let mut applied: BTreeMap<Side, Applied> = BTreeMap::new();
        let mut refused = None;
        for (((side, key), to), result) in changed.into_iter().zip(written) {
            match result {
                Ok((_, one)) => {
                    applied.entry(side).or_default().merge(one);
                    if let Some(state) = self.varied.0.get_mut(&(side, key)) {
                        state.now = to;
                    }
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let active = applied
            .iter()
            .map(|(side, applied)| activation(clusters.get(*side), applied, timing));
        let found = timing
            .wait(Wait::Active, future::try_join_all(active))
            .await;
        self.inactive = found?.concat();
        if refused.is_none() {
            let sides = applied.keys().copied().collect();
            let to = if self.varied.is_base() {
                To::Base
            } else if wanted.unchanged {
                To::Same
            } else {
                To::Other
            };
            let following = self.follow(&sides, to, timing);
            timing.wait(Wait::Active, following).await.during(WHAT)?;
        }
        match refused {
            Some(error) => Err(error).during(WHAT),
            None => Ok(()),
        }
    }

    /// The state that each object concerned must have.
    async fn targets(
        &mut self,
        overlays: &[&Overlay],
        clusters: &Clusters,
    ) -> Result<BTreeMap<(Side, ObjectKey), Option<Value>>, String> {
        let edits: Vec<(Side, &ObjectKey, &Edit)> = overlays
            .iter()
            .flat_map(|overlay| overlay.edits())
            .map(|(side, key, edit)| (from_scenario(side), &key.value, &edit.value))
            .collect();
        self.learn(&edits, clusters).await?;
        let mut targets: BTreeMap<(Side, ObjectKey), Option<Value>> = self
            .varied
            .0
            .iter()
            .map(|(key, state)| (key.clone(), state.base.clone()))
            .collect();
        for (side, key, edit) in edits {
            let secret = match &edit.secret {
                Some(wanted) => Some(self.certificates.secret(&wanted.value)?),
                None => None,
            };
            let target = targets.entry((side, key.clone())).or_default();
            let before = target.take();
            *target = edited(key, before, edit, secret.as_ref())
                .map_err(|why| format!("cluster {side}: {key}: {why}"))?;
        }
        Ok(targets)
    }

    /// Reads objects that are changed for the first time: what they are now is what they go back to.
    async fn learn(
        &mut self,
        edits: &[(Side, &ObjectKey, &Edit)],
        clusters: &Clusters,
    ) -> Result<(), String> {
        let new: BTreeSet<(Side, &ObjectKey)> = edits
            .iter()
            .map(|(side, key, _)| (*side, *key))
            .filter(|(side, key)| !self.varied.0.contains_key(&(*side, (*key).clone())))
            .collect();
        let read = new.into_iter().map(|(side, key)| async move {
            let found = clusters.get(side).object(&object_ref(key)).await;
            found
                .map(|found| ((side, key.clone()), found))
                .map_err(|error| error.to_string())
        });
        for (key, base) in future::try_join_all(read).await? {
            let now = base.clone();
            self.varied.0.insert(key, State { base, now });
        }
        Ok(())
    }
}

fn object_ref(key: &ObjectKey) -> ObjectRef {
    ObjectRef {
        api_version: key.api_version().to_owned(),
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}

impl Environment {
    /// SHA-256 of the client certificate that the last of these overlays puts into a Secret of the
    /// client's cluster, in hexadecimal.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub(crate) fn presented(&self, overlays: &[&Overlay]) -> Result<Option<String>, String> {
        let mut secrets = overlays
            .iter()
            .flat_map(|overlay| overlay.client.values())
            .filter_map(|edit| edit.secret.as_ref());
        let last = secrets.next_back();
        last.map(|secret| self.certificates.fingerprint(&secret.value))
            .transpose()
    }
}
