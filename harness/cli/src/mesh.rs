//! `meshproof mesh`: what resources become, without a cluster.

mod trace;

pub(crate) use trace::trace;

use std::fs;
use std::path::Path;

use meshproof_mesh::{ClusterFileError, MeshConfig, compile_cluster_files};

use crate::args::CompileArgs;
use crate::exit::Exit;
use crate::failure::Failure;
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
    let files =
        compile_cluster_files(&file, &text, mesh).map_err(|error| refused(&file, &text, &error))?;
    fs::create_dir_all(&args.out).map_err(|error| writing(&args.out, &error))?;
    for (name, value) in files {
        let path = args.out.join(name);
        let json = format!("{value:#}\n");
        fs::write(&path, json).map_err(|error| writing(&path, &error))?;
    }
    Ok(Exit::Pass)
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
    fs::read_to_string(path).map_err(|error| {
        Failure::new(
            Exit::BadInput,
            format!("reading {}: {error}", path.display()),
        )
    })
}

fn writing(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::EnvironmentFailed,
        format!("writing {}: {error}", path.display()),
    )
}
