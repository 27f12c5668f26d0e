//! Putting the values of bindings into a scenario.

use crate::template::{Piece, malformed, undefined};
use crate::{At, Bindings, Case, Diagnostic, Diagnostics, Pos, Scenario, Source, walk};

impl Scenario {
    /// The scenario with every `${NAME}` replaced, its targets checked to be `host:port`.
    ///
    /// `source` is the text it was parsed from, for messages.
    ///
    /// # Errors
    /// A name that is not bound; a target that is none with the values in place.
    pub fn bind(&self, source: &Source, bindings: &Bindings) -> Result<Self, Diagnostics> {
        let (bound, mut found) = fill(self, source, bindings);
        for (case, bound) in self.cases.iter().zip(bound.cases.iter()) {
            found.extend(target(source, case, bound, true));
        }
        Diagnostics::unless(found, bound)
    }
}

/// Tries values that stand for those that only a run can look up; says what is wrong whatever they
/// will be.
pub(crate) fn rehearse(scenario: &Scenario, source: &Source, sample: &Bindings) -> Vec<Diagnostic> {
    let (bound, mut found) = fill(scenario, source, sample);
    let filled = found.is_empty();
    for (case, bound) in scenario.cases.iter().zip(bound.cases.iter()) {
        found.extend(target(source, case, bound, false).filter(|_| filled));
    }
    found
}

fn fill(scenario: &Scenario, source: &Source, bindings: &Bindings) -> (Scenario, Vec<Diagnostic>) {
    let mut bound = scenario.clone();
    let mut found = Vec::new();
    walk::texts(&mut bound, &mut |text| match bindings.fill(&text.value) {
        Ok(value) => text.value = value,
        Err(piece) => found.push(complaint(
            source,
            text,
            piece,
            bindings.iter().map(|(name, _)| name),
        )),
    });
    (bound, found)
}

fn target(source: &Source, case: &Case, bound: &Case, tell_value: bool) -> Option<Diagnostic> {
    let why = bound.target().err()?;
    let value = if tell_value && bound.to.value != case.to.value {
        format!(", which is `{}` here", bound.to)
    } else {
        String::new()
    };
    Some(source.error(
        case.to.pos,
        format!("invalid target `{}`{value}: {why}", case.to),
    ))
}

/// What to say of a piece of a text of the scenario that cannot be replaced.
pub(crate) fn complaint<'a>(
    source: &Source,
    text: &At<String>,
    piece: Piece<'_>,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    match piece {
        Piece::Use { name, .. } => undefined(
            source,
            name,
            place(source, text.pos, &format!("${{{name}}}")),
            known,
        ),
        Piece::Bad { text: bad, .. } | Piece::Text(bad) => malformed(
            source,
            bad,
            place(source, text.pos, bad.lines().next().unwrap_or_default()),
        ),
    }
}

/// Where a part of a value stands in the file: quoting, folding and indentation lie between, so it
/// is looked for, and where it is not found as such, the value's start is told.
fn place(source: &Source, pos: Pos, part: &str) -> usize {
    let written = source
        .text
        .get(pos.offset..pos.offset.saturating_add(pos.len))
        .unwrap_or_default();
    let escaped = |at: usize| at > 0 && written.as_bytes()[at - 1] == b'$';
    let mut places = written
        .match_indices(part)
        .map(|(at, _)| at)
        .filter(|at| !escaped(*at));
    pos.offset + places.next().unwrap_or_default()
}
