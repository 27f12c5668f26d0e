//! The name that a run gives to everything of its own on clusters that others use too.

use std::collections::BTreeSet;

/// How long an RFC 1123 label may be: namespaces and Services.
const LABEL: usize = 63;
/// Letters and digits of a run's name: 41 bits, so that two runs of a million at once hardly share one.
const LENGTH: usize = 8;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A short name, unique to one scenario of one run: eight lower-case letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunName(String);

impl RunName {
    /// Follows from the run's id and the scenario's file: the scenarios of a run go on beside each other.
    pub(crate) fn of(run_id: &str, file: &str) -> Self {
        Self(digits(hash(&[run_id, file])))
    }

    /// What every such name has in it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first label of the run's host names, and how its namespaces begin.
    pub(crate) fn prefix(&self) -> String {
        format!("mp-{}", self.0)
    }

    /// The namespace that takes the place of a declared one.
    pub(crate) fn namespace(&self, name: &str) -> String {
        fitted(&format!("{}-{name}", self.prefix()), "")
    }

    /// The name of an object that stands beside those of others. Istio looks for a CA in the Secret that is
    /// called as the credential with `-cacert` behind it, so that this stays last.
    pub(crate) fn object(&self, name: &str) -> String {
        match name.strip_suffix(CACERT) {
            Some(stem) if !stem.is_empty() => fitted(stem, &format!("-{}{CACERT}", self.0)),
            _ => fitted(name, &format!("-{}", self.0)),
        }
    }

    /// A host name that nip.io resolves, under a name of the run's own; anything else is left as it is.
    /// nip.io gives `anything.A.B.C.D.nip.io` the address A.B.C.D.
    pub(crate) fn host(&self, value: &str) -> String {
        let prefix = format!("{}.", self.prefix());
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        let is_nip = value.ends_with(".nip.io") && value.bytes().all(part);
        if is_nip && !value.starts_with(&prefix) {
            format!("{prefix}{value}")
        } else {
            value.to_owned()
        }
    }
}

/// Istio reads the CA of a credential from the Secret that is called like it, with this behind it, if there is one
/// (`security/pkg/credentials`): such a Secret changes what another means.
pub(crate) const CACERT: &str = "-cacert";

/// `stem` and `end`, shortened with a mark of the whole stem where they would be longer than a label. Names
/// that were longer before may be so afterwards.
fn fitted(stem: &str, end: &str) -> String {
    if stem.len() + end.len() <= LABEL || stem.len() > LABEL + LENGTH + 4 {
        return format!("{stem}{end}");
    }
    let mark = &digits(hash(&[stem]))[..5];
    let kept = LABEL - end.len() - mark.len() - 1;
    let stem = stem[..kept].trim_end_matches(['-', '.']);
    format!("{stem}-{mark}{end}")
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): the same on every machine and in every version, which a hasher of the
/// standard library does not promise.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn digits(mut number: u64) -> String {
    let mut text = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        let digit = usize::try_from(number % 36).unwrap_or_default();
        text.push(char::from(DIGITS[digit]));
        number /= 36;
    }
    text
}

/// Whether different names stay different.
pub(crate) fn distinct<'a>(run: &RunName, names: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = BTreeSet::new();
    let mut all = names.map(|name| run.namespace(name));
    all.all(|name| seen.insert(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run() -> RunName {
        RunName::of("20260301-101112-034-3f9a", "scenarios/mysql-mtls.yaml")
    }

    #[test]
    fn names_are_those_that_the_documentation_shows() {
        let run = run();
        let r = run.as_str();
        assert_eq!(run.namespace("default"), format!("mp-{r}-default"));
        assert_eq!(
            run.object("mysql-credential"),
            format!("mysql-credential-{r}")
        );
        let ca = run.object("mysql-credential-cacert");
        assert_eq!(ca, format!("mysql-credential-{r}-cacert"));
        let host = run.host("203.0.113.10.nip.io");
        assert_eq!(host, format!("mp-{r}.203.0.113.10.nip.io"));
        assert_eq!(run.host(&host), host);
        for other in ["203.0.113.10", "db.example", "https://203.0.113.10.nip.io"] {
            assert_eq!(run.host(other), other);
        }
    }

    #[test]
    fn scenarios_of_one_run_and_runs_of_one_scenario_differ() {
        let names = [("1", "a"), ("1", "b"), ("2", "a"), ("1a", "")];
        let names: BTreeSet<String> = names.map(|(run, file)| RunName::of(run, file).0).into();
        assert_eq!(names.len(), 4);
    }

    proptest! {
        #[test]
        fn a_generated_namespace_is_a_label(name in "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?") {
            let made = run().namespace(&name);
            prop_assert!(made.len() <= 63 && !made.ends_with('-'), "{}", made);
            prop_assert!(made.starts_with("mp-"));
        }

        #[test]
        fn long_names_stay_apart(a in "[a-z]{63}", b in "[a-z]{63}") {
            prop_assume!(a != b);
            prop_assert_ne!(run().namespace(&a), run().namespace(&b));
            prop_assert!(run().object(&a).len() <= 63);
        }
    }
}
