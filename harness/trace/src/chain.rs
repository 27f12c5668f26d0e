//! Envoy's choice of a filter chain (`source/common/listener_manager/filter_chain_manager_impl.cc`):
//! step by step, by the most specific match of each step, without a way back.

use std::net::IpAddr;

use serde_json::Value;

use crate::capture::contains;

/// What is known of a connection when its filter chain is chosen.
pub(crate) struct Facts<'a> {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) server_name: Option<&'a str>,
    /// `tls` or `raw_buffer`.
    pub(crate) transport: &'a str,
    /// Offered protocols, in order.
    pub(crate) alpn: &'a [String],
}

/// The chain of a listener that takes a connection: the default one where no other does.
pub(crate) fn choose<'a>(listener: &'a Value, facts: &Facts<'_>) -> Option<&'a Value> {
    let all: Vec<&Value> = listener["filter_chains"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let steps: [Step; 5] = [by_port, by_address, by_server_name, by_transport, by_alpn];
    let left = steps.iter().fold(all, |left, step| step(left, facts));
    let default = &listener["default_filter_chain"];
    left.first()
        .copied()
        .or_else(|| (!default.is_null()).then_some(default))
}

/// What a chain takes, for people.
pub(crate) fn described(chain: &Value) -> String {
    let matches = &chain["filter_chain_match"];
    let mut said: Vec<String> = Vec::new();
    for (field, name) in [
        ("destination_port", "port"),
        ("prefix_ranges", "address"),
        ("server_names", "server name"),
        ("transport_protocol", "transport"),
        ("application_protocols", "ALPN"),
    ] {
        match &matches[field] {
            Value::Null => {}
            Value::String(text) => said.push(format!("{name} {text}")),
            Value::Array(list) => {
                let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                let list: Vec<String> = list.iter().map(text).collect();
                said.push(format!("{name} {}", list.join(" or ")));
            }
            other => said.push(format!("{name} {other}")),
        }
    }
    if said.is_empty() {
        return "every connection".to_owned();
    }
    said.join(", ")
}

/// Every server name that a listener has a chain for.
pub(crate) fn server_names(listener: &Value) -> Vec<String> {
    let chains = listener["filter_chains"].as_array().into_iter().flatten();
    let names = chains.flat_map(|c| matching(c, "server_names"));
    names.map(str::to_owned).collect()
}

type Step = for<'a> fn(Vec<&'a Value>, &Facts<'_>) -> Vec<&'a Value>;

fn matching<'a>(chain: &'a Value, field: &str) -> Vec<&'a str> {
    let list = chain["filter_chain_match"][field].as_array();
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Chains that name the wanted value; where there are none, those that name no value at all.
fn keep(
    chains: Vec<&Value>,
    named: impl Fn(&Value) -> bool,
    open: impl Fn(&Value) -> bool,
) -> Vec<&Value> {
    let (exact, others): (Vec<_>, Vec<_>) = chains.into_iter().partition(|c| named(c));
    if exact.is_empty() {
        return others.into_iter().filter(|c| open(c)).collect();
    }
    exact
}

fn by_port<'a>(chains: Vec<&'a Value>, facts: &Facts<'_>) -> Vec<&'a Value> {
    let port = |c: &Value| c["filter_chain_match"]["destination_port"].as_u64();
    keep(
        chains,
        |c| port(c) == Some(facts.port.into()),
        |c| port(c).is_none_or(|p| p == 0),
    )
}

fn by_address<'a>(chains: Vec<&'a Value>, facts: &Facts<'_>) -> Vec<&'a Value> {
    let ranges = |c: &Value| -> Vec<(String, u64)> {
        let list = c["filter_chain_match"]["prefix_ranges"].as_array();
        let range = |r: &Value| {
            Some((
                r["address_prefix"].as_str()?.to_owned(),
                r["prefix_len"].as_u64()?,
            ))
        };
        list.into_iter().flatten().filter_map(range).collect()
    };
    let longest = |c: &Value| {
        let fits = |(start, length): (String, u64)| {
            contains(&format!("{start}/{length}"), facts.address).then_some(length)
        };
        ranges(c).into_iter().filter_map(fits).max()
    };
    let best = chains.iter().filter_map(|c| longest(c)).max();
    keep(
        chains,
        |c| best.is_some() && longest(c) == best,
        |c| ranges(c).is_empty(),
    )
}

