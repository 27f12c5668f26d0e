//! Ports that runs add to Services of others: several runs may need the same one, and whoever is last takes it away.
//! Who needs it stands in an annotation of the Service, so that it does not matter which of them ends first. Pure.

use json_patch::Patch as JsonPatch;
use serde_json::{Map, Value, json};

/// How the annotation of a port begins; its number follows.
const ANNOTATION: &str = "meshproof.dev/port-";
/// Between the runs in it.
const BETWEEN: char = ',';

/// What a run has to write, and which ports it has then claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// A merge patch (RFC 7386); `None` where everything is there already.
    pub(crate) patch: Option<Value>,
    /// Numbers of the ports that are to be given back.
    pub(crate) ports: Vec<u64>,
}

/// Claims for `run` the ports that `patch` would add to `service`.
///
/// # Errors
/// In words: the patch does not fit, does something else than adding ports, or a port is there that leads elsewhere.
pub(crate) fn claim(service: &Value, patch: &JsonPatch, run: &str) -> Result<Claim, String> {
    let mut patched = service.clone();
    json_patch::patch(&mut patched, patch).map_err(|error| error.to_string())?;
    let (before, after) = (ports(service), ports(&patched));
    let mut rest = patched;
    rest["spec"]["ports"] = json!(before);
    // One that is there already is added once more: the lists are compared by how often each is in them.
    let mut gone = before.clone();
    let wanted: Vec<&Value> = after
        .iter()
        .filter(|port| match gone.iter().position(|had| had == *port) {
            Some(at) => {
                gone.remove(at);
                false
            }
            None => true,
        })
        .collect();
    if rest != *service || !gone.is_empty() {
        return Err(
            "on clusters that others use too a patch of a Service may only add ports".to_owned(),
        );
    }
    let mut all = before.clone();
    let mut annotations = Map::new();
    let mut claimed = Vec::new();
    for wanted in wanted {
        let number = number(wanted).ok_or("a port without a number")?;
        let key = format!("{ANNOTATION}{number}");
        let users = users(service, &key);
        if let Some(there) = before.iter().find(|port| same(port, wanted)) {
            if there.get("targetPort") != wanted.get("targetPort") {
                return Err(format!(
                    "port {number} is there already and leads to {}, not to {}: free it, or choose another port",
                    target(there),
                    target(wanted)
                ));
            }
            // Somebody else's, who keeps it.
            let Some(mut users) = users else { continue };
            if !users.iter().any(|user| user == run) {
                users.push(run.to_owned());
            }
            annotations.insert(key, json!(joined(&users)));
        } else {
            all.push(wanted.clone());
            annotations.insert(key, json!(run));
        }
        claimed.push(number);
    }
    let patch = (!claimed.is_empty()).then(|| written(service, annotations, all));
    Ok(Claim {
        patch,
        ports: claimed,
    })
}

/// What has to be written so that `run` no longer needs these ports; `None` where it is so already.
pub(crate) fn release(service: &Value, claimed: &[u64], run: &str) -> Option<Value> {
    let mut all = ports(service);
    let mut annotations = Map::new();
    for number in claimed {
        let key = format!("{ANNOTATION}{number}");
        let Some(mut users) = users(service, &key) else {
            continue;
        };
        if !users.iter().any(|user| user == run) {
            continue;
        }
        users.retain(|user| user != run);
        if users.is_empty() {
            all.retain(|port| self::number(port) != Some(*number));
            annotations.insert(key, Value::Null);
        } else {
            annotations.insert(key, json!(joined(&users)));
        }
    }
    (!annotations.is_empty()).then(|| written(service, annotations, all))
}

/// The ports of a Service that a run has claimed.
pub(crate) fn claimed(service: &Value, run: &str) -> Vec<u64> {
    let annotations = service.pointer("/metadata/annotations");
    let annotations = annotations.and_then(Value::as_object).into_iter().flatten();
    let numbers = annotations.filter_map(|(key, value)| {
        let mut users = value.as_str()?.split(BETWEEN);
        users.any(|user| user == run).then_some(())?;
        key.strip_prefix(ANNOTATION)?.parse().ok()
    });
    numbers.collect()
}

