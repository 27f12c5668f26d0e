//! The tutorial's two clusters, set up and proven good, and the ways to change them.

use std::collections::BTreeMap;
use std::path::Path;

use meshproof_cluster::kube::api::{Api, DeleteParams};
use meshproof_cluster::kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use meshproof_cluster::{
    Activation, Applied, ClientPod, ClusterAccess, Command, Manifest, PodRef, Side,
};
use meshproof_pki::{RunPki, Wanted, Which};
use meshproof_pocket::{ClusterName, Pocket};
use meshproof_record::{Hop, Status};
use meshproof_runner::{Clusters, HostNames, Nobody, Options, Prober, Stop};
use meshproof_scenario::Loaded;
use meshproof_sql::{BatchCommand, Dialect};
use serde_json::{Value, json};

use crate::logs::Logs;
use crate::support;
use crate::wait::until;

/// The case that proves the tutorial's path.
const CONTROL: &str = "sql-crosses-encrypted";
/// How long a client waits for TCP and for the greeting.
const CONNECT_TIMEOUT: u32 = 2;

/// Two clusters with the tutorial's configuration, over which one session has gone well.
pub(crate) struct World {
    pocket: Pocket,
    pub(crate) clusters: Clusters,
    /// The service's name, as clients dial it.
    pub(crate) url: String,
    /// The pod that SQL comes from.
    pub(crate) pod: PodRef,
    pub(crate) logs: Logs,
    dialect: Dialect,
    fixtures: Vec<(String, String)>,
}

impl World {
    /// The scenario's set-up and its first case, by the runner itself: every test begins with a control.
    pub(crate) async fn new(pocket: Pocket, loaded: &Loaded) -> Self {
        let access = |side, name| {
            let client = pocket.cluster(name).client();
            ClusterAccess::new(side, client, support::facts(), "behaviour")
        };
        let clusters = Clusters {
            client: access(Side::Client, ClusterName::Client),
            server: access(Side::Server, ClusterName::Server),
            host_names: HostNames::Dns,
            prober: Prober::Named,
        };
        let options = Options {
            cases: Some(vec![CONTROL.to_owned()]),
            ..Options::default()
        };
        let file = support::scenario();
        let done =
            meshproof_runner::run(loaded, &file, &clusters, &options, &Nobody, &Stop::new()).await;
        assert_eq!(done.problems, []);
        let verdict = &done.scenario.cases[0].verdict;
        assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
        let url = done.scenario.bindings["SERVICE_URL"].clone();
        let pod = PodRef::new("default", "mysql-client-1");
        let logs = Logs::follow(&clusters, &pod).await;
        let dialect = Dialect::detect(&done.versions["mysql"]).unwrap();
        let fixture = |(path, source): (&String, &meshproof_scenario::Source)| {
            (path.clone(), source.text.replace("${SERVICE_URL}", &url))
        };
        let fixtures = loaded.files.iter().map(fixture).collect();
        Self {
            pocket,
            clusters,
            url,
            pod,
            logs,
            dialect,
            fixtures,
        }
    }

    pub(crate) async fn stop(self) {
        self.pocket.stop().await.unwrap();
    }

    /// A manifest of `fixtures/istio` as it was applied.
    pub(crate) fn fixture(&self, name: &str) -> String {
        let file = |path: &str| Path::new(path).file_name() == Some(name.as_ref());
        let found = self.fixtures.iter().find(|(path, _)| file(path));
        found.unwrap().1.clone()
    }

