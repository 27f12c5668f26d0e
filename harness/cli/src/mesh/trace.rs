//! `meshproof mesh trace`: where a connection through given clusters ends, without any process.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshproof_mesh::{ClusterFile, MeshConfig};
use meshproof_trace::{ClientTls, Cluster, Ending, Opening, Query, TlsVersion, Trace};
use serde_json::Value;

use super::{read, refused, say};
use crate::args::{Output, TraceArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::out;
use crate::show::snippet::render;

/// Follows one connection and prints where it ends. The exit code says whether it gets through.
pub(crate) fn trace(args: &TraceArgs) -> Result<Exit, Failure> {
    let query = query(args)?;
    let mut clusters = Vec::new();
    for path in &args.clusters {
        clusters.push(cluster(path, args)?);
    }
    distinct(&args.clusters)?;
    let found =
        meshproof_trace::trace(&clusters, &query).map_err(|error| bad(&error.to_string()))?;
    let shown = match args.output {
        Output::Text => found.to_string(),
        Output::Json => json(&found)? + "\n",
    };
    out(&shown).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(match found.outcome {
        Ending::Connected => Exit::Pass,
        Ending::Refused | Ending::Unreachable => Exit::Fail,
        Ending::Unknown => Exit::Inconclusive,
    })
}

fn bad(message: &str) -> Failure {
    Failure::new(Exit::BadInput, message.to_owned())
}

fn json(found: &Trace) -> Result<String, Failure> {
    serde_json::to_string_pretty(found)
        .map_err(|e| Failure::new(Exit::Internal, format!("writing the trace as JSON: {e}")))
}

/// A cluster from a file of objects, or from a folder with `cluster.yaml` and `mesh.yaml`.
fn cluster(path: &Path, args: &TraceArgs) -> Result<Cluster, Failure> {
    let file = if path.is_dir() {
        path.join("cluster.yaml")
    } else {
        path.to_owned()
    };
    let (text, shown) = (read(&file)?, file.display().to_string());
    let read = ClusterFile::read(&shown, &text).map_err(|error| refused(&shown, &text, &error))?;
    let mesh = mesh_config(&file, args, &read.objects())?;
    // What admission refuses takes no effect, and whoever reads the result must know.
    for judged in read.judge(&mesh) {
        say(&shown, &text, &judged);
    }
    Ok(Cluster::new(&name(path), mesh, read.objects()))
}

/// A cluster is called as its folder or file.
fn name(path: &Path) -> String {
    let own = path.file_stem().unwrap_or_default().to_string_lossy();
    let parent = path.parent().and_then(Path::file_name);
    match (own.as_ref(), parent) {
        ("cluster", Some(folder)) => folder.to_string_lossy().into_owned(),
        (own, _) => own.to_owned(),
    }
}

fn distinct(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut seen: BTreeMap<String, &PathBuf> = BTreeMap::new();
    for path in paths {
        if let Some(other) = seen.insert(name(path), path) {
            let message = format!(
                "{} and {} are both called {}: give each cluster a file or folder of its own name",
                other.display(),
                path.display(),
                name(path)
            );
            return Err(bad(&message));
        }
    }
    Ok(())
}

/// The mesh configuration: as given, or `mesh.yaml` beside the cluster, or the ConfigMap `istio` in it,
/// or Istio's defaults.
fn mesh_config(
    file: &Path,
    args: &TraceArgs,
    objects: &[Arc<Value>],
) -> Result<MeshConfig, Failure> {
    let beside = file.with_file_name("mesh.yaml");
    let given = args
        .mesh_config
        .clone()
        .or_else(|| beside.is_file().then_some(beside));
    if let Some(path) = given {
        return parsed(&read(&path)?, &path.display().to_string());
    }
    let map = objects.iter().find(|o| {
        o["kind"] == "ConfigMap"
            && o["metadata"]["name"] == "istio"
            && o["data"]["mesh"].is_string()
    });
    let text = map.and_then(|m| m["data"]["mesh"].as_str()).unwrap_or("{}");
    let place = format!("{}, ConfigMap istio, mesh", file.display());
    parsed(text, &place)
}

fn parsed(text: &str, place: &str) -> Result<MeshConfig, Failure> {
    MeshConfig::from_yaml(text)
        .map_err(|error| bad(&render(&error.to_string(), place, None, None, None)))
}

fn query(args: &TraceArgs) -> Result<Query, Failure> {
    let (host, port) = args
        .to
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok().filter(|p| *p > 0)?)))
        .ok_or_else(|| {
            bad(&format!(
                "--to {}: expected HOST:PORT, such as mysql.default:3306",
                args.to
            ))
        })?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let opening = match (&args.tls, args.speaks_first) {
        (Some(spec), _) => Opening::Tls(client_tls(spec, host)?),
        (None, true) => Opening::Plaintext,
        (None, false) => Opening::ServerFirst,
    };
    Ok(Query {
        from: args.from.clone(),
        host: host.to_owned(),
        port,
        opening,
        resolve: resolved(&args.resolve)?,
        seen_as: args.seen_as,
        at: args.at.unwrap_or_else(jiff::Timestamp::now).as_second(),
    })
}

fn resolved(said: &[String]) -> Result<BTreeMap<String, Vec<IpAddr>>, Failure> {
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for one in said {
        let pair = one.split_once('=');
        let (name, address) = pair
            .and_then(|(name, address)| Some((name, address.parse().ok()?)))
            .ok_or_else(|| bad(&format!("--resolve {one}: expected NAME=ADDRESS")))?;
        found
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(address);
    }
    Ok(found)
}

/// Reads `sni=NAME,alpn=NAME,min=1.2,max=1.3,cert=FILE,ca=FILE`, or `1.3` for that version alone; the name addressed is the SNI unless
/// another is given (`sni=` sends none), or it is an address.
fn client_tls(spec: &str, host: &str) -> Result<ClientTls, Failure> {
    let is_address = host.parse::<IpAddr>().is_ok();
    let mut tls = ClientTls {
        sni: (!is_address).then(|| host.to_owned()),
        ..ClientTls::default()
    };
    for part in spec.split(',').filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let version = || {
            TlsVersion::parse(value).map(Some).ok_or_else(|| {
                bad(&format!(
                    "--tls {part}: expected a version of TLS: 1.0, 1.1, 1.2 or 1.3"
                ))
            })
        };
        match key {
            "sni" => tls.sni = (!value.is_empty()).then(|| value.to_owned()),
            "alpn" => tls.alpn.push(value.to_owned()),
            "min" => tls.min = version()?,
            "max" => tls.max = version()?,
            "cert" => tls.certificate = Some(bytes(value)?),
            "ca" => tls.authorities = Some(bytes(value)?),
            version if TlsVersion::parse(version).is_some() => {
                (tls.min, tls.max) = (TlsVersion::parse(version), TlsVersion::parse(version));
            }
            _ => {
                let message = format!(
                    "--tls {part}: expected a version of TLS or one of sni=NAME, alpn=NAME, min=VERSION, max=VERSION, cert=FILE, ca=FILE"
                );
                return Err(bad(&message));
            }
        }
    }
    Ok(tls)
}

fn bytes(file: &str) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| bad(&format!("reading {file}: {error}")))
}
