//! The prober in pods: what the ingress gateway does to a client without a sidecar, as that client sees
//! it, and the servers that the prober has.

use std::collections::BTreeMap;

use meshproof_cluster::{ClientPod, Command, PodRef, Side};
use meshproof_pki::{Credential, RunPki, Trust, Wanted, Which};
use meshproof_probe::{
    ClientCertificate, IMAGE, Opening, ProbeReport, Request, TlsOpening, TlsVersion,
};
use meshproof_record::{Cause, Hop, ProbeEnd, ProbeTcpEnd};
use meshproof_runner::{Explained, Shape, explain};
use serde_json::json;

use crate::logs::Marks;
use crate::wait::until;
use crate::world::{World, good};

const OUTSIDE: &str = "unencrypted";
const DATABASE: &str = "app=mysql";
/// Where the ingress gateway takes MySQL.
const GATEWAY_PORT: u16 = 13306;

/// A pod of the prober, without a sidecar.
struct Prober<'a> {
    world: &'a World,
    side: Side,
    pod: PodRef,
}

impl<'a> Prober<'a> {
    async fn start(world: &'a World, side: Side) -> Self {
        let pod = ClientPod {
            host_aliases: BTreeMap::new(),
            without_sidecar: false,
            pod: PodRef::new(OUTSIDE, "prober"),
            image: IMAGE.to_owned(),
            env: BTreeMap::new(),
        };
        let access = world.clusters.get(side);
        access.create_client_pod(&pod).await.unwrap();
        access.wait_pod_ready(&pod.pod).await.unwrap();
        let pod = pod.pod;
        Self { world, side, pod }
    }

    async fn probe(&self, host: &str, port: u16, hold_ms: u64, opening: Opening) -> ProbeReport {
        let request = Request {
            host: host.to_owned(),
            port,
            timeout_ms: 1000,
            hold_ms,
            opening,
        };
        let command = Command {
            pod: self.pod.clone(),
            container: ClientPod::CONTAINER.to_owned(),
            argv: Request::command(),
            stdin: request.input().unwrap(),
        };
        let output = self.world.clusters.get(self.side).run(&command).await;
        let output = output.unwrap();
        let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
        ProbeReport::of_output(output.exit, &stdout, &stderr).unwrap()
    }

    /// The gateway's answer to a TLS client.
    async fn tls(&self, opening: TlsOpening) -> ProbeReport {
        let opening = Opening::Tls(Box::new(opening));
        self.probe(&self.world.url, GATEWAY_PORT, 5000, opening)
            .await
    }
}

fn of(world: &World, version: TlsVersion, shown: Option<&Credential>) -> TlsOpening {
    TlsOpening {
        sni: Some(world.url.clone()),
        min: version,
        max: version,
        certificate: shown.map(|credential| ClientCertificate {
            chain_pem: credential.chain_pem(),
            key_pem: credential.key().pem(),
        }),
        ..TlsOpening::default()
    }
}

/// What the attribution makes of a session of the prober, and of what the proxies logged since `marks`.
fn explained(world: &World, marks: &Marks, report: &ProbeReport) -> Explained {
    let logs = world.logs.since(marks);
    let lines = |hop| -> Vec<&str> { logs[&hop].iter().map(|line| line.raw.as_str()).collect() };
    let record = json!({
        "source": "pod without sidecar in the client cluster",
        "target": format!("{}:{}", report.host, report.port),
        "speaks": if report.tls.is_some() { "tls" } else { "plaintext" },
        "client": {"exit": 0, "stdout": serde_json::to_string(report).unwrap()},
        "logs": {"client": lines(Hop::ClientSidecar), "egress": lines(Hop::Egress),
                 "ingress": lines(Hop::Ingress), "server": lines(Hop::ServerSidecar)},
    });
    explain(&record.to_string(), Shape::Default).unwrap()
}

fn found(explained: &Explained) -> (Option<Hop>, Option<Cause>) {
    (explained.hop, explained.cause)
}

