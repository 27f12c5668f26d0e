//! What a container runs: an image and a command become a program of the host with its mounts.
//!
//! Pure. MariaDB stands in for every MySQL image; the environment variables of the official images
//! (`MYSQL_ROOT_PASSWORD` and the rest) are honoured.

use std::path::{Path, PathBuf};

use meshproof_pocket_node::{ContainerSpec, File, Mount, MountSource, Program};
use serde_json::Value;

use super::env::expand;
use crate::images::{self, Image};

/// Where the programs are mounted.
const BIN: &str = "/meshproof/bin";
const LIB: &str = "/meshproof/lib";
const SHARE: &str = "/meshproof/share";
const PATH: &str = "/meshproof/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where Envoy finds its ADS server.
pub(super) const XDS_SOCKET: &str = "/run/meshproof/xds.sock";
/// Envoy's bootstrap file.
pub(super) const BOOTSTRAP: &str = "/etc/istio/proxy/envoy.json";

/// The host's programs that pods run, by canonical path.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Envoy.
    pub envoy: PathBuf,
    /// Envoy's version: major, minor.
    pub envoy_version: (u32, u32),
    /// `mariadbd` or `mysqld`.
    pub mysqld: PathBuf,
    /// `mariadb` or `mysql`.
    pub mysql: PathBuf,
    /// Directories with shared libraries that the host lacks.
    pub libraries: Vec<PathBuf>,
    /// The server's messages and character sets (`share/mysql`), where they are not at their usual place.
    pub share: Option<PathBuf>,
    /// An initialised data directory; every server gets a copy.
    pub data_directory: PathBuf,
    /// `nft`.
    pub nft: Program,
    /// This very program, for its applets: the router's commands and the prober.
    pub own: PathBuf,
}

/// Why an image's own start script would have given up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProgramError {
    /// The official images insist on one of three variables.
    #[error(
        "database is uninitialized and password option is not specified: set one of MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD"
    )]
    NoRootPassword,
    /// The image has no program of its own.
    #[error("no command specified")]
    NoCommand,
}

fn words(container: &Value, key: &str, env: &[(String, String)]) -> Vec<String> {
    container[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|word| expand(word, env))
        .collect()
}

/// The program of a container, without files and directories of volumes.
pub(super) fn container(
    image: Image,
    container: &Value,
    env: &[(String, String)],
    programs: &Programs,
) -> Result<ContainerSpec, ProgramError> {
    let command = words(container, "command", env);
    let args = words(container, "args", env);
    let cwd = container["workingDir"].as_str().map(PathBuf::from);
    let mut spec = match image {
        Image::Mysql if is_server(&command, &args) => server(&command, &args, env, programs)?,
        Image::Mysql | Image::System => {
            let argv: Vec<String> = command.into_iter().chain(args).collect();
            let argv = if argv.is_empty() && image == Image::System {
                vec!["sh".to_owned()]
            } else {
                argv
            };
            ContainerSpec {
                argv,
                mounts: mysql_mounts(programs),
                ..ContainerSpec::default()
            }
        }
        Image::Proxy => envoy(programs),
        Image::Router => waiting(command, args, router_mounts(programs)),
        Image::Probe => waiting(command, args, probe_mounts(programs)),
    };
    if spec.argv.is_empty() {
        return Err(ProgramError::NoCommand);
    }
    spec.env = environment(env, programs);
    spec.cwd = cwd;
    Ok(spec)
}

/// The container's environment over the defaults of its image.
fn environment(env: &[(String, String)], programs: &Programs) -> Vec<(String, String)> {
    let mut all = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
    ];
    if !programs.libraries.is_empty() {
        all.push(("LD_LIBRARY_PATH".to_owned(), library_path(programs)));
    }
    for (name, value) in env {
        all.retain(|(n, _)| n != name);
        all.push((name.clone(), value.clone()));
    }
    all
}

fn library_path(programs: &Programs) -> String {
    (0..programs.libraries.len())
        .map(|i| format!("{LIB}/{i}"))
        .collect::<Vec<_>>()
        .join(":")
}

fn show(path: &Path, at: String) -> Mount {
    Mount {
        source: MountSource::Host(path.to_path_buf()),
        path: at.into(),
        read_only: true,
    }
}

fn library_mounts(programs: &Programs) -> impl Iterator<Item = Mount> {
    programs
        .libraries
        .iter()
        .enumerate()
        .map(|(i, path)| show(path, format!("{LIB}/{i}")))
}

fn mysql_mounts(programs: &Programs) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = library_mounts(programs).collect();
    for name in ["mysql", "mariadb"] {
        mounts.push(show(&programs.mysql, format!("{BIN}/{name}")));
    }
    mounts
}

