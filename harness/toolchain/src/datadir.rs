//! An empty database, made once for each server version and copied for each run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{
    Event, Options, Progress, Toolchain, ToolchainError, cache::Cache, hex::hex,
    options::is_executable, run::last_lines,
};

/// In the cache entry, beside nothing else.
const DATA: &str = "data";

/// The redo log's size: small files are quick to copy. Start the server with the same size, or it
/// rebuilds its log first.
pub const REDO_LOG: &str = "--innodb-log-file-size=4M";

/// An initialised data directory of the server's version, to be copied for each run. Blocks.
///
/// `root` may log in from localhost without a password; there is no test database. Start the server
/// with [`REDO_LOG`].
pub fn prepared_datadir(
    toolchain: &Toolchain,
    options: &Options,
    progress: &dyn Progress,
) -> Result<PathBuf, ToolchainError> {
    let cache = Cache::new(&options.cache);
    let (entry, _) = cache.entry(&entry_name(toolchain), progress, |folder| {
        progress.event(Event::Initialising {
            what: format!("mysql {}", toolchain.mysqld.version),
        });
        initialise(toolchain, &folder.join(DATA), options)
    })?;
    Ok(entry.join(DATA))
}

/// The version alone is not enough: two builds of it may differ in what they write.
fn entry_name(toolchain: &Toolchain) -> String {
    let path = toolchain.mysqld.path.as_os_str().as_encoded_bytes();
    let version = toolchain.mysqld.version.replace(['/', ' '], "_");
    format!("datadir-{version}-{}", &hex(&Sha256::digest(path))[..8])
}

fn initialise(toolchain: &Toolchain, data: &Path, options: &Options) -> Result<(), ToolchainError> {
    let mut command = if toolchain.is_mariadb() {
        mariadb(toolchain, options)?
    } else {
        mysql(toolchain, options)
    };
    let program = PathBuf::from(command.get_program());
    let mut flag = std::ffi::OsString::from("--datadir=");
    flag.push(data);
    command.arg(flag);
    if let Some(basedir) = &toolchain.mysql_basedir {
        let mut flag = std::ffi::OsString::from("--basedir=");
        flag.push(basedir);
        command.arg(flag);
    }
    if let Some(libraries) = toolchain.library_path() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    let failed = |problem: String| ToolchainError::Initialise {
        program: program.clone(),
        problem,
    };
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() || !data.join("mysql").is_dir() {
        return Err(failed(format!(
            "ended with {}: {}",
            output.status,
            last_lines(&output)
        )));
    }
    tidy(data)
}

fn mariadb(toolchain: &Toolchain, options: &Options) -> Result<Command, ToolchainError> {
    let installer = installer(toolchain, options).ok_or_else(|| ToolchainError::Initialise {
        program: "mariadb-install-db".into(),
        problem: format!(
            "it is neither beside {} nor on PATH; install the Debian package mariadb-server-core",
            toolchain.mysqld.path.display()
        ),
    })?;
    let mut command = options.environment.command(installer);
    command.args([
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
    ]);
    command.arg(REDO_LOG);
    Ok(command)
}

fn mysql(toolchain: &Toolchain, options: &Options) -> Command {
    let mut command = options.environment.command(&toolchain.mysqld.path);
    command.args(["--no-defaults", "--initialize-insecure"]);
    command
}

/// `mariadb-install-db` of the same installation as the server, else that on `PATH`.
fn installer(toolchain: &Toolchain, options: &Options) -> Option<PathBuf> {
    const NAMES: [&str; 2] = ["mariadb-install-db", "mysql_install_db"];
    let prefix = toolchain.mysqld.path.parent()?.parent()?;
    let beside = ["bin", "scripts", "sbin"]
        .iter()
        .flat_map(|folder| NAMES.map(|name| prefix.join(folder).join(name)));
    let mut beside = beside.filter(|path| is_executable(path));
    beside
        .next()
        .or_else(|| NAMES.iter().find_map(|name| options.on_path(name)))
}

/// The list of buffered pages is read at every start and says nothing about a fresh database.
fn tidy(data: &Path) -> Result<(), ToolchainError> {
    let path = data.join("ib_buffer_pool");
    if path.exists() {
        fs::remove_file(&path).map_err(ToolchainError::io("removing", path))?;
    }
    Ok(())
}
