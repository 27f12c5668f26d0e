//! Defaults of Deployments and ReplicaSets.

use serde_json::{Map, Value, json};

use super::pod;
use crate::object::{default_to, map_mut};

pub(super) fn deployment(object: &mut Value) {
    let spec = map_mut(object, "spec");
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    default_to(spec, "progressDeadlineSeconds", 600);
    default_to(spec, "strategy", json!({}));
    if let Some(Value::Object(strategy)) = spec.get_mut("strategy") {
        strategy_defaults(strategy);
    }
    template(spec);
}

pub(super) fn replica_set(object: &mut Value) {
    let spec = map_mut(object, "spec");
    default_to(spec, "replicas", 1);
    template(spec);
}

fn strategy_defaults(strategy: &mut Map<String, Value>) {
    default_to(strategy, "type", "RollingUpdate");
    if strategy["type"] != "RollingUpdate" {
        return;
    }
    default_to(strategy, "rollingUpdate", json!({}));
    if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") {
        default_to(rolling, "maxUnavailable", "25%");
        default_to(rolling, "maxSurge", "25%");
    }
}

fn template(spec: &mut Map<String, Value>) {
    if let Some(template) = spec.get_mut("template") {
        pod::template_spec(map_mut(template, "spec"));
    }
}
