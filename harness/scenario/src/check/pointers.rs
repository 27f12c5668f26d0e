//! JSON pointers (RFC 6901) of an edit.

use serde_json::Value;

use super::{Check, shorten};
use crate::{At, Edit};

/// What an edit may not touch: it would be another object, or what the cluster itself says.
const FIXED: &[&str] = &[
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/status",
];

impl Check<'_> {
    pub(super) fn pointers(&mut self, edit: &Edit) {
        for (pointer, value) in &edit.set {
            self.pointer(pointer);
            if value.value == Value::Null {
                self.error(
                    pointer,
                    format!("no value for `{}`", shorten(pointer)),
                    "put one behind it, or name the pointer under `remove`",
                );
            }
        }
        for pointer in &edit.remove {
            self.pointer(pointer);
            if pointer.ends_with("/-") {
                self.error(
                    pointer,
                    format!("`{}` is behind the list's end", shorten(pointer)),
                    "`-` appends; to take an item out, say its number",
                );
            }
        }
        let all: Vec<&At<String>> = edit.set.keys().chain(&edit.remove).collect();
        for (index, later) in all.iter().enumerate() {
            let other = all[..index].iter().find(|other| overlap(other, later));
            if let Some(other) = other {
                let message = if other.value == later.value {
                    format!("`{}` is changed twice", shorten(later))
                } else {
                    format!("`{}` and `{}` overlap", shorten(other), shorten(later))
                };
                self.error(
                    later,
                    message,
                    "one edit changes each part once; put both into one value",
                );
            }
        }
    }

    fn pointer(&mut self, pointer: &At<String>) {
        let escapes = pointer.split('~').skip(1);
        let well = pointer.starts_with('/')
            && escapes
                .clone()
                .all(|rest| rest.starts_with('0') || rest.starts_with('1'));
        if !well || pointer.contains("${") {
            let message = format!("invalid JSON pointer `{}`", shorten(pointer));
            self.error(
                pointer,
                message,
                "expected steps that each begin with `/`, as in /spec/servers/0/hosts; `~` is written ~0, `/` in a step ~1; no bindings",
            );
        } else if let Some(fixed) = FIXED.iter().find(|fixed| within(pointer, fixed)) {
            self.error(
                pointer,
                format!("`{fixed}` of an object cannot be changed"),
                "name another object, or change its `spec`, `data` or labels",
            );
        }
    }
}

/// Whether one of two pointers is the other or lies inside it.
fn overlap(one: &str, other: &str) -> bool {
    within(one, other) || within(other, one)
}

fn within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
