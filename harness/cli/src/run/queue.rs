//! Which scenario runs next, and on whose clusters.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

use meshproof_runner::Options;
use meshproof_scenario::{Loaded, Scenario};

/// Scenarios with this label wait on clocks that nobody may shorten. They begin first, each on clusters of its own,
/// and go on beside the others.
const SLOW: &str = "slow";

/// A scenario that waits for clusters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) options: &'a Options,
    /// Scenarios of one group can follow each other on the same clusters; `None` where there is no other of its kind.
    pub(super) group: Option<usize>,
}

/// Scenarios that wait. Those that need clusters of their own come first, then those that take longest: what can follow
/// on clusters that are there fills what is left, and what is begun last must not be what takes longest.
pub(super) struct Queue<'a> {
    pub(super) slow: Vec<Waiting<'a>>,
    others: Mutex<Vec<Waiting<'a>>>,
}

impl<'a> Queue<'a> {
    /// Finds out which can follow each other, and gives these the same set-up.
    pub(super) fn new(chosen: &'a mut [(Loaded, Options)]) -> Self {
        let others = chosen.iter_mut().map(|(loaded, _)| loaded);
        let groups = meshproof_runner::together(others.filter(|loaded| !is_slow(loaded)));
        let shared = |group: &usize| groups.iter().filter(|other| *other == group).count() > 1;
        let waiting = |(loaded, options), group| Waiting {
            loaded,
            options,
            group,
        };
        let chosen = chosen.iter().map(|(loaded, options)| (loaded, options));
        let (slow, others): (Vec<_>, Vec<_>) = chosen.partition(|(loaded, _)| is_slow(loaded));
        let slow = slow.into_iter().map(|one| waiting(one, None));
        let others = others.into_iter().zip(&groups);
        let others = others.map(|(one, group)| waiting(one, Some(*group).filter(shared)));
        let mut others: Vec<Waiting<'_>> = others.collect();
        others.sort_by_key(|one| (one.group.is_some(), Reverse(weight(&one.loaded.scenario))));
        Self {
            slow: slow.collect(),
            others: Mutex::new(others),
        }
    }

    /// Takes the next scenario of a group, or of any.
    pub(super) fn next(&self, group: Option<usize>) -> Option<Waiting<'a>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |one: &Waiting<'_>| group.is_none() || one.group == group;
        let at = others.iter().position(fits)?;
        Some(others.remove(at))
    }
}

/// About how long a scenario takes, in cases: sessions that go on while configuration changes take many times as long.
fn weight(scenario: &Scenario) -> usize {
    const CHANGING: usize = 10;
    let cases = scenario.cases.iter();
    cases
        .map(|case| if case.during.is_empty() { 1 } else { CHANGING })
        .sum()
}

fn is_slow(loaded: &Loaded) -> bool {
    let labels = &loaded.scenario.metadata.labels;
    labels.iter().any(|label| label.value == SLOW)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenarios;

    fn chosen(names: &[&str]) -> Vec<(Loaded, Options)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
        let read = scenarios::read(&paths).unwrap();
        read.into_iter()
            .map(|one| (one, Options::default()))
            .collect()
    }

    #[test]
    fn scenarios_that_change_while_sessions_go_on_weigh_more() {
        let weight = |name: &str| weight(&chosen(&[name])[0].0.scenario);
        assert_eq!(weight("mysql-mtls.yaml"), 3);
        assert!(weight("rotation.yaml") > 30);
        assert!(weight("certificates.yaml") > weight("mysql-mtls.yaml"));
    }

    #[test]
    fn what_needs_clusters_of_its_own_comes_first_then_the_longest_and_its_like() {
        let files = [
            "database.yaml",
            "mysql-mtls.yaml",
            "slow.yaml",
            "rotation.yaml",
        ];
        let mut chosen = chosen(&files);
        let queue = Queue::new(&mut chosen);
        let name = |one: Option<Waiting<'_>>| {
            one.map(|one| one.loaded.scenario.metadata.name.value.clone())
        };
        assert_eq!(queue.slow.len(), 1);
        assert_eq!(name(queue.next(None)).as_deref(), Some("database"));
        let first = queue.next(None);
        let group = first.and_then(|one| one.group);
        assert_eq!(name(first).as_deref(), Some("rotation"));
        assert_eq!(name(queue.next(group)).as_deref(), Some("mysql-mtls"));
        assert_eq!(name(queue.next(group)), None);
        assert_eq!(name(queue.next(None)), None);
    }
}
