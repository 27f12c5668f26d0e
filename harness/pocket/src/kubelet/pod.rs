//! One pod's life on the node, from its sandbox to its last container's end.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use meshproof_pocket_api::{DeleteHow, Kind, StatusError, Store, now};
use meshproof_pocket_node::{
    File, Mount, MountSource, NodeError, Process, SandboxSpec, Started, Stdio,
};
use meshproof_pocket_xds::bootstrap::{AdminAddress, BootstrapOptions, bootstrap};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::env::{self, EnvError, Lookup};
use super::logs::{LogBuffer, Source};
use super::programs::{self, BOOTSTRAP, XDS_SOCKET};
use super::status::{Container, Ended, PodState, State};
use super::{Kubelet, events, probes, redirection, volumes};
use crate::addresses::AddressPlan;
use crate::controllers::settle;
use crate::images::{self, Image};
use crate::mesh::ADMIN;

/// The wait before a container that keeps ending is started again: this, doubled each time, at the
/// most [`BACKOFF_LIMIT`], as on a real node. The first restart is at once.
const BACKOFF: Duration = Duration::from_secs(10);
/// See [`BACKOFF`].
const BACKOFF_LIMIT: Duration = Duration::from_mins(5);
/// The mark that lets Envoy's own connections pass the redirection.
const PROXY_MARK: u32 = 1337;

/// A pod that runs, as its streams and its controller see it.
pub(crate) struct Pod {
    pub(super) kubelet: Arc<Kubelet>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: Value,
    /// Name of its sandbox at the node.
    pub(super) sandbox: String,
    state: Mutex<PodState>,
    instances: Mutex<HashMap<String, Instance>>,
    /// Seconds of grace, once the pod is to end.
    pub(super) ending: watch::Sender<Option<u64>>,
}

/// What runs, or ran last, as a container.
#[derive(Clone, Default)]
pub(crate) struct Instance {
    /// Its log.
    pub log: Arc<LogBuffer>,
    /// The log of the instance before.
    pub previous: Option<Arc<LogBuffer>>,
    /// Its program, while and after it ran.
    pub process: Option<Process>,
}

/// Finds objects of the pod's namespace.
struct InNamespace<'a>(&'a Store, &'a str);

impl Lookup for InNamespace<'_> {
    fn find(&self, kind: &'static str, name: &str) -> Option<Arc<Value>> {
        let kind = if kind == "Secret" {
            Kind::Secret
        } else {
            Kind::ConfigMap
        };
        self.0.get(kind, self.1, name)
    }
}

