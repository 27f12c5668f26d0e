//! Envoy's bootstrap file and command line.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// The name of the bootstrap's one static cluster, the way to the ADS server.
pub const XDS_CLUSTER: &str = "xds-grpc";

/// How long connections of a listener or filter chain that is no more may go on, in seconds: Istio's
/// `drainDuration` (`pkg/config/mesh/mesh.go`). Envoy's own default is 600.
const DRAIN_SECONDS: &str = "45";

/// The first Envoy (major, minor) that flushes access logs by size and not by time alone.
const FLUSH_BY_SIZE: (u32, u32) = (1, 40);
/// The first version seen whose access log says why a certificate was not accepted. 1.36 says it at level
/// `debug` of its logger `connection` alone.
const VERIFIER_IN_ACCESS_LOG: (u32, u32) = (1, 40);

/// Where the admin port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A Unix socket.
    Pipe(PathBuf),
    /// A TCP address; Istio's is `127.0.0.1:15000`.
    Tcp(SocketAddr),
}

/// What a bootstrap depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// The node's id, for example `mysql-client-1.default`.
    pub node_id: String,
    /// The Unix socket of the ADS server, as the proxy sees it.
    pub xds_socket: PathBuf,
    /// Where the admin port listens.
    pub admin: AdminAddress,
    /// The socket mark (`SO_MARK`) of upstream connections; needs `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
}

/// The bootstrap, to be written as JSON.
///
/// The mark sits in the bootstrap so that clusters need none of their own; a cluster with its own
/// `upstream_bind_config` is not marked.
pub fn bootstrap(options: &BootstrapOptions) -> Value {
    let mut bootstrap = json!({
        "node": {"id": options.node_id, "cluster": "meshproof"},
        "admin": {"address": admin_address(&options.admin)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
            },
            "cds_config": source(),
            "lds_config": source(),
        },
        "static_resources": {"clusters": [xds_cluster(&options.xds_socket)]},
    });
    if let Some(mark) = options.mark {
        bootstrap["cluster_manager"] = json!({"upstream_bind_config": marked(mark)});
    }
    bootstrap
}

/// No time limit on the first answer: starting without configuration would be worse than waiting.
fn source() -> Value {
    json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"})
}

fn admin_address(admin: &AdminAddress) -> Value {
    match admin {
        AdminAddress::Pipe(path) => json!({"pipe": {"path": path}}),
        AdminAddress::Tcp(address) => socket_address(&address.ip().to_string(), address.port()),
    }
}

fn socket_address(address: &str, port: u16) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

fn xds_cluster(socket: &Path) -> Value {
    json!({
        "name": XDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {
            "cluster_name": XDS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    })
}

/// `SO_MARK` (level `SOL_SOCKET` = 1, name 36 on Linux), set before the socket is bound.
fn marked(mark: u32) -> Value {
    json!({
        "source_address": {"address": "0.0.0.0", "port_value": 0},
        "socket_options": [{"level": 1, "name": 36, "int_value": mark, "state": "STATE_PREBIND"}],
    })
}

/// Envoy's arguments (without its own name) for the bootstrap at `config`; `version` is major and minor.
///
/// Access-log lines are written as they come. Connections of what was replaced drain as Istio has it
/// (`pkg/envoy/proxy.go`).
pub fn arguments(config: &Path, version: (u32, u32)) -> Vec<OsString> {
    let flush: [&str; 2] = if version >= FLUSH_BY_SIZE {
        ["--file-flush-min-size-kb", "0"]
    } else {
        ["--file-flush-interval-msec", "1"]
    };
    let fixed = [
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--drain-strategy",
        "immediate",
        "--drain-time-s",
        DRAIN_SECONDS,
        "-l",
        "warn",
    ];
    // What the access log of newer ones says of a certificate that was not accepted.
    let verifier: &[&str] = if version >= VERIFIER_IN_ACCESS_LOG {
        &[]
    } else {
        &["--component-log-level", "connection:debug"]
    };
    let mut arguments = vec!["-c".into(), config.into()];
    let all = fixed
        .into_iter()
        .chain(flush)
        .chain(verifier.iter().copied());
    arguments.extend(all.map(OsString::from));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_envoys_flush_by_time() {
        let older = arguments(Path::new("/e.json"), (1, 39));
        assert!(older.contains(&"--file-flush-interval-msec".into()));
        let newer = arguments(Path::new("/e.json"), (1, 40));
        assert!(newer.contains(&"--file-flush-min-size-kb".into()));
    }

    #[test]
    fn older_envoys_print_what_their_verifier_says() {
        let level = "connection:debug".into();
        assert!(arguments(Path::new("/e.json"), (1, 36)).contains(&level));
        assert!(!arguments(Path::new("/e.json"), (1, 40)).contains(&level));
    }

    #[test]
    fn without_a_mark_nothing_is_bound() {
        let mut options = BootstrapOptions {
            node_id: "a".into(),
            xds_socket: "/xds".into(),
            admin: AdminAddress::Tcp(([127, 0, 0, 1], 15000).into()),
            mark: None,
        };
        assert_eq!(bootstrap(&options).get("cluster_manager"), None);
        options.mark = Some(1337);
        let bind = &bootstrap(&options)["cluster_manager"]["upstream_bind_config"];
        assert_eq!(bind["socket_options"][0]["int_value"], 1337);
    }
}
