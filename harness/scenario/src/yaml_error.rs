//! Errors of the YAML reader, in the words of the format.

use serde_saphyr::{Error, MessageFormatter as _, UserMessageFormatter};

use crate::check::shorten;
use crate::{Diagnostic, Pos, Source, suggest};

/// What to tell of the first place where a file has not the shape of a scenario.
pub(crate) fn diagnose(source: &Source, error: &Error) -> Diagnostic {
    let error = innermost(error);
    let pos = error.location().map(Pos::from).unwrap_or_default();
    let at = |message: String| source.error(pos, message);
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown(
            at(format!("unknown key `{}`", shorten(field))),
            field,
            expected,
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown(
            at(format!("unknown value `{}`", shorten(variant))),
            variant,
            expected,
        ),
        Error::SerdeMissingField { field, .. } => {
            missing(at(format!("missing key `{field}`")), field)
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key
                .as_deref()
                .map_or("key".to_owned(), |key| format!("key `{}`", shorten(key)));
            at(format!("duplicate {key}")).note("a key may stand only once in a mapping")
        }
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | Error::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => at(format!("found {unexpected}")).note(format!("expected {expected}")),
        Error::InvalidScalar { ty, .. } => {
            at(format!("found {}", written(source, pos))).note(format!("expected {}", plain(ty)))
        }
        Error::Unexpected { expected, .. } => at(format!("found {}", written(source, pos)))
            .note(format!("expected {}", plain(expected))),
        Error::InvalidBooleanStrict { .. } => {
            at(format!("found {}", written(source, pos))).note("expected `true` or `false`")
        }
        Error::NullIntoString { .. } => at("found no value".to_owned())
            .note("expected text; write \"\" for none, \"null\" for that word"),
        Error::MergeKeyNotAllowed { .. } => at("merge key `<<`".to_owned())
            .note("write the keys out; bindings name what is used twice"),
        Error::Budget { breach, .. } => budget(source, pos, breach),
        Error::MultipleDocuments { .. } => {
            at("a second document".to_owned()).note("a scenario file is one document")
        }
        Error::Message { msg, .. } => at(msg.clone()),
        other => at(UserMessageFormatter.format_message(other).into_owned()),
    }
}

/// The error itself, without what the reader wrapped around it.
fn innermost(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } =
        error
    {
        error = inner;
    }
    error
}

fn unknown(error: Diagnostic, word: &str, expected: &[&'static str]) -> Diagnostic {
    let error = match suggest::nearest(word, expected.iter().copied()) {
        Some(near) => error.note(format!("did you mean `{near}`?")),
        None => error,
    };
    error.note(format!(
        "allowed: {}",
        suggest::list(expected.iter().copied())
    ))
}

fn missing(error: Diagnostic, field: &str) -> Diagnostic {
    match field {
        "expect" | "outcome" => error.note("a case that expects nothing proves nothing; say at least `expect: {outcome: connected}`"),
        "cases" => error.note("a run without cases proves nothing; declare at least one under `cases`"),
        _ => error.note("it is required in this mapping"),
    }
}

/// What stands at a place, for messages.
fn written(source: &Source, pos: Pos) -> String {
    match source
        .text
        .get(pos.offset..pos.offset.saturating_add(pos.len))
    {
        Some(text) if !text.is_empty() => format!("`{}`", shorten(text)),
        _ => "something else".to_owned(),
    }
}

/// The reader's names of what it wants, in words of people who write files.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u16" => "a number from 0 to 65535",
        "mapping start" => "a mapping (key: value)",
        "sequence start" => "a list",
        "string scalar" | "string" => "text",
        other => other,
    }
}

fn budget(source: &Source, pos: Pos, breach: &serde_saphyr::budget::BudgetBreach) -> Diagnostic {
    use serde_saphyr::budget::BudgetBreach as Breach;
    let at = |message: &str| source.error(pos, message);
    match breach {
        Breach::Anchors { .. } | Breach::Aliases { .. } => {
            at("anchors and aliases are not allowed")
                .note("write the value out; bindings name what is used twice")
        }
        Breach::Depth { .. } => {
            at("nested too deep").note(format!("at most {} levels", crate::parse::DEEPEST))
        }
        other => at(&format!("too much for a scenario: {other:?}")),
    }
}
