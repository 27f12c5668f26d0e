//! A real Envoy that follows an ADS server of the test's own.
//!
//! The program is found as a run finds it; without it the tests say so and pass, under `CI` they fail.
//! With `MESHPROOF_TEST_MARK` its connections carry that mark, which needs `CAP_NET_ADMIN`.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use meshproof_pocket_xds::{
    AckError, Ads, ServeHandle, Snapshot, Version,
    bootstrap::{AdminAddress, BootstrapOptions, arguments, bootstrap},
};
use meshproof_toolchain::{Options, Silent};
use tokio::{net::UnixListener, time::Instant};

pub(crate) const PROXY: &str = "client-1.default";

/// Envoy, and its version: major, minor.
pub(crate) struct Program {
    path: PathBuf,
    version: (u32, u32),
}

/// An Envoy with its folder and its server; all end with it.
pub(crate) struct Rig {
    pub(crate) ads: Ads,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) envoy: Child,
    pub(crate) program: Program,
    _serving: ServeHandle,
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.envoy.kill());
        drop(self.envoy.wait());
    }
}

pub(crate) fn program() -> Option<Program> {
    let options = Options::current().unwrap();
    match meshproof_toolchain::find(&options, &Silent) {
        Ok(found) => Some(Program {
            version: found.envoy_version().unwrap(),
            path: found.envoy.path,
        }),
        Err(error) => {
            assert!(env::var_os("CI").is_none(), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

pub(crate) fn start(dir: &tempfile::TempDir, program: &Program) -> Child {
    let options = BootstrapOptions {
        node_id: PROXY.to_owned(),
        xds_socket: dir.path().join("xds"),
        admin: AdminAddress::Pipe(dir.path().join("admin")),
        mark: env::var("MESHPROOF_TEST_MARK")
            .ok()
            .map(|mark| mark.parse().unwrap()),
    };
    let config = dir.path().join("bootstrap.json");
    fs::write(&config, bootstrap(&options).to_string()).unwrap();
    let log = fs::File::create(dir.path().join("log")).unwrap();
    Command::new(&program.path)
        .args(arguments(&config, program.version))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Rig {
    pub(crate) fn new(program: Program) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ads = Ads::new();
        let serving = ads.serve(PROXY, UnixListener::bind(dir.path().join("xds")).unwrap());
        let envoy = start(&dir, &program);
        Self {
            ads,
            dir,
            envoy,
            program,
            _serving: serving,
        }
    }

    pub(crate) async fn apply(&self, snapshot: &Snapshot) -> Result<Duration, AckError> {
        let begun = Instant::now();
        let version = self.ads.set(PROXY, snapshot).unwrap();
        self.answered(version).await.map(|()| begun.elapsed())
    }

    pub(crate) async fn answered(&self, version: Version) -> Result<(), AckError> {
        self.ads
            .acknowledged(PROXY, version, Instant::now() + Duration::from_secs(20))
            .await
    }
}
