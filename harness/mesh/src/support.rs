//! The page that says, field by field, what the embedded mesh supports.

mod notes;

use std::fmt::Write as _;

use crate::api::{
    schema::{Field, Shape},
    tables::KINDS,
};
use notes::{Says, note};

const HEAD: &str = "# What the embedded mesh supports\n\n\
    Made from the tables that admission uses (`src/api/tables.rs`); a test keeps it true. A field that is \
    not supported is refused at admission, under the name `meshproof.dev`, with its path; so is a kind. \
    What a cluster with Istio would refuse is refused before, in its words: unknown fields, wrong types and \
    values by Istio's schemas, then the rest by its webhook. \
    Some values are refused too: `AUTO_PASSTHROUGH`, `DYNAMIC_DNS`, Unix sockets of a Sidecar, `captureMode: NONE` on its ingress, credentials that \
    are neither Secrets nor `ConfigMap`s by name nor `builtin://`, HTTP on a listener of a Sidecar that is not \
    redirected to. HTTP servers on a Gateway are accepted; TLS there is as Istio has it, and what comes behind \
    it ends in `BlackHoleCluster`, in the gateway's log too.\n";

/// The page in Markdown: one table for each kind of Istio's API.
pub fn support_page() -> String {
    let mut page = HEAD.to_owned();
    for kind in KINDS {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            page,
            "\n## {} ({}, {})\n\n",
            kind.kind,
            kind.group,
            kind.versions.join(", ")
        );
        match kind.spec {
            None => page.push_str("Not supported.\n"),
            Some(fields) => {
                page.push_str("| field | supported | note |\n| --- | --- | --- |\n");
                rows(kind.kind, fields, "spec", &mut page);
            }
        }
    }
    page
}

fn rows(kind: &str, fields: &[Field], path: &str, page: &mut String) {
    for field in fields {
        let (inner, suffix) = inside(&field.shape);
        let path = format!("{path}.{}{suffix}", field.name);
        match inner {
            Some(fields) if field.supported => rows(kind, fields, &path, page),
            _ => row(kind, &path, field, page),
        }
    }
}

fn row(kind: &str, path: &str, field: &Field, page: &mut String) {
    let supported = if field.supported { "yes" } else { "no" };
    let note = match note(kind, path) {
        Some(Says::Why(text) | Says::Effect(text)) => text,
        None if field.required => "required",
        None => "",
    };
    let _ = writeln!(page, "| `{path}` | {supported} | {note} |");
}

/// The fields below a shape, and what its lists and maps add to the path.
fn inside(shape: &Shape) -> (Option<&'static [Field]>, String) {
    match shape {
        Shape::Object(fields) => (Some(fields), String::new()),
        Shape::List(item) => {
            let (fields, suffix) = inside(item);
            (fields, format!("[]{suffix}"))
        }
        Shape::Map(item) => {
            let (fields, suffix) = inside(item);
            (fields, format!("{{}}{suffix}"))
        }
        _ => (None, String::new()),
    }
}

/// Whether a kind has a field at `path`, below `spec`, written as the page writes it.
#[cfg(test)]
pub(crate) fn has_field(kind: &str, path: &str) -> bool {
    fn reaches(shape: &Shape, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        match shape {
            Shape::List(item) => path.strip_prefix("[]").is_some_and(|p| reaches(item, p)),
            Shape::Map(item) => path.strip_prefix("{}").is_some_and(|p| reaches(item, p)),
            Shape::Object(fields) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let end = path.find(['.', '[', '{']).unwrap_or(path.len());
                let (name, rest) = path.split_at(end);
                let field = fields.iter().find(|f| f.name == name);
                field.is_some_and(|f| reaches(&f.shape, rest))
            }
            _ => false,
        }
    }
    KINDS
        .iter()
        .find(|k| k.kind == kind)
        .and_then(|k| k.spec)
        .is_some_and(|fields| reaches(&Shape::Object(fields), path))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{KINDS, Says, notes};

    /// Each note is on a row of the page, and says why of a field that is not supported and what for of one
    /// that is.
    #[test]
    fn notes_fit_their_fields() {
        let page = super::support_page();
        let mut used = vec![false; notes::NOTES.len()];
        for kind in KINDS {
            let head = format!("## {} (", kind.kind);
            let section = page.split(&head).nth(1).unwrap();
            let section = section.split("\n## ").next().unwrap();
            for row in section.lines().filter_map(|l| l.strip_prefix("| `")) {
                let (path, rest) = row.split_once("` | ").unwrap();
                let fits = |(of, end, _): &&(&str, &str, Says)| {
                    *of == kind.kind && notes::is_end(path, end)
                };
                for (index, note) in notes::NOTES.iter().enumerate().filter(|(_, n)| fits(n)) {
                    used[index] = true;
                    let why = matches!(note.2, Says::Why(_));
                    assert_eq!(
                        why,
                        rest.starts_with("no |"),
                        "{} {path}: {note:?}",
                        kind.kind
                    );
                }
            }
        }
        for (note, used) in notes::NOTES.iter().zip(used) {
            assert!(used, "no such field: {note:?}");
        }
    }

    /// `MESHPROOF_UPDATE=1` writes the page instead.
    #[test]
    fn the_page_is_true() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("SUPPORT.md");
        let page = super::support_page();
        if std::env::var_os("MESHPROOF_UPDATE").is_some() {
            fs::write(&file, &page).unwrap();
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "SUPPORT.md is out of date: run this test with MESHPROOF_UPDATE=1"
        );
    }
}
