//! From text to a checked scenario.

use serde::Deserialize;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Options, budget, options};

use crate::expand::expand;
use crate::{At, Diagnostic, Diagnostics, Scenario, Source, check, yaml_error};

/// Longer files are no scenarios, and parsing them would only cost memory.
pub(crate) const LARGEST: usize = 1024 * 1024;

/// How deep mappings and sequences may nest; the format itself needs ten levels around the values of overlays.
pub(crate) const DEEPEST: usize = 24;

/// Reads a scenario and checks everything that can be known without other files and clusters.
///
/// # Errors
/// Where the file has not the shape of a scenario: the first such place. Otherwise everything that
/// is wrong with it, in the order of the file.
pub fn parse(source: &Source) -> Result<Scenario, Diagnostics> {
    if source.text.len() > LARGEST {
        let size = source.text.len();
        let message = format!("the file has {size} bytes, a scenario has at most {LARGEST}");
        return Err(source.error(crate::Pos::default(), message).into());
    }
    match serde_saphyr::from_str_with_options::<Scenario>(&source.text, strict()) {
        Ok(mut scenario) => {
            let mut found = check::written(&scenario, source);
            expand(&mut scenario);
            found.extend(check::scenario(&scenario, source));
            Diagnostics::unless(found, scenario)
        }
        Err(error) => {
            // A file of another version or kind has other keys: that comes before the first of them.
            Diagnostics::unless(other_format(source), ())?;
            Err(yaml_error::diagnose(source, &error).into())
        }
    }
}

/// No YAML that has two readings: no merge keys, no anchors, no tags, no repeated keys, no
/// `yes` for true.
fn strict() -> Options {
    options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
        emit_comments: false,
        budget: budget! { max_depth: DEEPEST, flow_nesting_limit: DEEPEST, max_anchors: 0, max_aliases: 0 },
    }
}

/// The start of a file of any version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: At<String>,
    kind: At<String>,
}

/// What is wrong with version and kind, where they can be read at all.
fn other_format(source: &Source) -> Vec<Diagnostic> {
    let header = serde_saphyr::from_str_with_options::<Header>(&source.text, strict());
    header
        .map(|header| check::header(source, &header.api_version, &header.kind))
        .unwrap_or_default()
}
