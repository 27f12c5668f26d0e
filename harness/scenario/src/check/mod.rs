//! What the types of the format cannot say: names that must be declared, fields that need or
//! exclude each other.

mod bindings;
mod cases;
mod client;
mod clusters;
mod each;
mod link;
mod overlays;
mod pointers;
mod secrets;
mod variations;

use crate::names::is_label;
use crate::{API_VERSION, At, Diagnostic, KIND, Scenario, Source, suggest};

/// Everything that is wrong with a scenario that has the right shape.
pub(crate) fn scenario(scenario: &Scenario, source: &Source) -> Vec<Diagnostic> {
    let mut check = Check {
        source,
        found: Vec::new(),
    };
    check.header(&scenario.api_version, &scenario.kind);
    check.label("metadata.name", &scenario.metadata.name);
    for label in &scenario.metadata.labels {
        check.label("label", label);
    }
    check.clusters(scenario);
    check.database(&scenario.database);
    check.overlays(scenario);
    check.cases(scenario);
    check.bindings(scenario);
    check.found
}

/// What is wrong with cases as they stand in the file, before `each` makes several of one.
pub(crate) fn written(scenario: &Scenario, source: &Source) -> Vec<Diagnostic> {
    let mut check = Check {
        source,
        found: Vec::new(),
    };
    check.written(scenario);
    check.found
}

/// What is wrong with the version and kind of a file.
pub(crate) fn header(
    source: &Source,
    api_version: &At<String>,
    kind: &At<String>,
) -> Vec<Diagnostic> {
    let mut check = Check {
        source,
        found: Vec::new(),
    };
    check.header(api_version, kind);
    check.found
}

/// Collects what is wrong.
struct Check<'a> {
    source: &'a Source,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn header(&mut self, api_version: &At<String>, kind: &At<String>) {
        if **api_version != API_VERSION {
            self.error(
                api_version,
                format!("unsupported apiVersion `{api_version}`"),
                format!("supported: `{API_VERSION}`"),
            );
        }
        if **kind != KIND {
            self.error(
                kind,
                format!("unsupported kind `{kind}`"),
                format!("supported: `{KIND}`"),
            );
        }
    }

    /// Says what is wrong at a value, and what is allowed or what to do.
    fn error<T>(&mut self, at: &At<T>, message: String, note: impl Into<String>) {
        self.found
            .push(self.source.error(at.pos, message).note(note));
    }

    /// Names that stand in file names and in the names of tests are kept to what is safe there.
    fn label(&mut self, what: &str, name: &At<String>) {
        if !is_label(name) {
            let message = format!("invalid {what} `{}`", shorten(name));
            self.error(
                name,
                message,
                "allowed: lower-case letters, digits and inner hyphens, at most 63",
            );
        }
    }

    /// A name that must be one of those declared.
    fn declared<'k>(
        &mut self,
        what: &str,
        name: &At<String>,
        known: impl Iterator<Item = &'k str> + Clone,
        nothing: &str,
    ) {
        if known.clone().any(|known| known == name.value) {
            return;
        }
        let mut error = self
            .source
            .error(name.pos, format!("unknown {what} `{}`", shorten(name)));
        if let Some(near) = suggest::nearest(name, known.clone()) {
            error = error.note(format!("did you mean `{near}`?"));
        }
        let list = suggest::list(known);
        let note = if list.is_empty() {
            nothing.to_owned()
        } else {
            format!("declared: {list}")
        };
        self.found.push(error.note(note));
    }
}

/// The start of a text, on one line, for messages.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}
