//! Which shared libraries unpacked programs need from where.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Options, ToolchainError,
    run::{Failure, run},
};

/// In a cache entry: the library folders that its programs need, one a line, relative to the entry.
const NOTE: &str = "library-folders";

/// Notes the folders that `programs` need to run; a library that is nowhere is an error that names it.
pub(crate) fn settle(
    entry: &Path,
    root: &Path,
    programs: &[PathBuf],
    options: &Options,
) -> Result<(), Failure> {
    let mut missing = missing(programs, &[], options)?;
    if missing.is_empty() {
        return Ok(());
    }
    let folders = folders(root);
    missing = self::missing(programs, &folders, options)?;
    if !missing.is_empty() {
        return Err(Failure::Cannot(format!(
            "the packages lack shared libraries: {}",
            missing.join(", ")
        )));
    }
    let relative = folders
        .iter()
        .filter_map(|folder| folder.strip_prefix(entry).ok()?.to_str());
    let note = entry.join(NOTE);
    fs::write(&note, relative.collect::<Vec<_>>().join("\n"))
        .map_err(ToolchainError::io("writing", note))?;
    Ok(())
}

/// The folders noted in a cache entry.
pub(crate) fn noted(entry: &Path) -> Result<Vec<PathBuf>, ToolchainError> {
    match fs::read_to_string(entry.join(NOTE)) {
        Ok(text) => Ok(text.lines().map(|line| entry.join(line)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ToolchainError::io("reading", entry.join(NOTE))(error)),
    }
}

/// The library folders beside a program that is not installed under the system's own prefix.
pub(crate) fn beside(program: &Path) -> Vec<PathBuf> {
    let prefix = program.parent().and_then(Path::parent);
    let own = prefix.filter(|prefix| {
        !["/", "/usr", "/usr/local"]
            .iter()
            .any(|system| *prefix == Path::new(system))
    });
    own.map(multiarch).unwrap_or_default()
}

fn folders(root: &Path) -> Vec<PathBuf> {
    ["usr", ""]
        .iter()
        .flat_map(|prefix| multiarch(&root.join(prefix)))
        .collect()
}

/// Debian's folders such as `lib/x86_64-linux-gnu`.
fn multiarch(prefix: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(prefix.join("lib"))
        .into_iter()
        .flatten()
        .flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            path.is_dir()
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().ends_with("-linux-gnu"))
        })
        .collect()
}

/// The libraries that the loader does not find for `programs`.
fn missing(
    programs: &[PathBuf],
    folders: &[PathBuf],
    options: &Options,
) -> Result<Vec<String>, Failure> {
    let joined = std::env::join_paths(folders)
        .map_err(|error| Failure::Cannot(format!("a library folder cannot be named: {error}")))?;
    let mut all = Vec::new();
    for program in programs {
        if !program.is_file() {
            return Err(Failure::Cannot(format!(
                "the packages were to bring {} and did not",
                program.display()
            )));
        }
        let mut command = options.environment.command("ldd");
        if !folders.is_empty() {
            command.env("LD_LIBRARY_PATH", &joined);
        }
        let output = run("ldd", command.arg(program))?;
        all.extend(parse_missing(&String::from_utf8_lossy(&output.stdout)));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Lines of the form `libx.so.1 => not found`.
fn parse_missing(printed: &str) -> Vec<String> {
    let lines = printed
        .lines()
        .filter_map(|line| line.split_once(" => not found"));
    lines.map(|(name, _)| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_libraries_are_named() {
        let printed = "\tlibaio.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n";
        assert_eq!(parse_missing(printed), ["libaio.so.1"]);
    }

    #[test]
    fn the_systems_own_libraries_are_left_alone() {
        for program in ["/usr/sbin/mariadbd", "/sbin/nft", "/usr/local/bin/mysql"] {
            assert!(beside(Path::new(program)).is_empty());
        }
    }
}