/// A MySQL image starts its server when no command is given, or one that begins with the server's
/// name or an option.
fn is_server(command: &[String], args: &[String]) -> bool {
    let Some(first) = command.first().or(args.first()) else {
        return true;
    };
    // An option may have a path as its value.
    let option = command.is_empty() && first.starts_with('-');
    let name = first.rsplit('/').next().unwrap_or(first);
    option || matches!(name, "mysqld" | "mariadbd" | "docker-entrypoint.sh")
}

/// Whether a container is a database server: it waits to be called and calls nobody, so it may start
/// beside its sidecar, once redirection is in place. Its pod is ready only when both are.
pub(super) fn only_listens(container: &Value) -> bool {
    let image = images::resolve(container["image"].as_str().unwrap_or_default());
    image == Some(Image::Mysql)
        && is_server(
            &words(container, "command", &[]),
            &words(container, "args", &[]),
        )
}

fn server(
    command: &[String],
    args: &[String],
    env: &[(String, String)],
    programs: &Programs,
) -> Result<ContainerSpec, ProgramError> {
    let mut argv: Vec<String> = [
        format!("{BIN}/mysqld").as_str(),
        "--no-defaults",
        "--user=root",
        "--datadir=/var/lib/mysql",
        "--socket=/run/mysqld/mysqld.sock",
        "--pid-file=/run/mysqld/mysqld.pid",
        "--bind-address=0.0.0.0",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--performance-schema=OFF",
        "--innodb-log-file-size=4M",
        "--init-file=/run/meshproof/init.sql",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut mounts = mysql_mounts(programs);
    mounts.push(show(&programs.mysqld, format!("{BIN}/mysqld")));
    if let Some(share) = &programs.share {
        mounts.push(show(share, SHARE.to_owned()));
        argv.push(format!("--lc-messages-dir={SHARE}"));
        argv.push(format!("--character-sets-dir={SHARE}/charsets"));
    }
    mounts.push(Mount {
        source: MountSource::Copy(programs.data_directory.clone()),
        path: "/var/lib/mysql".into(),
        read_only: false,
    });
    argv.extend(
        command
            .iter()
            .chain(args)
            .filter(|a| a.starts_with('-'))
            .cloned(),
    );
    let init = File {
        path: "/run/meshproof/init.sql".into(),
        mode: 0o600,
        bytes: init_sql(env)?.into_bytes(),
    };
    let tmpfs = vec!["/run/mysqld".into()];
    Ok(ContainerSpec {
        argv,
        mounts,
        files: vec![init],
        tmpfs,
        ..ContainerSpec::default()
    })
}

/// What the official images do on the first start, as statements of one line each: the server reads
/// them before it accepts connections.
fn init_sql(env: &[(String, String)]) -> Result<String, ProgramError> {
    let get = |name: &str| {
        let maria = name.replace("MYSQL_", "MARIADB_");
        env.iter()
            .rev()
            .find(|(n, v)| (n == name || *n == maria) && !v.is_empty())
            .map(|(_, v)| v.as_str())
    };
    let empty = get("MYSQL_ALLOW_EMPTY_PASSWORD").is_some();
    let password = match (get("MYSQL_ROOT_PASSWORD"), empty) {
        (Some(password), _) => password,
        (None, true) => "",
        (None, false) => return Err(ProgramError::NoRootPassword),
    };
    let password = quote(password);
    let mut lines = vec![
        format!("ALTER USER 'root'@'localhost' IDENTIFIED BY {password};"),
        // A fresh data directory has more of them, without a password, and the nearest host wins.
        "DROP USER IF EXISTS 'root'@'127.0.0.1', 'root'@'::1';".to_owned(),
        format!("CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY {password};"),
        "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;".to_owned(),
    ];
    let database = get("MYSQL_DATABASE");
    if let Some(database) = database {
        lines.push(format!(
            "CREATE DATABASE IF NOT EXISTS {};",
            identifier(database)
        ));
    }
    if let (Some(user), Some(password)) = (get("MYSQL_USER"), get("MYSQL_PASSWORD")) {
        lines.push(format!(
            "CREATE USER IF NOT EXISTS {}@'%' IDENTIFIED BY {};",
            quote(user),
            quote(password)
        ));
        if let Some(database) = database {
            lines.push(format!(
                "GRANT ALL ON {}.* TO {}@'%';",
                identifier(database),
                quote(user)
            ));
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// A string literal in one line.
fn quote(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

fn identifier(name: &str) -> String {
    format!(
        "`{}`",
        name.replace('`', "``").replace(['\n', '\r', '\0'], "_")
    )
}

/// Envoy on its bootstrap file; the file and the socket are the caller's to add.
fn envoy(programs: &Programs) -> ContainerSpec {
    let arguments =
        meshproof_pocket_xds::bootstrap::arguments(Path::new(BOOTSTRAP), programs.envoy_version);
    let mut argv = vec![format!("{BIN}/envoy")];
    argv.extend(
        arguments
            .into_iter()
            .map(|a| a.to_string_lossy().into_owned()),
    );
    let mut mounts: Vec<Mount> = library_mounts(programs).collect();
    mounts.push(show(&programs.envoy, format!("{BIN}/envoy")));
    ContainerSpec {
        argv,
        mounts,
        unix_listeners: vec![XDS_SOCKET.into()],
        ..ContainerSpec::default()
    }
}

/// Runs nothing by itself: it is there for commands to be run in it.
fn waiting(command: Vec<String>, args: Vec<String>, mounts: Vec<Mount>) -> ContainerSpec {
    let mut argv: Vec<String> = command.into_iter().chain(args).collect();
    if argv.is_empty() {
        argv = ["sleep", "infinity"].map(str::to_owned).to_vec();
    }
    ContainerSpec {
        argv,
        mounts,
        ..ContainerSpec::default()
    }
}

/// This very program under the name of one of its applets.
fn applet(name: &str, programs: &Programs) -> Mount {
    show(&programs.own, format!("{BIN}/{name}"))
}

fn router_mounts(programs: &Programs) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = library_mounts(programs).collect();
    mounts.push(applet(crate::router::COMMAND, programs));
    mounts.push(show(&programs.nft.path, format!("{BIN}/nft")));
    mounts
}

fn probe_mounts(programs: &Programs) -> Vec<Mount> {
    let mut mounts = mysql_mounts(programs);
    mounts.push(applet(meshproof_probe::COMMAND, programs));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn programs() -> Programs {
        Programs {
            envoy: "/cache/envoy".into(),
            envoy_version: (1, 40),
            mysqld: "/cache/mariadbd".into(),
            mysql: "/cache/mariadb".into(),
            libraries: vec!["/cache/lib".into()],
            share: Some("/cache/share".into()),
            data_directory: "/cache/data".into(),
            nft: Program {
                path: "/usr/sbin/nft".into(),
                env: vec![],
            },
            own: "/usr/bin/meshproof".into(),
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn a_mysql_image_without_a_command_is_the_server() {
        let spec = container(
            Image::Mysql,
            &json!({}),
            &env(&[("MYSQL_ROOT_PASSWORD", "it's")]),
            &programs(),
        )
        .expect("spec");
        assert_eq!(spec.argv[0], "/meshproof/bin/mysqld");
        let init = String::from_utf8(spec.files[0].bytes.clone()).expect("text");
        assert!(
            init.starts_with("ALTER USER 'root'@'localhost' IDENTIFIED BY 'it''s';\n"),
            "{init}"
        );
        assert_eq!(spec.files[0].mode, 0o600);
        assert!(!spec.argv.iter().any(|a| a.contains("it's")));
        let with_option = container(
            Image::Mysql,
            &json!({"args": ["--ssl-ca=/tls/ca.crt", "--max-connections=5"]}),
            &env(&[("MYSQL_ROOT_PASSWORD", "x")]),
            &programs(),
        );
        assert_eq!(
            with_option.expect("spec").argv.last().map(String::as_str),
            Some("--max-connections=5")
        );
    }

    #[test]
    fn a_server_without_a_password_says_so() {
        assert_eq!(
            container(Image::Mysql, &json!({}), &[], &programs()),
            Err(ProgramError::NoRootPassword)
        );
    }

    #[test]
    fn a_mysql_image_with_a_command_runs_it() {
        let spec = container(
            Image::Mysql,
            &json!({"command": ["sleep"], "args": ["$(T)"]}),
            &env(&[("T", "60")]),
            &programs(),
        )
        .expect("spec");
        assert_eq!(spec.argv, ["sleep", "60"]);
        assert!(
            spec.env
                .contains(&("LD_LIBRARY_PATH".into(), "/meshproof/lib/0".into()))
        );
        assert!(
            spec.mounts
                .iter()
                .any(|m| m.path == Path::new("/meshproof/bin/mysql"))
        );
    }

    #[test]
    fn a_probe_waits_for_commands_or_runs_the_one_that_it_was_given() {
        let of = |spec| container(Image::Probe, &spec, &[], &programs()).expect("spec");
        let waiting = of(json!({}));
        assert_eq!(waiting.argv, ["sleep", "infinity"]);
        let here = |path: &str| waiting.mounts.iter().any(|m| m.path == Path::new(path));
        assert!(here("/meshproof/bin/meshproof-probe") && here("/meshproof/bin/mysql"));
        let hush = of(json!({"command": ["meshproof-probe"], "args": ["hush", "3306"]}));
        assert_eq!(hush.argv, ["meshproof-probe", "hush", "3306"]);
    }

    #[test]
    fn values_cannot_break_out_of_the_init_file() {
        let sql = init_sql(&env(&[
            ("MYSQL_ROOT_PASSWORD", "a\n'; DROP USER root; --\\"),
            ("MYSQL_DATABASE", "a`b\nc"),
        ]))
        .expect("sql");
        assert_eq!(sql.lines().count(), 5, "{sql}");
        assert!(sql.contains("`a``b_c`"));
    }
}
