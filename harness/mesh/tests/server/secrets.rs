//! What is served for a credential (`pilot/pkg/credentials/kube/secrets.go`, `pilot/pkg/xds/sds.go`).

use meshproof_mesh::SecretValue;
use serde_json::{Value, json};

use crate::{MESH, compiled, gateway, route, secret, server, with};

fn encoded(text: &str) -> String {
    // Base64 of the few texts below, so that the test does not lean on what it tests.
    match text {
        "cert" => "Y2VydA==",
        "key" => "a2V5",
        "ca" => "Y2E=",
        "list" => "bGlzdA==",
        "other" => "b3RoZXI=",
        _ => "",
    }
    .to_owned()
}

fn data(keys: &[(&str, &str)]) -> Value {
    keys.iter()
        .map(|(key, text)| ((*key).to_owned(), Value::from(encoded(text))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What is served for the key pair and for the authorities of `name`.
fn served(name: &str, objects: Vec<Value>) -> (Option<SecretValue>, Option<SecretValue>) {
    let mut server = server("t", "h.example.com");
    server["tls"]["credentialName"] = name.into();
    let mut all = with(vec![gateway("a", json!([server])), route("v", "a")]);
    all.extend(objects);
    let secrets = compiled(MESH, all, "gw").secrets;
    let of = |suffix: &str| secrets[&format!("kubernetes://{name}{suffix}")].clone();
    (of(""), of("-cacert"))
}

fn pair() -> SecretValue {
    SecretValue::KeyPair {
        certificate_chain: b"cert".to_vec(),
        private_key: b"key".to_vec(),
    }
}

fn authorities(ca: &str, crl: Option<&str>) -> SecretValue {
    SecretValue::Authorities {
        trusted_ca: ca.as_bytes().to_vec(),
        crl: crl.map(|l| l.as_bytes().to_vec()),
    }
}

#[test]
fn a_key_without_a_certificate_is_no_pair_and_empty_values_are_none() {
    let (found, _) = served("c", vec![secret("c", data(&[("tls.key", "key")]))]);
    assert_eq!(found, None);
    let half = data(&[
        ("cert", ""),
        ("key", "key"),
        ("tls.crt", "cert"),
        ("tls.key", "key"),
    ]);
    assert_eq!(served("c", vec![secret("c", half)]).0, Some(pair()));
}

#[test]
fn each_notation_has_its_own_revocation_list() {
    let of = |keys: &[(&str, &str)]| served("c", vec![secret("c", data(keys))]).1;
    assert_eq!(
        of(&[("cacert", "ca"), ("crl", "list")]),
        Some(authorities("ca", Some("list")))
    );
    assert_eq!(
        of(&[("ca.crt", "ca"), ("ca.crl", "list")]),
        Some(authorities("ca", Some("list")))
    );
    assert_eq!(
        of(&[("ca.crt", "ca"), ("crl", "list")]),
        Some(authorities("ca", None))
    );
    assert_eq!(
        of(&[("cacert", ""), ("ca.crt", "ca"), ("ca.crl", "")]),
        Some(authorities("ca", None))
    );
}

#[test]
fn a_secret_of_the_whole_name_hides_the_other_even_without_authorities() {
    let whole = secret("c", data(&[("ca.crt", "ca")]));
    let shadow = secret("c-cacert", data(&[("tls.crt", "cert")]));
    assert_eq!(
        served("c", vec![whole.clone()]).1,
        Some(authorities("ca", None))
    );
    assert_eq!(served("c", vec![whole, shadow]).1, None);
}

#[test]
fn tokens_and_releases_are_not_looked_at() {
    let mut token = secret(
        "c",
        data(&[("tls.crt", "cert"), ("tls.key", "key"), ("ca.crt", "ca")]),
    );
    assert_eq!(served("c", vec![token.clone()]).0, Some(pair()));
    for kind in ["kubernetes.io/service-account-token", "helm.sh/release.v1"] {
        token["type"] = kind.into();
        assert_eq!(served("c", vec![token.clone()]), (None, None));
    }
}

#[test]
fn another_namespaces_secret_is_not_given_out() {
    let own = secret(
        "c",
        data(&[("tls.crt", "cert"), ("tls.key", "key"), ("ca.crt", "ca")]),
    );
    let of = |name: &str| {
        let mut server = server("t", "h.example.com");
        server["tls"]["credentialName"] = format!("kubernetes://{name}").into();
        let objects = with(vec![
            gateway("a", json!([server])),
            route("v", "a"),
            own.clone(),
        ]);
        compiled(MESH, objects, "gw").secrets[&format!("kubernetes://{name}")].clone()
    };
    assert_eq!(of("default/c"), Some(pair()));
    assert_eq!(of("other/c"), None);
}

#[test]
fn authorities_of_a_config_map_come_from_any_namespace() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clients", "namespace": "trust"},
        "data": {"ca.crt": "other", "ca.crl": "list"}});
    let mut server = server("t", "h.example.com");
    server["tls"]["caCertCredentialName"] = "configmap://trust/clients".into();
    let objects = with(vec![gateway("a", json!([server])), route("v", "a"), map]);
    let secrets = compiled(MESH, objects, "gw").secrets;
    assert_eq!(
        secrets["configmap://trust/clients"],
        Some(authorities("other", Some("list")))
    );
}

