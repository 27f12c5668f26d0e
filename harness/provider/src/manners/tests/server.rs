//! An API server that does at each request what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meshproof_cluster::kube::{Client, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// 200 and this body.
    Answer(&'static str),
    /// A status with its headers, each with a line end.
    Status(u16, &'static str),
    /// Read the request and close without a word: a reset, as the peer sees it.
    Hang,
    /// Begin an answer and break off in it.
    BreakOff,
    /// Keep the connection and never answer.
    Silence,
    /// Answer after a while.
    Late(Duration),
}

/// A listener with a script; after its end every request is answered with 200.
pub(super) struct Server {
    pub(super) address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    under_way: Arc<Mutex<(usize, usize)>>,
}

impl Server {
    pub(super) async fn start(script: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let under_way = Arc::new(Mutex::new((0, 0)));
        let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
        let (noted, counted) = (Arc::clone(&seen), Arc::clone(&under_way));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, noted, counted) = (script.clone(), noted.clone(), counted.clone());
                tokio::spawn(async move { serve(stream, &script, &noted, &counted).await });
            }
        });
        Self {
            address,
            seen,
            under_way,
        }
    }

    /// Requests until now: `METHOD path` and the token.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many were under way at the same time at most.
    pub(super) fn at_once(&self) -> usize {
        self.under_way.lock().unwrap().1
    }

    /// A client with a token, as kube makes it.
    pub(super) fn client(&self, token: &str) -> Client {
        let url = format!("http://{}", self.address).parse().unwrap();
        let mut config = Config::new(url);
        config.default_retry = false;
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &Mutex<VecDeque<Act>>,
    seen: &Mutex<Vec<String>>,
    under_way: &Mutex<(usize, usize)>,
) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    {
        let mut counts = under_way.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
    }
    let act = script.lock().unwrap().pop_front();
    let text = match act.unwrap_or(Act::Answer("{}")) {
        Act::Answer(body) => answer(200, "", body),
        Act::Status(code, headers) => answer(code, headers, "{}"),
        Act::Hang => String::new(),
        Act::BreakOff => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\":".to_owned(),
        Act::Silence => std::future::pending().await,
        Act::Late(after) => {
            tokio::time::sleep(after).await;
            answer(200, "", "{}")
        }
    };
    under_way.lock().unwrap().0 -= 1;
    // Whoever has gone away does not want the answer.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn answer(code: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {code} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

/// Reads one request to its end.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            let first = head
                .lines()
                .next()?
                .trim_end_matches(" HTTP/1.1")
                .to_owned();
            let token = header("authorization").unwrap_or_default();
            return Some(format!("{first} {token}"));
        }
    }
}