/// Why a container did not start.
enum NotStarted {
    /// Something it refers to is missing; it may come.
    Waiting(&'static str, String),
    /// It cannot run.
    Failed(String),
    /// The node is going down.
    Gone,
}

impl From<NodeError> for NotStarted {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Gone => Self::Gone,
            other => Self::Failed(other.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced whole: a panic leaves no half of it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn containers<'a>(pod: &'a Value, list: &str) -> Vec<&'a Value> {
    pod["spec"][list].as_array().into_iter().flatten().collect()
}

fn fresh(container: &Value) -> Container {
    Container {
        name: container["name"].as_str().unwrap_or_default().to_owned(),
        image: container["image"].as_str().unwrap_or_default().to_owned(),
        state: State::Waiting {
            reason: "ContainerCreating",
            message: None,
        },
        last: None,
        ready: false,
        started: false,
        restarts: 0,
        sidecar: container["restartPolicy"] == "Always",
        id: None,
    }
}

impl Pod {
    /// A pod that the node has just taken.
    pub(crate) fn new(kubelet: Arc<Kubelet>, pod: &Value) -> Arc<Self> {
        let text = |p: &str| {
            pod.pointer(p)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let policy = text("/spec/restartPolicy");
        let init: Vec<Container> = containers(pod, "initContainers")
            .into_iter()
            .map(fresh)
            .collect();
        let mut main: Vec<Container> = containers(pod, "containers")
            .into_iter()
            .map(fresh)
            .collect();
        if !init.is_empty() {
            for c in &mut main {
                c.state = State::Waiting {
                    reason: "PodInitializing",
                    message: None,
                }
            }
        }
        let state = PodState {
            init,
            main,
            ip: None,
            host_ip: AddressPlan::router(kubelet.cluster),
            started: now(),
            restart_policy: if policy.is_empty() {
                "Always".to_owned()
            } else {
                policy
            },
        };
        Arc::new(Self {
            sandbox: kubelet.sandbox(&namespace, &name),
            uid: pod["metadata"]["uid"].clone(),
            kubelet,
            namespace,
            name,
            state: Mutex::new(state),
            instances: Mutex::default(),
            ending: watch::Sender::new(None),
        })
    }

    /// The instance of a container, if it was ever started.
    pub(crate) fn instance(&self, container: &str) -> Option<Instance> {
        lock(&self.instances).get(container).cloned()
    }

    fn store(&self) -> &Arc<Store> {
        &self.kubelet.store
    }

    fn object(&self) -> Option<Arc<Value>> {
        self.store()
            .get(Kind::Pod, &self.namespace, &self.name)
            .filter(|p| p["metadata"]["uid"] == self.uid)
    }

    /// Changes the state and shows it in the store.
    fn set(&self, change: impl FnOnce(&mut PodState)) {
        let mut state = lock(&self.state);
        change(&mut state);
        let state = state.clone();
        let uid = &self.uid;
        let written = self
            .store()
            .modify(Kind::Pod, &self.namespace, &self.name, |object| {
                if object["metadata"]["uid"] == *uid {
                    object["spec"]["nodeName"] = json!(crate::install::NODE_NAME);
                    object["status"] = state.render(&object["status"], &now());
                }
            });
        settle(written, &[404]);
    }

    fn set_container(&self, name: &str, change: impl FnOnce(&mut Container)) {
        self.set(|state| {
            let all = state.init.iter_mut().chain(state.main.iter_mut());
            if let Some(container) = all.into_iter().find(|c| c.name == name) {
                change(container);
            }
        });
    }

    /// Lives the pod's life to its end, and takes it out of the store when it was deleted.
    pub(crate) async fn live(self: Arc<Self>) {
        let mut ending = self.ending.subscribe();
        let life = async {
            if let Err(NotStarted::Failed(why) | NotStarted::Waiting(_, why)) = self.run().await {
                events::warning(
                    self.store(),
                    self.object().as_deref(),
                    "FailedCreatePodSandBox",
                    &why,
                );
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = life => {}
            _ = ending.wait_for(Option::is_some) => {}
        }
        let grace = ending.borrow().unwrap_or_default();
        self.end(Duration::from_secs(grace)).await;
    }

    async fn run(self: &Arc<Self>) -> Result<(), NotStarted> {
        let Some(pod) = self.object() else {
            return Err(NotStarted::Gone);
        };
        self.make_sandbox(&pod).await?;
        // The object is read again: it has its address now, which programs ask for.
        let Some(pod) = self.object() else {
            return Err(NotStarted::Gone);
        };
        let mut redirection = None;
        let mut sidecars = Vec::new();
        for container in containers(&pod, "initContainers") {
            let name = container["name"].as_str().unwrap_or_default();
            if let Some(rules) = redirection::asked_for(container) {
                // Beside the sidecar's start: what is to be redirected starts after both.
                let (this, name) = (Arc::clone(self), name.to_owned());
                redirection = Some(tokio::spawn(
                    async move { this.redirect(&name, rules).await },
                ));
            } else if container["restartPolicy"] == "Always" {
                self.keep_sidecar(Arc::clone(&pod), container.clone());
                sidecars.push(name);
            } else {
                joined(redirection.take()).await?;
                self.all_started(&sidecars).await?;
                self.run_once(&pod, container).await?;
            }
        }
        joined(redirection).await?;
        let main = containers(&pod, "containers");
        if !main.iter().all(|c| programs::only_listens(c)) {
            self.all_started(&sidecars).await?;
        }
        self.set(|state| {
            for c in &mut state.main {
                c.state = State::Waiting {
                    reason: "ContainerCreating",
                    message: None,
                };
            }
        });
        let results = join_all(main.iter().map(|c| self.keep_running(&pod, c, false))).await;
        results.into_iter().collect()
    }

    async fn make_sandbox(&self, pod: &Value) -> Result<(), NotStarted> {
        if pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)) {
            self.set(|state| state.ip = Some(AddressPlan::router(self.kubelet.cluster)));
            return Ok(());
        }
        let address = lock(&self.kubelet.plan).pod();
        let address = address.ok_or_else(|| {
            NotStarted::Failed("no pod address is left in this cluster".to_owned())
        })?;
        let hostname: String = self.name.chars().take(63).collect();
        let spec = SandboxSpec {
            name: self.sandbox.clone(),
            router: self.kubelet.router.clone(),
            address,
            hostname,
        };
        self.kubelet.node.create_sandbox(spec).await?;
        self.set(|state| state.ip = Some(address));
        Ok(())
    }

