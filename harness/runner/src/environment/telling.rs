//! How an environment knows that configuration is active: the mesh reports it, or the proxies are asked, or nothing
//! tells and what changes configuration cannot be judged.

use std::collections::BTreeSet;

use meshproof_cluster::{PodRef, Side};

use super::proxies::{self, Followed, Own, Proxies, To};
use super::{Bound, During, Environment, SetupError};
use crate::observer::Event;
use crate::side::Clusters;
use crate::timing::Timing;

/// Waiting for configuration.
pub(super) const ACTIVE: &str = "wait for active configuration";

/// What tells that configuration is active.
pub(crate) enum Telling {
    /// The mesh.
    Mesh,
    /// The proxies.
    Proxies(Proxies),
}

/// What tells that configuration is active, once that of the set-up is.
///
/// # Errors
/// In words: nothing tells.
pub(super) async fn begin(
    bound: &Bound,
    clusters: &Clusters,
    timing: &Timing<'_>,
    mut pods: Vec<(Side, PodRef, Own)>,
) -> Result<(Telling, Followed), String> {
    let Some(asked) = proxies::asked(clusters) else {
        return Ok((Telling::Mesh, Followed::Active));
    };
    let run = bound.run.as_deref();
    let run = run.ok_or("what the run makes has no names of its own, by which proxies tell it")?;
    for (side, gateway) in [
        (Side::Client, &clusters.client.facts.egress),
        (Side::Server, &clusters.server.facts.ingress),
    ] {
        let access = clusters.get(side);
        let ready = access.ready_pods(&gateway.namespace, &gateway.selector);
        let ready = ready.await.map_err(|error| error.to_string())?;
        pods.extend(ready.into_iter().map(|pod| (side, pod, Own::Gateway)));
    }
    let mut proxies = Proxies::open(clusters, asked, run, pods).await?;
    let what = "wait until the proxies serve it";
    let followed = timing.step(None, what, proxies.begin()).await?;
    Ok((Telling::Proxies(proxies), followed))
}

impl Environment {
    /// Takes over what tells that configuration is active, and what it tells of the set-up.
    ///
    /// # Errors
    /// A proxy refuses what set-up has written.
    pub(super) fn tell_by(
        &mut self,
        telling: Result<(Telling, Followed), String>,
        timing: &Timing<'_>,
    ) -> Result<(), SetupError> {
        let told = telling.map(|(telling, followed)| {
            self.telling = Ok(telling);
            followed
        });
        match told {
            Ok(followed) => self.followed(followed, timing).during(ACTIVE),
            Err(why) => {
                note(
                    timing,
                    format!("whether configuration is active is not known: {why}"),
                );
                self.telling = Err(why);
                Ok(())
            }
        }
    }

    /// Remembers for the evidence what became of a change.
    ///
    /// # Errors
    /// In words: a proxy refuses it.
    fn followed(&mut self, followed: Followed, timing: &Timing<'_>) -> Result<(), String> {
        match followed {
            Followed::Active => {}
            Followed::Refused(why) => return Err(why),
            Followed::Warming(names) => {
                let why = format!("still not active: {names}");
                note(timing, why.clone());
                self.inactive.push(why);
            }
            Followed::Unknown(why) => {
                note(timing, why.clone());
                self.unseen = Some(why);
            }
        }
        Ok(())
    }

    /// Why it is not known whether the configuration is active that a case asks for.
    pub(crate) fn unacknowledged(&self) -> Option<&String> {
        self.telling.as_ref().err().or(self.unseen.as_ref())
    }

    /// Reads what the proxies serve just before a change, where they are asked.
    pub(super) async fn look(&mut self) {
        let is_base = self.varied.is_base();
        self.unseen = match &mut self.telling {
            Ok(Telling::Proxies(proxies)) => proxies.look(is_base).await.err(),
            Ok(Telling::Mesh) | Err(_) => None,
        };
    }

    /// Waits until the proxies serve what was written, where they are asked.
    ///
    /// # Errors
    /// In words: a proxy refuses it.
    pub(super) async fn follow(
        &mut self,
        sides: &BTreeSet<Side>,
        to: To,
        timing: &Timing<'_>,
    ) -> Result<(), String> {
        let Ok(Telling::Proxies(proxies)) = &mut self.telling else {
            return Ok(());
        };
        if self.unseen.is_some() {
            return Ok(());
        }
        let followed = Box::pin(proxies.follow(sides, to)).await;
        self.followed(followed.unwrap_or_else(Followed::Unknown), timing)
    }

    /// Whether the proxies still serve what they served when the case began, where they are asked.
    ///
    /// # Errors
    /// In words: what has changed meanwhile, or cannot be asked.
    pub(crate) async fn still(&mut self) -> Result<(), String> {
        match &mut self.telling {
            Ok(Telling::Proxies(proxies)) => Box::pin(proxies.still()).await,
            Ok(Telling::Mesh) | Err(_) => Ok(()),
        }
    }
}

fn note(timing: &Timing<'_>, text: String) {
    timing.tell(&Event::Note {
        cluster: None,
        text,
    });
}
