//! Envoy's configuration dump.
//!
//! Shapes: `envoy/admin/v3/config_dump_shared.proto` (`DynamicListener`, `DynamicCluster`).

use serde_json::Value;

/// One listener or cluster of the dump.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// The listener's or cluster's name.
    pub name: String,
    /// What serves.
    pub active: Option<Value>,
    /// What waits to replace it, or to serve for the first time.
    pub warming: Option<Value>,
    /// Why the last update of it was refused.
    pub error: Option<String>,
}

/// What the proxy holds of what came over ADS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Listeners.
    pub listeners: Vec<Held>,
    /// Clusters.
    pub clusters: Vec<Held>,
}

/// Adds one answer of `/config_dump?resource=...` to `content`; `warming` says whether clusters in it warm.
pub fn parse_content(body: &[u8], warming: bool, content: &mut Content) -> Result<(), String> {
    let dump: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let Some(entries) = dump.get("configs").and_then(Value::as_array) else {
        // A field without entries is dumped as an empty object.
        return if dump.as_object().is_some_and(serde_json::Map::is_empty) {
            Ok(())
        } else {
            Err("configs is missing".to_owned())
        };
    };
    for entry in entries {
        match entry
            .get("@type")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            kind if kind.ends_with("DynamicListener") => listener(entry, &mut content.listeners)?,
            kind if kind.ends_with("DynamicCluster") => {
                cluster(entry, warming, &mut content.clusters)?;
            }
            other => return Err(format!("unexpected entry of type {other:?}")),
        }
    }
    Ok(())
}

/// A refused update is an entry of its own, with the name only in the configuration that failed.
fn listener(entry: &Value, listeners: &mut Vec<Held>) -> Result<(), String> {
    let failed = || {
        entry
            .get("error_state")?
            .get("failed_configuration")?
            .get("name")
    };
    let name = entry
        .get("name")
        .or_else(failed)
        .and_then(Value::as_str)
        .ok_or("a listener without a name")?;
    let state = |state: &str| entry.get(state)?.get("listener").cloned();
    let held = held(listeners, name);
    held.active = held.active.take().or_else(|| state("active_state"));
    held.warming = held.warming.take().or_else(|| state("warming_state"));
    held.error = held.error.take().or_else(|| error_details(entry));
    Ok(())
}

fn cluster(entry: &Value, warms: bool, clusters: &mut Vec<Held>) -> Result<(), String> {
    let cluster = entry
        .get("cluster")
        .ok_or("a cluster entry without a cluster")?;
    let name = cluster
        .get("name")
        .and_then(Value::as_str)
        .ok_or("a cluster without a name")?;
    let held = held(clusters, name);
    held.error = held.error.take().or_else(|| error_details(entry));
    *(if warms {
        &mut held.warming
    } else {
        &mut held.active
    }) = Some(cluster.clone());
    Ok(())
}

/// The entry of that name, added where it is not there yet.
fn held<'a>(all: &'a mut Vec<Held>, name: &str) -> &'a mut Held {
    let index = all
        .iter()
        .position(|held| held.name == name)
        .unwrap_or_else(|| {
            all.push(Held {
                name: name.to_owned(),
                ..Held::default()
            });
            all.len() - 1
        });
    &mut all[index]
}

fn error_details(entry: &Value) -> Option<String> {
    let details = entry.get("error_state")?.get("details")?;
    details.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENER: &str = r#"{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener",
        "name":"l","active_state":{"listener":{"name":"l"}},"error_state":{"details":"no"}}]}"#;
    const CLUSTER: &str = r#"{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster",
        "cluster":{"name":"c"}}]}"#;

    #[test]
    fn a_cluster_may_serve_and_warm_at_once() {
        let mut content = Content::default();
        for (body, warming) in [
            ("{}", false),
            (LISTENER, false),
            (CLUSTER, false),
            (CLUSTER, true),
        ] {
            parse_content(body.as_bytes(), warming, &mut content).unwrap();
        }
        assert_eq!(content.listeners[0].error.as_deref(), Some("no"));
        assert!(content.listeners[0].warming.is_none());
        assert!(content.clusters[0].active.is_some() && content.clusters[0].warming.is_some());
    }

    #[test]
    fn anything_else_is_an_error() {
        let mut content = Content::default();
        for wrong in [
            "",
            "[]",
            r#"{"config":1}"#,
            r#"{"configs":[{"@type":"x"}]}"#,
            &CLUSTER.replace("name", "nam"),
        ] {
            assert!(
                parse_content(wrong.as_bytes(), false, &mut content).is_err(),
                "{wrong}"
            );
        }
    }
}
