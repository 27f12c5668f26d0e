//! Bindings: their names, circles among them, and every use of them in the file.

use std::collections::BTreeMap;

use super::{Check, shorten};
use crate::bindings::ResolveError;
use crate::template::{Piece, is_binding_name, pieces};
use crate::{At, Binding, Scenario, bind};

impl Check<'_> {
    pub(super) fn bindings(&mut self, scenario: &Scenario) {
        let before = self.found.len();
        for (name, binding) in &scenario.bindings {
            if !is_binding_name(name) {
                let message = format!("invalid name of a binding `{}`", shorten(name));
                self.error(
                    name,
                    message,
                    "allowed: letters, digits and underscores, not a digit first",
                );
            }
            if let Binding::Literal(text) = &binding.value {
                self.literal(scenario, &At::new(text.clone(), binding.pos));
            }
        }
        // Later uses could only repeat what is wrong with the declarations.
        if self.found.len() == before {
            self.uses(scenario);
        }
    }

    fn literal(&mut self, scenario: &Scenario, text: &At<String>) {
        let known = || scenario.bindings.keys().map(|name| name.as_str());
        for piece in pieces(&text.value) {
            let wrong = match piece {
                Piece::Text(_) => false,
                Piece::Use { name, .. } => !scenario.bindings.contains_key(name),
                Piece::Bad { .. } => true,
            };
            if wrong {
                self.found
                    .push(bind::complaint(self.source, text, piece, known()));
            }
        }
    }

    fn uses(&mut self, scenario: &Scenario) {
        let sample = |(name, ..): (&str, _, _)| (name.to_owned(), "192.0.2.1".to_owned());
        let found: BTreeMap<_, _> = scenario.lookups().map(sample).collect();
        match scenario.resolve(&found) {
            Ok(sample) => self
                .found
                .extend(bind::rehearse(scenario, self.source, &sample)),
            Err(error) => self.unresolved(scenario, &error),
        }
    }

    fn unresolved(&mut self, scenario: &Scenario, error: &ResolveError) {
        let name = match error {
            ResolveError::Cycle(names) => names.first(),
            ResolveError::NotLookedUp { name, .. }
            | ResolveError::Undefined { name, .. }
            | ResolveError::Malformed { name, .. }
            | ResolveError::TooLong { name } => Some(name),
        };
        let place = name.and_then(|name| scenario.bindings.get_key_value(name.as_str()));
        let pos = place.map(|(key, _)| key.pos).unwrap_or_default();
        let diagnostic = self.source.error(pos, error.to_string());
        self.found.push(match error {
            ResolveError::Cycle(_) => diagnostic.note("give one of them a value of its own"),
            _ => diagnostic,
        });
    }
}
