//! Reading a scenario and the files it names.

use std::io::Read;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::{At, Diagnostic, Diagnostics, Pos, Scenario, Source, parse, template};

/// Longer manifests are refused before they fill the memory.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A scenario and the text of every file it names.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario, not yet bound.
    pub scenario: Scenario,
    /// Its text, for messages.
    pub source: Source,
    /// Mesh configurations, patches and manifests, by path as written in the scenario, not yet
    /// bound: see [`crate::substitute`].
    pub files: IndexMap<String, Source>,
}

impl Loaded {
    /// The text of a file that the scenario names, by the path as written there.
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.get(path)
    }
}

/// Reads a scenario and every file it names, and checks all of it that can be checked without
/// clusters: see [`crate::parse`], and the use of bindings in manifests and patches.
///
/// # Errors
/// A file that cannot be read, a scenario that is wrong, a named file that is missing (told at the
/// entry that names it), a binding that is used there and not declared.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let shown = path.display().to_string();
    let text = read(path).map_err(|why| {
        Source::new(shown.as_str(), "").error(Pos::default(), format!("reading scenario: {why}"))
    })?;
    let source = Source::new(shown, text);
    let scenario = parse(&source)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (files, found) = named_files(&scenario, &source, folder);
    Diagnostics::unless(found, ()).map(|()| Loaded {
        scenario,
        source,
        files,
    })
}

/// Every file that a scenario names, once each.
fn named_files(
    scenario: &Scenario,
    source: &Source,
    folder: &Path,
) -> (IndexMap<String, Source>, Vec<Diagnostic>) {
    let mut files = IndexMap::new();
    let mut found = Vec::new();
    for (_, cluster) in scenario.clusters.iter() {
        let patches = cluster.patches.iter().map(|patch| (&patch.json, true));
        let manifests = cluster.manifests.iter().map(|path| (path, true));
        // Mesh configuration has no bindings: it is there before anything can be looked up.
        for (path, bound) in std::iter::once((&cluster.mesh_config, false))
            .chain(patches)
            .chain(manifests)
        {
            if files.contains_key(&path.value) {
                continue;
            }
            match named_file(source, folder, path) {
                Ok(file) => {
                    let names = scenario.bindings.keys().map(|name| name.as_str());
                    found.extend(if bound {
                        template::check(&file, &names)
                    } else {
                        template::check_free(&file)
                    });
                    files.insert(path.value.clone(), file);
                }
                Err(diagnostic) => found.push(diagnostic),
            }
        }
    }
    (files, found)
}

fn named_file(source: &Source, folder: &Path, path: &At<String>) -> Result<Source, Diagnostic> {
    let full: PathBuf = folder.join(&path.value);
    let shown = full.display().to_string();
    match read(&full) {
        Ok(text) => Ok(Source::new(shown, text)),
        Err(why) => Err(source
            .error(path.pos, format!("reading `{path}`: {why}"))
            .note(format!(
                "looked for it at {shown}; paths are relative to the scenario file"
            ))),
    }
}

/// The text of a regular file, or why it cannot be had.
fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| plain(&error))?;
    let metadata = file.metadata().map_err(|error| plain(&error))?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    let mut text = String::new();
    let read = file
        .take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| plain(&error))?;
    if read as u64 > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    Ok(text)
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::InvalidData => "it is no UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
