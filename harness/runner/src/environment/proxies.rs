//! Following changes at the proxies, by their admin ports.
//!
//! Nobody says which proxies a change concerns, nor when all of them have it. What can be seen is that proxies of a
//! cluster change and then change no more, and, on the way back, that they serve what they served before. Whether that
//! was all is looked at again after each case: a proxy that changes while a case runs voids it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future;
use meshproof_cluster::{ActiveEvidence, ClusterAccess, PodRef, ProxyAdmin, Serving, Side, Whose};
use tokio::time::Instant;

use crate::side::Clusters;

/// Between two readings. Envoy's admin port tells what is, and never that something has changed.
const AGAIN: Duration = Duration::from_millis(100);

/// What all proxies serve.
type Reading = BTreeMap<(Side, PodRef), Serving>;

/// The proxies of an environment.
pub(crate) struct Proxies {
    all: Vec<(Side, ProxyAdmin)>,
    quiet: Duration,
    begins_within: Duration,
    ends_within: Duration,
    /// What they served when set-up had settled.
    base: Reading,
    /// What they serve since the last change.
    now: Reading,
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The proxies serve it.
    Active,
    /// Something still waits, in words.
    Warming(String),
    /// A proxy refuses it, in words.
    Refused(String),
    /// It cannot be told, in words.
    Unknown(String),
}

/// Where a change leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// To something of the run's at every proxy, where there was nothing.
    Something,
    /// Away from what was there, in clusters that were written to.
    Other,
    /// To something that shows at no proxy.
    Same,
    /// Back to what set-up left.
    Base,
}

impl Proxies {
    /// Asks the proxies of `pods` for what they serve of the run's.
    ///
    /// # Errors
    /// In words: one of them cannot be asked.
    pub(crate) async fn open(
        clusters: &Clusters,
        (quiet, begins_within): Asked,
        run: &str,
        pods: Vec<(Side, PodRef, Own)>,
    ) -> Result<Self, String> {
        let all = pods.into_iter().map(|(side, pod, own)| {
            let whose = Whose {
                run: run.to_owned(),
                own_pod: own == Own::Run,
            };
            (side, clusters.get(side).proxy_admin(&pod, whose))
        });
        let mut proxies = Self {
            all: all.collect(),
            quiet,
            begins_within,
            ends_within: clusters
                .both()
                .map(|access| access.facts.active_within)
                .into_iter()
                .max()
                .unwrap_or_default(),
            base: Reading::new(),
            now: Reading::new(),
        };
        proxies.now = proxies.read().await?;
        Ok(proxies)
    }

    /// Waits until what set-up has written is served.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub(crate) async fn begin(&mut self) -> Result<Followed, String> {
        let both = BTreeSet::from([Side::Client, Side::Server]);
        let followed = self.follow(&both, To::Something).await?;
        self.base = self.now.clone();
        Ok(followed)
    }

    /// What they serve just before a change; `is_base` where that is what set-up left, however late it came.
    ///
    /// # Errors
    /// In words: one of them cannot be asked.
    pub(crate) async fn look(&mut self, is_base: bool) -> Result<(), String> {
        self.now = self.read().await?;
        if is_base {
            self.base = self.now.clone();
        }
        Ok(())
    }

    /// Waits until a change that was written to the clusters `sides` is served.
    ///
    /// # Errors
    /// In words: one of them cannot be asked.
    pub(crate) async fn follow(
        &mut self,
        sides: &BTreeSet<Side>,
        to: To,
    ) -> Result<Followed, String> {
        let before = self.now.clone();
        let begun = Instant::now();
        let mut changed = begun;
        loop {
            let read = self.read().await?;
            if read != self.now {
                (self.now, changed) = (read, Instant::now());
            }
            if let Some(why) = refused(&before, &self.now) {
                return Ok(Followed::Refused(why));
            }
            let waiting = sides.iter().find(|side| match to {
                To::Something => empty(&self.now, **side),
                To::Other | To::Same => same(&before, &self.now, **side),
                To::Base => !same(&self.base, &self.now, **side),
            });
            let warming = warming(&self.now);
            let quiet = changed.elapsed() >= self.quiet;
            match (waiting, warming) {
                (None, None) if quiet => return Ok(Followed::Active),
                (_, Some(names)) if begun.elapsed() >= self.ends_within => {
                    return Ok(Followed::Warming(names));
                }
                // A scenario may have nothing at a gateway.
                (Some(_), None)
                    if matches!(to, To::Same | To::Something) && self.is_late(begun) =>
                {
                    return Ok(Followed::Active);
                }
                (Some(side), None) if quiet && self.is_late(begun) => {
                    return Ok(Followed::Unknown(self.unknown(*side, to)));
                }
                (None, None) if begun.elapsed() >= self.ends_within => {
                    let within = self.ends_within.as_secs_f64();
                    let text = format!("the proxies still change after {within:.0} s");
                    return Ok(Followed::Unknown(text));
                }
                _ => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Whether a change would show by now.
    fn is_late(&self, begun: Instant) -> bool {
        begun.elapsed() >= self.begins_within
    }

    fn unknown(&self, side: Side, to: To) -> String {
        let within = self.begins_within.as_secs_f64();
        match to {
            To::Something | To::Other | To::Same => format!(
                "cluster {side}: {within:.0} s after it was accepted the change shows at none of its proxies"
            ),
            To::Base => {
                let differs = differing(&self.base, &self.now, Some(side));
                format!(
                    "cluster {side}: {within:.0} s after everything was taken back, {differs} is not as it was"
                )
            }
        }
    }

    /// Whether they still serve what the last change left.
    ///
    /// # Errors
    /// In words: what is different, or cannot be asked.
    pub(crate) async fn still(&mut self) -> Result<(), String> {
        let read = self.read().await?;
        if read == self.now {
            return Ok(());
        }
        let differs = differing(&self.now, &read, None);
        Err(format!("{differs} changed while the case ran"))
    }

    async fn read(&mut self) -> Result<Reading, String> {
        let asked = self.all.iter_mut().map(|(side, admin)| async {
            let serving = admin.serving().await;
            let serving = serving.map_err(|error| error.to_string())?;
            Ok::<_, String>(((*side, admin.pod.clone()), serving))
        });
        let all = future::try_join_all(asked).await?;
        Ok(all.into_iter().collect())
    }
}

/// Whose pod a proxy runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// A gateway's, that others use too.
    Gateway,
    /// The run's.
    Run,
}

/// For how long nothing more changes, and how long nothing at all may change.
pub(crate) type Asked = (Duration, Duration);

/// How proxies are followed, where they are.
pub(crate) fn asked(clusters: &Clusters) -> Option<Asked> {
    let told = |access: &ClusterAccess| match access.facts.active {
        ActiveEvidence::Proxies {
            quiet,
            begins_within,
        } => Some((quiet, begins_within)),
        ActiveEvidence::Conditions => None,
    };
    let both = clusters.both().map(told).into_iter().flatten();
    both.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)))
}

