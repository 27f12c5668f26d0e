//! Commands whose connection breaks: what had come is kept, and the end is an error, never a wait.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use meshproof_cluster::{ClusterAccess, Command, Error, Facts, PodRef, Side, kube};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

/// Far more than an answer on loopback takes: whoever needs it waits for ever.
const FOR_EVER: Duration = Duration::from_secs(20);

/// A cluster whose one answer is a command's stream, as `serve` goes about it.
async fn access<F>(
    serve: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
) -> ClusterAccess
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[allow(clippy::result_large_err)] // the library's own signature
        let protocol = |_: &Request, mut response: Response| {
            let name = "v5.channel.k8s.io".parse().unwrap();
            response
                .headers_mut()
                .insert("sec-websocket-protocol", name);
            Ok(response)
        };
        serve(
            tokio_tungstenite::accept_hdr_async(stream, protocol)
                .await
                .unwrap(),
        )
        .await;
    });
    let client = kube::Client::try_from(kube::Config::new(uri.parse().unwrap())).unwrap();
    ClusterAccess::new(
        Side::Client,
        client,
        Facts::istio_defaults("embedded"),
        "r1",
    )
}

fn command(stdin: &[u8]) -> Command {
    Command {
        pod: PodRef::new("default", "mysql-client-1"),
        container: "mysql-client".to_owned(),
        argv: vec!["mysql".to_owned()],
        stdin: stdin.to_vec(),
    }
}

async fn say(stream: &mut WebSocketStream<TcpStream>, channel: u8, words: &str) {
    let message = [&[channel], words.as_bytes()].concat();
    stream.send(Message::binary(message)).await.unwrap();
}

fn why(error: &Error) -> String {
    let Error::Stream { why, .. } = error else {
        panic!("another error: {error}");
    };
    why.clone()
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_command_with_an_error() {
    let access =
        access(|mut stream| async move { say(&mut stream, STDERR, "ERROR 2013").await }).await;
    let run = command(b"SELECT 1");
    let ended = tokio::time::timeout(FOR_EVER, access.run(&run)).await;
    let why = why(&ended.expect("the command must end").unwrap_err());
    assert!(
        why.starts_with("the stream broke before an exit status came: "),
        "{why}"
    );
}

#[tokio::test]
async fn a_connection_that_closes_without_a_status_is_an_error() {
    let access = access(|mut stream| async move { stream.close(None).await.unwrap() }).await;
    let ended = tokio::time::timeout(FOR_EVER, access.run(&command(b""))).await;
    let why = why(&ended.expect("the command must end").unwrap_err());
    assert_eq!(why, "the stream ended without an exit status");
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_keep_a_command_that_has_ended() {
    let access = access(|mut stream| async move {
        say(&mut stream, STDOUT, "1").await;
        say(&mut stream, STATUS, r#"{"status": "Success"}"#).await;
        while stream.next().await.is_some_and(|read| read.is_ok()) {}
    })
    .await;
    let run = command(&vec![b'x'; 1024 * 1024]);
    let ended = tokio::time::timeout(FOR_EVER, access.run(&run)).await;
    let output = ended.expect("the command must end").unwrap();
    assert_eq!((output.exit, output.stdout_text().as_str()), (Some(0), "1"));
}

#[tokio::test]
async fn lines_end_with_an_error_when_the_connection_breaks() {
    let access = access(|mut stream| async move { say(&mut stream, STDOUT, "one\n").await }).await;
    let mut lines = access.exec_lines(&command(b"")).await.unwrap();
    assert_eq!(lines.next().await.unwrap().as_deref(), Some("one"));
    let ended = tokio::time::timeout(FOR_EVER, lines.next()).await;
    let why = why(&ended.expect("the lines must end").unwrap_err());
    assert!(
        why.starts_with("the stream broke before an exit status came: "),
        "{why}"
    );
}

#[tokio::test]
async fn a_duplex_command_tells_its_end_when_the_connection_breaks() {
    let access = access(|mut stream| async move { say(&mut stream, STDOUT, "x").await }).await;
    let duplex = access.exec_duplex(&command(b"")).await.unwrap();
    let words = tokio::time::timeout(FOR_EVER, duplex.ended).await;
    let words = words.expect("the command must end");
    assert!(
        words.starts_with("the stream broke before an exit status came: "),
        "{words}"
    );
}
