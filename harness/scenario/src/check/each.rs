//! Cases as they stand in the file, before `each` makes several of one.

use std::collections::BTreeSet;

use super::{Check, shorten};
use crate::expand::MOST;
use crate::names::LONGEST_LABEL;
use crate::{At, Case, Scenario};

impl Check<'_> {
    /// Their names, and the overlays that each of them names under `each`.
    pub(super) fn written(&mut self, scenario: &Scenario) {
        for case in scenario.cases.iter() {
            self.label("name of a case", &case.name);
            if case.each.len() > MOST {
                let note = format!("at most {MOST}; split the case");
                self.error(
                    &case.name,
                    format!("{} overlays in `each`", case.each.len()),
                    note,
                );
            }
            let mut seen = BTreeSet::new();
            for overlay in &case.each {
                self.overlay_name(scenario, overlay);
                if !seen.insert(overlay.as_str()) {
                    self.twice(overlay, "each");
                }
                self.expanded_name(case, overlay);
            }
        }
    }

    fn expanded_name(&mut self, case: &Case, overlay: &At<String>) {
        let length = case.name.len() + 1 + overlay.len();
        // What is wrong with one of the two parts has been told there.
        if length > LONGEST_LABEL
            && case.name.len() <= LONGEST_LABEL
            && overlay.len() <= LONGEST_LABEL
        {
            let name = format!("{}-{}", case.name, overlay);
            self.error(
                overlay,
                format!(
                    "the name `{}` that `each` gives has {length} characters",
                    shorten(&name)
                ),
                format!("at most {LONGEST_LABEL}; shorten the case's name or the overlay's"),
            );
        }
    }

    /// A name of an overlay that must be declared.
    pub(super) fn overlay_name(&mut self, scenario: &Scenario, name: &At<String>) {
        self.declared(
            "overlay",
            name,
            scenario.overlays.keys().map(|name| name.as_str()),
            "declare it under `overlays`",
        );
    }

    pub(super) fn twice(&mut self, name: &At<String>, list: &str) {
        self.error(
            name,
            format!("`{}` stands twice in `{list}`", shorten(name)),
            "once is enough; leave one out",
        );
    }
}
