//! `${NAME}` in texts: where it stands, and putting values in its place.
//!
//! `$${` is a literal `${`. A `$` before anything else is itself.

use crate::{Bindings, Diagnostic, Diagnostics, Source};

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// `${name}`, starting at that byte.
    Use { name: &'a str, offset: usize },
    /// `${` that no name and `}` follow, up to the end of what was tried.
    Bad { text: &'a str, offset: usize },
}

/// Cuts a text into pieces.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let offset = at;
        if let Some(inner) = rest.strip_prefix("${") {
            let (piece, len) = reference(rest, inner, offset);
            at += len;
            return Some(piece);
        }
        if rest.starts_with("$${") {
            at += 3;
            return Some(Piece::Text("${"));
        }
        let skip = usize::from(rest.starts_with('$'));
        let len = rest[skip..]
            .find('$')
            .map_or(rest.len(), |next| next + skip);
        at += len;
        Some(Piece::Text(&rest[..len]))
    })
}

/// The piece that starts with `${`, and its length.
fn reference<'a>(rest: &'a str, inner: &'a str, offset: usize) -> (Piece<'a>, usize) {
    let end = inner.find(|c: char| c == '}' || c == '$' || c.is_whitespace() || c == '{');
    match end {
        Some(end) if inner[end..].starts_with('}') && is_binding_name(&inner[..end]) => (
            Piece::Use {
                name: &inner[..end],
                offset,
            },
            end + 3,
        ),
        Some(end) => {
            let len = end + 2 + usize::from(inner[end..].starts_with('}'));
            (
                Piece::Bad {
                    text: &rest[..len],
                    offset,
                },
                len,
            )
        }
        None => (Piece::Bad { text: rest, offset }, rest.len()),
    }
}

/// Whether a text can name a binding: a letter or underscore, then letters, digits, underscores.
pub(crate) fn is_binding_name(text: &str) -> bool {
    let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().all(part) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// Puts the values of bindings into a file: a manifest or a patch.
///
/// # Errors
/// Each `${NAME}` that is not bound, and each `${` that is none, with its place.
pub fn substitute(source: &Source, bindings: &Bindings) -> Result<String, Diagnostics> {
    let mut found = Vec::new();
    let mut out = String::with_capacity(source.text.len());
    for piece in pieces(&source.text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Use { name, offset } => match bindings.get(name) {
                Some(value) => out.push_str(value),
                None => found.push(undefined(
                    source,
                    name,
                    offset,
                    bindings.iter().map(|(name, _)| name),
                )),
            },
            Piece::Bad { text, offset } => found.push(malformed(source, text, offset)),
        }
    }
    Diagnostics::unless(found, out)
}

/// Checks the `${NAME}`s of a file against the names that will be bound.
pub(crate) fn check<'a>(
    source: &Source,
    names: &(impl Iterator<Item = &'a str> + Clone),
) -> Vec<Diagnostic> {
    let complaint = |piece| match piece {
        Piece::Use { name, offset } if !names.clone().any(|known| known == name) => {
            Some(undefined(source, name, offset, names.clone()))
        }
        Piece::Bad { text, offset } => Some(malformed(source, text, offset)),
        _ => None,
    };
    pieces(&source.text).filter_map(complaint).collect()
}

/// Checks that a file uses no bindings.
pub(crate) fn check_free(source: &Source) -> Vec<Diagnostic> {
    let complaint = |piece| match piece {
        Piece::Use { name, offset } => {
            let error = source.error(
                source.pos(offset, name.len() + 3),
                format!("binding `${{{name}}}` in a mesh configuration"),
            );
            Some(error.note("it is applied before bindings have values; write the value out"))
        }
        _ => None,
    };
    pieces(&source.text).filter_map(complaint).collect()
}

/// The message for a name that is not bound.
pub(crate) fn undefined<'a>(
    source: &Source,
    name: &str,
    offset: usize,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let pos = source.pos(offset, name.len() + 3);
    let error = source.error(pos, format!("undefined binding `${{{name}}}`"));
    let error = match crate::suggest::nearest(name, known.clone()) {
        Some(near) => error.note(format!("did you mean `${{{near}}}`?")),
        None => error,
    };
    if known.clone().next().is_none() {
        error.note("the scenario has no bindings; declare it under `bindings`")
    } else {
        error.note(format!(
            "declared under `bindings`: {}",
            crate::suggest::list(known)
        ))
    }
}

/// The message for `${` that starts no reference.
pub(crate) fn malformed(source: &Source, text: &str, offset: usize) -> Diagnostic {
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(40).collect();
    source
        .error(
            source.pos(offset, line.len()),
            format!("`{shown}` is no reference to a binding"),
        )
        .note("write ${NAME} with letters, digits and underscores, or $${ for a literal ${")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_escapes_and_slips_are_told_apart() {
        let found: Vec<_> = pieces("a$b $${X} ${X}$").collect();
        let expected = [
            Piece::Text("a"),
            Piece::Text("$b "),
            Piece::Text("${"),
            Piece::Text("X} "),
            Piece::Use {
                name: "X",
                offset: 10,
            },
            Piece::Text("$"),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            pieces("${X:-y}").next(),
            Some(Piece::Bad {
                text: "${X:-y}",
                offset: 0
            })
        );
        assert_eq!(
            pieces("${X y}").next(),
            Some(Piece::Bad {
                text: "${X",
                offset: 0
            })
        );
        assert_eq!(
            pieces("${é").next(),
            Some(Piece::Bad {
                text: "${é",
                offset: 0
            })
        );
    }
}
