//! One reference at a time: what a name that stands somewhere in a scenario becomes. Nothing is replaced by
//! looking for a text: each function reads one form as Kubernetes, Istio or Envoy define it.

use std::collections::BTreeSet;

use super::run_name::RunName;

/// An object by kind, namespace and name.
pub(crate) type Named = (String, String, String);

/// What a scenario makes in one cluster, which is what gets names of the run's own.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) run: RunName,
    /// Namespaces that the scenario declares: each is generated anew.
    pub(crate) declared: BTreeSet<String>,
    /// The namespace of the gateways of this cluster.
    pub(crate) gateways: String,
    /// Objects that the scenario creates in namespaces that it does not declare.
    pub(crate) created: BTreeSet<Named>,
    /// Labels by which such workloads select their pods: namespace, key, value.
    pub(crate) labels: BTreeSet<Named>,
    /// `DestinationRules` with a `workloadSelector`, namespace and name: sidecars read their Secrets.
    pub(crate) of_sidecars: BTreeSet<(String, String)>,
}

impl World {
    /// A namespace.
    pub(crate) fn namespace(&self, name: &str) -> String {
        if self.declared.contains(name) {
            self.run.namespace(name)
        } else {
            name.to_owned()
        }
    }

    /// Whether the scenario makes an object beside those of others.
    pub(crate) fn creates(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.created.contains(&key)
    }

    /// The name of an object in a namespace: in a generated one nothing else is called so.
    pub(crate) fn name(&self, kind: &str, namespace: &str, name: &str) -> String {
        if self.creates(kind, namespace, name) {
            self.run.object(name)
        } else {
            name.to_owned()
        }
    }

    /// A host: `service.namespace`, `service.namespace.svc` and what stands before or behind these; others
    /// are left as they are (the Kubernetes page on DNS for Services and Pods).
    pub(crate) fn host(&self, host: &str) -> String {
        let mut labels: Vec<String> = host.split('.').map(str::to_owned).collect();
        let place = match labels.iter().position(|label| label == "svc") {
            Some(svc) if svc >= 2 => svc - 1,
            None if labels.len() == 2 => 1,
            _ => return host.to_owned(),
        };
        let namespace = labels[place].clone();
        labels[place - 1] = self.name("Service", &namespace, &labels[place - 1]);
        labels[place] = self.namespace(&namespace);
        labels.join(".")
    }

    /// A host with what may stand around it in an argument or a variable: `--flag=`, `scheme://`, `:port`.
    pub(crate) fn endpoint(&self, text: &str) -> String {
        let flag = text.starts_with('-').then(|| text.find('=')).flatten();
        let start = flag.map_or(0, |at| at + 1);
        let start = text[start..]
            .find("://")
            .map_or(start, |scheme| start + scheme + 3);
        let end = text[start..]
            .find([':', '/'])
            .map_or(text.len(), |end| start + end);
        let host = &text[start..end];
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if host.is_empty() || !host.bytes().all(part) {
            return text.to_owned();
        }
        format!("{}{}{}", &text[..start], self.host(host), &text[end..])
    }

    /// `namespace/host` or a host: Gateways and Sidecars. `.`, `*` and `~` are no namespaces.
    pub(crate) fn scoped_host(&self, text: &str) -> String {
        match text.split_once('/') {
            Some((namespace, host)) => {
                format!("{}/{}", self.namespace(namespace), self.host(host))
            }
            None => self.host(text),
        }
    }

    /// `namespace/name` of a Gateway, or its name in the namespace `here`.
    pub(crate) fn gateway(&self, here: &str, text: &str) -> String {
        match text.split_once('/') {
            Some((namespace, name)) => {
                let renamed = self.name("Gateway", namespace, name);
                format!("{}/{renamed}", self.namespace(namespace))
            }
            None => self.name("Gateway", here, text),
        }
    }

    /// `domain/ns/NAMESPACE/sa/ACCOUNT` with or without `spiffe://` (SPIFFE as Istio writes it); others are
    /// left as they are.
    pub(crate) fn principal(&self, text: &str) -> String {
        let mut parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        let Some(ns) = parts.iter().position(|part| part == "ns") else {
            return text.to_owned();
        };
        let Some(namespace) = parts.get(ns + 1).cloned() else {
            return text.to_owned();
        };
        if parts.get(ns + 2).is_some_and(|part| part == "sa")
            && let Some(account) = parts.get(ns + 3).cloned()
        {
            parts[ns + 3] = self.name("ServiceAccount", &namespace, &account);
        }
        parts[ns + 1] = self.namespace(&namespace);
        parts.join("/")
    }

    /// A name in a certificate: an identity or a host.
    pub(crate) fn san(&self, text: &str) -> String {
        if text.contains('/') {
            self.principal(text)
        } else {
            self.host(text)
        }
    }

    /// `namespace/account` (`serviceAccounts` of an `AuthorizationPolicy`), or an account of `here`.
    pub(crate) fn account(&self, here: &str, text: &str) -> String {
        match text.split_once('/') {
            Some((namespace, name)) => {
                let renamed = self.name("ServiceAccount", namespace, name);
                format!("{}/{renamed}", self.namespace(namespace))
            }
            None => self.name("ServiceAccount", here, text),
        }
    }

    /// A server name: `outbound_.PORT_.SUBSET_.HOST` as Istio makes them for the mesh, or a host.
    pub(crate) fn sni(&self, text: &str) -> String {
        self.last_of(text, "_.")
    }

    /// The name of an Envoy cluster as Istio makes them: `DIRECTION|PORT|SUBSET|HOST`.
    pub(crate) fn envoy_cluster(&self, text: &str) -> String {
        self.last_of(text, "|")
    }

