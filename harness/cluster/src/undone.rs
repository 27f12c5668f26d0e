//! What an object becomes when a run's changes are undone and everybody else's are kept. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Where somebody else has changed what the run had changed too: a JSON pointer, with an item's name for
/// its place where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overwritten(pub(crate) String);

impl Overwritten {
    fn under(self, step: &str) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self(format!("/{step}{}", self.0))
    }
}

/// `found` with everything brought to `base` that the run may have made otherwise by bringing the object
/// to any of `states`. Each field is looked at by itself: a write that may have been executed leaves the
/// object in one state or the other, and one that was made from the wrong one leaves a mixture.
pub(crate) fn undone(
    found: Option<&Value>,
    base: Option<&Value>,
    states: &[Option<&Value>],
) -> Result<Option<Value>, Overwritten> {
    let states = states.to_vec();
    Sides {
        found,
        base,
        states,
    }
    .undone()
}

/// One place in the object as it is, as it has to be, and as the run may have left it.
struct Sides<T> {
    found: Option<T>,
    base: Option<T>,
    states: Vec<Option<T>>,
}

impl<T> Sides<T> {
    fn as_ref(&self) -> Sides<&T> {
        Sides {
            found: self.found.as_ref(),
            base: self.base.as_ref(),
            states: self.states.iter().map(Option::as_ref).collect(),
        }
    }
}

impl<T: Copy> Sides<T> {
    /// One place further in.
    fn at<U>(&self, step: impl Fn(T) -> Option<U>) -> Sides<U> {
        Sides {
            found: self.found.and_then(&step),
            base: self.base.and_then(&step),
            states: self
                .states
                .iter()
                .map(|state| state.and_then(&step))
                .collect(),
        }
    }

    /// All that are there read in the same way; `None` where one of them is something else.
    fn all<U>(&self, read: impl Fn(T) -> Option<U>) -> Option<Sides<U>> {
        let read = |side: Option<T>| match side {
            Some(side) => read(side).map(Some),
            None => Some(None),
        };
        let states = self.states.iter().copied();
        Some(Sides {
            found: read(self.found)?,
            base: read(self.base)?,
            states: states.map(read).collect::<Option<_>>()?,
        })
    }

    fn each(&self) -> impl Iterator<Item = T> {
        let others = self
            .base
            .into_iter()
            .chain(self.states.iter().flatten().copied());
        self.found.into_iter().chain(others)
    }

    /// Nothing that is empty is left where there was nothing before, or is nothing any more.
    fn unless_empty(&self, value: Value, empty: bool) -> Option<Value> {
        let wanted = self.base.is_some() && self.found.is_some();
        (wanted || !empty).then_some(value)
    }
}

impl Sides<&Value> {
    fn undone(&self) -> Result<Option<Value>, Overwritten> {
        if !self.touched() {
            return Ok(self.found.cloned());
        }
        if self.found == self.base || self.states.contains(&self.found) {
            return Ok(self.base.cloned());
        }
        let overwritten = || Overwritten(String::new());
        let left = if let Some(maps) = self.all(Value::as_object) {
            maps.undone()?
        } else {
            let lists = self.all(|value| value.as_array().map(Vec::as_slice));
            lists.ok_or_else(overwritten)?.undone()?
        };
        // A part of what somebody else has taken out as a whole is neither the one nor the other.
        if self.found.is_none() && left.is_some() {
            return Err(overwritten());
        }
        Ok(left)
    }

    fn touched(&self) -> bool {
        self.states.iter().any(|state| *state != self.base)
    }
}

impl Sides<&Map<String, Value>> {
    fn undone(&self) -> Result<Option<Value>, Overwritten> {
        let mut left = Map::new();
        for key in self.each().flat_map(Map::keys) {
            if left.contains_key(key) {
                continue;
            }
            let here = self.at(|map| map.get(key)).undone();
            if let Some(value) = here.map_err(|at| at.under(key))? {
                left.insert(key.clone(), value);
            }
        }
        let empty = left.is_empty();
        Ok(self.unless_empty(Value::Object(left), empty))
    }
}

impl<'a> Sides<&'a [Value]> {
    fn undone(&self) -> Result<Option<Value>, Overwritten> {
        if let Some(named) = self.all(by_name) {
            return self.by_names(&named);
        }
        self.by_places()
    }

    /// Most lists of Kubernetes are maps by name (ports, containers, variables): others may add, take out
    /// and move what they like. What the run has added goes as a whole, with what the server has put into it.
    fn by_names(
        &self,
        named: &Sides<BTreeMap<&'a str, &'a Value>>,
    ) -> Result<Option<Value>, Overwritten> {
        let named = named.as_ref();
        let item = |name: &str| {
            let here = named.at(|items| items.get(name).copied());
            let left = here.undone().map_err(|at| at.under(name))?;
            let added = here.base.is_none() && here.touched();
            Ok(left.filter(|_| !added))
        };
        let mut left = Vec::new();
        for name in names(self.found) {
            left.extend(item(name)?);
        }
        let there = |name: &str| named.found.is_some_and(|items| items.contains_key(name));
        for (place, name) in names(self.base).enumerate() {
            if there(name) {
                continue;
            }
            if let Some(value) = item(name)? {
                left.insert(place.min(left.len()), value);
            }
        }
        let empty = left.is_empty();
        Ok(self.unless_empty(Value::Array(left), empty))
    }

    /// Without names a place is all that tells which item is meant. So items are taken whole, and only as
    /// long as nobody has put in or taken out any before them.
    fn by_places(&self) -> Result<Option<Value>, Overwritten> {
        let overwritten = || Overwritten(String::new());
        let base = self.base.ok_or_else(overwritten)?;
        let found = self.found.ok_or_else(overwritten)?;
        let same = |state: Option<&[Value]>| state.is_some_and(|state| state.len() == base.len());
        if found.len() < base.len() || !self.states.iter().copied().all(same) {
            return Err(overwritten());
        }
        let mut left = found.to_vec();
        for (place, item) in base.iter().enumerate() {
            let here = self.at(|list| list.get(place));
            if !here.touched() {
                continue;
            }
            if here.found != here.base && !here.states.contains(&here.found) {
                return Err(overwritten().under(&place.to_string()));
            }
            left[place] = item.clone();
        }
        Ok(Some(Value::Array(left)))
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

fn names(list: Option<&[Value]>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().iter().filter_map(name)
}

/// The items by their names; `None` where one has no name, or another's.
fn by_name(list: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let mut items = BTreeMap::new();
    for item in list {
        if items.insert(name(item)?, item).is_some() {
            return None;
        }
    }
    Some(items)
}

#[cfg(test)]
mod tests;
