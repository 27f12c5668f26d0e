//! Errors of the YAML reader, in the words of the format.

use serde_saphyr::{Error, MessageFormatter as _, UserMessageFormatter};

use crate::check::shorten;
use crate::{Diagnostic, Pos, Source, suggest};

/// What to tell of the first place where a file has not the shape of a scenario.
pub(crate) fn diagnose(source: &Source, error: &Error) -> Diagnostic {
    let error = innermost(error);
    let pos = error
        .location()
        .map(|location| place(source, location))
        .unwrap_or_default();
    keys(source, pos, error)
        .or_else(|| values(source, pos, error))
        .unwrap_or_else(|| yaml(source, pos, error))
}

/// The place of an error; for a place without a length the reader does not always say how many bytes lie before it.
fn place(source: &Source, location: serde_saphyr::Location) -> Pos {
    let mut pos = Pos::from(location);
    if pos.len == 0 {
        pos.offset = source.offset(pos.line, pos.column);
    }
    pos
}

/// Keys and fixed words that do not fit.
fn keys(source: &Source, pos: Pos, error: &Error) -> Option<Diagnostic> {
    let at = |message: String| source.error(pos, message);
    Some(match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown(
            at(format!("unknown key `{}`", shorten(field))),
            field,
            expected,
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            let found = match variant.as_str() {
                "" | "~" | "null" => "found no value".to_owned(),
                word => format!("unknown value `{}`", shorten(word)),
            };
            unknown(at(found), variant, expected)
        }
        Error::SerdeMissingField { field, .. } => missing(
            at(format!("missing key `{field}`{}", beside(source, pos))),
            field,
        ),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key
                .as_deref()
                .map(|key| format!(" `{}`", shorten(key)))
                .unwrap_or_default();
            at(format!("duplicate key{key}")).note("a key may stand only once in a mapping")
        }
        _ => return None,
    })
}

/// Values of the wrong type.
fn values(source: &Source, pos: Pos, error: &Error) -> Option<Diagnostic> {
    let found = || source.error(pos, format!("found {}", written(source, pos)));
    Some(match error {
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | Error::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => source
            .error(pos, format!("found {unexpected}"))
            .note(format!("expected {expected}")),
        Error::InvalidScalar { ty: expected, .. } | Error::Unexpected { expected, .. } => {
            let error = found().note(format!("expected {}", plain(expected)));
            if error.text.trim() == "expect:" {
                missing(error, "expect")
            } else {
                error
            }
        }
        Error::InvalidBooleanStrict { .. } => found().note("expected `true` or `false`"),
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
            found().note("expected text or a mapping")
        }
        Error::NullIntoString { .. } => {
            let error = source.error(pos, "found no value");
            error.note("expected text; write \"\" for none, \"null\" for that word")
        }
        Error::Message { msg, .. } => source.error(pos, msg.as_str()),
        _ => return None,
    })
}

/// What is no YAML, or YAML that a scenario may not use.
fn yaml(source: &Source, pos: Pos, error: &Error) -> Diagnostic {
    let at = |message: &str| source.error(pos, message);
    match error {
        Error::MergeKeyNotAllowed { .. } => {
            at("merge key `<<`").note("write the keys out; bindings name what is used twice")
        }
        Error::UnsupportedTag { tag, .. } => at(&format!("tag `{}`", shorten(tag)))
            .note("tags are not allowed; write the plain value"),
        Error::Budget { breach, .. } => budget(source, pos, breach),
        Error::MultipleDocuments { .. } => {
            at("a second document").note("a scenario file is one document")
        }
        Error::Eof { .. } => {
            at("the file ends too early").note("a scenario starts with `apiVersion` and `kind`")
        }
        other => {
            let message = UserMessageFormatter.format_message(other);
            if message.contains("tab") {
                tab(source, pos)
            } else {
                at(&message)
            }
        }
    }
}

/// The reader tells the start of what it was reading: the tab is the next one.
fn tab(source: &Source, pos: Pos) -> Diagnostic {
    let after = source
        .text
        .get(pos.offset..)
        .and_then(|rest| rest.find('\t'));
    let pos = after.map_or(pos, |after| source.pos(pos.offset + after, 1));
    source.error(pos, "a tab").note("indent with spaces")
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

/// The reader tells a missing key at the last key of its mapping.
fn beside(source: &Source, pos: Pos) -> String {
    match spanned(source, pos) {
        Some(key) if key.bytes().all(|b| b.is_ascii_alphanumeric()) => format!(" beside `{key}`"),
        _ => String::new(),
    }
}

/// The text of a place that has a length.
fn spanned(source: &Source, pos: Pos) -> Option<&str> {
    source
        .text
        .get(pos.offset..pos.offset.saturating_add(pos.len))
        .filter(|text| !text.is_empty())
}

/// What stands at a place, for messages.
fn written(source: &Source, pos: Pos) -> String {
    let rest = source
        .text
        .get(pos.offset..)
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    match (rest.trim_end(), spanned(source, pos)) {
        ("" | ":" | "~" | "null", _) => "no value".to_owned(),
        (rest, _) if rest.starts_with('{') => "a mapping".to_owned(),
        (rest, _) if rest.starts_with('[') || rest.starts_with("- ") => "a list".to_owned(),
        (_, Some(text)) => format!("`{}`", shorten(text)),
        (rest, None) if rest.ends_with(':') || rest.contains(": ") => "a mapping".to_owned(),
        (rest, None) => format!("`{}`", shorten(rest)),
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
