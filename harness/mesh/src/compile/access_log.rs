//! Access logs of connections and listeners: the mesh's own, or those of `Telemetry` resources
//! (`pilot/pkg/model/telemetry.go`, `pilot/pkg/networking/core/accesslog.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{attachment, envoy::extension};
use crate::{
    MeshConfig, Objects,
    api::telemetry::{AccessLogging, WorkloadMode},
    mesh_config::{AccessLogEncoding, FileLogProvider, Provider, ProviderKind},
    objects::pod::{Pod, ProxyKind},
};

/// The keys of Istio's JSON access logs and the operators behind them.
const JSON_FORMAT: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    (
        "upstream_service_time",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
];

/// Which way a connection goes, seen from the proxy's workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the application, or through a gateway.
    Out,
    /// To the application.
    In,
}

/// The logs of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
struct Logs {
    connection: Vec<Value>,
    listener: Vec<Value>,
}

/// The access logs of one proxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogPlan {
    out: Logs,
    inbound: Logs,
}

impl LogPlan {
    pub(crate) fn of(objects: &Objects, pod: &Pod, kind: ProxyKind) -> Self {
        let levels = telemetries(objects, pod);
        let out = logs(objects.mesh(), &levels, WorkloadMode::Client);
        let inbound = if kind == ProxyKind::Sidecar {
            logs(objects.mesh(), &levels, WorkloadMode::Server)
        } else {
            Logs::default()
        };
        Self { out, inbound }
    }

    fn logs(&self, direction: Direction) -> &Logs {
        match direction {
            Direction::Out => &self.out,
            Direction::In => &self.inbound,
        }
    }

    /// Adds the logs of connections to a `tcp_proxy`.
    pub(crate) fn of_connections(&self, direction: Direction, into: &mut Map<String, Value>) {
        insert(into, &self.logs(direction).connection);
    }

    /// Adds the logs of connections that no filter chain took to a listener.
    pub(crate) fn of_listener(&self, direction: Direction, into: &mut Map<String, Value>) {
        insert(into, &self.logs(direction).listener);
    }
}

fn insert(into: &mut Map<String, Value>, logs: &[Value]) {
    if !logs.is_empty() {
        into.insert("access_log".into(), logs.into());
    }
}

/// What `Telemetry` resources say to a pod, the widest first: the oldest of the mesh, the oldest of its
/// namespace, and all that select it.
fn telemetries<'a>(objects: &'a Objects, pod: &Pod) -> Vec<&'a [AccessLogging]> {
    let root = objects.mesh().root_namespace();
    let namespace = pod.meta.namespace.as_str();
    let wide = |owner: &str| {
        objects
            .telemetries
            .iter()
            .find(|t| t.meta.namespace == owner && t.spec.is_wide())
    };
    let own = objects.telemetries.iter().filter(|t| {
        t.meta.namespace == namespace
            && !t.spec.is_wide()
            && attachment::holds(t.spec.targets(), t.spec.selector.as_ref(), &t.meta, pod)
    });
    let of_namespace = if namespace == root {
        None
    } else {
        wide(namespace)
    };
    [wide(root), of_namespace]
        .into_iter()
        .flatten()
        .chain(own)
        .map(|t| t.spec.access_logging.as_slice())
        .filter(|l| !l.is_empty())
        .collect()
}

fn logs(mesh: &MeshConfig, levels: &[&[AccessLogging]], mode: WorkloadMode) -> Logs {
    let chosen = providers(mesh, levels, mode);
    // Switching off what no resource names has no effect on the mesh's own log file.
    if chosen.is_empty() {
        return mesh_logs(mesh);
    }
    let mut found = Logs::default();
    for (provider, choice) in chosen.iter().filter(|(_, c)| !c.disabled) {
        let cel = choice.expression.as_deref().map(cel_filter);
        found.connection.push(file_log(provider, cel.clone()));
        let filter = match cel {
            Some(cel) => json!({"and_filter": {"filters": [no_route(), cel]}}),
            None => no_route(),
        };
        if mesh.listener_log() {
            found.listener.push(file_log(provider, Some(filter)));
        }
    }
    found
}

fn mesh_logs(mesh: &MeshConfig) -> Logs {
    let Some((path, encoding)) = mesh.access_log() else {
        return Logs::default();
    };
    let provider = FileLogProvider {
        path: path.to_owned(),
        encoding,
        omit_empty_values: false,
    };
    let listener = if mesh.listener_log() {
        vec![file_log(&provider, Some(no_route()))]
    } else {
        Vec::new()
    };
    Logs {
        connection: vec![file_log(&provider, None)],
        listener,
    }
}

/// What resources say of a provider.
#[derive(Clone, Debug, Default)]
struct Choice {
    disabled: bool,
    expression: Option<String>,
}

