//! Scenario files as named on the command line.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use meshproof_scenario::{Loaded, load};

use crate::exit::Exit;
use crate::failure::Failure;

/// Reads every scenario that the paths name, folders included, or says everything that is wrong
/// with any of them.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Loaded>, Failure> {
    let files = files(paths)?;
    let mut loaded = Vec::new();
    let mut wrong = Vec::new();
    for file in files {
        match load(&file) {
            Ok(scenario) => loaded.push(scenario),
            Err(diagnostics) => wrong.push(diagnostics.render()),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::new(Exit::BadInput, wrong.join("\n")));
    }
    distinct(&loaded)?;
    Ok(loaded)
}

/// Files as given; of folders the `.yaml` and `.yml` files in them, by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let found = if path.is_dir() {
            in_folder(path)?
        } else {
            vec![path.clone()]
        };
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(
            Exit::BadInput,
            format!("looking for scenarios in {}: {error}", folder.display()),
        )
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let message = format!(
            "looking for scenarios in {}: no .yaml or .yml file there",
            folder.display()
        );
        return Err(Failure::new(Exit::BadInput, message));
    }
    Ok(files)
}

/// Two scenarios of one name could not be told apart in reports.
fn distinct(loaded: &[Loaded]) -> Result<(), Failure> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for one in loaded {
        let (name, file) = (
            one.scenario.metadata.name.as_str(),
            one.source.file.as_str(),
        );
        if let Some(other) = names.insert(name, file) {
            let message = format!(
                "two scenarios are called `{name}`: {other} and {file}; give one another name"
            );
            return Err(Failure::new(Exit::BadInput, message));
        }
    }
    Ok(())
}
