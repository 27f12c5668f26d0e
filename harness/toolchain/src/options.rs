//! Where to look and what to accept.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use crate::ToolchainError;

/// Programs for administrators are often not on an ordinary user's `PATH`.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The environment variables that count, taken once so that tests can give their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<OsString, OsString>);

/// Where to look and what to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The environment, also that of the package clients.
    pub environment: Environment,
    /// The cache folder.
    pub cache: PathBuf,
    /// Accept any Envoy version (`--any-envoy`).
    pub any_envoy: bool,
    /// Fetch what is missing.
    pub fetch: bool,
    /// Look into the system's folders too when a program is not on `PATH`.
    pub system_folders: bool,
}

impl Environment {
    /// This process's own.
    pub fn current() -> Self {
        Self(env::vars_os().collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// A command that sees this environment and no other.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.0);
        command
    }
}

impl Options {
    /// Options of this process: its environment, its cache folder, fetching allowed.
    ///
    /// The cache is `MESHPROOF_CACHE`, or `meshproof` in `XDG_CACHE_HOME` or in `~/.cache`.
    pub fn current() -> Result<Self, ToolchainError> {
        let environment = Environment::current();
        let cache = cache_folder(&environment).ok_or(ToolchainError::NoCacheFolder)?;
        Ok(Self {
            environment,
            cache,
            any_envoy: false,
            fetch: true,
            system_folders: true,
        })
    }

    /// The folders in which programs are looked for.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let path = self.environment.get("PATH").unwrap_or_default();
        let mut folders: Vec<_> = env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .collect();
        if self.system_folders {
            folders.extend(SYSTEM_FOLDERS.iter().map(PathBuf::from));
        }
        folders
    }

    /// The first file of that name in the folders that this process may execute.
    pub(crate) fn on_path(&self, name: &str) -> Option<PathBuf> {
        let mut found = self.folders().into_iter().map(|folder| folder.join(name));
        found.find(|path| is_executable(path))
    }
}

/// A file that this process may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn cache_folder(environment: &Environment) -> Option<PathBuf> {
    if let Some(own) = environment.get("MESHPROOF_CACHE") {
        return std::path::absolute(own).ok();
    }
    // The specification of XDG_CACHE_HOME says to ignore a relative path.
    let shared = environment
        .get("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || {
        environment
            .get("HOME")
            .map(|home| Path::new(home).join(".cache"))
    };
    Some(shared.or_else(home)?.join("meshproof"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let all = [
            ("MESHPROOF_CACHE", "/own"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/a"),
        ];
        let folder = |from: usize| cache_folder(&environment(&all[from..])).unwrap();
        assert_eq!(folder(0), Path::new("/own"));
        assert_eq!(folder(1), Path::new("/xdg/meshproof"));
        assert_eq!(folder(2), Path::new("/home/a/.cache/meshproof"));
        assert_eq!(cache_folder(&environment(&[("HOME", "")])), None);
    }
}