/// Refused by the server where somebody else has written meanwhile: the list of ports is written whole.
fn written(service: &Value, annotations: Map<String, Value>, ports: Vec<Value>) -> Value {
    json!({
        "metadata": {
            "resourceVersion": service["metadata"]["resourceVersion"],
            "annotations": annotations,
        },
        "spec": {"ports": ports},
    })
}

fn ports(service: &Value) -> Vec<Value> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports.cloned().unwrap_or_default()
}

fn number(port: &Value) -> Option<u64> {
    port["port"].as_u64()
}

/// The same number and protocol, of which there is one in a Service.
fn same(one: &Value, other: &Value) -> bool {
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
    number(one) == number(other) && protocol(one) == protocol(other)
}

fn target(port: &Value) -> String {
    port.get("targetPort")
        .map_or_else(|| "the same number".to_owned(), Value::to_string)
}

fn users(service: &Value, key: &str) -> Option<Vec<String>> {
    let text = service["metadata"]["annotations"].get(key)?.as_str()?;
    Some(text.split(BETWEEN).map(str::to_owned).collect())
}

fn joined(users: &[String]) -> String {
    users.join(&BETWEEN.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Value {
        json!({
            "metadata": {"name": "istio-ingressgateway", "resourceVersion": "7"},
            "spec": {"ports": [{"name": "http2", "port": 80, "targetPort": 8080, "nodePort": 30080}], "type": "LoadBalancer"},
        })
    }

    fn adding(port: Value) -> JsonPatch {
        serde_json::from_value(json!([{"op": "add", "path": "/spec/ports/0", "value": port}]))
            .unwrap()
    }

    fn mysql() -> JsonPatch {
        adding(json!({"name": "tls-mysql", "protocol": "TCP", "port": 13306, "targetPort": 13306}))
    }

    /// As a server takes a merge patch.
    fn merged(service: &Value, patch: &Value) -> Value {
        let mut merged = service.clone();
        json_patch::merge(&mut merged, patch);
        merged
    }

    fn numbers(service: &Value) -> Vec<u64> {
        ports(service).iter().filter_map(number).collect()
    }

    #[test]
    fn the_last_of_two_runs_takes_the_port_away() {
        let first = claim(&service(), &mysql(), "r1").unwrap();
        assert_eq!(first.ports, [13306]);
        let one = merged(&service(), &first.patch.unwrap());
        assert_eq!(numbers(&one), [80, 13306]);
        let second = claim(&one, &mysql(), "r2").unwrap();
        let both = merged(&one, &second.patch.unwrap());
        assert_eq!(numbers(&both), [80, 13306]);
        assert_eq!(claimed(&both, "r1"), [13306]);
        let left = merged(&both, &release(&both, &[13306], "r1").unwrap());
        assert_eq!(numbers(&left), [80, 13306]);
        assert_eq!(release(&left, &[13306], "r1"), None, "once is enough");
        let none = merged(&left, &release(&left, &[13306], "r2").unwrap());
        assert_eq!(numbers(&none), [80]);
        assert_eq!(claimed(&none, "r2"), [0; 0]);
    }

    #[test]
    fn a_port_that_is_there_already_is_somebody_elses() {
        let there = json!({"name": "mine", "port": 13306, "targetPort": 13306});
        let mut service = service();
        service["spec"]["ports"].as_array_mut().unwrap().push(there);
        let claim = claim(&service, &mysql(), "r1").unwrap();
        assert_eq!((claim.patch, claim.ports.len()), (None, 0));
        assert_eq!(release(&service, &[13306], "r1"), None);
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        let there = json!({"name": "mine", "port": 13306, "targetPort": 3306});
        let mut other = service();
        other["spec"]["ports"].as_array_mut().unwrap().push(there);
        let refused = claim(&other, &mysql(), "r1").unwrap_err();
        assert!(
            refused.starts_with("port 13306 is there already and leads to 3306, not to 13306"),
            "{refused}"
        );
        let typed = json!([{"op": "replace", "path": "/spec/type", "value": "ClusterIP"}]);
        let typed = serde_json::from_value(typed).unwrap();
        assert!(
            claim(&service(), &typed, "r1")
                .unwrap_err()
                .contains("may only add ports")
        );
        let unfit = json!([{"op": "remove", "path": "/spec/nothing"}]);
        assert!(claim(&service(), &serde_json::from_value(unfit).unwrap(), "r1").is_err());
    }
}
