//! A machine made of scripts: a private `PATH`, an empty cache, package clients that do as told.

use std::{
    collections::BTreeMap,
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{
    Environment, Options, Silent, Toolchain, ToolchainError, find,
    hex::hex,
    pins::{EnvoyPin, Pins, Wheel},
};

/// Programs of the real machine that the scripts use.
const BORROWED: [&str; 8] = ["sh", "cat", "cp", "mkdir", "head", "tar", "sleep", "chmod"];
const ENVOY: &str = "envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL";

/// The folder of the machine; removed with it unless it belongs to a parent process.
pub(super) struct Machine {
    folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
}

impl Machine {
    pub(super) fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        let folder = owned.path().to_owned();
        let machine = Self {
            folder,
            _owned: Some(owned),
        };
        for name in [
            "bin",
            "cache",
            "calls",
            "wheel/envoy/_bin",
            "tree/usr/sbin",
            "tree/usr/bin",
            "tree/usr/lib/x-linux-gnu",
        ] {
            fs::create_dir_all(machine.folder.join(name)).unwrap();
        }
        for name in BORROWED {
            std::os::unix::fs::symlink(real(name), machine.folder.join("bin").join(name)).unwrap();
        }
        machine.make_wheel();
        machine.make_package();
        machine
    }

    pub(super) fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            _owned: None,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn options(&self) -> Options {
        let path = self.folder.join("bin");
        let environment = Environment(BTreeMap::from([
            ("PATH".into(), path.into()),
            ("HOME".into(), self.folder.clone().into()),
        ]));
        Options {
            environment,
            cache: self.folder.join("cache"),
            any_envoy: false,
            fetch: true,
            system_folders: false,
        }
    }

    /// Finds with this machine's wheel as the pinned one.
    pub(super) fn find(&self) -> Result<Toolchain, ToolchainError> {
        let pins = Pins {
            envoy: self.pin(),
            ..Pins::read()?
        };
        find::find_pinned(&pins, &self.options(), &Silent)
    }

    pub(super) fn pin(&self) -> EnvoyPin {
        let wheel = fs::read(self.folder.join("envoy.whl")).unwrap();
        let sha256 = hex(&Sha256::digest(&wheel));
        let wheels = vec![Wheel {
            architecture: ARCH.to_owned(),
            bytes: wheel.len() as u64,
            sha256,
        }];
        EnvoyPin {
            wheels,
            ..Pins::read().unwrap().envoy
        }
    }

    pub(super) fn script(&self, name: &str, body: &str) {
        executable(&self.folder.join("bin").join(name), body);
    }

    /// A program on `PATH` whose `--version` prints `line`.
    pub(super) fn program(&self, name: &str, line: &str) {
        self.program_at(&self.folder.join("bin").join(name), line);
    }

    pub(super) fn program_at(&self, path: &Path, line: &str) {
        executable(path, &format!("{}\necho '{line}'", self.count("version")));
    }

    fn count(&self, what: &str) -> String {
        format!("echo x >> '{}/calls/{what}'", self.folder.display())
    }

    pub(super) fn calls(&self, what: &str) -> usize {
        fs::read_to_string(self.folder.join("calls").join(what))
            .map_or(0, |text| text.lines().count())
    }

    pub(super) fn cache_entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.options().cache).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(super) fn good_pip(&self) {
        self.script("python3", &self.pip("cp \"$wheel\" \"$dest/\""));
    }

    pub(super) fn truncated_pip(&self) -> String {
        self.pip("head -c 100 \"$wheel\" > \"$dest/envoy.whl\"")
    }

    pub(super) fn other_pip(&self) -> String {
        self.pip("echo other > \"$dest/envoy.whl\"")
    }

    /// Writes half a wheel, then waits until the gate's writer goes away.
    pub(super) fn stuck_pip(&self, gate: &Path) -> String {
        self.pip(&format!(
            "head -c 100 \"$wheel\" > \"$dest/envoy.whl\"; cat '{}' > /dev/null; exit 1",
            gate.display()
        ))
    }

    pub(super) fn gate(&self) -> PathBuf {
        let gate = self.folder.join("gate");
        assert!(
            Command::new("mkfifo")
                .arg(&gate)
                .status()
                .unwrap()
                .success()
        );
        gate
    }

    /// A `python3` whose pip downloads by `download`, with `$wheel` and `$dest`, and whose zipfile is real.
    fn pip(&self, download: &str) -> String {
        let (python, count, wheel) = (python(), self.count("pip"), self.folder.join("envoy.whl"));
        format!(
            "case \"$1 $2\" in\n'-c import pip') exit 0;;\n'-m zipfile') exec {} \"$@\";;\nesac\n{count}\nwheel='{}'\n\
             while [ \"$1\" != --dest ]; do shift; done\ndest=$2\nmkdir -p \"$dest\"\n{download}",
            python.display(),
            wheel.display()
        )
    }

    /// `apt-get` plans and downloads one package; `dpkg-deb` unpacks it; `ldd` misses a library without a path.
    pub(super) fn good_apt(&self) {
        let (count, package) = (self.count("apt"), self.folder.join("all.deb"));
        let line = "'http://archive/all.deb' all_1%3a2_amd64.deb 10 SHA256:0";
        self.script(
            "apt-get",
            &format!("{count}\ncase \"$*\" in\n*print-uris*) echo \"{line}\";;\n*download*) cp '{}' all_1%3a2_amd64.deb;;\nesac", package.display()),
        );
        self.script("dpkg-deb", "mkdir -p \"$3\"\ntar -xf \"$2\" -C \"$3\"");
        self.script(
            "ldd",
            "[ -n \"$LD_LIBRARY_PATH\" ] || echo 'libx.so.1 => not found'",
        );
    }

    /// A `mariadb-install-db` that makes the folders a server would.
    pub(super) fn good_installer(&self) -> String {
        format!(
            "{}\nfor flag; do case \"$flag\" in --datadir=*) data=${{flag#*=}};; esac; done\n\
             mkdir -p \"$data/mysql\"\necho x > \"$data/ib_buffer_pool\"",
            self.count("install")
        )
    }

    pub(super) fn remove_clients(&self) {
        for name in ["python3", "apt-get", "dpkg-deb", "ldd"] {
            fs::remove_file(self.folder.join("bin").join(name)).unwrap();
        }
    }

    fn make_wheel(&self) {
        self.program_at(&self.folder.join("wheel/envoy/_bin/envoy"), ENVOY);
        let made = Command::new("python3")
            .args(["-m", "zipfile", "-c", "../envoy.whl", "envoy/"])
            .current_dir(self.folder.join("wheel"))
            .status();
        assert!(made.unwrap().success());
    }

    fn make_package(&self) {
        let tree = self.folder.join("tree");
        self.program_at(
            &tree.join("usr/sbin/mariadbd"),
            "mariadbd  Ver 10.11.14-MariaDB for debian-linux-gnu on x86_64",
        );
        self.program_at(
            &tree.join("usr/bin/mariadb"),
            "mariadb  Ver 15.1 Distrib 10.11.14-MariaDB, for debian-linux-gnu",
        );
        self.program_at(
            &tree.join("usr/sbin/nft"),
            "nftables v1.0.6 (Lester Gooch #5)",
        );
        let made = Command::new("tar")
            .arg("-cf")
            .arg(self.folder.join("all.deb"))
            .args(["-C"])
            .arg(&tree)
            .arg("usr")
            .status();
        assert!(made.unwrap().success());
    }
}

fn executable(path: &Path, body: &str) {
    write_program(path, &format!("#!{}\n{body}\n", real("sh").display()));
}

/// Written by another process: a program that this one has open for writing, if only in a child
/// that another test's thread just forked, cannot be started.
pub(super) fn write_program(path: &Path, content: &str) {
    let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", write, "sh"]).arg(path).arg(content);
    assert!(command.status().unwrap().success());
}

/// Where a program of the real machine is.
fn real(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap()
}

/// The interpreter itself: what is on `PATH` may be a script that needs more of the real machine.
fn python() -> PathBuf {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}
