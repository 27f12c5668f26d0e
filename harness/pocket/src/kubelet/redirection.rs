//! The arguments of `istio-iptables` as redirection rules.
//!
//! Flags as Istio's injection template writes them (`tools/istio-iptables/pkg/cmd/root.go`). One that
//! is not known here is an error: rules that silently differ would prove the wrong thing.

use meshproof_pocket_node::rules::CaptureRules;
use serde_json::Value;

use crate::images::{self, Image};

/// The ruleset, where a container is one of Istio's that only sets up redirection.
pub(super) fn asked_for(container: &Value) -> Option<Result<String, String>> {
    let args = container["args"].as_array()?;
    let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
    let image = images::resolve(container["image"].as_str().unwrap_or_default());
    (image == Some(Image::Proxy) && args.first() == Some(&"istio-iptables")).then(|| rules(&args))
}

/// The ruleset for the arguments of an `istio-init` container.
fn rules(args: &[&str]) -> Result<String, String> {
    let mut rules = CaptureRules::default();
    let mut args = args.iter().skip(1);
    while let Some(flag) = args.next() {
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, value),
            None => (
                *flag,
                *args
                    .next()
                    .ok_or_else(|| format!("istio-iptables: {flag} has no value"))?,
            ),
        };
        apply(&mut rules, flag, value)?;
    }
    Ok(rules.ruleset())
}

fn apply(rules: &mut CaptureRules, flag: &str, value: &str) -> Result<(), String> {
    let unsupported = || {
        Err(format!(
            "istio-iptables: {flag} {value}: not supported by the embedded node"
        ))
    };
    match flag {
        "-p" | "--envoy-port" => rules.outbound_port = number(flag, value)?,
        "-z" | "--inbound-capture-port" => rules.inbound_port = number(flag, value)?,
        "-d" | "--istio-local-exclude-ports" => rules.excluded_inbound_ports = list(flag, value)?,
        "-o" | "--istio-local-outbound-ports-exclude" => {
            rules.excluded_outbound_ports = list(flag, value)?;
        }
        "-x" | "--istio-service-exclude-cidr" => {
            rules.excluded_outbound_ranges = words(value)
                .map(|w| {
                    w.parse()
                        .map_err(|e| format!("istio-iptables: {flag}: {e}"))
                })
                .collect::<Result<_, _>>()?;
        }
        // The proxy is told from others by its mark, not by this user.
        "-u" | "--proxy-uid" | "-g" | "--proxy-gid" | "--log_output_level" => {}
        "-m" | "--istio-inbound-interception-mode" if value == "REDIRECT" => {}
        "-i" | "--istio-service-cidr" | "-b" | "--istio-inbound-ports" if value == "*" => {}
        _ => return unsupported(),
    }
    Ok(())
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|w| !w.is_empty())
}

fn number(flag: &str, value: &str) -> Result<u16, String> {
    value
        .parse()
        .map_err(|_| format!("istio-iptables: {flag} {value}: not a port"))
}

fn list(flag: &str, value: &str) -> Result<Vec<u16>, String> {
    words(value).map(|w| number(flag, w)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: [&str; 18] = [
        "istio-iptables",
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
        "--log_output_level=default:info",
    ];

    #[test]
    fn the_templates_arguments_are_understood() {
        let text = rules(&TEMPLATE).expect("rules");
        assert!(
            text.contains("redirect to :15001") && text.contains("redirect to :15006"),
            "{text}"
        );
    }

    #[test]
    fn exclusions_are_kept_and_strangers_refused() {
        let text = rules(&["istio-iptables", "-o", "3307", "-x", "10.0.0.0/8"]).expect("rules");
        assert!(
            text.contains("3307") && text.contains("10.0.0.0/8"),
            "{text}"
        );
        assert!(
            rules(&["istio-iptables", "-m", "TPROXY"])
                .expect_err("tproxy")
                .contains("not supported")
        );
        assert!(
            rules(&["istio-iptables", "-b", "3306"])
                .expect_err("ports")
                .contains("not supported")
        );
        assert!(
            rules(&["istio-iptables", "-p"])
                .expect_err("value")
                .contains("no value")
        );
    }
}