/// The alert that came, and whether it came behind the handshake.
fn alert(report: &ProbeReport) -> Option<(u8, bool)> {
    let alert = report.tls.as_ref()?.alert_received.as_ref()?;
    Some((alert.number, alert.after_finish))
}

pub(crate) async fn the_ingress_gateway_says_why_it_refuses(world: &mut World) {
    let made = world.certify().await;
    let client = made.credential(&good(Side::Client)).unwrap();
    let stranger = RunPki::new(&world.url).unwrap();
    let stranger = stranger.credential(&good(Side::Client)).unwrap();
    let world = &*world;
    let prober = Prober::start(world, Side::Client).await;
    for (version, none) in [
        (TlsVersion::V12, (40, false)),
        (TlsVersion::V13, (116, true)),
    ] {
        let late = none.1;
        let through = prober.tls(of(world, version, Some(&client))).await;
        assert!(through.greeted(), "{through:#?}");
        let tls = through.tls.as_ref().unwrap();
        assert_eq!(tls.version.as_deref(), Some(version.number()));
        assert_eq!(tls.chain[0].subject, format!("CN={}", world.url));
        assert!(through.first_bytes.as_ref().unwrap().protected && tls.certificate_sent);
        let marks = world.logs.mark();
        let bare = prober.tls(of(world, version, None)).await;
        world.logs.line(&marks, Hop::Ingress, |_| true).await;
        let refusal = explained(world, &marks, &bare);
        let expected = (Some(Hop::Ingress), Some(Cause::NoClientCertificate));
        assert_eq!(found(&refusal), expected, "{refusal:#?}");
        assert_eq!(alert(&bare), Some(none), "{bare:#?}");
        assert_eq!(bare.tls.as_ref().unwrap().asked_for_certificate, Some(true));
        let foreign = of(world, version, Some(&stranger));
        let foreign = prober.tls(foreign).await;
        // Its authority has the same name as the one that is trusted, and another key.
        assert_eq!(alert(&foreign), Some((48, late)), "{foreign:#?}");
        assert!(!bare.greeted() && !foreign.greeted());
    }
    for version in [TlsVersion::V10, TlsVersion::V11] {
        let old = prober.tls(of(world, version, None)).await;
        assert_eq!(alert(&old), Some((70, false)), "{old:#?}");
    }
    let mut misnamed = of(world, TlsVersion::V13, Some(&client));
    misnamed.sni = Some("other.example".to_owned());
    let misnamed = prober.tls(misnamed).await;
    assert_eq!((alert(&misnamed), misnamed.first_bytes), (None, None));
    assert_ne!(misnamed.end, ProbeEnd::Held);
    let speak = Opening::Speak("SELECT 1;\r\n".to_owned());
    let plain = prober.probe(&world.url, GATEWAY_PORT, 5000, speak).await;
    assert_ne!(plain.end, ProbeEnd::Held, "{plain:#?}");
    assert_eq!(plain.first_bytes, None);
    let dropped = prober.probe(&world.url, 3306, 100, Opening::Silent).await;
    assert!(dropped.every_address(|end| end == ProbeTcpEnd::TimedOut));
    let unknown = prober.probe("a.invalid", 1, 100, Opening::Silent).await;
    assert!(unknown.dns.error.is_some() && unknown.tcp.is_empty());
}

