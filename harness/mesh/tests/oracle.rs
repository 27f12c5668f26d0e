//! Compiled configuration against the recorded configuration of a real control plane, case by case.
//!
//! `oracle/README.md` says where the cases come from and what is compared.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::pedantic,
    missing_docs
)]

#[path = "oracle/exceptions.rs"]
mod exceptions;
#[path = "oracle/normal.rs"]
mod normal;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use meshproof_mesh::{MeshConfig, compile_cluster_files};
use serde_json::Value;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/cases");
    let root = std::env::var_os("MESHPROOF_ORACLE").map_or(own, PathBuf::from);
    let mut cases: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("cluster.yaml").exists())
        .collect();
    cases.sort();
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|case| {
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            Trial::test(format!("oracle::{name}"), move || run(&name, &case))
        })
        .collect();
    trials.push(Trial::test(
        "oracle::exceptions_have_reasons",
        exceptions_have_reasons,
    ));
    libtest_mimic::run(&args, trials).exit_code()
}

fn run(name: &str, case: &Path) -> Result<(), Failed> {
    let found = compare(case)?;
    let reason = exceptions::NOT_EQUAL
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, reason)| reason);
    match (found.is_empty(), reason) {
        (true, None) => Ok(()),
        (false, Some(_)) => Ok(()),
        (true, Some(_)) => {
            Err(format!("{name} has become equal: take it off the list of exceptions").into())
        }
        (false, None) => Err(format!("{} differences\n{}", found.len(), found.join("\n")).into()),
    }
}

fn compare(case: &Path) -> Result<Vec<String>, Failed> {
    let read = |file: &str| fs::read_to_string(case.join(file)).map_err(|e| format!("{file}: {e}"));
    let mesh = MeshConfig::from_yaml(&read("mesh.yaml")?)?;
    let files = compile_cluster_files("cluster.yaml", &read("cluster.yaml")?, mesh)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(case)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if !file.starts_with("proxy-") {
            continue;
        }
        let want: Value = serde_json::from_str(&read(&file)?)?;
        let got = files.get(&file).map(normal::normal).unwrap_or(Value::Null);
        normal::differences(&want, &got, &file, &mut found);
    }
    for file in files
        .keys()
        .filter(|f| f.starts_with("proxy-") && !case.join(f).exists())
    {
        found.push(format!("{file}: compiled, and not recorded"));
    }
    let want: Value = serde_json::from_str(&read("admission.json")?)?;
    normal::differences(
        &want,
        &files["admission.json"],
        "admission.json",
        &mut found,
    );
    Ok(found)
}

fn exceptions_have_reasons() -> Result<(), Failed> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/cases");
    for (name, reason) in exceptions::NOT_EQUAL {
        if !own.join(name).is_dir() || reason.len() < 20 {
            return Err(format!("{name}: no such case, or no reason").into());
        }
    }
    Ok(())
}
