//! `AuthorizationPolicy` as network filters (`pilot/pkg/security/authz`).

mod custom;
mod rule;
mod trust_domain;

use serde_json::{Map, Value, json};

use super::{envoy::extension, scope::Scope};
use crate::{
    api::authorization_policy::{Action, AuthorizationPolicy},
    objects::Config,
};
use rule::Generator;

/// The filters of the policies that hold for the proxy's workload: CUSTOM, AUDIT, DENY, ALLOW, in this
/// order.
pub(crate) fn filters(scope: &Scope<'_>) -> Vec<Value> {
    let mut filters = custom::filters(scope);
    let own = [Action::Audit, Action::Deny, Action::Allow];
    filters.extend(own.into_iter().filter_map(|action| filter(scope, action)));
    filters
}

fn filter(scope: &Scope<'_>, action: Action) -> Option<Value> {
    let policies = scope.authorization_policies(action);
    if policies.is_empty() {
        return None;
    }
    let (mut enforced, mut tried) = (None, None);
    for policy in &policies {
        let rules = if is_dry_run(policy) {
            &mut tried
        } else {
            &mut enforced
        };
        add(
            rules.get_or_insert_with(Map::new),
            policy,
            scope,
            action,
            "",
        );
    }
    let mut config = Map::new();
    if let Some(policies) = enforced {
        config.insert("rules".into(), rules(action, policies));
    }
    if let Some(policies) = tried {
        config.insert("shadow_rules".into(), rules(action, policies));
        let prefix = match action {
            Action::Allow => "istio_dry_run_allow_",
            Action::Deny => "istio_dry_run_deny_",
            Action::Audit | Action::Custom => "",
        };
        config.insert("shadow_rules_stat_prefix".into(), prefix.into());
    }
    Some(network_filter(config))
}

fn network_filter(mut config: Map<String, Value>) -> Value {
    config.insert("stat_prefix".into(), "tcp.".into());
    extension(
        "envoy.filters.network.rbac",
        "envoy.extensions.filters.network.rbac.v3.RBAC",
        config.into(),
    )
}

/// Whether a policy is only tried: its annotation is true, in any of the ways in which Go reads it.
fn is_dry_run(policy: &Config<AuthorizationPolicy>) -> bool {
    let said = policy.meta.annotations.get("istio.io/dry-run");
    said.is_some_and(|v| matches!(v.as_str(), "1" | "t" | "T" | "true" | "True" | "TRUE"))
}

fn rules(action: Action, policies: Map<String, Value>) -> Value {
    let mut rules = Map::new();
    match action {
        Action::Deny => {
            rules.insert("action".into(), "DENY".into());
        }
        Action::Audit => {
            rules.insert("action".into(), "LOG".into());
        }
        Action::Allow | Action::Custom => {}
    }
    rules.insert("policies".into(), policies.into());
    rules.into()
}

/// Adds the rules of a policy, each under a name that logs show.
fn add(
    rules: &mut Map<String, Value>,
    policy: &Config<AuthorizationPolicy>,
    scope: &Scope<'_>,
    action: Action,
    prefix: &str,
) {
    let name = |i: usize| {
        format!(
            "{prefix}ns[{}]-policy[{}]-rule[{i}]",
            policy.meta.namespace, policy.meta.name
        )
    };
    let said = policy.spec.rules.as_deref().unwrap_or_default();
    if said.is_empty() {
        let never = json!({"permissions": [{"not_rule": {"any": true}}], "principals": [{"not_id": {"any": true}}]});
        rules.insert(name(0), never);
    }
    let generator = Generator {
        mesh: scope.mesh(),
        namespace: &policy.meta.namespace,
        lenient: action != Action::Allow,
    };
    for (index, rule) in said.iter().enumerate() {
        // A rule of an ALLOW policy that TCP cannot judge allows nothing.
        if let Some(generated) = generator.rule(rule) {
            rules.insert(name(index), generated);
        }
    }
}
