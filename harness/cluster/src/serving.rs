//! What a proxy serves of a run's, from its admin port: the parts of its configuration that name the run, each as a
//! digest, so that two readings can be compared. Pure.
//!
//! Content is compared, never versions: istiod pushes without changing anything, and Envoy keeps an old
//! `version_info` where an update changes nothing. What others have in the same proxy is left out: their changes are
//! not the run's (<https://www.envoyproxy.io/docs/envoy/latest/operations/admin>, `/config_dump`).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter;

use serde_json::Value;

/// What is asked of the admin port, and how the parts in an answer are read. Everything at once would be megabytes in
/// a mesh of some size.
pub(crate) const QUESTIONS: &[Question] = &[
    Question {
        resource: "dynamic_listeners",
        with: "",
        named: false,
        read: listener,
    },
    Question {
        resource: "dynamic_active_clusters",
        with: "",
        named: true,
        read: cluster,
    },
    Question {
        resource: "dynamic_warming_clusters",
        with: "",
        named: true,
        read: warming_cluster,
    },
    Question {
        resource: "dynamic_endpoint_configs",
        with: "include_eds&",
        named: true,
        read: endpoints,
    },
    Question {
        resource: "dynamic_active_secrets",
        with: "",
        named: true,
        read: secret,
    },
];

/// One question to the admin port.
pub(crate) struct Question {
    resource: &'static str,
    with: &'static str,
    /// Only resources whose name says whose they are.
    named: bool,
    read: fn(&Value, &Whose, &mut Serving),
}

impl Question {
    /// What is asked for, in Envoy's word.
    pub(crate) fn resource(&self) -> &'static str {
        self.resource
    }

    /// The paths and queries to ask for, one after the other.
    pub(crate) fn paths(&self, whose: &Whose, known: &Serving) -> Vec<String> {
        let Self { resource, with, .. } = self;
        let path = format!("/config_dump?{with}resource={resource}");
        if !self.named {
            return vec![path];
        }
        let names = whose.names(known);
        let paths = names
            .iter()
            .map(|names| format!("{path}&name_regex={names}"));
        paths.collect()
    }

    /// Adds what an answer says.
    ///
    /// # Errors
    /// In words: it is not what Envoy answers.
    pub(crate) fn read(
        &self,
        answer: &[u8],
        whose: &Whose,
        serving: &mut Serving,
    ) -> Result<(), String> {
        let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let fields = answer.as_object().ok_or("it is not an object")?;
        // With nothing to tell there is no list.
        let configs = match fields.get("configs") {
            Some(Value::Array(configs)) => configs.as_slice(),
            None => &[],
            Some(_) => return Err("`configs` is not a list".to_owned()),
        };
        for config in configs {
            (self.read)(config, whose, serving);
        }
        Ok(())
    }
}

/// Whose parts are looked for in which proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The text that names of the run have in them: letters and digits.
    pub run: String,
    /// The proxy's pod is the run's: what concerns the pod itself is the run's too.
    pub own_pod: bool,
}

impl Whose {
    /// Regular expressions (RE2) of whole names, fit for a query. Each is short: Envoy refuses one that is more than a
    /// hundred steps (`re2.max_program_size.error_level`), where its runtime does not say otherwise.
    fn names(&self, known: &Serving) -> Vec<String> {
        let own = if self.own_pod {
            "%7Cinbound.*%7Ckubernetes.*"
        } else {
            ""
        };
        let run = format!(".*{}.*{own}", self.run);
        let others = known.reached.iter().filter(|name| {
            // Envoy's own, such as `PassthroughCluster`, are always the same.
            name.starts_with("outbound") && !name.contains(&self.run)
        });
        iter::once(run)
            .chain(others.map(|name| whole(name)))
            .collect()
    }

    fn in_name(&self, name: &str) -> bool {
        name.contains(&self.run)
    }

    /// The clusters of a pod's own ports are called `inbound|PORT||`. Those that its listeners lead to may be others',
    /// as the egress gateway's.
    fn is_cluster(&self, name: &str, known: &Serving) -> bool {
        let own = self.own_pod && name.starts_with("inbound|");
        own || self.in_name(name) || known.reached.contains(name)
    }

    /// The Secrets of a pod's own namespace are called `kubernetes://NAME`.
    fn is_secret(&self, name: &str) -> bool {
        self.in_name(name) || self.own_pod && name.starts_with("kubernetes")
    }

