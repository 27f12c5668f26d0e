//! Whether proxies write access logs that can be followed. Pure.

use super::{About, List};
use crate::discover::Mesh;

const POINT: &str = "access logs";

impl List {
    pub(super) fn logs(&mut self, about: &About<'_>) {
        if let Err(why) = &about.seen.mesh_configs {
            self.unknown(
                POINT,
                format!("the mesh configuration cannot be seen: {why}"),
            );
            return;
        }
        match about.seen.mesh() {
            Ok(Some(mesh)) => self.logs_of(about, &mesh),
            Ok(None) => self.unknown(
                POINT,
                "no ConfigMap with a mesh configuration: the format is taken from the scenario",
            ),
            Err(why) => self.unknown(POINT, why),
        }
    }

    fn logs_of(&mut self, about: &About<'_>, mesh: &Mesh) {
        let from = &mesh.from;
        let file = mesh.access_log_file.as_str();
        let telemetries = about.seen.logging_telemetries();
        match file {
            "/dev/stdout" | "/dev/stderr" => {
                let format = match mesh.access_log_format.as_str() {
                    "" => "in Istio's format",
                    _ => "in a format of its own",
                };
                self.ok(
                    POINT,
                    format!("{} {format} to {file}, by ConfigMap {from}", mesh.access_log_encoding),
                );
            }
            "" if !telemetries.is_empty() => {
                self.ok(POINT, format!("by Telemetry {}", telemetries.join(", ")));
            }
            "" if !mesh.default_log_providers.is_empty() => self.ok(
                POINT,
                format!("by provider {}, of ConfigMap {from}", mesh.default_log_providers.join(", ")),
            ),
            "" => self.missing(
                POINT,
                format!("off: ConfigMap {from} has no accessLogFile, and no Telemetry switches them on"),
                format!(
                    "set meshConfig.accessLogFile to /dev/stdout, or apply a Telemetry with accessLogging in {}",
                    mesh.root_namespace
                ),
            ),
            file => self.missing(
                POINT,
                format!("go to the file {file} in the proxies (ConfigMap {from}), where nobody can follow them"),
                "set meshConfig.accessLogFile to /dev/stdout",
            ),
        }
        self.ok("trust domain", mesh.trust_domain.clone());
    }
}