fn same(one: &Reading, other: &Reading, side: Side) -> bool {
    of(one, side).eq(of(other, side))
}

/// What the proxies of a cluster serve.
fn of(reading: &Reading, side: Side) -> impl Iterator<Item = (&(Side, PodRef), &Serving)> {
    reading.iter().filter(move |((of, _), _)| *of == side)
}

/// Whether a proxy of a cluster serves nothing of the run's.
fn empty(reading: &Reading, side: Side) -> bool {
    of(reading, side).any(|(_, serving)| serving.parts.is_empty())
}

/// What is refused now and was not before.
fn refused(before: &Reading, now: &Reading) -> Option<String> {
    for ((side, pod), serving) in now {
        let known = before.get(&(*side, pod.clone()));
        let new = serving
            .refused
            .iter()
            .find(|(part, why)| known.is_none_or(|known| known.refused.get(*part) != Some(*why)));
        if let Some((part, why)) = new {
            return Some(format!(
                "cluster {side}: the proxy in pod {pod} refuses {part}: {why}"
            ));
        }
    }
    None
}

fn warming(now: &Reading) -> Option<String> {
    let names = now
        .iter()
        .filter(|(_, serving)| !serving.warming.is_empty());
    let names: Vec<String> = names
        .map(|((side, pod), serving)| {
            format!("cluster {side}, pod {pod}: {}", serving.warming.join(", "))
        })
        .collect();
    (!names.is_empty()).then(|| names.join("; "))
}

/// The first part that differs, by name.
fn differing(one: &Reading, other: &Reading, side: Option<Side>) -> String {
    let none = Serving::default();
    for (key, serving) in other {
        if side.is_some_and(|side| side != key.0) {
            continue;
        }
        let had = one.get(key).unwrap_or(&none);
        let names = had.parts.keys().chain(serving.parts.keys());
        let mut names: Vec<&String> = names
            .filter(|name| had.parts.get(*name) != serving.parts.get(*name))
            .collect();
        names.dedup();
        if let Some(name) = names.first() {
            return format!("{name} of the proxy in pod {}", key.1);
        }
    }
    "what the proxies serve".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(parts: &[(Side, &str, u64)]) -> Reading {
        let mut reading = Reading::new();
        for (side, name, digest) in parts {
            let pod = PodRef::new("default", side.name());
            let serving = reading.entry((*side, pod)).or_default();
            serving.parts.insert((*name).to_owned(), *digest);
        }
        reading
    }

    #[test]
    fn clusters_are_compared_by_themselves() {
        let before = reading(&[
            (Side::Client, "listener a", 1),
            (Side::Server, "listener b", 1),
        ]);
        let after = reading(&[
            (Side::Client, "listener a", 1),
            (Side::Server, "listener b", 2),
        ]);
        assert!(same(&before, &after, Side::Client));
        assert!(!same(&before, &after, Side::Server));
        assert_eq!(
            differing(&before, &after, None),
            "listener b of the proxy in pod default/server"
        );
        assert!(!empty(&before, Side::Client));
        let mut none = before.clone();
        for serving in none.values_mut() {
            serving.parts.clear();
        }
        assert!(empty(&none, Side::Client) && !empty(&Reading::new(), Side::Client));
        let gone = reading(&[(Side::Server, "listener c", 1)]);
        assert_eq!(
            differing(&before, &gone, Some(Side::Server)),
            "listener b of the proxy in pod default/server"
        );
    }

    #[test]
    fn only_what_was_not_refused_before_is_told() {
        let mut before = reading(&[(Side::Client, "listener a", 1)]);
        let key = (Side::Client, PodRef::new("default", "client"));
        let part = ("listener a".to_owned(), "no such cluster".to_owned());
        let mut now = before.clone();
        now.get_mut(&key).unwrap().refused.extend([part.clone()]);
        assert_eq!(
            refused(&before, &now),
            Some("cluster client: the proxy in pod default/client refuses listener a: no such cluster".to_owned())
        );
        before.get_mut(&key).unwrap().refused.extend([part]);
        assert_eq!(refused(&before, &now), None);
    }

    #[test]
    fn what_warms_is_named_with_its_pod() {
        let mut now = reading(&[(Side::Server, "listener a", 1)]);
        assert_eq!(warming(&now), None);
        let serving = now.values_mut().next().unwrap();
        serving.warming.push("cluster c".to_owned());
        let told = "cluster server, pod default/server: cluster c";
        assert_eq!(warming(&now).as_deref(), Some(told));
    }
}
