//! What a case changes: overlays on top of each other, a sabotage, changes during its sessions.

use std::collections::BTreeSet;

use super::Check;
use super::overlays::Stack;
use crate::{At, Case, ExpectedDatabase, Failures, Outcome, Overlay, Scenario, Speaks};

impl Check<'_> {
    /// The changes that stand in the case itself, once for all cases that `each` makes of it.
    pub(super) fn variations(&mut self, case: &Case) {
        if let Some(with) = &case.with {
            self.overlay(with, &At::new("`with`".to_owned(), with.pos));
        }
        if let Some(sabotage) = &case.sabotage {
            self.overlay(sabotage, &At::new("`sabotage`".to_owned(), sabotage.pos));
            self.sabotage(case, sabotage);
        }
        for step in &case.during {
            self.overlay(step, &At::new("a step of `during`".to_owned(), step.pos));
        }
        self.during(case);
        self.proxies_unchanged(case);
        if let Some(again) = case.control_again.as_ref()
            && case.control.is_none()
        {
            self.error(
                again,
                "`controlAgain` without `control`".to_owned(),
                "name the case that must pass once more under `control`",
            );
        }
    }

    /// What is said of changes, where there are none.
    fn proxies_unchanged(&mut self, case: &Case) {
        if let Some(said) = &case.proxies_unchanged
            && case.with.is_none()
            && case.uses.is_empty()
        {
            self.error(
                said,
                "`proxiesUnchanged` in a case that changes nothing".to_owned(),
                "it is about what `with` and `uses` change; leave it out",
            );
        }
    }

    /// The overlays of a case by name, and all of them on top of each other.
    pub(super) fn stacked(&mut self, scenario: &Scenario, case: &Case) {
        let mut seen = BTreeSet::new();
        let mut stack = Stack::default();
        for name in &case.uses {
            // That of `each` comes first, and has been checked where it stands.
            if !scenario.overlays.contains_key(name.as_str()) {
                self.overlay_name(scenario, name);
            }
            if !seen.insert(name.as_str()) {
                self.twice(name, "uses");
            } else if let Some(overlay) = scenario.overlays.get(name.as_str()) {
                self.put_named(&mut stack, overlay, name);
            }
        }
        if let Some(overlay) = &case.with {
            self.put(&mut stack, overlay);
        }
        if let Some(overlay) = &case.sabotage {
            self.put(&mut stack.clone(), overlay);
        }
        for overlay in &case.during {
            self.put(&mut stack, overlay);
        }
    }

    /// Puts an overlay with a name on top. What does not fit is told where the case names it.
    fn put_named(&mut self, stack: &mut Stack, overlay: &Overlay, name: &At<String>) {
        let before = self.found.len();
        self.put(stack, overlay);
        for diagnostic in self.found.split_off(before) {
            let message = format!("overlay `{name}`: {}", diagnostic.message);
            let mut here = self.source.error(name.pos, message);
            here.notes = diagnostic.notes;
            self.found.push(here);
        }
    }

    /// A sabotage removes one defence, and it is another change than the case's own.
    fn sabotage(&mut self, case: &Case, sabotage: &At<Overlay>) {
        if let Some((_, second, _)) = sabotage.edits().nth(1) {
            self.error(
                second,
                format!("`sabotage` changes {} objects", sabotage.edits().count()),
                "a sabotage removes one defence: change one object",
            );
        }
        for (side, key, edit) in sabotage.edits() {
            let same = case
                .with
                .iter()
                .flat_map(|with| with.edits())
                .any(|(on, which, change)| on == side && which == key && change == edit);
            if same {
                self.error(
                    key,
                    format!(
                        "`sabotage` and `with` change `{}` in the same way",
                        key.value
                    ),
                    "under the sabotage the case must fail: take away what it relies on",
                );
            }
        }
    }

    /// Changes during sessions, and what may come of them.
    fn during(&mut self, case: &Case) {
        let failures = case.expect.failures.as_ref();
        let Some(first) = case.during.first() else {
            if let Some(failures) = failures {
                self.error(
                    failures,
                    format!("`failures: {failures}` in a case without `during`"),
                    "only changes during sessions make some of them fail; leave it out",
                );
            }
            return;
        };
        if case.speaks() != Speaks::Mysql {
            self.error(
                first,
                format!("`during` in a case with `speaks: {}`", case.speaks()),
                "only MySQL clients connect again and again; leave out one of the two",
            );
        }
        let outcome = &case.expect.outcome;
        let some = failures.is_some_and(|failures| failures.value == Failures::Some);
        if some && outcome.value != Outcome::Refused {
            self.error(
                outcome,
                format!("`outcome: {outcome}` beside `failures: some`"),
                "sessions that fail are refused: `outcome: refused`, with the `hop` and `cause` of their failure",
            );
        }
        if !some && case.is_negative() {
            self.error(
                outcome,
                format!("`outcome: {outcome}` in a case with `during` without `failures: some`"),
                "where no session may fail, each gets through: `outcome: connected`; else say `failures: some`",
            );
        }
        if let Some(hold) = &case.hold {
            self.error(
                hold,
                "`hold` beside `during`".to_owned(),
                "its sessions go on until all changes are made; leave it out",
            );
        }
        if let Some(database) = case.expect.database.as_ref()
            && database.value == ExpectedDatabase::Nothing
            && case.is_negative()
        {
            self.error(
                database,
                "`database: nothing` in a case with `during`".to_owned(),
                "sessions before the change do get through; leave it out",
            );
        }
    }
}