    /// The same with a piece of its text replaced.
    pub(crate) fn changed(&self, name: &str, from: &str, to: &str) -> String {
        let text = self.fixture(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        text.replace(from, to)
    }

    /// Applies manifests without waiting for anything.
    pub(crate) async fn write(&self, side: Side, text: &str) -> Applied {
        let manifests = Manifest::parse(Path::new("change"), text).unwrap();
        let access = self.clusters.get(side);
        access.apply(&manifests, "default").await.unwrap()
    }

    /// Applies manifests and waits until they are active at every proxy.
    pub(crate) async fn apply(&self, side: Side, text: &str) {
        let applied = self.write(side, text).await;
        self.active(side, &applied).await;
    }

    async fn active(&self, side: Side, applied: &Applied) {
        let found = self.clusters.get(side).wait_active(applied).await.unwrap();
        assert_eq!(found, Activation::Active, "cluster {side}");
    }

    /// Waits until the mesh and the proxies have taken in everything that was written before: an object
    /// that nothing depends on is written behind it.
    pub(crate) async fn settle(&self, side: Side) {
        let marker = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "marker", "annotations": {"at": format!("{:?}", std::time::Instant::now())}}});
        self.apply(side, &marker.to_string()).await;
    }

    /// Deletes an object and waits until the proxies have taken that in.
    pub(crate) async fn delete(&self, side: Side, kind: &str, name: &str) {
        self.remove(side, kind, name).await;
        self.settle(side).await;
    }

    /// Deletes an object, `NAMESPACE/NAME`.
    pub(crate) async fn remove(&self, side: Side, kind: &str, name: &str) {
        let (api, name) = self.api(side, kind, name);
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// An object as it is stored.
    pub(crate) async fn get(&self, side: Side, kind: &str, name: &str) -> Value {
        let (api, name) = self.api(side, kind, name);
        serde_json::to_value(api.get(name).await.unwrap()).unwrap()
    }

    fn api<'a>(&self, side: Side, kind: &str, name: &'a str) -> (Api<DynamicObject>, &'a str) {
        let (group, version) = match kind {
            "Secret" | "Service" | "Pod" | "ConfigMap" => ("", "v1"),
            "PeerAuthentication" | "AuthorizationPolicy" => ("security.istio.io", "v1"),
            _ => ("networking.istio.io", "v1"),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let (namespace, name) = name.split_once('/').unwrap();
        let client = self.clusters.get(side).client.clone();
        (Api::namespaced_with(client, namespace, &resource), name)
    }

    /// Changes a Service by a JSON patch and waits until the proxies have taken that in.
    pub(crate) async fn patch_service(&self, side: Side, name: &str, patch: Value) {
        let patch = serde_json::from_value(patch).unwrap();
        let access = self.clusters.get(side);
        let applied = access.patch_service("istio-system", name, patch).await;
        self.active(side, &applied.unwrap()).await;
    }

    /// Puts certificates into a gateway's Secret and waits until they are active.
    pub(crate) async fn give(&self, side: Side, pki: &RunPki, wanted: &Wanted) {
        self.give_as(side, credential(side), pki, wanted).await;
    }

    /// The same under a name of its own.
    pub(crate) async fn give_as(&self, side: Side, name: &str, pki: &RunPki, wanted: &Wanted) {
        let data = pki.secret(wanted).unwrap();
        let applied = self.written(side, name, data).await;
        self.active(side, &applied).await;
    }

    /// Writes a gateway's Secret with the same text under every key, and waits for nothing.
    pub(crate) async fn write_secret(&self, side: Side, text: &str) {
        let data =
            ["tls.key", "tls.crt", "ca.crt"].map(|key| (key.to_owned(), text.as_bytes().to_vec()));
        self.written(side, credential(side), data.into()).await;
    }

    async fn written(&self, side: Side, name: &str, data: BTreeMap<String, Vec<u8>>) -> Applied {
        let access = self.clusters.get(side);
        let applied = access.apply_secret("istio-system", name, data);
        applied.await.unwrap()
    }

    /// New certificates for both gateways, of authorities that the test has.
    pub(crate) async fn certify(&self) -> RunPki {
        let pki = RunPki::new(&self.url).unwrap();
        for side in [Side::Server, Side::Client] {
            self.give(side, &pki, &good(side)).await;
        }
        pki
    }

    /// The command of a MySQL client, in the client's pod.
    pub(crate) fn mysql(&self, sql: Option<&str>) -> Vec<String> {
        BatchCommand {
            program: "mysql".to_owned(),
            dialect: self.dialect,
            host: self.url.clone(),
            port: 3306,
            user: "root".to_owned(),
            database: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            own_tls: false,
            sql: sql.map(str::to_owned),
        }
        .arguments()
    }

    /// A command for the client's pod.
    pub(crate) fn command(&self, argv: Vec<String>) -> Command {
        Command {
            pod: self.pod.clone(),
            container: ClientPod::CONTAINER.to_owned(),
            argv,
            stdin: Vec::new(),
        }
    }

    /// Ends a gateway's pod; its successor starts with what the mesh has now.
    pub(crate) async fn restart_gateway(&mut self, hop: Hop) {
        let (side, gateway) = gateway(&self.clusters, hop);
        let pods = self.clusters.get(side);
        let pods = pods.wait_ready_pods(&gateway.namespace, &gateway.selector);
        for pod in pods.await.unwrap() {
            self.remove(side, "Pod", &pod.to_string()).await;
            self.gone(side, &pod).await;
        }
        self.logs.follow_gateway(&self.clusters, hop).await;
    }

    async fn gone(&self, side: Side, pod: &PodRef) {
        let title = pod.to_string();
        let (api, name) = self.api(side, "Pod", &title);
        let within = support::facts().ready_within;
        until("the pod to be gone", within, async || {
            match api.get_opt(name).await.unwrap() {
                None => Ok(()),
                Some(_) => Err(format!("pod {pod} is still there")),
            }
        })
        .await;
    }
}

/// The first good leaf of a side's gateway.
pub(crate) fn good(side: Side) -> Wanted {
    Wanted::good(match side {
        Side::Client => Which::Client,
        Side::Server => Which::Application,
    })
}

/// The Secret of a gateway's end of the leg between the clusters.
fn credential(side: Side) -> &'static str {
    match side {
        Side::Client => "client-credential",
        Side::Server => "mysql-credential",
    }
}

/// Where a gateway is.
pub(crate) fn gateway(clusters: &Clusters, hop: Hop) -> (Side, &meshproof_cluster::GatewayFacts) {
    match hop {
        Hop::Egress => (Side::Client, &clusters.client.facts.egress),
        Hop::Ingress => (Side::Server, &clusters.server.facts.ingress),
        _ => panic!("{hop:?} is no gateway"),
    }
}
