//! The real package clients, into an empty cache; then a warm run that executes nothing.
//!
//! Runs when `MESHPROOF_TEST_FETCH=1`: it needs the network.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{env, process::Command, sync::Mutex, time::Instant};

use meshproof_toolchain::{Environment, Event, Options, Origin, Progress, find, prepared_datadir};

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Progress for Recorder {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn everything_is_fetched_into_an_empty_cache() {
    if env::var_os("MESHPROOF_TEST_FETCH").is_none_or(|value| value != "1") {
        println!("skipped: MESHPROOF_TEST_FETCH is not 1");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut environment = Environment::current();
    for name in [
        "MESHPROOF_ENVOY",
        "MESHPROOF_MYSQLD",
        "MESHPROOF_MYSQL",
        "MESHPROOF_NFT",
    ] {
        environment.0.remove(std::ffi::OsStr::new(name));
    }
    environment.0.insert("HOME".into(), home.path().into());
    let cache = home.path().join("cache");
    let options = Options {
        environment,
        cache,
        any_envoy: false,
        fetch: true,
        system_folders: true,
    };
    let recorder = Recorder::default();

    let begun = Instant::now();
    let cold = find(&options, &recorder).unwrap();
    println!("cold: {:?}\n{cold:#?}", begun.elapsed());
    let begun = Instant::now();
    let data = prepared_datadir(&cold, &options, &recorder).unwrap();
    println!("datadir: {:?}", begun.elapsed());
    assert!(data.join("mysql").is_dir());

    let begun = Instant::now();
    let warm = find(&options, &recorder).unwrap();
    assert_eq!(prepared_datadir(&warm, &options, &recorder).unwrap(), data);
    println!("warm: {:?}", begun.elapsed());
    assert_eq!(
        (&warm.envoy.path, &warm.envoy.version),
        (&cold.envoy.path, &cold.envoy.version)
    );
    for tool in [&warm.envoy, &warm.mysqld, &warm.mysql, &warm.nft] {
        assert!(
            matches!(tool.origin, Origin::Cache | Origin::Path),
            "{tool:?}"
        );
        let mut command = Command::new(&tool.path);
        if let Some(libraries) = warm.library_path() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        assert!(command.arg("--version").output().unwrap().status.success());
    }
    let events = recorder.0.lock().unwrap();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Arrived { bytes, .. } if *bytes > 0))
    );
}
