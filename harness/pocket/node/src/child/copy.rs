//! Copies files of the host into a container.

use std::fs;
use std::path::Path;

use crate::error::{Failure, Step};

/// Copies a file, or a directory with everything in it. Symbolic links stay links; what is neither file,
/// directory nor link (sockets, devices) is left out.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let about = || format!("copying to {}", to.display());
    let metadata = fs::metadata(from).step(about)?;
    if !metadata.is_dir() {
        return fs::copy(from, to).map(drop).step(about);
    }
    fs::create_dir_all(to).step(about)?;
    fs::set_permissions(to, metadata.permissions()).step(about)?;
    for entry in fs::read_dir(from).step(about)? {
        let entry = entry.step(about)?;
        let (kind, target) = (entry.file_type().step(about)?, to.join(entry.file_name()));
        if kind.is_symlink() {
            let link = fs::read_link(entry.path()).step(about)?;
            std::os::unix::fs::symlink(link, &target).step(about)?;
        } else if kind.is_dir() || kind.is_file() {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_tree_is_copied_with_modes_and_links() {
        let base = std::env::temp_dir().join(format!("meshproof-copy-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/key"), "k").unwrap();
        fs::set_permissions(from.join("inner/key"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("inner/key", from.join("link")).unwrap();
        super::copy(&from, &to).unwrap();
        let mode = fs::metadata(to.join("inner/key"))
            .unwrap()
            .permissions()
            .mode();
        let link = fs::read_link(to.join("link")).unwrap();
        fs::remove_dir_all(&base).unwrap();
        assert_eq!((mode & 0o777, link.to_str()), (0o600, Some("inner/key")));
    }
}
