//! The toolchain's own programs under the names that the floor script calls.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use meshproof_toolchain::{Options, Silent, Toolchain, find, prepared_datadir};
use tempfile::TempDir;

/// What the script needs to be given.
pub(crate) struct Tools {
    /// For `ENVOY`.
    pub(crate) envoy: PathBuf,
    /// For the front of `PATH`.
    pub(crate) bin: TempDir,
}

impl Tools {
    pub(crate) fn find() -> Self {
        let options = Options::current().expect("the toolchain's options");
        let found = find(&options, &Silent).expect("the toolchain");
        let datadir = prepared_datadir(&found, &options, &Silent).expect("a data directory");
        let bin = tempfile::tempdir().expect("a folder for wrappers");
        let basedir = found
            .mysql_basedir
            .as_ref()
            .map(|dir| format!("--basedir='{}'", dir.display()));
        wrapper(
            &bin,
            "mariadbd",
            &found,
            &found.mysqld.path,
            basedir.as_deref().unwrap_or_default(),
        );
        wrapper(&bin, "mariadb", &found, &found.mysql.path, "");
        wrapper(&bin, "nft", &found, &found.nft.path, "");
        installer(&bin, &datadir);
        Self {
            envoy: found.envoy.path,
            bin,
        }
    }
}

fn wrapper(bin: &TempDir, name: &str, found: &Toolchain, program: &Path, more: &str) {
    let libraries: Vec<String> = found
        .library_paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let libraries = libraries.join(":");
    let environment = if libraries.is_empty() {
        String::new()
    } else {
        format!("LD_LIBRARY_PATH='{libraries}' ")
    };
    script(
        bin,
        name,
        &format!("{environment}exec '{}' \"$@\" {more}\n", program.display()),
    );
}

/// Instead of initialising a data directory it copies the prepared one, which both sides then use.
fn installer(bin: &TempDir, prepared: &Path) {
    let body = format!(
        "for argument; do case $argument in --datadir=*) mkdir -p \"${{argument#*=}}\"; cp -r '{}'/. \"${{argument#*=}}\";; esac; done\n",
        prepared.display()
    );
    script(bin, "mariadb-install-db", &body);
}

fn script(bin: &TempDir, name: &str, body: &str) {
    let path = bin.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}")).expect("writing a wrapper");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .expect("making a wrapper executable");
}
