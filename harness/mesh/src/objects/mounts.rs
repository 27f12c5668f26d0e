//! Files in a proxy's container that come from Secrets.

use std::collections::BTreeMap;

use serde_json::Value;

/// A Secret at a path of the proxy's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    path: String,
    /// The Secret's name.
    pub(crate) secret: String,
    /// The keys of the Secret by their files; empty where every key is a file of its name.
    items: BTreeMap<String, String>,
    /// The one file that is mounted, if it is one.
    file: Option<String>,
}

impl Mount {
    /// The key of the Secret behind a file, if the file is below the mount.
    pub(crate) fn key<'a>(&'a self, file: &'a str) -> Option<&'a str> {
        let rest = file.strip_prefix(self.path.trim_end_matches('/'))?;
        let name = match &self.file {
            Some(name) if rest.is_empty() => name,
            Some(_) => return None,
            None => rest.strip_prefix('/')?,
        };
        if self.items.is_empty() {
            return Some(name);
        }
        self.items.get(name).map(String::as_str)
    }
}

/// The mounts of a pod's proxy.
pub(crate) fn of(spec: &Value) -> Vec<Mount> {
    let list = |v: &'_ Value| v.as_array().cloned().unwrap_or_default();
    let volumes = list(&spec["volumes"]);
    let containers = [list(&spec["initContainers"]), list(&spec["containers"])].concat();
    let proxy = containers.iter().find(|c| c["name"] == "istio-proxy");
    proxy
        .map(|p| list(&p["volumeMounts"]))
        .unwrap_or_default()
        .iter()
        .filter_map(|mount| {
            let volume = volumes.iter().find(|v| v["name"] == mount["name"])?;
            let secret = &volume["secret"];
            Some(Mount {
                path: mount["mountPath"].as_str()?.to_owned(),
                secret: secret["secretName"].as_str()?.to_owned(),
                items: items(&secret["items"]),
                file: mount["subPath"].as_str().map(str::to_owned),
            })
        })
        .collect()
}

fn items(items: &Value) -> BTreeMap<String, String> {
    let item = |i: &Value| {
        Some((
            i["path"].as_str()?.to_owned(),
            i["key"].as_str()?.to_owned(),
        ))
    };
    items
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(item)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn files_are_keys_by_path_item_or_alone() {
        let mount = |more: serde_json::Value| {
            let mut mount = json!({"name": "v", "mountPath": "/etc/certs"});
            mount
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            mount
        };
        let spec = |mount: serde_json::Value, items: serde_json::Value| {
            json!({"volumes": [{"name": "v", "secret": {"secretName": "s", "items": items}}],
                "containers": [{"name": "istio-proxy", "volumeMounts": [mount]}]})
        };
        let whole = &of(&spec(mount(json!({})), json!(null)))[0];
        assert_eq!(whole.secret, "s");
        assert_eq!(whole.key("/etc/certs/tls.crt"), Some("tls.crt"));
        assert_eq!(whole.key("/etc/certs2/tls.crt"), None);
        let some = &of(&spec(
            mount(json!({})),
            json!([{"key": "tls.crt", "path": "a.pem"}]),
        ))[0];
        assert_eq!(some.key("/etc/certs/a.pem"), Some("tls.crt"));
        assert_eq!(some.key("/etc/certs/tls.crt"), None);
        let one = &of(&spec(mount(json!({"subPath": "ca.crt"})), json!(null)))[0];
        assert_eq!(one.key("/etc/certs"), Some("ca.crt"));
        assert_eq!(one.key("/etc/certs/ca.crt"), None);
    }
}
