//! Why a certificate could not be made or a key not be written.

use std::path::PathBuf;

/// Why a certificate could not be made or a key not be written.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name that cannot stand in a certificate.
    #[error("making a certificate: `{name}` is no {kind}; {allowed}")]
    Name {
        /// What it was to be.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Key generation, encoding or signing failed.
    #[error("making the certificate of {subject}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What went wrong.
        source: rcgen::Error,
    },
    /// The system's clock is outside of what a certificate can say.
    #[error(
        "making a certificate: the system clock says a time that no certificate can hold; set the clock"
    )]
    Clock,
    /// Revocation lists go with the authorities that issue them; a proxy refuses them alone.
    #[error("making revocation lists: no authority is trusted beside them; name at least one")]
    ListWithoutAuthority,
    /// What should be a certificate is none.
    #[error("reading a certificate of {length} bytes of DER: {found}")]
    Unreadable {
        /// How long it is.
        length: usize,
        /// What is wrong with it.
        found: String,
    },
    /// A file could not be written.
    #[error("writing a private file {}; it must not exist yet, in a folder that can be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}