#[test]
fn files_of_the_gateways_container_are_those_of_the_secrets_mounted_there() {
    let mut server = server("t", "h.example.com");
    server["tls"] = json!({"mode": "MUTUAL", "serverCertificate": "/etc/certs/tls.crt",
        "privateKey": "/etc/certs/tls.key", "caCertificates": "/etc/ca/clients.pem", "subjectAltNames": ["a"]});
    let mut objects = with(vec![
        gateway("a", json!([server])),
        route("v", "a"),
        secret("pair", data(&[("tls.crt", "cert"), ("tls.key", "key")])),
    ]);
    let spec = &mut objects[0]["spec"];
    spec["volumes"] = json!([
        {"name": "p", "secret": {"secretName": "pair"}},
        {"name": "c", "secret": {"secretName": "trust", "optional": true, "items": [{"key": "ca.crt", "path": "clients.pem"}]}},
    ]);
    spec["containers"][0]["volumeMounts"] = json!([
        {"name": "p", "mountPath": "/etc/certs"},
        {"name": "c", "mountPath": "/etc/ca"},
    ]);
    let config = compiled(MESH, objects.clone(), "gw");
    let common = &crate::context(&config)["common_tls_context"];
    let certificate = &common["tls_certificate_sds_secret_configs"][0];
    assert_eq!(
        certificate["name"],
        "file-cert:/etc/certs/tls.crt~/etc/certs/tls.key"
    );
    assert!(certificate["sds_config"]["initial_fetch_timeout"].is_null());
    let validation = &common["combined_validation_context"];
    assert_eq!(
        validation["validation_context_sds_secret_config"]["name"],
        "file-root:/etc/ca/clients.pem"
    );
    assert_eq!(
        validation["default_validation_context"]["match_subject_alt_names"],
        json!([{"exact": "a"}])
    );
    let of = |config: &meshproof_mesh::ProxyConfig, name: &str| config.secrets[name].clone();
    assert_eq!(
        of(&config, "file-cert:/etc/certs/tls.crt~/etc/certs/tls.key"),
        Some(pair())
    );
    // The agent waits for a file that is not there, and takes it up when it comes.
    assert_eq!(of(&config, "file-root:/etc/ca/clients.pem"), None);
    objects.push(secret("trust", data(&[("ca.crt", "ca")])));
    let config = compiled(MESH, objects, "gw");
    assert_eq!(
        of(&config, "file-root:/etc/ca/clients.pem"),
        Some(authorities("ca", None))
    );
}
