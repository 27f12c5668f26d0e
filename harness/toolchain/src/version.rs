//! What a program says of itself, asked once and remembered by path, size and time of change.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Options, Program, ToolchainError, hex::hex};

/// A remembered answer. The whole key is in it: the file's name is only a digest.
#[derive(Serialize, Deserialize)]
struct Remembered {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    version: String,
}

/// The version of the program at `path`; runs it only where it has changed since the last time.
pub(crate) fn of(
    program: Program,
    path: &Path,
    libraries: Option<&std::ffi::OsStr>,
    options: &Options,
) -> Result<String, ToolchainError> {
    let metadata = fs::metadata(path).map_err(ToolchainError::io("looking at", path))?;
    let mut key = Remembered {
        path: path.to_owned(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        version: String::new(),
    };
    let note = options
        .cache
        .join("versions")
        .join(note_name(program, path));
    if let Some(known) = recall(&note).filter(|known| {
        (&known.path, known.size, known.modified) == (&key.path, key.size, key.modified)
    }) {
        return Ok(known.version);
    }
    key.version = ask(program, path, libraries, options)?;
    remember(&note, &key).map_err(ToolchainError::io("writing", &note))?;
    Ok(key.version)
}

fn note_name(program: Program, path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    format!("{}-{}.json", program.names()[0], &hex(&digest)[..16])
}

/// A note that is missing or damaged is as good as none: the program is asked again.
fn recall(note: &Path) -> Option<Remembered> {
    serde_json::from_slice(&fs::read(note).ok()?).ok()
}

fn remember(note: &Path, known: &Remembered) -> io::Result<()> {
    let folder = note.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(known)?)?;
    file.persist(note)?;
    Ok(())
}

fn ask(
    program: Program,
    path: &Path,
    libraries: Option<&std::ffi::OsStr>,
    options: &Options,
) -> Result<String, ToolchainError> {
    if !crate::options::is_executable(path) {
        return Err(ToolchainError::NotExecutable {
            program,
            path: path.to_owned(),
        });
    }
    let not_runnable = |problem: String| ToolchainError::NotRunnable {
        program,
        path: path.to_owned(),
        problem,
    };
    let mut command = options.environment.command(path);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    if program == Program::Mysqld {
        command.arg("--no-defaults");
    }
    let output = command
        .arg("--version")
        .output()
        .map_err(|error| not_runnable(describe(&error)))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("nothing");
        return Err(not_runnable(format!(
            "--version ended with {} and said {last}",
            output.status
        )));
    }
    parse(program, &printed).ok_or_else(|| {
        let printed = printed.trim().lines().next().unwrap_or_default().to_owned();
        ToolchainError::NotTheProgram {
            program,
            path: path.to_owned(),
            printed,
        }
    })
}

fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        // ENOEXEC
        Some(8) => "it is not a program for this machine (wrong format or architecture)".to_owned(),
        _ => error.to_string(),
    }
}

/// Finds the version in what `--version` prints.
pub(crate) fn parse(program: Program, printed: &str) -> Option<String> {
    let line = printed.lines().find(|line| !line.trim().is_empty())?;
    let version = match program {
        // envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL
        Program::Envoy => line.split_once("version: ")?.1.split('/').nth(1)?,
        // mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)
        Program::Mysqld => after(line, "Ver ")?,
        // mariadb  Ver 15.1 Distrib 10.11.14-MariaDB, for ..., mariadb from 11.4.2-MariaDB, client 15.2 for ..., mysql  Ver 8.0.36 for ...
        Program::Mysql => after(line, "Distrib ")
            .or_else(|| after(line, " from "))
            .or_else(|| after(line, "Ver "))?,
        // nftables v1.0.6 (Lester Gooch #5)
        Program::Nft => after(line, "nftables v")?,
    };
    major_minor(version).map(|_| version.to_owned())
}

fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.split_once(mark)?.1.trim_start();
    rest.split([' ', ','])
        .next()
        .filter(|word| !word.is_empty())
}

/// The first two numbers of a version.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_programs_print() {
        let printed = [
            (
                Program::Envoy,
                "\nenvoy  version: 9e5580/1.40.0/Clean/RELEASE/BoringSSL\n\n",
                "1.40.0",
            ),
            (
                Program::Envoy,
                "/x/envoy  version: 4a/1.37.0-dev/Clean/RELEASE/BoringSSL",
                "1.37.0-dev",
            ),
            (
                Program::Mysqld,
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                "10.11.19-MariaDB-0+deb12u1",
            ),
            (
                Program::Mysqld,
                "/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)",
                "8.0.36",
            ),
            (
                Program::Mysql,
                "mariadb  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)",
                "10.11.19-MariaDB",
            ),
            (
                Program::Mysql,
                "mariadb from 11.8.2-MariaDB, client 15.2 for debian-linux-gnu (x86_64)",
                "11.8.2-MariaDB",
            ),
            (
                Program::Mysql,
                "mysql  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)",
                "8.0.36",
            ),
            (Program::Nft, "nftables v1.0.6 (Lester Gooch #5)", "1.0.6"),
        ];
        for (program, text, version) in printed {
            assert_eq!(parse(program, text).as_deref(), Some(version), "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_none_or_a_version(text in ".*") {
            for program in Program::ALL {
                if let Some(version) = parse(program, &text) {
                    prop_assert!(major_minor(&version).is_some());
                }
            }
        }
    }
}
