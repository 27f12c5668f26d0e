//! Policies that leave the decision to a server of the user's (`pilot/pkg/security/authz/builder`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{add, is_dry_run, network_filter, rules};
use crate::{
    api::authorization_policy::Action,
    compile::{envoy::extension, routes, scope::Scope},
    mesh_config::Authorizer,
};

/// What begins the names of policies that a server decides on.
const PREFIX: &str = "istio-ext-authz";
const SHADOW_PREFIX: &str = "istio_ext_authz_";

/// Rules of one provider: what it decides on, and what it is only tried on.
#[derive(Default)]
struct Asked {
    enforced: Map<String, Value>,
    tried: Map<String, Value>,
}

/// The filters of the policies with the action CUSTOM. Without a server that can be asked, or with more
/// than one for a workload, whatever the policies match is denied.
pub(super) fn filters(scope: &Scope<'_>) -> Vec<Value> {
    let policies = scope.authorization_policies(Action::Custom);
    let mut by_provider: BTreeMap<&str, Asked> = BTreeMap::new();
    for policy in &policies {
        let provider = policy.spec.provider.as_ref().map_or("", |p| &p.name);
        let asked = by_provider.entry(provider).or_default();
        let into = if is_dry_run(policy) {
            &mut asked.tried
        } else {
            &mut asked.enforced
        };
        let prefix = if provider.is_empty() {
            format!("{PREFIX}-")
        } else {
            format!("{PREFIX}-{provider}-")
        };
        add(into, policy, scope, Action::Custom, &prefix);
    }
    let alone = by_provider.len() == 1;
    by_provider
        .into_iter()
        .flat_map(|(name, asked)| {
            let known = scope
                .mesh()
                .authorizer(name)
                .filter(|a| alone && a.is_usable(name));
            match known.and_then(|a| Some((a, cluster(a, scope)?))) {
                None => vec![denied(asked.enforced)],
                // One that is asked over HTTP has no say in TCP.
                Some((authorizer, _)) if !authorizer.grpc => Vec::new(),
                Some((authorizer, (cluster, host))) => {
                    vec![judged(asked), question(name, authorizer, &cluster, &host)]
                }
            }
        })
        .collect()
}

/// The cluster and host of a server; `None` where its service is not known, or not the only one.
fn cluster(authorizer: &Authorizer, scope: &Scope<'_>) -> Option<(String, String)> {
    let (namespace, host) = match authorizer.service.split('/').collect::<Vec<_>>()[..] {
        [namespace, host] => (Some(namespace), host),
        _ => (None, authorizer.service.as_str()),
    };
    scope.is_known(host, namespace).then(|| {
        let cluster = routes::outbound_cluster("", host, authorizer.port);
        (cluster, host.to_owned())
    })
}

fn denied(policies: Map<String, Value>) -> Value {
    let renamed = policies
        .into_iter()
        .map(|(name, policy)| (format!("{name}-deny-due-to-bad-CUSTOM-action"), policy))
        .collect();
    let mut config = Map::new();
    config.insert("rules".into(), rules(Action::Deny, renamed));
    network_filter(config)
}

/// Matches without deciding: the names of what matched are what the next filter goes by.
fn judged(asked: Asked) -> Value {
    let mut config = Map::new();
    if !asked.tried.is_empty() {
        config.insert("rules".into(), rules(Action::Deny, asked.tried));
    }
    config.insert("shadow_rules".into(), rules(Action::Deny, asked.enforced));
    config.insert("shadow_rules_stat_prefix".into(), SHADOW_PREFIX.into());
    network_filter(config)
}

fn question(name: &str, authorizer: &Authorizer, cluster: &str, host: &str) -> Value {
    let mut config = Map::new();
    config.insert("stat_prefix".into(), "tcp.".into());
    if authorizer.fail_open {
        config.insert("failure_mode_allow".into(), true.into());
    }
    config.insert("transport_api_version".into(), "V3".into());
    config.insert(
        "grpc_service".into(),
        json!({
            "envoy_grpc": {"cluster_name": cluster, "authority": host},
            "timeout": authorizer.timeout,
        }),
    );
    config.insert(
        "filter_enabled_metadata".into(),
        json!({
            "filter": "envoy.filters.network.rbac",
            "path": [{"key": format!("{SHADOW_PREFIX}shadow_effective_policy_id")}],
            "value": {"string_match": {"prefix": format!("{PREFIX}-{name}")}},
        }),
    );
    extension(
        "envoy.filters.network.ext_authz",
        "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
        config.into(),
    )
}
