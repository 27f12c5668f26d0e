//! Debian packages, downloaded by apt into the cache and unpacked there; nothing is installed.
//!
//! apt decides which packages are missing and checks its own signatures. Its lists are used where
//! they are; where they are empty or stale, fresh ones are fetched into a folder of this entry.

use std::{
    env::consts::ARCH,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Event, Options, Progress, ToolchainError,
    cache::Cache,
    libraries,
    run::{Failure, Watched, run, run_watched},
};

/// Where a cache entry keeps the unpacked tree.
pub(crate) const ROOT: &str = "root";

/// The cache entry's name: packages of one Debian release do not run on another.
fn entry_name(what: &str) -> String {
    format!(
        "{what}-{}-{ARCH}",
        release(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    )
}

fn release(os_release: &str) -> String {
    let value = |key: &str| {
        let line = os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
            .filter(|value| !value.is_empty())
    };
    let parts = [
        value("ID").unwrap_or_else(|| "unknown".to_owned()),
        value("VERSION_ID").unwrap_or_else(|| "rolling".to_owned()),
    ];
    parts.join("-").replace(['/', ' '], "_")
}

/// The unpacked tree in the cache.
pub(crate) fn cached(what: &str, cache: Cache<'_>) -> Option<PathBuf> {
    cache.get(&entry_name(what))
}

/// The entry with `packages` unpacked and `programs` (relative to the tree) able to load their libraries.
pub(crate) fn fetch(
    what: &str,
    packages: &[String],
    programs: &[&str],
    options: &Options,
    progress: &dyn Progress,
) -> Result<PathBuf, Failure> {
    let cache = Cache::new(&options.cache);
    let (entry, _) = cache.entry(&entry_name(what), progress, |folder| {
        let root = folder.join(ROOT);
        unpack(packages, what, &root, options, progress)?;
        let programs: Vec<_> = programs.iter().map(|program| root.join(program)).collect();
        libraries::settle(folder, &root, &programs, options)
    })?;
    Ok(entry)
}

/// Downloads `packages` and what they depend on and the machine lacks, and unpacks them below `root`.
pub(crate) fn unpack(
    packages: &[String],
    what: &str,
    root: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let work = root.with_extension("apt");
    let mut apt = Apt::new(&work, options)?;
    let downloaded = apt
        .plan(packages)
        .and_then(|plan| apt.download(&plan, what, progress));
    if downloaded.is_err() {
        // The system's lists may be empty, or name versions that are gone.
        apt.lists = Some(fresh_lists(&apt, progress)?);
        let plan = apt.plan(packages)?;
        apt.download(&plan, what, progress)?;
    }
    progress.event(Event::Unpacking {
        what: what.to_owned(),
    });
    for package in apt.downloaded()? {
        run(
            "dpkg-deb",
            options
                .environment
                .command("dpkg-deb")
                .arg("-x")
                .arg(&package)
                .arg(root),
        )?;
    }
    fs::remove_dir_all(&work).map_err(ToolchainError::io("removing", work))?;
    Ok(())
}

/// Package lists of today, shared by all that is fetched.
fn fresh_lists(apt: &Apt<'_>, progress: &dyn Progress) -> Result<PathBuf, Failure> {
    let today = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    let cache = Cache::new(&apt.options.cache);
    let prefix = entry_name("apt-lists");
    let (lists, _) = cache.entry(&format!("{prefix}-{today}"), progress, |folder| {
        cache.remove_others(&prefix)?;
        let partial = folder.join("partial");
        fs::create_dir(&partial).map_err(ToolchainError::io("making", partial))?;
        apt.update(folder)
    })?;
    Ok(lists)
}

/// One package of the plan.
#[derive(Debug, PartialEq)]
struct Planned {
    /// `name=version`, as apt takes it.
    package: String,
    bytes: u64,
}

/// apt with its cache, and if need be its lists, in a folder of its own.
struct Apt<'a> {
    work: &'a Path,
    /// Lists to read instead of the system's.
    lists: Option<PathBuf>,
    options: &'a Options,
}

impl<'a> Apt<'a> {
    fn new(work: &'a Path, options: &'a Options) -> Result<Self, Failure> {
        for program in ["apt-get", "dpkg-deb"] {
            if options.on_path(program).is_none() {
                return Err(Failure::Cannot(format!(
                    "{program}, which fetches it, is not on PATH"
                )));
            }
        }
        for folder in ["cache/archives/partial", "debs"] {
            let path = work.join(folder);
            fs::create_dir_all(&path).map_err(ToolchainError::io("making", path))?;
        }
        Ok(Self {
            work,
            lists: None,
            options,
        })
    }

