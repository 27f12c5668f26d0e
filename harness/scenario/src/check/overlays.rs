//! Overlays: changes that say something, and say one thing.

use serde_json::Value;

use super::{Check, shorten};
use crate::{At, Edit, ObjectKey, Overlay, Scenario, Side};

/// The ways to change an object; an edit goes one of them.
const WAYS: &str = "one edit is `set` and `remove`, or `create`, or `delete`, or `secret`";

impl Check<'_> {
    /// The overlays that have a name.
    pub(super) fn overlays(&mut self, scenario: &Scenario) {
        for (name, overlay) in &scenario.overlays {
            self.label("name of an overlay", name);
            // Where the mapping is empty it has no place of its own.
            self.overlay(overlay, &At::new(format!("overlay `{name}`"), name.pos));
        }
    }

    /// One overlay; `what` is how to call it, and where.
    pub(super) fn overlay(&mut self, overlay: &Overlay, what: &At<String>) {
        if overlay.edits().next().is_none() {
            self.error(
                what,
                format!("{what} changes nothing"),
                "name objects under `client` or `server`, as in `server: {Gateway/default/gateway-mysql: {delete: true}}`",
            );
        }
        for (_, key, edit) in overlay.edits() {
            self.edit(key, edit);
        }
    }

    fn edit(&mut self, key: &At<ObjectKey>, edit: &At<Edit>) {
        let parts = !edit.set.is_empty() || !edit.remove.is_empty();
        let ways: Vec<(&str, crate::Pos)> = [
            edit.set
                .first()
                .map(|(pointer, _)| ("set", pointer.pos))
                .or_else(|| edit.remove.first().map(|first| ("remove", first.pos)))
                .filter(|_| parts),
            edit.create.as_ref().map(|create| ("create", create.pos)),
            edit.delete.as_ref().map(|delete| ("delete", delete.pos)),
            edit.secret.as_ref().map(|secret| ("secret", secret.pos)),
        ]
        .into_iter()
        .flatten()
        .collect();
        match ways.as_slice() {
            [] => self.error(key, format!("nothing to change in `{}`", key.value), WAYS),
            [_] => {}
            [(first, _), (second, pos), ..] => {
                let message = format!("`{second}` beside `{first}`");
                self.error(&At::new((), *pos), message, WAYS);
            }
        }
        if let Some(delete) = edit.delete.as_ref().filter(|delete| !delete.value) {
            self.error(
                delete,
                "`delete: false`".to_owned(),
                "allowed: `true`; to keep the object, leave it out",
            );
        }
        if let Some(create) = &edit.create {
            self.created(create);
        }
        if let Some(secret) = &edit.secret {
            if key.kind != "Secret" {
                self.error(
                    secret,
                    format!("`secret` in an edit of a {}", key.kind),
                    "only a Secret is filled with certificates: `Secret/namespace/name`",
                );
            }
            self.secret(secret);
        }
        self.pointers(edit);
        for value in edit.set.values().chain(&edit.create) {
            self.keys_within(value, value);
        }
    }

    /// A whole object: its key says what it is and what it is called.
    fn created(&mut self, create: &At<Value>) {
        let Value::Object(fields) = &create.value else {
            self.error(
                create,
                "`create` with something else than a mapping".to_owned(),
                "expected the object without `apiVersion`, `kind` and name, as in `create: {spec: {}}`",
            );
            return;
        };
        let metadata = fields.get("metadata").and_then(Value::as_object);
        let said = ["apiVersion", "kind", "status"]
            .into_iter()
            .find(|field| fields.contains_key(*field))
            .map(str::to_owned)
            .or_else(|| {
                let has = |field: &&str| metadata.is_some_and(|has| has.contains_key(*field));
                let named = ["name", "namespace"].into_iter().find(has);
                named.map(|field| format!("metadata.{field}"))
            });
        if let Some(field) = said {
            self.error(
                create,
                format!("`{field}` in `create`"),
                "the object's key says kind, namespace and name; leave it out",
            );
        }
    }

    /// Bindings stand in values only; in a key they would stay as they are.
    fn keys_within(&mut self, at: &At<Value>, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    if key.contains("${") {
                        self.error(
                            at,
                            format!("key `{}` uses a binding", shorten(key)),
                            "bindings are put into values only; write the key out",
                        );
                    }
                    self.keys_within(at, field);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.keys_within(at, item)),
            _ => {}
        }
    }
}

/// What is known of an object by the overlays alone, while they are put on top of each other.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Created,
    Deleted,
}

/// Overlays on top of each other, as far as they say themselves what is there.
#[derive(Clone, Default)]
pub(super) struct Stack(Vec<(Side, ObjectKey, Known)>);

impl Check<'_> {
    /// Puts one overlay on top: nothing is created twice, nothing deleted is changed.
    pub(super) fn put(&mut self, stack: &mut Stack, overlay: &Overlay) {
        for (side, key, edit) in overlay.edits() {
            let of =
                |(on, which, _): &&mut (Side, ObjectKey, Known)| *on == side && *which == key.value;
            let known = stack.0.iter_mut().find(of);
            let before = known.as_ref().map(|(.., known)| *known);
            if before == Some(Known::Created) && edit.create.is_some() {
                self.error(
                    key,
                    format!("`{}` is created a second time", key.value),
                    "an overlay under this one creates it; change it by `set` and `remove`",
                );
            }
            let changed = !edit.set.is_empty() || !edit.remove.is_empty() || edit.delete.is_some();
            if before == Some(Known::Deleted) && changed {
                self.error(
                    key,
                    format!("`{}` is deleted already", key.value),
                    "an overlay under this one deletes it; only `create` or `secret` bring it back",
                );
            }
            let after = if edit.delete.is_some() {
                Known::Deleted
            } else if edit.create.is_some() || edit.secret.is_some() {
                Known::Created
            } else {
                continue;
            };
            match known {
                Some(known) => known.2 = after,
                None => stack.0.push((side, key.value.clone(), after)),
            }
        }
    }
}
