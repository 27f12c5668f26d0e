//! Writing keys to files that nobody else reads.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::PkiError;

/// Writes a new file with mode 0600 from its first moment on. A file that exists, or a symbolic link,
/// is an error: its mode or its place would not be ours.
///
/// # Errors
/// The file exists or cannot be written; nothing is left behind then.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let failed = |source| PkiError::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(content).map_err(|source| {
        // The write is what failed; that the half of a key cannot be removed either adds nothing.
        let _ = std::fs::remove_file(path);
        failed(source)
    })
}
