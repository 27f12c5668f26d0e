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
    /// Scenarios of one group can follow each other on the same clusters.
    pub(super) group: usize,
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
        let mut groups =
            meshproof_runner::together(others.filter(|loaded| !is_slow(loaded))).into_iter();
        let mut queue = Self {
            slow: Vec::new(),
            others: Mutex::default(),
        };
        let mut others = Vec::new();
        for (loaded, options) in &*chosen {
            let slow = is_slow(loaded);
            let group = if slow { None } else { groups.next() };
            let one = Waiting {
                loaded,
                options,
                group: group.unwrap_or_default(),
            };
            if slow {
                queue.slow.push(one);
            } else {
                others.push(one);
            }
        }
        let groups: Vec<usize> = others.iter().map(|one| one.group).collect();
        let shared =
            |one: &Waiting<'_>| groups.iter().filter(|group| **group == one.group).count() > 1;
        others.sort_by_key(|one| (shared(one), Reverse(weight(&one.loaded.scenario))));
        queue.others = Mutex::new(others);
        queue
    }

    /// Takes the next scenario of a group, or of any.
    pub(super) fn next(&self, group: Option<usize>) -> Option<Waiting<'a>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |one: &Waiting<'_>| group.is_none_or(|group| one.group == group);
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
        let group = first.map(|one| one.group);
        assert_eq!(name(first).as_deref(), Some("rotation"));
        assert_eq!(name(queue.next(group)).as_deref(), Some("mysql-mtls"));
        assert_eq!(name(queue.next(group)), None);
        assert_eq!(name(queue.next(None)), None);
    }
}
