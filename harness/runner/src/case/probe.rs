//! The prober as the client: it opens TLS as the case says, or connects and waits in silence.

use meshproof_probe::{
    ClientCertificate, Malformed, Opening as ProbeOpening, Request, TlsOpening, TlsVersion,
};
use meshproof_record::{Hold, ProbeReport};
use meshproof_scenario::{self as scenario, Speaks};

use super::{CONNECT_TIMEOUT, Running, exec, session};
use crate::judge::source;

/// What a window is held for.
const WATCHED: &str = "a greeting for the prober";

pub(super) async fn collect(running: &mut Running<'_>) {
    if running.case.expect.resolves.is_some() {
        running.resolve().await;
    }
    let logs = &running.stage.environment.logs;
    let marks = logs.mark(&running.case.from);
    let (argv, stdin) = match command(running) {
        Ok(command) => command,
        Err(why) => return running.missing(source::CLIENT, why),
    };
    running.holding(WATCHED, running.window());
    let output = exec::run(running, argv.clone(), stdin, std::future::pending()).await;
    let mut greeted = false;
    match output {
        Ok(output) => {
            let report =
                ProbeReport::of_output(output.exit, &output.stdout_text(), &output.stderr_text());
            greeted = report.as_ref().is_ok_and(ProbeReport::greeted);
            let waited = report.is_ok_and(|report| report.connected()) && !greeted;
            running.evidence.client = Some(exec::evidence(argv, &output));
            running.evidence.holds.extend(waited.then(|| Hold {
                what: WATCHED.to_owned(),
                ms: output.elapsed.as_secs_f64() * 1000.0,
            }));
        }
        Err(why) => running.missing(source::CLIENT, why),
    }
    if greeted {
        session::path(running, &marks).await;
    } else {
        session::refused(running, &marks, running.opening()).await;
    }
    logs.collect(&marks, &mut running.evidence);
}

/// What is run in the prober's pod, and what it reads: keys stand in no command line.
pub(super) fn command(running: &Running<'_>) -> Result<(Vec<String>, Vec<u8>), String> {
    let opening = match (running.case.speaks(), &running.case.tls) {
        (Speaks::Tls, Some(tls)) => ProbeOpening::Tls(opening(running, &tls.value)?),
        (Speaks::Tls, None) => {
            ProbeOpening::Tls(opening(running, &scenario::ClientTls::default())?)
        }
        _ => ProbeOpening::Silent,
    };
    let request = Request {
        host: running.target.host.clone(),
        port: running.target.port,
        timeout_ms: u64::from(CONNECT_TIMEOUT) * 1000,
        hold_ms: u64::try_from(running.window().as_millis()).unwrap_or(u64::MAX),
        opening,
    };
    let input = request.input().map_err(|error| error.to_string())?;
    let mut argv = Request::command();
    argv[0] = running.client.prober.clone()?;
    Ok((argv, input))
}

fn opening(running: &Running<'_>, tls: &scenario::ClientTls) -> Result<Box<TlsOpening>, String> {
    let certificates = &running.stage.environment.certificates;
    let certificate = match &tls.shows {
        Some(shows) => {
            let credential = certificates.credential(&shows.value)?;
            Some(ClientCertificate {
                chain_pem: credential.chain_pem(),
                key_pem: credential.key().pem(),
            })
        }
        None => None,
    };
    let max = tls
        .max
        .as_ref()
        .map_or(TlsVersion::V13, |at| version(at.value));
    // A prober that may speak at most an old version offers that one.
    let min = tls
        .min
        .as_ref()
        .map_or(TlsVersion::V12.min(max), |at| version(at.value));
    let malformed = tls
        .malformed
        .as_ref()
        .is_some_and(|malformed| malformed.value);
    Ok(Box::new(TlsOpening {
        sni: tls.sni.as_ref().map(|at| at.value.clone()),
        alpn: tls.alpn.iter().map(|at| at.value.clone()).collect(),
        min,
        max,
        certificate,
        trust_pem: None,
        malformed: malformed.then_some(Malformed::WrongLength),
    }))
}

fn version(version: scenario::TlsVersion) -> TlsVersion {
    match version {
        scenario::TlsVersion::V10 => TlsVersion::V10,
        scenario::TlsVersion::V11 => TlsVersion::V11,
        scenario::TlsVersion::V12 => TlsVersion::V12,
        scenario::TlsVersion::V13 => TlsVersion::V13,
    }
}
