//! A server with fake pods, reached in memory or over HTTPS.
#![allow(dead_code, unreachable_pub, missing_docs)] // each test file uses its part

use std::io::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use meshproof_pocket_api::{
    AdmitAll, ApiServer, AsyncReadWrite, ExecOptions, ExecSession, Kind, Listening, LogOptions,
    StatusError, Store, Streams, TlsConfig,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every container is `cat` with exit code 7 and a terminal that reports its size.
pub struct Echo;

impl Streams for Echo {
    fn logs<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, Error>>, StatusError>> {
        let first = format!(
            "{pod}/{} tail={:?}\n",
            options.container, options.tail_lines
        );
        Box::pin(async move {
            let head = stream::iter([Ok(Bytes::from(first))]);
            if !options.follow {
                return Ok(head.boxed());
            }
            let (line, lines) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move {
                for number in 0..3 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if line
                        .send(Ok(Bytes::from(format!("line {number}\n"))))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            });
            let tail = stream::unfold(lines, |mut lines| async move {
                Some((lines.recv().await?, lines))
            });
            Ok(head.chain(tail).boxed())
        })
    }

    fn exec<'a>(
        &'a self,
        _namespace: &'a str,
        _pod: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecSession, StatusError>> {
        Box::pin(async move { Ok(echo(&options)) })
    }

    fn port_forward<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncReadWrite>, StatusError>> {
        Box::pin(async move {
            if port == 9 {
                return Err(StatusError::bad_request(format!(
                    "connecting to port 9 of pod {pod}: connection refused"
                )));
            }
            let (near, far) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(far);
                tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            });
            let stream: Box<dyn AsyncReadWrite> = Box::new(near);
            Ok(stream)
        })
    }
}

fn echo(options: &ExecOptions) -> ExecSession {
    let (stdin, mut input) = tokio::io::duplex(64);
    let (mut output, stdout) = tokio::io::duplex(64);
    let (mut complaint, stderr) = tokio::io::duplex(64);
    let (resize, mut sizes) = tokio::sync::mpsc::channel(1);
    let command = options.command.join(" ");
    // `true` ends at once, whatever it is sent.
    let reads = options.stdin && command != "true";
    let tty = options.tty;
    let process = tokio::spawn(async move {
        if !tty {
            complaint.write_all(command.as_bytes()).await.unwrap();
        }
        drop(complaint);
        if tty {
            let size: meshproof_pocket_api::TerminalSize = sizes.recv().await.unwrap();
            output
                .write_all(format!("{}x{}\n", size.width, size.height).as_bytes())
                .await
                .unwrap();
        }
        let mut text = Vec::new();
        if reads {
            input.read_to_end(&mut text).await.unwrap();
        }
        output.write_all(&text).await.unwrap();
        7
    });
    ExecSession {
        stdin: options.stdin.then(|| Box::new(stdin) as _),
        stdout: Some(Box::new(stdout)),
        stderr: (!options.tty).then(|| Box::new(stderr) as _),
        resize: options.tty.then_some(resize),
        exit: Box::pin(async move {
            process
                .await
                .map_err(|error| StatusError::internal(error.to_string()))
        }),
    }
}

/// A server with the namespaces `default` and `d`.
pub fn server() -> ApiServer {
    let store = Arc::new(Store::new());
    for name in ["default", "d"] {
        store
            .create(Kind::Namespace, json!({ "metadata": { "name": name } }))
            .unwrap();
    }
    ApiServer::new(store, Arc::new(AdmitAll), Arc::new(Echo))
}

/// A listener with a certificate of its own.
pub async fn listen(server: &ApiServer) -> Listening {
    let key = rcgen::KeyPair::generate().unwrap();
    let params =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
            .unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let tls = TlsConfig {
        cluster: "test".into(),
        certificate_chain_pem: certificate.clone(),
        private_key_pem: key.serialize_pem(),
        ca_pem: certificate,
        token: "secret-token".into(),
    };
    server.listen(tls).await.unwrap()
}

/// A client by the kubeconfig that the listener gives.
pub async fn https_client(listening: &Listening) -> kube::Client {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&listening.kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(
        kubeconfig,
        &kube::config::KubeConfigOptions::default(),
    )
    .await
    .unwrap();
    kube::Client::try_from(config).unwrap()
}
