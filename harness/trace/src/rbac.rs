//! Envoy's RBAC network filter, judged before anything is sent
//! (`source/extensions/filters/common/rbac/matchers.cc`).

use std::net::IpAddr;

use serde_json::Value;

use crate::{capture::contains, certificate::matches, handshake::Peer};

/// What policies look at.
pub(crate) struct Facts<'a> {
    /// `None` where something on the way may have changed it.
    pub(crate) source: Option<IpAddr>,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) server_name: Option<&'a str>,
    pub(crate) peer: &'a Peer,
}

/// What a filter does with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Passes,
    /// By this policy, or for want of one that allows it.
    Denied(String),
    /// It depends on something that is not known: the policy, and what is missing.
    Unknown(String, &'static str),
}

/// Yes, no, or what is missing to tell.
type Answer = Result<bool, &'static str>;

const SOURCE: &str =
    "the source address that the proxy sees, which is not known behind another address (--seen-as)";
const PEER: &str = "the identity in a certificate that was not given";
const MATCHER: &str = "a matcher that is not known here";

/// Judges one filter's enforced rules.
pub(crate) fn decide(filter: &Value, facts: &Facts<'_>) -> Decision {
    let rules = &filter["rules"];
    let action = rules["action"].as_str().unwrap_or("ALLOW");
    if rules.is_null() || action == "LOG" {
        return Decision::Passes;
    }
    let policies = rules["policies"].as_object();
    let mut unknown = None;
    for (name, policy) in policies.into_iter().flatten() {
        match holds(policy, facts) {
            Ok(true) if action == "DENY" => return Decision::Denied(format!("policy {name}")),
            Ok(true) => return Decision::Passes,
            Ok(false) => {}
            Err(missing) => unknown = Some(Decision::Unknown(name.clone(), missing)),
        }
    }
    match (unknown, action) {
        (Some(unknown), _) => unknown,
        (None, "DENY") => Decision::Passes,
        (None, _) => Decision::Denied("no policy that allows it".to_owned()),
    }
}

fn holds(policy: &Value, facts: &Facts<'_>) -> Answer {
    let permitted = any(&policy["permissions"], |p| permission(p, facts));
    and(permitted, || {
        any(&policy["principals"], |p| principal(p, facts))
    })
}

fn and(first: Answer, second: impl FnOnce() -> Answer) -> Answer {
    match first {
        Ok(false) => Ok(false),
        Ok(true) => second(),
        Err(missing) => match second() {
            Ok(false) => Ok(false),
            _ => Err(missing),
        },
    }
}

fn any(list: &Value, judge: impl Fn(&Value) -> Answer) -> Answer {
    let mut answer = Ok(false);
    for item in list.as_array().into_iter().flatten() {
        match judge(item) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(missing) => answer = Err(missing),
        }
    }
    answer
}

fn all(list: &Value, judge: impl Fn(&Value) -> Answer) -> Answer {
    let mut answer = Ok(true);
    for item in list.as_array().into_iter().flatten() {
        answer = and(answer, || judge(item));
    }
    answer
}

fn permission(rule: &Value, facts: &Facts<'_>) -> Answer {
    let Some((kind, value)) = rule.as_object().and_then(|o| o.iter().next()) else {
        return Err(MATCHER);
    };
    match kind.as_str() {
        "any" => Ok(true),
        "and_rules" => all(&value["rules"], |r| permission(r, facts)),
        "or_rules" => any(&value["rules"], |r| permission(r, facts)),
        "not_rule" => permission(value, facts).map(|held| !held),
        "destination_port" => Ok(value.as_u64() == Some(facts.port.into())),
        "destination_ip" => Ok(within(value, facts.address)),
        "requested_server_name" => Ok(matches(value, facts.server_name.unwrap_or_default())),
        _ => Err(MATCHER),
    }
}

fn principal(rule: &Value, facts: &Facts<'_>) -> Answer {
    let Some((kind, value)) = rule.as_object().and_then(|o| o.iter().next()) else {
        return Err(MATCHER);
    };
    match kind.as_str() {
        "any" => Ok(true),
        "and_ids" => all(&value["ids"], |r| principal(r, facts)),
        "or_ids" => any(&value["ids"], |r| principal(r, facts)),
        "not_id" => principal(value, facts).map(|held| !held),
        "authenticated" => authenticated(&value["principal_name"], facts.peer),
        "direct_remote_ip" | "remote_ip" | "source_ip" => facts
            .source
            .map(|source| within(value, source))
            .ok_or(SOURCE),
        _ => Err(MATCHER),
    }
}

