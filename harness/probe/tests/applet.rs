//! The prober as a program under its own name: its requests, its exit codes, its servers.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};

use libtest_mimic::{Arguments, Trial};
use meshproof_probe::{COMMAND, ClientCertificate, Opening, ProbeReport, Request, TlsVersion};
use meshproof_record::ProbeEnd;
use serde_json::Value;
use support::{GREETING, Pki, Server, of, request, tls};

fn main() -> ExitCode {
    if let Some(code) = meshproof_probe::entry() {
        return code;
    }
    let tests: [(&str, fn()); 5] = [
        ("a_request_gives_a_report", a_request_gives_a_report),
        ("a_bad_request_gives_none", a_bad_request_gives_none),
        ("hush_never_says_anything", hush_never_says_anything),
        (
            "the_endpoint_lets_only_its_clients_in",
            the_endpoint_lets_only_its_clients_in,
        ),
        (
            "the_endpoint_names_what_is_missing",
            the_endpoint_names_what_is_missing,
        ),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg0(COMMAND).args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn fed(args: &[&str], input: &[u8]) -> Output {
    let mut child = program(args).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn probe(request: &Request) -> ProbeReport {
    let output = fed(&["connect"], &request.input().unwrap());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    ProbeReport::of_output(output.status.code(), &stdout, &stderr).unwrap()
}

/// A server of the prober's, which ends with this.
struct Applet {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Applet {
    fn start(args: &[&str]) -> Self {
        let mut child = program(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let first = line(&mut lines);
        let address = first["listening"].as_str().unwrap().parse().unwrap();
        Self {
            child,
            lines,
            address,
        }
    }

    fn said(&mut self) -> Value {
        line(&mut self.lines)
    }

    /// Asks it to end, as a pod is.
    fn end(mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Applet {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn line(lines: &mut impl BufRead) -> Value {
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn a_request_gives_a_report() {
    let server = Server::start(|mut stream| {
        stream.write_all(GREETING).unwrap();
        let _end = stream.read(&mut [0; 8]);
    });
    assert!(probe(&request(server.port, Opening::Silent)).greeted());
    server.end();
}

fn a_bad_request_gives_none() {
    for (args, input, words) in [
        (
            &["connect"][..],
            "{}",
            "meshproof-probe: the request is not valid: missing field",
        ),
        (&["connect"], "", "the request is not valid: EOF"),
        (&[], "", "usage: meshproof-probe connect"),
        (&["hush", "http"], "", "`http` is no port"),
    ] {
        let output = fed(args, input.as_bytes());
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{said}");
    }
}

fn hush_never_says_anything() {
    let hush = Applet::start(&["hush", "0"]);
    let mut asked = request(hush.address.port(), Opening::Silent);
    asked.hold_ms = 60;
    let report = probe(&asked);
    assert_eq!((report.end, report.first_bytes), (ProbeEnd::Held, None));
    hush.end();
}

fn folder(pki: &Pki) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let credential = pki.server();
    let put = |name: &str, text: String| {
        meshproof_pki::write_private(&folder.path().join(name), text.as_bytes()).unwrap();
    };
    put("tls.crt", credential.chain_pem());
    put("tls.key", credential.key_pem());
    put("ca.crt", pki.pem());
    folder
}

fn endpoint(folder: &Path, to: &str) -> Applet {
    let folder = folder.to_str().unwrap();
    Applet::start(&[
        "endpoint",
        "--listen",
        "127.0.0.1:0",
        "--certificate",
        folder,
        "--to",
        to,
    ])
}

fn the_endpoint_lets_only_its_clients_in() {
    let pki = Pki::new();
    let mysql = Server::start(|mut stream| {
        stream.write_all(GREETING).unwrap();
        let _end = stream.read(&mut [0; 8]);
    });
    let folder = folder(&pki);
    let mut endpoint = endpoint(folder.path(), &format!("127.0.0.1:{}", mysql.port));
    let port = endpoint.address.port();
    let shown = |certificate: Option<ClientCertificate>| {
        let mut opening = of(TlsVersion::V13);
        opening.certificate = certificate;
        probe(&tls(port, opening))
    };
    let alert = |report: ProbeReport| report.tls.unwrap().alert_received.unwrap().number;
    assert_eq!(alert(shown(None)), 116);
    assert_eq!(endpoint.said()["accepted"], false);
    assert_eq!(alert(shown(Some(Pki::stranger().client()))), 48);
    assert!(
        endpoint.said()["why"]
            .as_str()
            .unwrap()
            .contains("UnknownIssuer")
    );
    // The server behind takes one connection: neither of those can have been dialled through.
    assert!(shown(Some(pki.client())).greeted());
    let said = endpoint.said();
    assert_eq!(
        (&said["accepted"], &said["subject"]),
        (&true.into(), &"CN=a.example".into())
    );
    // Nobody is behind it any more.
    mysql.end();
    let report = shown(Some(pki.client()));
    assert_eq!(
        (report.greeted(), report.end),
        (false, ProbeEnd::ClosedByPeer)
    );
    assert!(
        endpoint.said()["why"]
            .as_str()
            .unwrap()
            .starts_with("dialling 127.0.0.1:")
    );
    let old = probe(&tls(port, of(TlsVersion::V11)));
    assert_eq!(alert(old), 70);
    endpoint.end();
}

fn the_endpoint_names_what_is_missing() {
    let pki = Pki::new();
    let folder = folder(&pki);
    std::fs::remove_file(folder.path().join("ca.crt")).unwrap();
    let place = folder.path().to_str().unwrap();
    let args = [
        "endpoint",
        "--listen",
        "127.0.0.1:0",
        "--certificate",
        place,
        "--to",
        "a:1",
    ];
    let output = fed(&args, b"");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ca.crt: No such file"), "{said}");
}
