//! The prober on its way into a pod of any image: this program, with the libraries that it was linked with and their
//! loader, so that it does not matter what the image has. The machine must be of the same kind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::COMMAND;

/// Where it lies in a container.
const PLACE: &str = "/tmp/meshproof";
/// What starts it there.
const RUN: &str = "/tmp/meshproof/run";
/// Takes files from standard input, by sizes and names; the last one is there when all are.
const TAKE: &str = r#"set -e; d=$0; rm -rf "$d" "$d.part"; mkdir -p "$d.part"; while [ $# -gt 0 ]; do head -c "$1" > "$d.part/$2"; chmod 755 "$d.part/$2"; shift 2; done; mv "$d.part" "$d""#;
/// Waits for them, and becomes the prober.
const WAIT: &str = r#"until [ -x "$0" ]; do sleep 0.1; done; exec "$0" "$@""#;

/// The prober as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portable {
    program: PathBuf,
    libraries: Vec<PathBuf>,
}

/// A command that takes the files in, and what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// What to run in the container.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
}

impl Portable {
    /// This program, as it runs.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn of_this_program() -> io::Result<Self> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        Ok(Self {
            program: PathBuf::from("/proc/self/exe"),
            libraries: libraries(&maps),
        })
    }

    /// What brings it into a container. It is as large as the program.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn parcel(&self) -> io::Result<Parcel> {
        let mut argv = ["sh", "-c", TAKE, PLACE].map(str::to_owned).to_vec();
        let mut stdin = Vec::new();
        let mut pack = |name: &str, content: &[u8]| {
            argv.extend([content.len().to_string(), name.to_owned()]);
            stdin.extend_from_slice(content);
        };
        pack(COMMAND, &fs::read(&self.program)?);
        for library in &self.libraries {
            pack(&name(library), &fs::read(library)?);
        }
        pack("run", self.start().as_bytes());
        Ok(Parcel { argv, stdin })
    }

    /// The script that starts it.
    fn start(&self) -> String {
        let loader = self.libraries.iter().map(|library| name(library));
        let loader = loader.into_iter().find(|name| is_loader(name));
        let program = format!("{PLACE}/{COMMAND}");
        let line = match loader {
            Some(loader) => format!("{PLACE}/{loader} --library-path {PLACE} {program}"),
            None => program,
        };
        format!("#!/bin/sh\nexec {line} \"$@\"\n")
    }

    /// How it is started where it was brought: in place of [`COMMAND`].
    pub fn command() -> String {
        RUN.to_owned()
    }

    /// What a container runs whose program is the prober with `args`, before it is there.
    pub fn waiting(args: &[String]) -> Vec<String> {
        let shell = ["sh", "-c", WAIT, RUN].map(str::to_owned);
        shell.into_iter().chain(args.iter().cloned()).collect()
    }
}

/// Whether a program that was run is the prober, from its image or brought.
pub fn is_command(program: &str) -> bool {
    program == COMMAND || program == RUN
}

/// Whether an image is the prober's, whatever its registry and tag.
pub fn is_image(reference: &str) -> bool {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    let before = name.strip_suffix(crate::IMAGE);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// `ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-")
}

/// Shared objects in a memory map (proc(5), `/proc/pid/maps`: the sixth field is the file), each once.
fn libraries(maps: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for line in maps.lines() {
        let path = line.find('/').map(|at| Path::new(&line[at..]));
        let Some(path) = path.filter(|path| is_shared(&name(path))) else {
            continue;
        };
        if !found.iter().any(|known| known == path) {
            found.push(path.to_owned());
        }
    }
    found
}

fn is_shared(name: &str) -> bool {
    // `libc.so.6`, `libold.so`; behind one that was deleted stand a space and a word.
    name.split('.').any(|part| part == "so") && !name.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
5581f0000000-5581f0100000 r--p 00000000 fe:00 1234 /usr/bin/mesh proof
7f0000000000-7f0000100000 r--p 00000000 fe:00 2 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000100000-7f0000200000 r-xp 00026000 fe:00 2 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000300000-7f0000400000 r--p 00000000 fe:00 3 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f0000500000-7f0000600000 r--p 00000000 fe:00 4 /usr/lib/libold.so.1 (deleted)
7f0000700000-7f0000800000 rw-p 00000000 00:00 0 [heap]
7f0000900000-7f0000a00000 rw-p 00000000 00:00 0
";

    #[test]
    fn libraries_are_those_that_are_mapped() {
        let found = libraries(MAPS);
        let names: Vec<String> = found.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["libc.so.6", "ld-linux-x86-64.so.2"]);
    }

    #[test]
    fn it_is_started_by_its_own_loader_where_it_has_one() {
        let portable = |libraries| Portable {
            program: PathBuf::from("/proc/self/exe"),
            libraries,
        };
        assert_eq!(
            portable(libraries(MAPS)).start(),
            "#!/bin/sh\nexec /tmp/meshproof/ld-linux-x86-64.so.2 --library-path /tmp/meshproof /tmp/meshproof/meshproof-probe \"$@\"\n"
        );
        assert_eq!(
            portable(Vec::new()).start(),
            "#!/bin/sh\nexec /tmp/meshproof/meshproof-probe \"$@\"\n"
        );
    }

    #[test]
    fn a_parcel_is_as_long_as_its_sizes_say() {
        let parcel = Portable::of_this_program().unwrap().parcel().unwrap();
        let sizes = parcel.argv[4..]
            .chunks(2)
            .map(|pair| pair[0].parse::<usize>().unwrap());
        assert_eq!(sizes.sum::<usize>(), parcel.stdin.len());
        assert_eq!(parcel.argv.last().unwrap(), "run");
    }

    #[test]
    fn images_are_known_by_their_name() {
        for image in [
            "meshproof/probe",
            "meshproof/probe:1",
            "ghcr.io/meshproof/probe:0.1",
            "r:5000/meshproof/probe@sha256:0",
        ] {
            assert!(is_image(image), "{image}");
        }
        for image in [
            "mysql:5.6",
            "probe",
            "notmeshproof/probe",
            "meshproof/probe-2",
        ] {
            assert!(!is_image(image), "{image}");
        }
    }
}