    /// Runs a sidecar beside the pod's other containers, until the pod is to end.
    fn keep_sidecar(self: &Arc<Self>, pod: Arc<Value>, container: Value) {
        let this = Arc::clone(self);
        let mut ending = self.ending.subscribe();
        let running = async move {
            tokio::select! {
                // Its end shows in the pod's status.
                _ = this.keep_running(&pod, &container, true) => {}
                _ = ending.wait_for(Option::is_some) => {}
            }
        };
        lock(&self.kubelet.tasks).spawn(running.boxed());
    }

    /// What `istio-iptables` does, by the node itself.
    async fn redirect(&self, name: &str, rules: Result<String, String>) -> Result<(), NotStarted> {
        let rules = rules.map_err(NotStarted::Failed)?;
        let started = now();
        self.kubelet.node.nft(&self.sandbox, &rules).await?;
        self.set_container(name, |c| {
            c.state = State::Terminated(Ended {
                code: 0,
                started,
                finished: now(),
                message: None,
            });
            c.ready = true;
        });
        Ok(())
    }

    async fn run_once(self: &Arc<Self>, pod: &Value, container: &Value) -> Result<(), NotStarted> {
        let name = container["name"].as_str().unwrap_or_default();
        loop {
            let code = self.run_instance(pod, container).await?;
            if code == 0 {
                self.set_container(name, |c| c.ready = true);
                return Ok(());
            }
            if lock(&self.state).restart_policy == "Never" {
                // The phase is Failed now; the other containers never start.
                return std::future::pending().await;
            }
            self.back_off(name).await;
        }
    }

    async fn all_started(&self, sidecars: &[&str]) -> Result<(), NotStarted> {
        for name in sidecars {
            self.started(name).await?;
        }
        Ok(())
    }

    /// Waits until a sidecar has passed its start-up probe.
    async fn started(&self, name: &str) -> Result<(), NotStarted> {
        let mut watch = self.store().watch(&[Kind::Pod], self.store().revision());
        loop {
            let done = lock(&self.state)
                .init
                .iter()
                .any(|c| c.name == name && c.started);
            if done {
                return Ok(());
            }
            watch = match watch.next().await {
                Ok(_) => watch,
                Err(_lagged) => self.store().watch(&[Kind::Pod], self.store().revision()),
            };
        }
    }

    /// Runs a container again and again, as its restart policy says.
    async fn keep_running(
        self: &Arc<Self>,
        pod: &Value,
        container: &Value,
        always: bool,
    ) -> Result<(), NotStarted> {
        let name = container["name"].as_str().unwrap_or_default();
        loop {
            let code = self.run_instance(pod, container).await?;
            let policy = lock(&self.state).restart_policy.clone();
            let again = always || policy == "Always" || (policy == "OnFailure" && code != 0);
            if !again {
                return Ok(());
            }
            self.back_off(name).await;
        }
    }

    async fn back_off(&self, name: &str) {
        let restarts = {
            let state = lock(&self.state);
            state
                .init
                .iter()
                .chain(&state.main)
                .find(|c| c.name == name)
                .map_or(0, |c| c.restarts)
        };
        if restarts > 0 {
            let wait = BACKOFF
                .saturating_mul(1 << (restarts - 1).min(10))
                .min(BACKOFF_LIMIT);
            let message = format!(
                "back-off {} restarting failed container={name} pod={}_{}",
                seconds(wait),
                self.name,
                self.namespace
            );
            self.set_container(name, |c| {
                if let State::Terminated(ended) = &c.state {
                    c.last = Some(ended.clone());
                }
                c.state = State::Waiting {
                    reason: "CrashLoopBackOff",
                    message: Some(message),
                };
            });
            tokio::time::sleep(wait).await;
        }
        self.set_container(name, |c| {
            if let State::Terminated(ended) = &c.state {
                c.last = Some(ended.clone());
            }
            c.restarts += 1;
        });
    }

    /// Starts a container and waits for its end.
    async fn run_instance(
        self: &Arc<Self>,
        pod: &Value,
        container: &Value,
    ) -> Result<i32, NotStarted> {
        let name = container["name"].as_str().unwrap_or_default();
        let started = now();
        let process = match self.start(pod, container).await {
            Ok(process) => process,
            Err(NotStarted::Failed(why)) => {
                events::warning(self.store(), self.object().as_deref(), "Failed", &why);
                self.set_container(name, |c| {
                    c.state = State::Terminated(Ended {
                        code: 128,
                        started: started.clone(),
                        finished: now(),
                        message: Some(why),
                    });
                });
                return Ok(128);
            }
            Err(other) => return Err(other),
        };
        self.set_container(name, |c| {
            c.state = State::Running {
                started: started.clone(),
            };
            c.id = Some(process.id().to_string());
        });
        let readiness = probes::run(self, container, |ready| {
            self.set_container(name, |c| (c.started, c.ready) = (c.started || ready, ready));
        });
        let exit = tokio::select! {
            exit = process.wait() => exit?,
            never = readiness => match never {},
        };
        let code = exit.shell_code();
        self.set_container(name, |c| {
            c.state = State::Terminated(Ended {
                code,
                started,
                finished: now(),
                message: None,
            });
            (c.ready, c.started) = (false, false);
        });
        Ok(code)
    }