    fn command(&self, lists: Option<&Path>) -> Command {
        let mut command = self.options.environment.command("apt-get");
        command
            .env("LC_ALL", "C")
            .arg("-o")
            .arg(set("Dir::Cache", &self.work.join("cache")))
            .args(["-o", "Debug::NoLocking=true"]);
        if rustix::process::geteuid().is_root() {
            // apt would hand its downloads to a user who may not enter the cache folder.
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        if let Some(lists) = lists {
            command.arg("-o").arg(set("Dir::State::lists", lists));
        }
        command.current_dir(self.work.join("debs"));
        command
    }

    /// Fetches the lists of packages into `folder`, kept compressed, without translations and icons.
    fn update(&self, folder: &Path) -> Result<(), Failure> {
        let mut command = self.command(Some(folder));
        command.args([
            "-o",
            "Acquire::Languages=none",
            "-o",
            "Acquire::GzipIndexes=true",
        ]);
        command.args([
            "-o",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        ]);
        run("apt-get update", command.args(["update", "-qq"])).map(drop)
    }

    fn plan(&self, packages: &[String]) -> Result<Vec<Planned>, Failure> {
        let mut command = self.command(self.lists.as_deref());
        command
            .args([
                "install",
                "--print-uris",
                "-qq",
                "-y",
                "--no-install-recommends",
            ])
            .args(packages);
        let output = run("apt-get install --print-uris", &mut command)?;
        let plan = parse_plan(&String::from_utf8_lossy(&output.stdout)).map_err(Failure::Cannot)?;
        if plan.is_empty() {
            return Err(Failure::Cannot(format!(
                "apt says {} to be installed, yet the programs are not on PATH",
                packages.join(", ")
            )));
        }
        Ok(plan)
    }

    fn download(
        &self,
        plan: &[Planned],
        what: &str,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let bytes = plan.iter().map(|planned| planned.bytes).sum();
        progress.event(Event::Fetching {
            what: what.to_owned(),
            bytes: Some(bytes),
        });
        let mut command = self.command(self.lists.as_deref());
        command
            .args(["download", "-qq"])
            .args(plan.iter().map(|planned| &planned.package));
        let folder = self.work.join("debs");
        run_watched(
            "apt-get download",
            &mut command,
            &Watched {
                what,
                folder: &folder,
                progress,
            },
        )?;
        let found = self.downloaded()?.len();
        if found == plan.len() {
            return Ok(());
        }
        Err(Failure::Cannot(format!(
            "apt-get download was to leave {} packages and left {found}",
            plan.len()
        )))
    }

    fn downloaded(&self) -> Result<Vec<PathBuf>, ToolchainError> {
        let folder = self.work.join("debs");
        let entries = fs::read_dir(&folder).map_err(ToolchainError::io("listing", folder))?;
        let files = entries.flatten().map(|entry| entry.path());
        Ok(files
            .filter(|path| path.extension().is_some_and(|end| end == "deb"))
            .collect())
    }
}

/// `NAME=PATH` for apt's `-o`.
fn set(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("{name}="));
    option.push(path);
    option
}

/// Reads lines of the form `'url' name_version_arch.deb size hash`; a colon in a version is `%3a`.
fn parse_plan(printed: &str) -> Result<Vec<Planned>, String> {
    let lines = printed.lines().filter(|line| line.starts_with('\''));
    lines
        .map(|line| {
            parse_line(line)
                .ok_or_else(|| format!("apt printed a line that cannot be read: {line}"))
        })
        .collect()
}

fn parse_line(line: &str) -> Option<Planned> {
    let mut words = line.rsplit_once("' ")?.1.split_whitespace();
    let mut parts = words.next()?.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?, parts.next()?.replace("%3a", ":"));
    let bytes = words.next()?.parse().ok()?;
    Some(Planned {
        package: format!("{name}={version}"),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_plan_is_read() {
        let printed = "NOTE\n'http://h/libm_10%2bdeb_amd64.deb' libmariadb3_1%3a10.11-0+deb12u1_amd64.deb 179504 \n\
                       'http://h/x.deb' mysql-common_5.8+1.1.0_all.deb 6636 SHA256:aa\n";
        let planned = |package: &str, bytes| Planned {
            package: package.to_owned(),
            bytes,
        };
        let expected = vec![
            planned("libmariadb3=1:10.11-0+deb12u1", 179_504),
            planned("mysql-common=5.8+1.1.0", 6636),
        ];
        assert_eq!(parse_plan(printed), Ok(expected));
        assert!(
            parse_plan("'http://h/x' x 1")
                .unwrap_err()
                .contains("cannot be read")
        );
    }

    #[test]
    fn releases_are_told_apart() {
        assert_eq!(
            release("NAME=x\nID=debian\nVERSION_ID=\"12\"\n"),
            "debian-12"
        );
        assert_eq!(release("ID=debian\n"), "debian-rolling");
        assert_eq!(release(""), "unknown-rolling");
    }
}