fn authenticated(name: &Value, peer: &Peer) -> Answer {
    match peer {
        Peer::Nobody => Ok(false),
        Peer::Withheld => Err(PEER),
        Peer::Names(_) if name.is_null() => Ok(true),
        Peer::Names(names) => Ok(names.iter().any(|n| matches(name, n))),
    }
}

fn within(block: &Value, address: IpAddr) -> bool {
    let start = block["address_prefix"].as_str().unwrap_or_default();
    let length = block["prefix_len"].as_u64();
    contains(
        &length.map_or_else(|| start.to_owned(), |length| format!("{start}/{length}")),
        address,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(rules: &Value, source: Option<&str>, peer: &Peer) -> Decision {
        let facts = Facts {
            source: source.map(|s| s.parse().unwrap()),
            address: "10.2.0.8".parse().unwrap(),
            port: 3306,
            server_name: Some("a.example"),
            peer,
        };
        decide(&json!({"rules": rules}), &facts)
    }

    fn named() -> Peer {
        Peer::Names(vec!["spiffe://cluster.local/ns/a/sa/b".to_owned()])
    }

    fn rules(action: &str, permission: &Value, principal: &Value) -> Value {
        json!({"action": action, "policies": {"p": {"permissions": [permission], "principals": [principal]}}})
    }

    #[test]
    fn deny_and_allow_by_principal() {
        let name = json!({"authenticated": {"principal_name": {"prefix": "spiffe://cluster.local/ns/a/"}}});
        let any = json!({"any": true});
        let (deny, allow) = (rules("DENY", &any, &name), rules("ALLOW", &any, &name));
        assert_eq!(
            decision(&deny, None, &named()),
            Decision::Denied("policy p".into())
        );
        assert_eq!(decision(&deny, None, &Peer::Nobody), Decision::Passes);
        assert_eq!(decision(&allow, None, &named()), Decision::Passes);
        assert!(matches!(
            decision(&allow, None, &Peer::Nobody),
            Decision::Denied(_)
        ));
        assert_eq!(
            decision(&allow, None, &Peer::Withheld),
            Decision::Unknown("p".into(), PEER)
        );
        assert_eq!(
            decision(&rules("LOG", &any, &name), None, &named()),
            Decision::Passes
        );
    }

    #[test]
    fn what_is_unknown_counts_only_where_it_decides() {
        let block = json!({"direct_remote_ip": {"address_prefix": "10.1.0.0", "prefix_len": 16}});
        let port = |n: u16| json!({"destination_port": n});
        assert_eq!(
            decision(&rules("DENY", &port(3306), &block), None, &named()),
            Decision::Unknown("p".into(), SOURCE)
        );
        assert_eq!(
            decision(&rules("DENY", &port(1), &block), None, &named()),
            Decision::Passes
        );
        let here = rules("DENY", &port(3306), &block);
        assert!(matches!(
            decision(&here, Some("10.1.2.3"), &named()),
            Decision::Denied(_)
        ));
        assert_eq!(
            decision(&here, Some("10.2.2.3"), &named()),
            Decision::Passes
        );
    }

    #[test]
    fn groups_and_negations() {
        let sni = json!({"and_rules": {"rules": [{"requested_server_name": {"suffix": ".example"}},
            {"not_rule": {"or_rules": {"rules": [{"destination_port": 1}]}}}]}});
        let any = json!({"any": true});
        assert_eq!(
            decision(&rules("ALLOW", &sni, &any), None, &named()),
            Decision::Passes
        );
        let not = json!({"not_id": {"any": true}});
        assert!(matches!(
            decision(&rules("ALLOW", &sni, &not), None, &named()),
            Decision::Denied(_)
        ));
        let strange = json!({"metadata": {}});
        assert_eq!(
            decision(&rules("DENY", &strange, &any), None, &named()),
            Decision::Unknown("p".into(), MATCHER)
        );
    }
}