/// The providers that resources choose and that write files, in the order of their names; empty where
/// they choose none.
fn providers<'a>(
    mesh: &'a MeshConfig,
    levels: &[&[AccessLogging]],
    mode: WorkloadMode,
) -> Vec<(&'a FileLogProvider, Choice)> {
    let mut found: Vec<(&Provider, &FileLogProvider, Choice)> = chosen(mesh, levels, mode)
        .into_iter()
        .filter_map(|(name, choice)| {
            let provider = mesh.provider(&name)?;
            match &provider.kind {
                ProviderKind::File(file) => Some((provider, file, choice)),
                _ => None,
            }
        })
        .collect();
    found.sort_by(|(a, ..), (b, ..)| a.name.cmp(&b.name));
    found
        .into_iter()
        .map(|(_, file, choice)| (file, choice))
        .collect()
}

/// What is said of each provider that is in scope, by the name that was used.
fn chosen(
    mesh: &MeshConfig,
    levels: &[&[AccessLogging]],
    mode: WorkloadMode,
) -> BTreeMap<String, Choice> {
    let defaults = mesh.default_log_providers();
    if levels.is_empty() {
        return defaults
            .iter()
            .map(|d| (d.clone(), Choice::default()))
            .collect();
    }
    let (in_scope, filters) = named(defaults, levels, mode);
    let mut found = BTreeMap::new();
    let mut parent: Vec<String> = defaults.to_vec();
    for logging in levels.iter().copied().flatten() {
        let own: Vec<String> = logging.providers.iter().map(|p| p.name.clone()).collect();
        let names = if own.is_empty() { parent.clone() } else { own };
        parent.clone_from(&names);
        if !fits(logging, mode) {
            continue;
        }
        for name in names.iter().filter(|n| in_scope.contains(*n)) {
            let disabled = logging.disabled.unwrap_or(false);
            let expression = filters.get(name).cloned().flatten();
            found.insert(
                name.clone(),
                Choice {
                    disabled,
                    expression: expression.filter(|_| !disabled),
                },
            );
        }
    }
    found
}

/// The providers in scope (those that the narrowest level names), and each one's filter.
fn named(
    defaults: &[String],
    levels: &[&[AccessLogging]],
    mode: WorkloadMode,
) -> (BTreeSet<String>, BTreeMap<String, Option<String>>) {
    let mut in_scope: BTreeSet<String> = defaults.iter().cloned().collect();
    let mut filters = BTreeMap::new();
    for level in levels {
        let mut names = BTreeSet::new();
        for logging in level.iter().filter(|l| fits(l, mode)) {
            for provider in &logging.providers {
                names.insert(provider.name.clone());
                filters.insert(
                    provider.name.clone(),
                    logging.filter.as_ref().map(|f| f.expression.clone()),
                );
            }
        }
        if !names.is_empty() {
            in_scope = names;
        }
    }
    (in_scope, filters)
}

fn fits(logging: &AccessLogging, mode: WorkloadMode) -> bool {
    logging
        .r#match
        .is_none_or(|m| m.mode == WorkloadMode::ClientAndServer || m.mode == mode)
}

/// NR: no filter chain was found.
fn no_route() -> Value {
    json!({"response_flag_filter": {"flags": ["NR"]}})
}

fn cel_filter(expression: &str) -> Value {
    json!({"extension_filter": extension(
        "envoy.access_loggers.extension_filters.cel",
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        json!({"expression": expression}),
    )})
}

fn file_log(provider: &FileLogProvider, filter: Option<Value>) -> Value {
    let mut format = Map::new();
    match &provider.encoding {
        AccessLogEncoding::Text(text) => {
            format.insert("text_format_source".into(), json!({"inline_string": text}));
        }
        AccessLogEncoding::Json(own) => {
            format.insert("json_format".into(), own.clone().unwrap_or_else(istio_json));
            format.insert(
                "json_format_options".into(),
                json!({"sort_properties": false}),
            );
        }
    }
    if provider.omit_empty_values {
        format.insert("omit_empty_values".into(), true.into());
    }
    if names_formatter(&provider.encoding) {
        let formatter = extension(
            "envoy.formatter.req_without_query",
            "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery",
            json!({}),
        );
        format.insert("formatters".into(), json!([formatter]));
    }
    let mut log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        json!({"path": provider.path, "log_format": format}),
    );
    if let Some(filter) = filter {
        log["filter"] = filter;
    }
    log
}

/// Whether the format has an operator that is an extension of Envoy's; istiod looks no deeper into JSON
/// than at the values of its first level.
fn names_formatter(encoding: &AccessLogEncoding) -> bool {
    let names = |text: &str| text.contains("%REQ_WITHOUT_QUERY");
    match encoding {
        AccessLogEncoding::Text(text) => names(text),
        AccessLogEncoding::Json(own) => own
            .iter()
            .filter_map(Value::as_object)
            .flat_map(Map::values)
            .filter_map(Value::as_str)
            .any(names),
    }
}

fn istio_json() -> Value {
    JSON_FORMAT
        .iter()
        .map(|(key, operator)| ((*key).to_owned(), Value::from(*operator)))
        .collect::<Map<_, _>>()
        .into()
}
