//! Whether the machine can run scenarios.

use std::process::ExitStatus;

/// Whether the machine could run scenarios at all.
pub(crate) fn able(status: ExitStatus, error: &str) -> bool {
    let lacking = matches!(status.code(), Some(4 | 5));
    assert!(
        !lacking || std::env::var_os("CI").is_none(),
        "this machine cannot run scenarios, and CI must\n{error}"
    );
    if lacking {
        eprintln!("skipped: {error}");
    }
    !lacking
}
