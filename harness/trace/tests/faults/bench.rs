//! The tutorial's two clusters with one fault.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::SystemTime};

use meshproof_mesh::{ClusterFile, MeshConfig};
use meshproof_pki::{Flaw, RunPki, Signer, Trust, Wanted, Which};
use meshproof_trace::{ClientTls, Cluster, Opening, Query, TlsVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::recorded::Recorded;

/// The name that certificates are for.
pub(crate) const NAME: &str = "203.0.113.10.nip.io";

/// A fault, as a change of the tutorial.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) id: String,
    tls: Option<String>,
    #[serde(default)]
    shows: BTreeMap<String, String>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    mesh: BTreeMap<String, Value>,
    #[serde(default)]
    change: Vec<Change>,
    #[serde(default)]
    opens: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    client: Option<String>,
    server: Option<String>,
    patch: Option<Value>,
    add: Option<Value>,
    #[serde(default)]
    remove: bool,
}

const OUTSIDE: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: outsider, namespace: unencrypted},
    spec: {containers: [{name: mysql}]}, status: {podIP: 10.2.0.77}}";

/// The objects of one of the tutorial's clusters, with certificates in place of stand-ins.
struct Bench<'a> {
    pki: &'a RunPki,
    client: Vec<Value>,
    server: Vec<Value>,
}

/// Builds the clusters of a fault.
pub(crate) fn clusters(fault: &Fault, pki: &RunPki) -> Vec<Cluster> {
    let mut bench = Bench {
        pki,
        client: objects("client-tutorial"),
        server: objects("server-tutorial"),
    };
    bench.server.push(serde_saphyr::from_str(OUTSIDE).unwrap());
    bench.certificates(fault);
    if let Some(version) = &fault.tls {
        let version = json!(format!("TLSV{}", version.replace('.', "_")));
        let gateway = find(&mut bench.server, "Gateway/gateway-mysql");
        for field in ["minProtocolVersion", "maxProtocolVersion"] {
            gateway["spec"]["servers"][0]["tls"][field] = version.clone();
        }
    }
    for change in &fault.change {
        bench.change(change);
    }
    let mesh = |cluster: &str| {
        let mut mesh = fault
            .mesh
            .get(cluster)
            .cloned()
            .unwrap_or_else(|| json!({}));
        mesh["accessLogFile"] = "/dev/stdout".into();
        MeshConfig::from_yaml(&mesh.to_string()).unwrap()
    };
    let shared = |objects: Vec<Value>| objects.into_iter().map(Arc::new).collect();
    vec![
        Cluster::new("client", mesh("client"), shared(bench.client)),
        Cluster::new("server", mesh("server"), shared(bench.server)),
    ]
}

fn objects(case: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../mesh/tests/oracle/cases")
        .join(case)
        .join("cluster.yaml");
    let file = ClusterFile::read(case, &fs::read_to_string(path).unwrap()).unwrap();
    file.objects().iter().map(|o| (**o).clone()).collect()
}

fn find<'a>(objects: &'a mut [Value], wanted: &str) -> &'a mut Value {
    let (kind, name) = wanted.split_once('/').unwrap();
    objects
        .iter_mut()
        .find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {wanted}"))
}

impl Bench<'_> {
    fn certificates(&mut self, fault: &Fault) {
        let kind = |side: &str| fault.shows.get(side).map_or("good", String::as_str);
        let client = wanted(Which::Client, kind("client"));
        let mut server = wanted(Which::Application, kind("server"));
        if fault.revoked {
            server.revokes = vec![Which::Client];
        }
        let data = |wanted| -> BTreeMap<String, String> {
            let data = self.pki.secret(wanted).unwrap().into_iter();
            data.map(|(key, value)| (key, base64(&value))).collect()
        };
        find(&mut self.client, "Secret/client-credential")["data"] = json!(data(&client));
        find(&mut self.server, "Secret/mysql-credential")["data"] = json!(data(&server));
    }

    fn change(&mut self, change: &Change) {
        let (objects, name) = match (&change.client, &change.server) {
            (Some(name), None) => (&mut self.client, name),
            (None, Some(name)) => (&mut self.server, name),
            _ => panic!("a change is of one cluster"),
        };
        if let Some(object) = &change.add {
            let other = self.pki.authorities_pem(&[Trust::Other]).unwrap();
            let text = object
                .to_string()
                .replace("$unknown-ca", &base64(other.as_bytes()));
            objects.push(serde_json::from_str(&text).unwrap());
        } else if change.remove {
            let gone = find(objects, name).clone();
            objects.retain(|o| *o != gone);
        } else {
            let patch: json_patch::Patch =
                serde_json::from_value(change.patch.clone().unwrap()).unwrap();
            json_patch::patch(find(objects, name), &patch).unwrap();
        }
    }
}

fn base64(content: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(content)
}

/// The certificates that a fault names.
fn wanted(which: Which, kind: &str) -> Wanted {
    let good = Wanted::good(which);
    let flaw = match kind {
        "good" => return good,
        "new-authority" => {
            return Wanted {
                signer: Signer::New,
                trusts: vec![Trust::New],
                ..good
            };
        }
        "expired" => Flaw::Expired,
        "server-purpose" => Flaw::WrongPurpose,
        "other-name" => Flaw::OtherName,
        "unknown-ca" => Flaw::UnknownCa,
        other => panic!("no such certificate: {other}"),
    };
    Wanted {
        flaw: Some(flaw),
        ..good
    }
}

/// The question that the recording answers.
pub(crate) fn query(fault: &Fault, recorded: &Recorded, pki: &RunPki) -> Query {
    let from = match recorded.source.as_str() {
        "pod with sidecar in the client cluster" => "client:default/mysql-client-1",
        "pod without sidecar in the client cluster" => "client:unencrypted/mysql-client-2",
        "pod without sidecar in the server cluster" => "server:unencrypted/outsider",
        other => panic!("no pod for: {other}"),
    };
    let (host, port) = recorded.target.rsplit_once(':').unwrap();
    let opening = match recorded.speaks.as_str() {
        "tls" => Opening::Tls(tls(fault, pki)),
        text if text.starts_with("plaintext") => Opening::Plaintext,
        _ => Opening::ServerFirst,
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Query {
        from: from.to_owned(),
        host: host.to_owned(),
        port: port.parse().unwrap(),
        opening,
        resolve: BTreeMap::new(),
        seen_as: None,
        at: i64::try_from(now.as_secs()).unwrap(),
    }
}

fn tls(fault: &Fault, pki: &RunPki) -> ClientTls {
    let said = |key: &str| fault.opens.get(key).map(String::as_str);
    let certificate = said("certificate").map(|kind| {
        let shown = pki.credential(&wanted(Which::Client, kind)).unwrap();
        shown.chain_pem().into_bytes()
    });
    ClientTls {
        sni: Some(said("sni").unwrap_or(NAME).to_owned()),
        alpn: Vec::new(),
        min: said("min").and_then(TlsVersion::parse),
        max: said("max").and_then(TlsVersion::parse),
        certificate,
        authorities: None,
    }
}