fn by_server_name<'a>(chains: Vec<&'a Value>, facts: &Facts<'_>) -> Vec<&'a Value> {
    let open = |c: &Value| matching(c, "server_names").is_empty();
    let Some(name) = facts.server_name.map(str::to_ascii_lowercase) else {
        return chains.into_iter().filter(|c| open(c)).collect();
    };
    let has = |c: &Value, wanted: &str| matching(c, "server_names").contains(&wanted);
    // The name itself, then its parents as wildcards, the nearest first.
    let mut wanted = name.clone();
    let mut rest = name.as_str();
    loop {
        if chains.iter().any(|c| has(c, &wanted)) {
            return chains.into_iter().filter(|c| has(c, &wanted)).collect();
        }
        let Some((_, parent)) = rest.split_once('.') else {
            break;
        };
        wanted = format!("*.{parent}");
        rest = parent;
    }
    chains.into_iter().filter(|c| open(c)).collect()
}

fn by_transport<'a>(chains: Vec<&'a Value>, facts: &Facts<'_>) -> Vec<&'a Value> {
    let transport = |c: &Value| {
        c["filter_chain_match"]["transport_protocol"]
            .as_str()
            .map(str::to_owned)
    };
    keep(
        chains,
        |c| transport(c).as_deref() == Some(facts.transport),
        |c| transport(c).is_none_or(|t| t.is_empty()),
    )
}

fn by_alpn<'a>(chains: Vec<&'a Value>, facts: &Facts<'_>) -> Vec<&'a Value> {
    let protocols = |c: &Value| -> Vec<String> {
        let found = matching(c, "application_protocols").into_iter();
        found.map(str::to_owned).collect()
    };
    for offered in facts.alpn {
        if chains.iter().any(|c| protocols(c).contains(offered)) {
            return chains
                .into_iter()
                .filter(|c| protocols(c).contains(offered))
                .collect();
        }
    }
    chains
        .into_iter()
        .filter(|c| protocols(c).is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(chains: &Value, sni: Option<&str>, transport: &str, alpn: &[&str]) -> Option<String> {
        let alpn: Vec<String> = alpn.iter().map(|p| (*p).to_owned()).collect();
        let facts = Facts {
            address: "10.2.0.8".parse().unwrap(),
            port: 3306,
            server_name: sni,
            transport,
            alpn: &alpn,
        };
        let name = choose(chains, &facts)?["name"].as_str()?.to_owned();
        Some(name)
    }

    fn chain(name: &str, matches: &Value) -> Value {
        json!({"name": name, "filter_chain_match": matches})
    }

    #[test]
    fn the_longest_name_wins() {
        let names = |name: &str, list: &Value| chain(name, &json!({"server_names": list}));
        let listener = json!({"filter_chains": [
            names("whole", &json!(["a.b.example"])), names("near", &json!(["*.b.example"])),
            names("far", &json!(["*.example"]))]});
        let by = |sni: Option<&str>| chosen(&listener, sni, "tls", &[]);
        assert_eq!(by(Some("A.b.example")).as_deref(), Some("whole"));
        assert_eq!(by(Some("x.b.example")).as_deref(), Some("near"));
        assert_eq!(by(Some("y.x.b.example")).as_deref(), Some("near"));
        assert_eq!(by(Some("b.example")).as_deref(), Some("far"));
        assert_eq!(by(Some("elsewhere")), None);
        assert_eq!(by(None), None);
    }

    #[test]
    fn there_is_no_way_back_from_a_step() {
        // The port has chains of its own, so those of every port are not looked at any more.
        let listener = json!({"filter_chains": [
            chain("port", &json!({"destination_port": 3306, "transport_protocol": "tls"})),
            chain("any", &json!({"transport_protocol": "raw_buffer"}))]});
        assert_eq!(chosen(&listener, None, "raw_buffer", &[]), None);
        assert_eq!(chosen(&listener, None, "tls", &[]).as_deref(), Some("port"));
        let mut with_default = listener.clone();
        with_default["default_filter_chain"] = json!({"name": "default"});
        assert_eq!(
            chosen(&with_default, None, "raw_buffer", &[]).as_deref(),
            Some("default")
        );
    }

    #[test]
    fn addresses_and_protocols() {
        let block = |name: &str, start: &str, length: u8| {
            chain(
                name,
                &json!({"prefix_ranges": [{"address_prefix": start, "prefix_len": length}]}),
            )
        };
        let listener = json!({"filter_chains": [block("wide", "10.0.0.0", 8), block("near", "10.2.0.0", 24),
            chain("open", &json!({}))]});
        assert_eq!(
            chosen(&listener, None, "raw_buffer", &[]).as_deref(),
            Some("near")
        );
        let alpn = json!({"filter_chains": [chain("istio", &json!({"application_protocols": ["istio"]})),
            chain("open", &json!({}))]});
        assert_eq!(
            chosen(&alpn, None, "tls", &["h2", "istio"]).as_deref(),
            Some("istio")
        );
        assert_eq!(chosen(&alpn, None, "tls", &["h2"]).as_deref(), Some("open"));
    }
}