pub(crate) async fn a_database_that_never_greets_is_told(world: &mut World) {
    let made = world.certify().await;
    let image = "image: mysql:5.6";
    let hush = format!("image: {IMAGE}\n        command: [meshproof-probe, hush, \"3306\"]");
    let database = world.changed("mysql.yaml", image, &hush);
    let server = &world.clusters.server;
    let before = server.ready_pods("default", DATABASE).await.unwrap();
    world.apply(Side::Server, &database).await;
    until("another database", server.facts.ready_within, async || {
        let now = server.ready_pods("default", DATABASE).await.unwrap();
        let other = now.len() == 1 && now != before;
        other.then_some(()).ok_or_else(|| format!("{now:?}"))
    })
    .await;
    world.settle(Side::Server).await;
    world.logs.follow_database(&world.clusters).await;
    let world = &*world;
    let marks = world.logs.mark();
    let prober = Prober::start(world, Side::Client).await;
    let client = made.credential(&good(Side::Client)).unwrap();
    let opening = of(world, TlsVersion::V13, Some(&client));
    let opening = Opening::Tls(Box::new(opening));
    let held = prober.probe(&world.url, GATEWAY_PORT, 300, opening).await;
    assert_eq!(
        (held.end, held.greeted()),
        (ProbeEnd::Held, false),
        "{held:#?}"
    );
    world.logs.line(&marks, Hop::ServerSidecar, |_| true).await;
    let silence = explained(world, &marks, &held);
    let expected = (Some(Hop::Mysqld), Some(Cause::NoGreeting));
    assert_eq!(found(&silence), expected, "{silence:#?}");
}

pub(crate) async fn its_servers_run_in_pods(world: &mut World) {
    let made = RunPki::new("partner.example").unwrap();
    let world = &*world;
    let side = Side::Server;
    let access = world.clusters.get(side);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OUTSIDE}});
    world.apply(side, &namespace.to_string()).await;
    let data = made.secret(&Wanted::good(Which::Application)).unwrap();
    let secret = access.apply_secret(OUTSIDE, "partner", data);
    secret.await.unwrap();
    let options = [
        "meshproof-probe endpoint --listen 0.0.0.0:13306",
        "--certificate /certificate --to 127.0.0.1:3306",
    ];
    let options = options.join(" ");
    let options: Vec<&str> = options.split(' ').collect();
    let ready = |port: u16| json!({"tcpSocket": {"port": port}});
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "partner", "namespace": OUTSIDE},
         "spec": {
            "volumes": [{"name": "certificate", "secret": {"secretName": "partner"}}],
            "containers": [
                {"name": "endpoint", "image": IMAGE, "command": options, "readinessProbe": ready(13306),
                 "volumeMounts": [{"name": "certificate", "mountPath": "/certificate"}]},
                {"name": "mysql", "image": "mysql:8.4", "readinessProbe": ready(3306),
                 "env": [{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "1"}]},
            ]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hush", "namespace": OUTSIDE},
         "spec": {"containers": [{"name": "hush", "image": IMAGE, "readinessProbe": ready(3306),
                                  "command": ["meshproof-probe"], "args": ["hush", "3306"]}]}},
    ]});
    for pod in pods["items"].as_array().unwrap() {
        world.write(side, &pod.to_string()).await;
    }
    let prober = Prober::start(world, side).await;
    let address = async |name| {
        let pod = PodRef::new(OUTSIDE, name);
        access.wait_pod_ready(&pod).await.unwrap();
        access.pod_ip(&pod).await.unwrap().unwrap()
    };
    let hush = address("hush").await;
    let silent = prober.probe(&hush, 3306, 100, Opening::Silent).await;
    assert_eq!((silent.end, silent.first_bytes), (ProbeEnd::Held, None));
    let partner = address("partner").await;
    let client = made.credential(&Wanted::good(Which::Client)).unwrap();
    let mut opening = of(world, TlsVersion::V13, Some(&client));
    opening.sni = Some("partner.example".to_owned());
    opening.trust_pem = Some(made.authorities_pem(&[Trust::Run]).unwrap());
    let tls = |opening: &TlsOpening| Opening::Tls(Box::new(opening.clone()));
    let good = prober.probe(&partner, GATEWAY_PORT, 5000, tls(&opening));
    let good = good.await;
    assert!(good.greeted(), "{good:#?}");
    opening.certificate = None;
    let bare = prober.probe(&partner, GATEWAY_PORT, 5000, tls(&opening));
    let bare = bare.await;
    assert_eq!(alert(&bare), Some((116, true)), "{bare:#?}");
}
