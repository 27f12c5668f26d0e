//! `Gateway`.

use serde_json::{Value, json};

use super::{many, says, warns};

fn server(port: Value, more: Value) -> Value {
    let mut server = json!({"port": port, "hosts": ["a.example.com"]});
    for (key, value) in more.as_object().unwrap() {
        server[key] = value.clone();
    }
    json!({"selector": {"a": "b"}, "servers": [server]})
}

fn tls(settings: Value) -> Value {
    let port = json!({"number": 443, "name": "t", "protocol": "TLS"});
    server(port, json!({"tls": settings}))
}

fn tcp(more: Value) -> Value {
    server(json!({"number": 1, "name": "t", "protocol": "TCP"}), more)
}

/// `validateServer`, `validateServerPort`, `validateServerBind`.
#[test]
fn servers_of_gateways() {
    let port = |p: Value| server(p, json!({}));
    let port_0 = "port number 0 must be in the range 1..65535";
    for (spec, want) in [
        (json!({"servers": []}), "gateway must have at least one server".into()),
        (port(json!({"number": 0, "name": "t", "protocol": "TCP"})), port_0.to_owned()),
        (
            port(json!({"number": 65536, "name": "t", "protocol": "TCP"})),
            "port number 65536 must be in the range 1..65535".into(),
        ),
        (
            port(json!({"number": 1, "name": "t", "protocol": "T\"CP"})),
            "invalid protocol \"T\\\"CP\", supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP".into(),
        ),
        (
            port(json!({"number": 1, "name": "t", "protocol": "TCP", "targetPort": 2})),
            "targetPort has no impact on Gateways".into(),
        ),
        (tcp(json!({"bind": "a.b"})), "a.b is not a valid IP".into()),
        (tcp(json!({"bind": "unix://a"})), many(&[
            "a is not an absolute path to a file",
            "port number must be 0 for unix domain socket: number:1  protocol:\"TCP\"  name:\"t\"",
        ])),
        (tcp(json!({"hosts": []})), "server config must contain at least one host".into()),
        (tcp(json!({"hosts": ["short"]})), "short names (non FQDN) are not allowed".into()),
        (tcp(json!({"hosts": ["ns/"]})), many(&[
            "config namespace and dnsName in host entry cannot be empty",
            "short names (non FQDN) are not allowed",
            "empty domain name not allowed",
        ])),
        (tcp(json!({"hosts": ["n_s/a.b"]})), "invalid namespace value \"n_s\" in gateway".into()),
        (tcp(json!({"hosts": ["*-a.b"]})), "partial wildcard \"*-a.b\" not allowed".into()),
        (tcp(json!({"hosts": ["10.0.0.1"]})), String::new()),
        (tcp(json!({"hosts": ["a..b"]})), // Istio shows what follows the first label.
            "domain name \".b\" invalid (label \"\" invalid)".into()),
        (
            tcp(json!({"hosts": ["a.1"]})),
            "domain name \"1\" invalid (top level domain \"1\" cannot be all-numeric)".into(),
        ),
        (
            tcp(json!({"tls": {"mode": "SIMPLE", "credentialName": "c"}})),
            "server cannot have TLS settings for non HTTPS/TLS ports".into(),
        ),
        (
            server(json!({"number": 443, "name": "t", "protocol": "TLS"}), json!({})),
            "server must have TLS settings for HTTPS/TLS protocols".into(),
        ),
    ] {
        says("Gateway", spec, &want);
    }
    let one = tcp(json!({}))["servers"][0].clone();
    says(
        "Gateway",
        json!({"servers": [one.clone(), one]}),
        "port names in servers must be unique: duplicate name t",
    );
}

/// `validateTLSOptions`.
#[test]
fn tls_of_gateways() {
    let only_one = "only one of credential_name, credential_names, server_certificate/private_key, tls_certificates should be specified";
    for (settings, want) in [
        (
            json!({"mode": "SIMPLE"}),
            many(&[
                "SIMPLE TLS requires a server certificate",
                "SIMPLE TLS requires a private key",
            ]),
        ),
        (
            json!({"mode": "OPTIONAL_MUTUAL", "serverCertificate": "a"}),
            many(&[
                "MUTUAL TLS requires a client CA bundle",
                "MUTUAL TLS requires a private key",
            ]),
        ),
        (
            json!({"mode": "MUTUAL", "caCertificates": "c", "tlsCertificates": [{"privateKey": "k"}]}),
            "MUTUAL TLS requires a server certificate".into(),
        ),
        (
            json!({"mode": "SIMPLE", "credentialName": "a", "credentialNames": ["b"]}),
            only_one.into(),
        ),
        (
            json!({"mode": "SIMPLE", "serverCertificate": "a", "privateKey": "b", "caCrl": "c"}),
            "CRL is not supported with SIMPLE TLS".into(),
        ),
        (
            json!({"mode": "PASSTHROUGH", "credentialName": "a", "caCrl": "c"}),
            "CRL is not supported with credentialName. CRL has to be specified in the credential"
                .into(),
        ),
        // Nothing more is asked where the credential is a Secret.
        (
            json!({"mode": "SIMPLE", "credentialName": "a", "caCrl": "c"}),
            String::new(),
        ),
        (
            json!({"mode": "ISTIO_MUTUAL", "serverCertificate": "a", "privateKey": "b", "caCertificates": "c"}),
            many(&[
                "ISTIO_MUTUAL TLS cannot have associated server certificate",
                "ISTIO_MUTUAL TLS cannot have associated private key",
                "ISTIO_MUTUAL TLS cannot have associated CA bundle",
            ]),
        ),
    ] {
        says("Gateway", tls(settings), &want);
    }
    let credential =
        json!({"mode": "SIMPLE", "credentialName": "c", "minProtocolVersion": "TLSV1_0"});
    warns(
        "Gateway",
        tls(credential),
        &[
            "TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.",
        ],
    );
    let ciphers = json!(["NONE", "AES128-SHA", "AES128-SHA", "ALSO-NONE", "!x"]);
    warns(
        "Gateway",
        tls(json!({"mode": "SIMPLE", "credentialName": "c", "cipherSuites": ciphers})),
        &[
            "ignoring invalid cipher suites: [ALSO-NONE NONE]",
            "ignoring duplicate cipher suites: [AES128-SHA]",
        ],
    );
    warns(
        "Gateway",
        tls(json!({"mode": "PASSTHROUGH", "credentialName": "c"})),
        &["PASSTHROUGH mode does not use certificates, they will be ignored"],
    );
}
