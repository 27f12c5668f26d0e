//! Values of bindings: in which order they follow from each other, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use crate::template::{Piece, pieces};
use crate::{AddressOf, Binding, Scenario, ServiceLookup};

/// The values of all bindings of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(BTreeMap<String, String>);

/// No value may grow longer: bindings that double each other would fill the memory.
const LONGEST: usize = 64 * 1024;

/// Why bindings have no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A lookup was not answered.
    #[error(
        "resolving binding `{name}`: the address of Service {service} in cluster {cluster} was not looked up"
    )]
    NotLookedUp {
        /// The binding.
        name: String,
        /// The Service, `namespace/name`.
        service: String,
        /// The cluster.
        cluster: crate::Side,
    },
    /// A text uses a name that is not bound.
    #[error(
        "resolving binding `{name}`: it uses `${{{uses}}}`, which is not declared; declare it under `bindings`"
    )]
    Undefined {
        /// The binding.
        name: String,
        /// The name it uses.
        uses: String,
    },
    /// Bindings use each other in a circle.
    #[error("resolving bindings: they use each other in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A text has a `${` that is no reference.
    #[error(
        "resolving binding `{name}`: `{text}` is no reference to a binding; write ${{NAME}}, or $${{ for a literal ${{"
    )]
    Malformed {
        /// The binding.
        name: String,
        /// What stands there.
        text: String,
    },
    /// A value is too long.
    #[error(
        "resolving binding `{name}`: the value is longer than 65536 bytes; bindings repeat each other too often"
    )]
    TooLong {
        /// The binding.
        name: String,
    },
}

impl Bindings {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts values into a text. `Err` has the first piece that has none.
    pub(crate) fn fill<'a>(&self, text: &'a str) -> Result<String, Piece<'a>> {
        let mut out = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Use { name, .. } => out.push_str(self.get(name).ok_or(piece)?),
                Piece::Bad { .. } => return Err(piece),
            }
        }
        Ok(out)
    }
}

impl FromIterator<(String, String)> for Bindings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Scenario {
    /// What has to be looked up in the clusters before bindings have values: names and where to look.
    pub fn lookups(&self) -> impl Iterator<Item = (&str, AddressOf, &ServiceLookup)> {
        self.bindings
            .iter()
            .filter_map(|(name, binding)| match &binding.value {
                Binding::Address(whose, lookup) => Some((name.value.as_str(), *whose, lookup)),
                Binding::Literal(_) => None,
            })
    }

    /// The values of all bindings, given what [`Scenario::lookups`] asks for.
    ///
    /// # Errors
    /// A lookup without an answer, or a value that is too long; the other errors of
    /// [`ResolveError`] cannot happen with a scenario out of [`crate::parse`].
    pub fn resolve(&self, found: &BTreeMap<String, String>) -> Result<Bindings, ResolveError> {
        self.resolve_as(found, std::convert::identity)
    }

    /// As [`Self::resolve`], with each text made into something else by `made`, before others that use it are
    /// filled in. What was looked up stays as it is.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_as(
        &self,
        found: &BTreeMap<String, String>,
        made: impl Fn(String) -> String,
    ) -> Result<Bindings, ResolveError> {
        let mut values = Bindings::default();
        for name in order(self)? {
            let value = match self.bindings.get(name).map(|binding| &binding.value) {
                Some(Binding::Literal(text)) => made(fill(name, text, &values)?),
                Some(Binding::Address(_, lookup)) => found
                    .get(name)
                    .cloned()
                    .ok_or_else(|| not_looked_up(name, lookup))?,
                None => continue,
            };
            values.0.insert(name.to_owned(), value);
        }
        Ok(values)
    }
}

fn not_looked_up(name: &str, lookup: &ServiceLookup) -> ResolveError {
    let (name, service) = (name.to_owned(), lookup.service.to_string());
    ResolveError::NotLookedUp {
        name,
        service,
        cluster: lookup.cluster,
    }
}

fn fill(name: &str, text: &str, values: &Bindings) -> Result<String, ResolveError> {
    let name = name.to_owned();
    match values.fill(text) {
        Ok(value) if value.len() > LONGEST => Err(ResolveError::TooLong { name }),
        Ok(value) => Ok(value),
        Err(Piece::Use { name: uses, .. }) => Err(ResolveError::Undefined {
            name,
            uses: uses.to_owned(),
        }),
        Err(Piece::Bad { text, .. } | Piece::Text(text)) => Err(ResolveError::Malformed {
            name,
            text: text.to_owned(),
        }),
    }
}

/// The names that a binding's text uses.
fn uses(binding: &Binding) -> impl Iterator<Item = &str> {
    let text = match binding {
        Binding::Literal(text) => text.as_str(),
        Binding::Address(..) => "",
    };
    pieces(text).filter_map(|piece| match piece {
        Piece::Use { name, .. } => Some(name),
        _ => None,
    })
}

/// The bindings, each after those it uses. Without recursion: the file decides how deep it goes.
pub(crate) fn order(scenario: &Scenario) -> Result<Vec<&str>, ResolveError> {
    let mut ordered = Vec::new();
    let mut done = BTreeSet::new();
    for (start, _) in &scenario.bindings {
        let mut path = vec![start.value.as_str()];
        let mut open = BTreeSet::from([start.value.as_str()]);
        while let Some(name) = path.last().copied() {
            let binding = scenario.bindings.get(name);
            let pending =
                |used: &&str| !done.contains(used) && scenario.bindings.contains_key(*used);
            match binding.and_then(|binding| uses(&binding.value).find(pending)) {
                Some(next) if open.insert(next) => path.push(next),
                Some(next) => return Err(ResolveError::Cycle(circle(&path, next))),
                None => {
                    path.pop();
                    if done.insert(name) {
                        ordered.push(name);
                    }
                }
            }
        }
    }
    Ok(ordered)
}

/// The part of the path that goes round, its start again at the end.
fn circle(path: &[&str], back_to: &str) -> Vec<String> {
    let from = path
        .iter()
        .position(|name| *name == back_to)
        .unwrap_or_default();
    path[from..]
        .iter()
        .copied()
        .chain([back_to])
        .map(str::to_owned)
        .collect()
}
