//! `meshproof mesh`: what resources become, without a cluster.

mod trace;

pub(crate) use trace::trace;

use std::fs;
use std::path::Path;

use meshproof_mesh::{CONFLICTS_FILE, ClusterFile, ClusterFileError, Judged, MeshConfig};
use serde_json::Value;

use crate::args::CompileArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::note;
use crate::show::snippet::{Place, render};

/// Compiles one cluster file and writes one JSON file per proxy, and what admission said.
pub(crate) fn compile(args: &CompileArgs) -> Result<Exit, Failure> {
    let file = args.cluster.display().to_string();
    let text = read(&args.cluster)?;
    let mesh = MeshConfig::from_yaml(&read(&args.mesh_config)?).map_err(|error| {
        let shown = render(
            &error.to_string(),
            &args.mesh_config.display().to_string(),
            None,
            None,
            None,
        );
        Failure::new(Exit::BadInput, shown)
    })?;
    let cluster = ClusterFile::read(&file, &text).map_err(|error| refused(&file, &text, &error))?;
    for judged in cluster.judge(&mesh) {
        say(&file, &text, &judged);
    }
    let files = cluster.compile(mesh);
    for conflict in sentences(files.get(CONFLICTS_FILE)) {
        note(&format!("warning: {conflict}"));
    }
    fs::create_dir_all(&args.out).map_err(|error| writing(&args.out, &error))?;
    for (name, value) in files {
        let path = args.out.join(name);
        let json = format!("{value:#}\n");
        fs::write(&path, json).map_err(|error| writing(&path, &error))?;
    }
    Ok(Exit::Pass)
}

/// Says which object admission refuses, and why, and what it warns of. The object takes no effect, so its
/// refusal is a finding: what the others become is written all the same.
fn say(file: &str, text: &str, judged: &Judged) {
    let Judged {
        kind,
        namespace,
        name,
        answer,
        ..
    } = judged;
    let name = match namespace.as_str() {
        "" => name.clone(),
        namespace => format!("{namespace}/{name}"),
    };
    let place = Place {
        line: u32::try_from(judged.line).unwrap_or(u32::MAX),
        column: 1,
        length: 0,
    };
    let refusal = answer.error.iter().map(|e| ("refused", e));
    let warnings = answer.warnings.iter().map(|w| ("warning", w));
    for (label, message) in refusal.chain(warnings) {
        let message = format!("{label}: {kind} {name}: {message}");
        note(&render(&message, file, Some(text), Some(place), None));
    }
}

/// What gives way to what, a sentence each.
fn sentences(conflicts: Option<&Value>) -> impl Iterator<Item = &str> {
    let all = conflicts.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str)
}

fn refused(file: &str, text: &str, error: &ClusterFileError) -> Failure {
    let shown = match error {
        ClusterFileError::Yaml {
            line,
            column,
            message,
            ..
        } => {
            let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            let place = Place {
                line: small(*line),
                column: small(*column),
                length: 0,
            };
            render(message, file, Some(text), Some(place), None)
        }
        ClusterFileError::MeshConfig(error) => render(&error.to_string(), file, None, None, None),
    };
    Failure::new(Exit::BadInput, shown)
}

fn read(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let bad = |message: String| Failure::new(Exit::BadInput, message);
    let bytes = fs::read(path).map_err(|error| bad(format!("reading {name}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|b| *b == b'\n').count();
        bad(format!("{name}:{line}: not UTF-8"))
    })
}

fn writing(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::EnvironmentFailed,
        format!("writing {}: {error}", path.display()),
    )
}
