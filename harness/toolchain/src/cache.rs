//! Cache entries: folders that appear whole or not at all.
//!
//! An entry is made in a temporary folder beside it, under a lock of its own, and renamed into
//! place. Whoever is killed on the way leaves a temporary folder, which the next one removes; the
//! lock goes with the process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use fd_lock::RwLock;

use crate::{Event, Progress, ToolchainError};

/// The cache folder.
#[derive(Clone, Copy)]
pub(crate) struct Cache<'a> {
    root: &'a Path,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// The entry's folder, if it is complete.
    pub(crate) fn get(self, name: &str) -> Option<PathBuf> {
        let entry = self.root.join(name);
        entry.is_dir().then_some(entry)
    }

    /// The entry's folder and whether `build` had to make it, in an empty folder that it is given.
    pub(crate) fn entry<E: From<ToolchainError>>(
        self,
        name: &str,
        progress: &dyn Progress,
        build: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(PathBuf, bool), E> {
        if let Some(entry) = self.get(name) {
            return Ok((entry, false));
        }
        let mut lock = self.lock_file(name)?;
        let _guard = acquire(&mut lock, name, self.root, progress)?;
        if let Some(entry) = self.get(name) {
            return Ok((entry, false));
        }
        self.sweep(name)?;
        let unfinished = self.temporary(name)?;
        build(unfinished.path())?;
        let entry = self.root.join(name);
        fs::rename(unfinished.path(), &entry)
            .map_err(ToolchainError::io("moving into place", &entry))?;
        // The folder is no longer where it was: nothing is left to remove.
        let _ = unfinished.keep();
        progress.event(Event::Done {
            what: name.to_owned(),
        });
        Ok((entry, true))
    }

    /// Removes every complete entry whose name begins so: what a new entry of that kind replaces.
    pub(crate) fn remove_others(self, prefix: &str) -> Result<(), ToolchainError> {
        self.remove_beginning(prefix)
    }

    fn temporary(self, name: &str) -> Result<tempfile::TempDir, ToolchainError> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new()
            .prefix(&prefix(name))
            .tempdir_in(self.root)
            .map_err(ToolchainError::io("making a folder in", self.root))?;
        // Readable by all, as the packages are: a container's user may be another than this one.
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), mode)
            .map_err(ToolchainError::io("opening up", folder.path()))?;
        Ok(folder)
    }

    fn lock_file(self, name: &str) -> Result<RwLock<File>, ToolchainError> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder).map_err(ToolchainError::io("making", &folder))?;
        let path = folder.join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        file.map(RwLock::new)
            .map_err(ToolchainError::io("opening", path))
    }

    /// Removes what killed processes left of this entry. The lock is held, so nobody is at work on it.
    fn sweep(self, name: &str) -> Result<(), ToolchainError> {
        self.remove_beginning(&prefix(name))
    }

    fn remove_beginning(self, prefix: &str) -> Result<(), ToolchainError> {
        for found in fs::read_dir(self.root).map_err(ToolchainError::io("listing", self.root))? {
            let path = found
                .map_err(ToolchainError::io("listing", self.root))?
                .path();
            if path
                .file_name()
                .is_some_and(|file| file.as_encoded_bytes().starts_with(prefix.as_bytes()))
            {
                fs::remove_dir_all(&path).map_err(ToolchainError::io("removing", &path))?;
            }
        }
        Ok(())
    }
}

fn prefix(name: &str) -> String {
    format!(".{name}.unfinished-")
}

fn acquire<'l>(
    lock: &'l mut RwLock<File>,
    name: &str,
    root: &Path,
    progress: &dyn Progress,
) -> Result<fd_lock::RwLockWriteGuard<'l, File>, ToolchainError> {
    if lock.try_write().is_err() {
        progress.event(Event::Waiting {
            what: name.to_owned(),
        });
    }
    lock.write()
        .map_err(ToolchainError::io("locking an entry of", root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn a_failed_build_leaves_nothing_and_may_be_repeated() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path());
        let failed = cache.entry("a", &Silent, |folder| {
            fs::write(folder.join("half"), "x").unwrap();
            Err(ToolchainError::NoCacheFolder)
        });
        assert!(failed.is_err() && cache.get("a").is_none());
        let left: Vec<_> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["locks"]);
        let built = cache
            .entry::<ToolchainError>("a", &Silent, |_| Ok(()))
            .unwrap();
        assert_eq!(built, (root.path().join("a"), true));
        assert!(
            !cache
                .entry::<ToolchainError>("a", &Silent, |_| panic!("built twice"))
                .unwrap()
                .1
        );
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let stale = root.path().join(".a.unfinished-Xy12");
        let other = root.path().join(".ab.unfinished-Xy12");
        for folder in [&stale, &other] {
            fs::create_dir_all(folder.join("half")).unwrap();
        }
        Cache::new(root.path())
            .entry::<ToolchainError>("a", &Silent, |_| Ok(()))
            .unwrap();
        assert!(!stale.exists() && other.exists());
    }
}
