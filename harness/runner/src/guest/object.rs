//! Whole objects, and parts of them, under the names of a run.

use meshproof_scenario::{Edit, ObjectKey};
use serde_json::{Value, json};

use super::fields::{Reference, reference};
use super::references::World;

/// Where a value stands: the object that it is a part of, by its names in the scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// Kinds whose rules anybody's proxies take up unless they say whom they are for.
const EXPORTED: &[&str] = &["DestinationRule", "ServiceEntry", "VirtualService"];
const EXPORT_TO: &str = "exportTo";

impl World {
    /// A whole object, its own name and namespace included.
    pub(super) fn object(&self, owner: Owner<'_>, object: &mut Value) {
        self.part(owner, &mut Vec::new(), object);
        let name = if owner.kind == "Namespace" {
            self.namespace(owner.name)
        } else {
            self.name(owner.kind, owner.namespace, owner.name)
        };
        object["metadata"]["name"] = json!(name);
        if owner.kind != "Namespace" {
            object["metadata"]["namespace"] = json!(self.namespace(owner.namespace));
        }
        if let Some(spec) = object.get_mut("spec") {
            self.limit(owner, spec);
        }
    }

    /// A part of an object at a place in it.
    fn part(&self, owner: Owner<'_>, place: &mut Vec<String>, value: &mut Value) {
        if place.len() == 2 && place[0] == "spec" && place[1] == EXPORT_TO {
            self.export_to(owner, value);
            return;
        }
        match value {
            Value::String(text) => {
                let steps: Vec<&str> = place.iter().map(String::as_str).collect();
                if let Some(found) = reference(owner.kind, &steps) {
                    let key = steps.last().copied().unwrap_or_default();
                    *text = self.reference(owner, found, key, text);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    place.push(index.to_string());
                    self.part(owner, place, item);
                    place.pop();
                }
            }
            Value::Object(fields) => {
                self.condition(owner, place, fields);
                for (name, field) in fields.iter_mut() {
                    place.push(name.clone());
                    self.part(owner, place, field);
                    place.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn reference(&self, owner: Owner<'_>, what: Reference, key: &str, text: &str) -> String {
        let here = owner.namespace;
        match what {
            Reference::Namespace => self.namespace(text),
            Reference::Host => self.host(text),
            Reference::Endpoint => self.endpoint(text),
            Reference::ScopedHost => self.scoped_host(text),
            Reference::Gateway => self.gateway(here, text),
            Reference::Principal => self.principal(text),
            Reference::San => self.san(text),
            Reference::Sni => self.sni(text),
            Reference::Account => self.account(here, text),
            Reference::Label => self.label(here, key, text),
            Reference::Object(kind) => self.name(kind, here, text),
            Reference::Credential => self.credential(owner, text),
        }
    }

    /// A gateway reads Secrets of its own namespace; a sidecar, for which a rule with a `workloadSelector` is,
    /// those of the pod's.
    fn credential(&self, owner: Owner<'_>, text: &str) -> String {
        let rule = (owner.namespace.to_owned(), owner.name.to_owned());
        let of_sidecar = owner.kind == "DestinationRule" && self.of_sidecars.contains(&rule);
        let namespace = if of_sidecar {
            owner.namespace
        } else {
            &self.gateways
        };
        self.name("Secret", namespace, text)
    }

    /// A condition of an `AuthorizationPolicy` says by its `key` what its values are.
    fn condition(
        &self,
        owner: Owner<'_>,
        place: &[String],
        fields: &mut serde_json::Map<String, Value>,
    ) {
        let steps: Vec<&str> = place.iter().map(String::as_str).collect();
        let is_one = matches!(steps.as_slice(), ["spec", "rules", _, "when", _]);
        if owner.kind != "AuthorizationPolicy" || !is_one {
            return;
        }
        let key = fields
            .get("key")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let rename: fn(&Self, &str) -> String = match key {
            "source.principal" => Self::principal,
            "source.namespace" => Self::namespace,
            "connection.sni" => Self::sni,
            _ => return,
        };
        for list in ["values", "notValues"] {
            let items = fields.get_mut(list).and_then(Value::as_array_mut);
            for item in items.into_iter().flatten() {
                if let Value::String(text) = item {
                    *text = rename(self, text);
                }
            }
        }
    }

    /// `*` becomes everybody of the run.
    fn export_to(&self, owner: Owner<'_>, value: &mut Value) {
        let Some(entries) = value.as_array() else {
            return;
        };
        if entries.iter().any(|entry| entry == "*") {
            *value = json!(self.visible_to(owner.namespace));
            return;
        }
        let own = owner.namespace;
        let renamed = entries.iter().map(|entry| match entry.as_str() {
            // With its own namespace beside `.` an object would be refused.
            Some(entry) if entry != own => json!(self.namespace(entry)),
            Some(_) => json!("."),
            None => entry.clone(),
        });
        *value = renamed.collect();
    }

    /// Limits a rule that does not say whom it is for to the run and its gateways: a `ServiceEntry` without
    /// addresses would take every connection to its port in the whole mesh.
    fn limit(&self, owner: Owner<'_>, spec: &mut Value) {
        let Some(fields) = spec.as_object_mut() else {
            return;
        };
        // For a rule with a selector anything but its own namespace is refused.
        let selects = fields.contains_key("workloadSelector") && owner.kind == "DestinationRule";
        let said = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
        if EXPORTED.contains(&owner.kind) && !selects && !fields.get(EXPORT_TO).is_some_and(said) {
            fields.insert(
                EXPORT_TO.to_owned(),
                json!(self.visible_to(owner.namespace)),
            );
        }
    }

    /// What a variation makes of an object.
    pub(super) fn edit(&self, key: &ObjectKey, edit: &mut Edit) {
        let owner = Owner {
            kind: &key.kind,
            namespace: &key.namespace,
            name: &key.name,
        };
        if let Some(new) = &mut edit.create {
            self.part(owner, &mut Vec::new(), &mut new.value);
            if let Some(spec) = new.value.get_mut("spec") {
                self.limit(owner, spec);
            }
        }
        for (pointer, value) in &mut edit.set {
            let mut place = steps(pointer);
            self.part(owner, &mut place, &mut value.value);
            if place == ["spec"] {
                self.limit(owner, &mut value.value);
            }
        }
        // Without the list a rule would be for the whole mesh.
        let exported = |pointer: &str| steps(pointer) == ["spec", EXPORT_TO];
        if EXPORTED.contains(&owner.kind)
            && let Some(at) = edit.remove.iter().position(|pointer| exported(pointer))
        {
            let pointer = edit.remove.remove(at);
            let limited = json!(self.visible_to(owner.namespace));
            let limited = meshproof_scenario::At::new(limited, pointer.pos);
            edit.set.insert(pointer, limited);
        }
    }

    /// The object that a key names.
    pub(super) fn key(&self, key: &ObjectKey) -> ObjectKey {
        ObjectKey {
            kind: key.kind.clone(),
            namespace: self.namespace(&key.namespace),
            name: self.name(&key.kind, &key.namespace, &key.name),
        }
    }
}

/// The steps of a JSON pointer, unescaped.
fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::references::tests::world;

    const RULE: Owner<'static> = Owner {
        kind: "DestinationRule",
        namespace: "default",
        name: "originate-mtls-for-mysql",
    };

    fn renamed(owner: Owner<'_>, mut object: Value) -> Value {
        world().object(owner, &mut object);
        object
    }

    fn edited(key: &str, text: &str) -> Edit {
        let overlay: meshproof_scenario::Overlay =
            serde_saphyr::from_str(&format!("client: {{{key}: {text}}}")).unwrap();
        let (_, key, edit) = overlay.edits().next().unwrap();
        let mut edit = edit.value.clone();
        world().edit(key, &mut edit);
        edit
    }

    fn r(text: &str) -> String {
        text.replace("{R}", world().run.as_str())
    }

    #[test]
    fn a_rule_reads_the_runs_secret_and_is_for_the_run_alone() {
        let tls = json!({"tls": {"mode": "MUTUAL", "credentialName": "client-credential"}});
        let rule = json!({"metadata": {"name": RULE.name, "namespace": "default"},
            "spec": {"host": "mysql.default.svc.cluster.local", "trafficPolicy": tls}});
        let found = renamed(RULE, rule);
        assert_eq!(found["metadata"]["namespace"], r("mp-{R}-default"));
        assert_eq!(found["metadata"]["name"], RULE.name);
        let name = &found["spec"]["trafficPolicy"]["tls"]["credentialName"];
        assert_eq!(*name, r("client-credential-{R}"));
        let to = json!([".", r("mp-{R}-unencrypted"), "istio-system"]);
        assert_eq!(found["spec"]["exportTo"], to);
    }

    #[test]
    fn a_rule_for_a_sidecar_reads_a_secret_of_its_namespace() {
        let owner = Owner {
            name: "sidecar-originates",
            ..RULE
        };
        let spec = json!({"workloadSelector": {"matchLabels": {"run": "a"}},
            "trafficPolicy": {"tls": {"credentialName": "client-credential"}}});
        let found = renamed(owner, json!({"metadata": {}, "spec": spec}));
        assert_eq!(
            found["spec"]["trafficPolicy"]["tls"]["credentialName"],
            "client-credential"
        );
        assert_eq!(found["spec"].get("exportTo"), None);
    }

    #[test]
    fn what_has_no_specification_gets_none() {
        let owner = Owner {
            kind: "Secret",
            name: "mysql-root",
            ..RULE
        };
        let found = renamed(
            owner,
            json!({"metadata": {}, "stringData": {"password": "x"}}),
        );
        assert_eq!(found.get("spec"), None);
    }

    #[test]
    fn conditions_of_policies_are_what_their_keys_say() {
        let when = json!([
            {"key": "source.namespace", "values": ["default"]},
            {"key": "request.headers[x]", "values": ["default"]},
            {"key": "source.principal", "notValues": ["cluster.local/ns/default/sa/default"]},
        ]);
        let owner = Owner {
            kind: "AuthorizationPolicy",
            ..RULE
        };
        let found = renamed(
            owner,
            json!({"metadata": {}, "spec": {"rules": [{"when": when}]}}),
        );
        let when = &found["spec"]["rules"][0]["when"];
        assert_eq!(when[0]["values"][0], r("mp-{R}-default"));
        assert_eq!(when[1]["values"][0], "default");
        assert_eq!(
            when[2]["notValues"][0],
            r("cluster.local/ns/mp-{R}-default/sa/default")
        );
    }

    #[test]
    fn a_workload_beside_others_is_told_apart_by_its_labels() {
        let owner = Owner {
            kind: "Deployment",
            namespace: "istio-system",
            name: "provider",
        };
        let template = json!({"metadata": {"labels": {"app": "provider"}}, "spec": {
            "containers": [{"command": ["x", "--to", "mysql.default.svc.cluster.local:3306"]}],
            "volumes": [{"secret": {"secretName": "provider-credential"}}]}});
        let object = json!({"metadata": {"name": "provider"},
            "spec": {"selector": {"matchLabels": {"app": "provider"}}, "template": template}});
        let found = renamed(owner, object);
        insta::assert_json_snapshot!(found);
    }

    #[test]
    fn parts_of_objects_follow_by_the_place_they_are_put_to() {
        let rule = "DestinationRule/default/originate-mtls-for-mysql";
        let all = edited(rule, r#"{"set": {"/spec/exportTo": ["*"]}}"#);
        let none = edited(rule, r#"{"remove": ["/spec/exportTo"]}"#);
        assert_eq!(all, none);
        let own = edited(
            rule,
            r#"{"set": {"/spec/exportTo": [default, unencrypted]}}"#,
        );
        let list = &own.set["/spec/exportTo"].value;
        assert_eq!(*list, json!([".", r("mp-{R}-unencrypted")]));
        let tls = r#"{"set": {"/spec/trafficPolicy/portLevelSettings/0/tls": {credentialName: client-credential}}}"#;
        let tls = edited(rule, tls);
        let (_, tls) = tls.set.iter().next().unwrap();
        assert_eq!(tls.value["credentialName"], r("client-credential-{R}"));
        let selector = edited(
            "Service/istio-system/relay",
            r#"{"set": {"/spec/selector/app": provider}}"#,
        );
        let (_, selector) = selector.set.iter().next().unwrap();
        assert_eq!(selector.value, r("provider-{R}"));
    }
}