    /// Starts a container, waiting for what it refers to.
    async fn start(
        self: &Arc<Self>,
        pod: &Value,
        container: &Value,
    ) -> Result<Process, NotStarted> {
        let name = container["name"].as_str().unwrap_or_default();
        loop {
            let mut watch = self
                .store()
                .watch(&[Kind::Secret, Kind::ConfigMap], self.store().revision());
            match self.try_start(pod, container).await {
                Err(NotStarted::Waiting(reason, message)) => {
                    events::warning(self.store(), self.object().as_deref(), "Failed", &message);
                    self.set_container(name, |c| {
                        c.state = State::Waiting {
                            reason,
                            message: Some(message),
                        }
                    });
                    if reason == "ErrImagePull" {
                        return std::future::pending().await;
                    }
                    // Whatever it was, the next attempt looks at everything again.
                    drop(watch.next().await);
                }
                other => return other,
            }
        }
    }

    async fn try_start(
        self: &Arc<Self>,
        pod: &Value,
        container: &Value,
    ) -> Result<Process, NotStarted> {
        let reference = container["image"].as_str().unwrap_or_default();
        let Some(image) = images::resolve(reference) else {
            let message = format!(
                "failed to pull image \"{reference}\": not known on the embedded node, which has {}",
                images::known()
            );
            return Err(NotStarted::Waiting("ErrImagePull", message));
        };
        let lookup = InNamespace(self.store(), &self.namespace);
        let config = |e: EnvError| NotStarted::Waiting("CreateContainerConfigError", e.to_string());
        let env = env::resolve(pod, container, &lookup).map_err(config)?;
        let mounts =
            volumes::resolve(pod, container, &lookup, &self.kubelet.token).map_err(config)?;
        let mut spec = programs::container(image, container, &env, &self.kubelet.programs)
            .map_err(|e| NotStarted::Failed(e.to_string()))?;
        spec.mounts
            .extend(mounts.directories.into_iter().map(|(path, volume)| Mount {
                source: MountSource::Shared(volume),
                path: path.into(),
                read_only: false,
            }));
        spec.files.extend(mounts.files.into_iter().map(|f| File {
            path: f.path.into(),
            mode: f.mode,
            bytes: f.bytes,
        }));
        spec.files.extend(self.network_files(pod));
        if image == Image::Proxy {
            spec.files.push(self.bootstrap());
        }
        let (stdio, pipes) =
            Stdio::pipes().map_err(|e| NotStarted::Failed(format!("making pipes: {e}")))?;
        let sandbox = if Self::on_router(pod) {
            &self.kubelet.router
        } else {
            &self.sandbox
        };
        let Started { process, listeners } = self
            .kubelet
            .node
            .start_container(sandbox, spec, stdio)
            .await?;
        if image == Image::Proxy {
            self.serve(listeners);
        }
        self.attach(
            container["name"].as_str().unwrap_or_default(),
            &process,
            pipes.stdout,
            pipes.stderr,
        );
        Ok(process)
    }