    /// The host behind the third separator; without separators the whole.
    fn last_of(&self, text: &str, separator: &str) -> String {
        let mut parts: Vec<String> = text.splitn(4, separator).map(str::to_owned).collect();
        if let [_] | [_, _, _, _] = parts.as_slice()
            && let Some(host) = parts.last_mut()
        {
            *host = self.host(host);
        }
        parts.join(separator)
    }

    /// The value of a label in a namespace.
    pub(crate) fn label(&self, namespace: &str, key: &str, value: &str) -> String {
        let pair = (namespace.to_owned(), key.to_owned(), value.to_owned());
        if self.labels.contains(&pair) {
            self.run.object(value)
        } else {
            value.to_owned()
        }
    }

    /// Everybody who may see a rule of the run in `namespace`, as it was called before: the namespaces of the
    /// run, and that of the gateways, without which no gateway would follow it. `.` is the rule's own.
    pub(crate) fn visible_to(&self, namespace: &str) -> Vec<String> {
        let declared = self.declared.iter().map(String::as_str);
        let others = declared.chain([self.gateways.as_str()]);
        let others = others.filter(|other| *other != namespace);
        let others = others.map(|other| self.namespace(other));
        std::iter::once(".".to_owned()).chain(others).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A world that declares `default` and `unencrypted` and makes a few things beside others'.
    pub(crate) fn world() -> World {
        let owned = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
        World {
            run: RunName::of("r", "s"),
            declared: ["default", "unencrypted"].map(str::to_owned).into(),
            gateways: "istio-system".to_owned(),
            created: [
                ("Secret", "istio-system", "client-credential"),
                ("Secret", "istio-system", "provider-credential"),
                ("Service", "istio-system", "relay"),
                ("Deployment", "istio-system", "provider"),
            ]
            .map(owned)
            .into(),
            labels: [owned(("istio-system", "app", "provider"))].into(),
            of_sidecars: [("default".to_owned(), "sidecar-originates".to_owned())].into(),
        }
    }

    #[test]
    fn references_follow_by_their_form() {
        let world = world();
        let run = world.run.as_str().to_owned();
        let r = |text: &str| text.replace('R', &run);
        for (before, after) in [
            (
                "mysql.default.svc.cluster.local",
                "mysql.mp-R-default.svc.cluster.local",
            ),
            ("mysql.default.svc", "mysql.mp-R-default.svc"),
            ("mysql.default", "mysql.mp-R-default"),
            (
                "a.mysql.default.svc.cluster.local",
                "a.mysql.mp-R-default.svc.cluster.local",
            ),
            (
                "relay.istio-system.svc.cluster.local",
                "relay-R.istio-system.svc.cluster.local",
            ),
            (
                "istio-egressgateway.istio-system.svc.cluster.local",
                "istio-egressgateway.istio-system.svc.cluster.local",
            ),
            ("default.example.svc", "default.example.svc"),
            ("default", "default"),
            ("mysql", "mysql"),
            ("*", "*"),
            ("203.0.113.10.nip.io", "203.0.113.10.nip.io"),
        ] {
            assert_eq!(world.host(before), r(after));
        }
        for (before, after) in [
            (
                "--to=mysql.default.svc:3306",
                "--to=mysql.mp-R-default.svc:3306",
            ),
            (
                "tcp://mysql.default:3306/x",
                "tcp://mysql.mp-R-default:3306/x",
            ),
            (
                "mysql.default.svc.cluster.local:3306",
                "mysql.mp-R-default.svc.cluster.local:3306",
            ),
            (
                "some words about mysql.default",
                "some words about mysql.default",
            ),
            ("--listen", "--listen"),
            ("0.0.0.0:13306", "0.0.0.0:13306"),
            ("", ""),
        ] {
            assert_eq!(world.endpoint(before), r(after));
        }
        assert_eq!(
            world.sni("outbound_.3306_._.mysql.default.svc.cluster.local"),
            r("outbound_.3306_._.mysql.mp-R-default.svc.cluster.local")
        );
        assert_eq!(
            world.envoy_cluster("outbound|3306|v1|mysql.default.svc.cluster.local"),
            r("outbound|3306|v1|mysql.mp-R-default.svc.cluster.local")
        );
        assert_eq!(world.envoy_cluster("inbound|3306||"), "inbound|3306||");
        assert_eq!(world.envoy_cluster("BlackHoleCluster"), "BlackHoleCluster");
        assert_eq!(
            world.principal("spiffe://cluster.local/ns/default/sa/default"),
            r("spiffe://cluster.local/ns/mp-R-default/sa/default")
        );
        assert_eq!(
            world.principal("cluster.local/ns/istio-system/sa/x"),
            "cluster.local/ns/istio-system/sa/x"
        );
        assert_eq!(world.principal("*/ns/default/*"), r("*/ns/mp-R-default/*"));
        assert_eq!(world.principal("CN=default"), "CN=default");
        assert_eq!(
            world.scoped_host("./mysql.default.svc"),
            r("./mysql.mp-R-default.svc")
        );
        assert_eq!(world.scoped_host("default/*"), r("mp-R-default/*"));
        assert_eq!(world.gateway("default", "default/g"), r("mp-R-default/g"));
        assert_eq!(world.gateway("default", "mesh"), "mesh");
        assert_eq!(
            world.label("istio-system", "app", "provider"),
            r("provider-R")
        );
        assert_eq!(world.label("default", "app", "provider"), "provider");
        assert_eq!(
            world.visible_to("default"),
            [".", &r("mp-R-unencrypted"), "istio-system"]
        );
        assert_eq!(
            world.visible_to("istio-system"),
            [".", &r("mp-R-default"), &r("mp-R-unencrypted")]
        );
    }
}