    /// Whether a value names the run, in a text or a key.
    fn names_run(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(&self.run),
            Value::Array(items) => items.iter().any(|item| self.names_run(item)),
            Value::Object(fields) => fields
                .iter()
                .any(|(key, field)| key.contains(&self.run) || self.names_run(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// A regular expression for one name, or for all that begin like it.
fn whole(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = name.bytes().take(LONGEST);
    // A point is any one character: nothing has to be escaped.
    let mut regex: String = bytes
        .map(|byte| if plain(byte) { char::from(byte) } else { '.' })
        .collect();
    if name.len() > LONGEST {
        regex.push_str(".*");
    }
    regex
}

/// Of a name, in a regular expression that Envoy takes.
const LONGEST: usize = 80;

/// What a proxy has of a run's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// What serves: a digest by kind and name.
    pub parts: BTreeMap<String, u64>,
    /// What waits for something before it serves.
    pub warming: Vec<String>,
    /// What the proxy refused, with its words.
    pub refused: BTreeMap<String, String>,
    /// The clusters that listeners of the run's pod lead to.
    reached: BTreeSet<String>,
    /// The clusters whose endpoints the control plane tells.
    told: BTreeSet<String>,
}

/// A listener of a pod that says nothing of whose traffic it takes: `virtualInbound`, `virtualOutbound`, and those of
/// ports for which any address will do.
fn is_of_pod(name: &str) -> bool {
    name.starts_with("virtual") || name.starts_with("0.0.0.0_")
}

fn listener(config: &Value, whose: &Whose, serving: &mut Serving) {
    let name = text(config, "name");
    let part = format!("listener {name}");
    let whole = whose.own_pod && is_of_pod(name);
    let concerns = |listener: &Value| whole || whose.names_run(listener);
    if let Some(active) = config
        .pointer("/active_state/listener")
        .filter(|one| concerns(one))
    {
        serving
            .parts
            .insert(part.clone(), of_listener(active, whole, whose));
        if whose.own_pod {
            reached(active, &mut serving.reached);
        }
    }
    if config
        .pointer("/warming_state/listener")
        .is_some_and(concerns)
    {
        serving.warming.push(part.clone());
    }
    if let Some(error) = config.get("error_state")
        && error.get("failed_configuration").is_none_or(concerns)
    {
        serving
            .refused
            .insert(part, text(error, "details").to_owned());
    }
}

/// Names of clusters in filters: `cluster`, and `name` in `weighted_clusters`.
fn reached(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match (key.as_str(), field) {
                    ("cluster", Value::String(name)) => {
                        names.insert(name.clone());
                    }
                    ("weighted_clusters", field) => {
                        let clusters = field["clusters"].as_array().into_iter().flatten();
                        names.extend(clusters.map(|one| text(one, "name").to_owned()));
                    }
                    _ => reached(field, names),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                reached(item, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A port that others use too is a listener with a filter chain for each: only the run's count.
fn of_listener(listener: &Value, whole: bool, whose: &Whose) -> u64 {
    if whole {
        return digest(listener);
    }
    let chains = listener["filter_chains"].as_array().into_iter().flatten();
    let chains = chains.chain(listener.get("default_filter_chain"));
    let own: Vec<u64> = chains
        .filter(|chain| whose.names_run(chain))
        .map(digest)
        .collect();
    let mut hasher = DefaultHasher::new();
    own.hash(&mut hasher);
    hasher.finish()
}

fn cluster(config: &Value, whose: &Whose, serving: &mut Serving) {
    let name = text(&config["cluster"], "name");
    if !whose.is_cluster(name, serving) {
        return;
    }
    if text(&config["cluster"], "type") == "EDS" {
        serving.told.insert(name.to_owned());
    }
    let part = format!("cluster {name}");
    if let Some(error) = config.get("error_state") {
        serving
            .refused
            .insert(part.clone(), text(error, "details").to_owned());
    }
    serving.parts.insert(part, digest(&config["cluster"]));
}

fn warming_cluster(config: &Value, whose: &Whose, serving: &mut Serving) {
    let name = text(&config["cluster"], "name");
    if whose.is_cluster(name, serving) {
        serving.warming.push(format!("cluster {name}"));
    }
}

/// Only those that the control plane tells: others are found by asking for a name, or by connecting.
fn endpoints(config: &Value, _: &Whose, serving: &mut Serving) {
    let name = text(&config["endpoint_config"], "cluster_name");
    if serving.told.contains(name) {
        let endpoints = digest(&config["endpoint_config"]["endpoints"]);
        serving.parts.insert(format!("endpoints {name}"), endpoints);
    }
}

/// Envoy leaves private keys out of its dump; a new key has a new certificate.
fn secret(config: &Value, whose: &Whose, serving: &mut Serving) {
    let name = text(config, "name");
    if whose.is_secret(name) {
        serving
            .parts
            .insert(format!("secret {name}"), digest(&config["secret"]));
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A digest that does not depend on the order of fields. It is compared within this process only.
fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(value, &mut hasher);
    hasher.finish()
}

fn feed(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(value) => (2_u8, value).hash(hasher),
        Value::String(value) => (3_u8, value).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            for item in items {
                feed(item, hasher);
            }
        }
        Value::Object(fields) => {
            (5_u8, fields.len()).hash(hasher);
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (key, field) in sorted {
                key.hash(hasher);
                feed(field, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway() -> Whose {
        Whose {
            run: "k3x0q2v9".to_owned(),
            own_pod: false,
        }
    }

    fn sidecar() -> Whose {
        Whose {
            own_pod: true,
            ..gateway()
        }
    }

    fn serving(resource: &str, whose: &Whose, configs: Value) -> Serving {
        let mut serving = Serving::default();
        let question = QUESTIONS
            .iter()
            .find(|one| one.resource == resource)
            .unwrap();
        let answer = json!({ "configs": configs }).to_string();
        question
            .read(answer.as_bytes(), whose, &mut serving)
            .unwrap();
        serving
    }

    fn chain(host: &str, cluster: &str) -> Value {
        json!({"filter_chain_match": {"server_names": [host]}, "filters": [{"typed_config": {"cluster": cluster}}]})
    }

    fn listening(name: &str, chains: &[Value]) -> Value {
        json!([{"name": name, "active_state": {"version_info": "1", "listener": {"name": name, "filter_chains": chains}}}])
    }

    const OWN: &str = "mp-k3x0q2v9.203.0.113.10.nip.io";

    #[test]
    fn only_the_runs_filter_chains_count_on_a_port_that_others_use() {
        let of = |chains: &[Value]| {
            serving(
                "dynamic_listeners",
                &gateway(),
                listening("0.0.0.0_13306", chains),
            )
        };
        let (own, other) = (chain(OWN, "a"), chain("db.example", "b"));
        let both = of(&[own.clone(), other.clone()]);
        assert_eq!(both.parts.len(), 1);
        assert_eq!(
            both,
            of(&[own.clone(), chain("db.example", "c"), other.clone()])
        );
        assert_ne!(both, of(&[chain(OWN, "b"), other.clone()]));
        assert_eq!(of(&[other]), Serving::default());
    }

    #[test]
    fn the_listeners_of_a_pod_of_the_run_count_whole() {
        let chains = |cluster: &str| listening("virtualInbound", &[chain("any", cluster)]);
        let of =
            |whose: &Whose, cluster: &str| serving("dynamic_listeners", whose, chains(cluster));
        assert_eq!(of(&gateway(), "inbound|3306||"), Serving::default());
        assert_ne!(
            of(&sidecar(), "inbound|3306||"),
            of(&sidecar(), "inbound|3307||")
        );
    }

    #[test]
    fn what_warms_and_what_was_refused_is_told() {
        let listener = json!({"filter_chains": [chain(OWN, "a")]});
        let told = serving(
            "dynamic_listeners",
            &gateway(),
            json!([
                {"name": "0.0.0.0_13306", "warming_state": {"listener": listener},
                 "error_state": {"failed_configuration": listener, "details": "no such cluster"}},
                {"name": "0.0.0.0_443", "error_state": {"failed_configuration": {"filter_chains": []}, "details": "another's"}},
            ]),
        );
        assert_eq!(told.warming, ["listener 0.0.0.0_13306"]);
        let refused = BTreeMap::from([(
            "listener 0.0.0.0_13306".to_owned(),
            "no such cluster".to_owned(),
        )]);
        assert_eq!(told.refused, refused);
        let one = |name: &str| json!([{"name": name, "secret": {"name": name}}]);
        let secrets = |whose: &Whose, name: &str| {
            serving("dynamic_active_secrets", whose, one(name))
                .parts
                .len()
        };
        assert_eq!(
            secrets(&gateway(), "kubernetes://mysql-credential-k3x0q2v9"),
            1
        );
        assert_eq!(secrets(&gateway(), "kubernetes://other"), 0);
        assert_eq!(secrets(&sidecar(), "kubernetes://own"), 1);
        assert_eq!(secrets(&sidecar(), "default"), 0);
    }

    #[test]
    fn versions_and_the_order_of_fields_say_nothing() {
        let name = format!("outbound|3306||{OWN}");
        let one = json!([{"version_info": "1", "last_updated": "a", "cluster": {"name": name, "type": "EDS", "lb_policy": "RANDOM"}}]);
        let other = json!([{"last_updated": "b", "cluster": {"lb_policy": "RANDOM", "type": "EDS", "name": name}, "version_info": "2"}]);
        let of = |configs| serving("dynamic_active_clusters", &gateway(), configs);
        assert_eq!(of(one.clone()), of(other));
        let changed =
            json!([{"cluster": {"name": name, "type": "STRICT_DNS", "lb_policy": "RANDOM"}}]);
        assert_ne!(of(one), of(changed));
    }

    #[test]
    fn an_answer_without_parts_is_one_and_what_is_no_answer_is_said() {
        let question = &QUESTIONS[0];
        let mut serving = Serving::default();
        assert_eq!(question.read(b"{}", &gateway(), &mut serving), Ok(()));
        assert_eq!(serving, Serving::default());
        for wrong in ["404", "<html>", r#"{"configs": 1}"#] {
            let read = question.read(wrong.as_bytes(), &gateway(), &mut serving);
            assert!(read.is_err(), "{wrong}");
        }
    }

    #[test]
    fn questions_name_the_run_where_envoy_can_choose_by_name() {
        let mut known = Serving::default();
        let paths = |at: usize, whose: &Whose, known: &Serving| QUESTIONS[at].paths(whose, known);
        assert_eq!(
            paths(0, &sidecar(), &known),
            ["/config_dump?resource=dynamic_listeners"]
        );
        let egress = "outbound|15443|mysql|egress.istio-system";
        known.reached = [egress, "PassthroughCluster", "outbound|3306||mp-k3x0q2v9"]
            .map(str::to_owned)
            .into();
        let clusters = "/config_dump?resource=dynamic_active_clusters&name_regex=";
        let names = [
            ".*k3x0q2v9.*%7Cinbound.*%7Ckubernetes.*",
            "outbound.15443.mysql.egress.istio-system",
        ];
        assert_eq!(
            paths(1, &sidecar(), &known),
            names.map(|names| format!("{clusters}{names}"))
        );
        assert_eq!(
            paths(3, &gateway(), &Serving::default()),
            ["/config_dump?include_eds&resource=dynamic_endpoint_configs&name_regex=.*k3x0q2v9.*"]
        );
        assert_eq!(whole(&"a".repeat(81)), format!("{}.*", "a".repeat(80)));
    }

    /// The egress gateway is others', and so is the cluster that leads to it.
    #[test]
    fn what_a_pods_listeners_lead_to_counts_too() {
        let led = |whose: &Whose, kind: &str| {
            let mut serving = Serving::default();
            let name = "outbound|15443|mysql|egress.istio-system";
            let listener = listening("0.0.0.0_3306", &[chain("any", name)]);
            let cluster = json!([{"cluster": {"name": name, "type": kind}}]);
            let hosts = json!([{"endpoint_config": {"cluster_name": name, "endpoints": []}}]);
            for (at, configs) in [(0, listener), (1, cluster), (3, hosts)] {
                let answer = json!({ "configs": configs }).to_string();
                QUESTIONS[at]
                    .read(answer.as_bytes(), whose, &mut serving)
                    .unwrap();
            }
            serving.parts.into_keys().collect::<Vec<_>>()
        };
        let (listener, cluster) = (
            "listener 0.0.0.0_3306",
            "cluster outbound|15443|mysql|egress.istio-system",
        );
        let endpoints = "endpoints outbound|15443|mysql|egress.istio-system";
        assert_eq!(led(&sidecar(), "EDS"), [cluster, endpoints, listener]);
        assert_eq!(led(&sidecar(), "ORIGINAL_DST"), [cluster, listener]);
        assert_eq!(led(&gateway(), "EDS"), [""; 0]);
    }
}
