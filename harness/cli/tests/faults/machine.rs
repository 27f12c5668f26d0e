//! Faults of the machine: a full disk, no user namespaces.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, end, in_namespace, skip};

/// The arguments of a program, and the program, for [`in_namespace`].
fn words(command: &Command) -> Vec<OsString> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsString::from)
        .collect()
}

/// Whether a script can do in a namespace what the test needs.
fn possible(script: &str, folder: &Path) -> bool {
    let tried = end(&mut in_namespace(script, &[folder]));
    if tried.code != 0 {
        skip(&tried.stderr);
    }
    tried.code == 0
}

#[test]
fn a_full_disk_is_told_with_the_file_that_could_not_be_written() {
    let bench = Bench::new();
    let reports = bench.path("reports");
    std::fs::create_dir(&reports).unwrap();
    // One page, and a file that has it.
    let fill = r#"mount -t tmpfs -o size=4k none "$1"; head -c 4096 /dev/zero > "$1/full""#;
    if !possible(fill, &reports) {
        return;
    }
    let mut arguments = vec![reports.clone().into_os_string()];
    arguments.extend(words(bench.command().args(["--case", "encrypted"])));
    let script = format!(r#"{fill}; shift; exec "$@""#);
    let ended = end(&mut in_namespace(&script, &arguments));
    if matches!(ended.code, 4 | 5) {
        return skip(&ended.stderr);
    }
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    for part in ["run.json", "No space left on device"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("1 passed"),
        "what was found is told all the same: {}",
        ended.stdout
    );
}

#[test]
fn without_user_namespaces_the_ways_out_are_named() {
    let bench = Bench::new();
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    if !possible(forbid, &bench.path("unused")) {
        return;
    }
    let script = format!(r#"{forbid}; exec "$@""#);
    let ended = end(&mut in_namespace(&script, &words(&bench.command())));
    if ended.code == 4 {
        return skip(&ended.stderr);
    }
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    for part in [
        "user namespaces are switched off",
        "sysctl -w user.max_user_namespaces",
        "--on kind",
        "--on contexts",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(
        bench.junit().contains("max_user_namespaces"),
        "{}",
        bench.junit()
    );
    assert_eq!(bench.record().problems[0].during, "making namespaces");
}
