//! Start-up and readiness: when a container counts as started and takes traffic.
//!
//! A proxy is ready when it has taken its first configuration and is live, which is what
//! `pilot-agent` answers at `/healthz/ready`. Other containers have the probes of their
//! specification: TCP, HTTP or a command. A real kubelet probes once a period of at least a
//! second; here, until a probe has succeeded once, it is tried every few milliseconds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use meshproof_pocket_node::{ExecSpec, Stdio};
use meshproof_pocket_xds::admin;
use serde_json::Value;

use super::pod::Pod;
use crate::images::{self, Image};
use crate::mesh::ADMIN;

/// Between two attempts of a probe that has never succeeded.
const EAGER: Duration = Duration::from_millis(10);
/// Between the first two questions to a proxy that has its configuration and is not live yet; each
/// later pause is twice as long, up to [`RARELY`]: a proxy that waits for a secret does so for 15 s.
const NEARLY: Duration = Duration::from_millis(2);
/// See [`NEARLY`].
const RARELY: Duration = Duration::from_millis(100);

/// Probes a running container for as long as it runs, and tells each change of its readiness.
pub(super) async fn run(pod: &Arc<Pod>, container: &Value, tell: impl Fn(bool)) -> Infallible {
    if images::resolve(container["image"].as_str().unwrap_or_default()) == Some(Image::Proxy) {
        live(pod).await;
        tell(true);
        return std::future::pending().await;
    }
    let name = container["name"].as_str().unwrap_or_default();
    if let Some(probe) = container.get("startupProbe") {
        until(pod, name, probe).await;
    }
    let Some(probe) = container.get("readinessProbe") else {
        tell(true);
        return std::future::pending().await;
    };
    until(pod, name, probe).await;
    tell(true);
    watch(pod, name, probe, tell).await
}

/// Waits until a proxy has acknowledged its first configuration and says that it is live.
async fn live(pod: &Arc<Pod>) {
    let mut status = pod.kubelet.ads.subscribe(pod.sandbox.clone());
    // The sender lives as long as the proxy is known, and the pod as long as this future.
    drop(status.wait_for(|s| s.acknowledged.is_some()).await);
    let mut pause = NEARLY;
    loop {
        if let Ok(stream) = pod.kubelet.node.connect_tcp(&pod.sandbox, ADMIN).await
            && admin::get(stream, "/ready").await.is_ok()
        {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RARELY);
    }
}

async fn until(pod: &Arc<Pod>, container: &str, probe: &Value) {
    while !attempt(pod, container, probe).await {
        tokio::time::sleep(EAGER).await;
    }
}

/// Probes once a period and tells when the answer has changed often enough.
async fn watch(pod: &Arc<Pod>, container: &str, probe: &Value, tell: impl Fn(bool)) -> Infallible {
    let number =
        |key: &str, default: u64| probe[key].as_u64().filter(|n| *n > 0).unwrap_or(default);
    let period = Duration::from_secs(number("periodSeconds", 10));
    let limits = (number("successThreshold", 1), number("failureThreshold", 3));
    let (mut ready, mut against) = (true, 0);
    loop {
        tokio::time::sleep(period).await;
        let found = attempt(pod, container, probe).await;
        against = if found == ready { 0 } else { against + 1 };
        if against >= if ready { limits.1 } else { limits.0 } {
            (ready, against) = (!ready, 0);
            tell(ready);
        }
    }
}

async fn attempt(pod: &Arc<Pod>, container: &str, probe: &Value) -> bool {
    let limit = Duration::from_secs(
        probe["timeoutSeconds"]
            .as_u64()
            .filter(|n| *n > 0)
            .unwrap_or(1),
    );
    tokio::time::timeout(limit, once(pod, container, probe))
        .await
        .unwrap_or(false)
}

async fn once(pod: &Arc<Pod>, container: &str, probe: &Value) -> bool {
    let port = |p: &Value| p["port"].as_u64().and_then(|n| u16::try_from(n).ok());
    if let Some(port) = probe.get("tcpSocket").and_then(port) {
        return pod.connect(port).await.is_ok();
    }
    if let Some(get) = probe.get("httpGet") {
        let Some(port) = port(get) else { return false };
        let Ok(stream) = pod.connect(port).await else {
            return false;
        };
        return admin::get(stream, get["path"].as_str().unwrap_or("/"))
            .await
            .is_ok();
    }
    if let Some(command) = probe.pointer("/exec/command").and_then(Value::as_array) {
        let argv = command
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        return succeeds(pod, container, argv).await;
    }
    // A probe of a kind that is not known here never succeeds: the pod shows as not ready.
    false
}

async fn succeeds(pod: &Arc<Pod>, container: &str, argv: Vec<String>) -> bool {
    let Some(process) = pod.instance(container).and_then(|i| i.process) else {
        return false;
    };
    let spec = ExecSpec {
        argv,
        ..ExecSpec::default()
    };
    match pod
        .kubelet
        .node
        .exec(process.id(), spec, Stdio::default())
        .await
    {
        Ok(probe) => matches!(probe.wait().await, Ok(exit) if exit.shell_code() == 0),
        Err(_) => false,
    }
}
