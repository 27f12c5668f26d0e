//! Everything again as an ordinary user, when the tests run as root.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

const NOBODY: &str = "65534";

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("ordinary::everything_again_as_an_ordinary_user", again)
            .with_ignored_flag(!root),
    ]
}

/// A copy of the test binary that anyone may execute runs all other trials.
fn again() -> Result<(), Failed> {
    let folder = std::env::temp_dir().join(format!("meshproof-ordinary-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    let result = run_in(&folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn run_in(folder: &Path) -> Result<(), Failed> {
    let copy = folder.join("node");
    // By another process: a file that is open for writing in this one could be inherited, for a moment, by
    // what other trials start, and executing it would then fail with ETXTBSY.
    let status = Command::new("cp")
        .arg(std::env::current_exe()?)
        .arg(&copy)
        .status()?;
    assert!(status.success(), "copying the test binary: {status}");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(&copy)
        .args(["--skip", "ordinary::"]);
    let output = match command.current_dir("/").output() {
        Ok(output) => output,
        Err(e) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: setpriv cannot be run ({e})");
            return Ok(());
        }
        Err(e) => return Err(format!("running setpriv: {e}").into()),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else {
        Err(text.into())
    }
}