    fn on_router(pod: &Value) -> bool {
        pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true))
    }

    /// Puts the proxy's configuration on its socket.
    fn serve(&self, listeners: Vec<tokio::net::UnixListener>) {
        let mut served = lock(&self.kubelet.served);
        for listener in listeners {
            served.insert(
                self.sandbox.clone(),
                self.kubelet.ads.serve(self.sandbox.clone(), listener),
            );
        }
    }

    fn bootstrap(&self) -> File {
        let options = BootstrapOptions {
            node_id: format!("{}.{}", self.name, self.namespace),
            xds_socket: XDS_SOCKET.into(),
            admin: AdminAddress::Tcp(ADMIN.into()),
            mark: Some(PROXY_MARK),
        };
        File {
            path: BOOTSTRAP.into(),
            mode: 0o644,
            bytes: bootstrap(&options).to_string().into_bytes(),
        }
    }

    /// `/etc/resolv.conf` and `/etc/hosts`, as a kubelet writes them.
    fn network_files(&self, pod: &Value) -> [File; 2] {
        let namespace = &self.namespace;
        let resolv = format!(
            "search {namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver {}\noptions ndots:5\n",
            AddressPlan::dns(self.kubelet.cluster)
        );
        // Writing to a string cannot fail.
        let mut hosts = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n".to_owned();
        if let Some(ip) = lock(&self.state).ip {
            let _ = writeln!(hosts, "{ip}\t{}", self.name);
        }
        for alias in pod["spec"]["hostAliases"].as_array().into_iter().flatten() {
            let names: Vec<&str> = alias["hostnames"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let _ = writeln!(
                hosts,
                "{}\t{}",
                alias["ip"].as_str().unwrap_or_default(),
                names.join("\t")
            );
        }
        let file = |path: &str, text: String| File {
            path: PathBuf::from(path),
            mode: 0o644,
            bytes: text.into_bytes(),
        };
        [file("/etc/resolv.conf", resolv), file("/etc/hosts", hosts)]
    }

    /// Follows a container's output into its log.
    fn attach(
        &self,
        name: &str,
        process: &Process,
        stdout: tokio::net::unix::pipe::Receiver,
        stderr: tokio::net::unix::pipe::Receiver,
    ) {
        let log = Arc::new(LogBuffer::default());
        let mut instances = lock(&self.instances);
        let previous = instances.get(name).map(|i| Arc::clone(&i.log));
        instances.insert(
            name.to_owned(),
            Instance {
                log: Arc::clone(&log),
                previous,
                process: Some(process.clone()),
            },
        );
        drop(instances);
        lock(&self.kubelet.tasks).spawn(async move {
            // A pipe that breaks has the same meaning as one that ends.
            drop(tokio::join!(
                log.drain(Source::Stdout, stdout),
                log.drain(Source::Stderr, stderr)
            ));
            log.close();
        });
    }

    /// Ends what runs, programs before sidecars, and removes the pod.
    async fn end(&self, grace: Duration) {
        let sidecars: Vec<String> = lock(&self.state)
            .init
            .iter()
            .filter(|c| c.sidecar)
            .map(|c| c.name.clone())
            .collect();
        let running: Vec<(String, Process)> = lock(&self.instances)
            .iter()
            .filter_map(|(name, i)| {
                Some((
                    name.clone(),
                    i.process.clone().filter(|p| p.exit().is_none())?,
                ))
            })
            .collect();
        let (last, first): (Vec<_>, Vec<_>) = running
            .into_iter()
            .partition(|(name, _)| sidecars.contains(name));
        let gently = async {
            for group in [first, last] {
                for (_, process) in &group {
                    drop(self.kubelet.node.signal(process.id(), SIGTERM).await);
                }
                join_all(group.iter().map(|(_, p)| p.wait())).await;
            }
        };
        // Past the grace period the sandbox goes, and with it every program, at once.
        drop(tokio::time::timeout(grace, gently).await);
        lock(&self.kubelet.served).remove(&self.sandbox);
        if let Err(error) = self.kubelet.node.remove_sandbox(&self.sandbox).await
            && !matches!(error, NodeError::Gone | NodeError::Refused(_))
        {
            events::warning(
                self.store(),
                self.object().as_deref(),
                "FailedKillPod",
                &error.to_string(),
            );
        }
        self.kubelet.ads.remove(self.sandbox.clone());
        if self.object().is_some() {
            let how = DeleteHow {
                grace_seconds: Some(0),
                ..DeleteHow::default()
            };
            let deleted: Result<_, StatusError> =
                self.store()
                    .delete(Kind::Pod, &self.namespace, &self.name, how);
            settle(deleted, &[404]);
        }
    }

    /// Connects to a port on the pod's loopback address.
    pub(crate) async fn connect(&self, port: u16) -> Result<tokio::net::TcpStream, NodeError> {
        self.kubelet
            .node
            .connect_tcp(&self.sandbox, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
            .await
    }
}

/// The result of a task of this module, if there is one.
async fn joined(
    task: Option<tokio::task::JoinHandle<Result<(), NotStarted>>>,
) -> Result<(), NotStarted> {
    let Some(task) = task else { return Ok(()) };
    task.await
        .unwrap_or_else(|error| Err(NotStarted::Failed(error.to_string())))
}

const SIGTERM: i32 = 15;

fn seconds(wait: Duration) -> String {
    let s = wait.as_secs();
    if s < 60 {
        format!("{s}s")
    } else {
        format!("{}m{}s", s / 60, s % 60)
    }
}
