//! Each fault at a chosen request, against a client as it is used.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use meshproof_cluster::Side;
use meshproof_cluster::kube::client::Body;
use meshproof_cluster::kube::{self, Client};

use self::server::{Act, Server};
use super::{Door, Manners, Open, Requests, Trace, polite};

const POD: &str = "/api/v1/namespaces/n/pods/p";
const APPLY: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const UID: &str = r#"{"preconditions":{"uid":"1"}}"#;

fn quick() -> Manners {
    Manners {
        at_once: 3,
        attempts: 3,
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_millis(4),
        longest_retry_after: Duration::from_secs(2),
        answer_within: Duration::from_millis(300),
    }
}

fn door(client: Client, renew: Option<Arc<Open>>) -> Door {
    Door {
        client,
        renew,
        told: Box::new(|error| error),
    }
}

fn well_mannered(server: &Server, requests: &Requests) -> Client {
    let door = door(server.client("old"), None);
    polite(Side::Client, door, quick(), requests.clone(), None)
}

async fn send(
    client: &Client,
    (method, uri, kind, body): (&str, &str, &str, &'static str),
) -> kube::Result<Response<Body>> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", kind)
        .body(Body::from(body.as_bytes().to_vec()))
        .unwrap();
    client.send(request).await
}

const SAFE: [(&str, &str, &str, &str); 5] = [
    ("GET", POD, "", ""),
    ("GET", "/api/v1/pods?watch=true", "", ""),
    ("PATCH", POD, APPLY, "{}"),
    ("DELETE", POD, "application/json", UID),
    (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "application/json",
        "{}",
    ),
];

const UNSAFE: [(&str, &str, &str, &str); 5] = [
    (
        "POST",
        "/api/v1/namespaces/n/pods",
        "application/json",
        "{}",
    ),
    ("PATCH", POD, JSON_PATCH, "[]"),
    ("DELETE", POD, "application/json", "{}"),
    ("PUT", POD, "application/json", "{}"),
    ("GET", "/api/v1/namespaces/n/pods/p/exec?command=ls", "", ""),
];

/// Nobody knows after these whether the request was executed.
fn faults() -> Vec<Act> {
    let mut faults: Vec<Act> = [500, 502, 503, 504]
        .map(|code| Act::Status(code, ""))
        .into();
    faults.push(Act::Status(503, "retry-after: 0\r\n"));
    faults.push(Act::Hang);
    faults
}

#[tokio::test]
async fn what_is_safe_is_sent_again() {
    for fault in faults().into_iter().chain([Act::Silence]) {
        for request in SAFE {
            let server = Server::start(&[fault.clone(), fault.clone()]).await;
            let requests = Requests::default();
            let answer = send(&well_mannered(&server, &requests), request).await;
            let told = format!("{fault:?} {request:?} {:?}", server.seen());
            assert_eq!(answer.unwrap().status(), StatusCode::OK, "{told}");
            assert_eq!(server.seen().len(), 3, "{told}");
            assert_eq!(requests.totals().again, 2, "{told}");
        }
    }
}

#[tokio::test]
async fn what_is_not_safe_is_sent_once() {
    for fault in faults() {
        for request in UNSAFE {
            let server = Server::start(std::slice::from_ref(&fault)).await;
            let requests = Requests::default();
            let answer = send(&well_mannered(&server, &requests), request).await;
            let told = format!("{fault:?} {request:?} {:?}", server.seen());
            assert!(
                answer.is_err() || answer.unwrap().status().is_server_error(),
                "{told}"
            );
            assert_eq!(server.seen().len(), 1, "{told}");
            assert_eq!(requests.totals().again, 0, "{told}");
        }
    }
}

/// Silence after something that may have been executed is an error in time, and no second request.
#[tokio::test]
async fn silence_ends() {
    let server = Server::start(&[Act::Silence]).await;
    let client = well_mannered(&server, &Requests::default());
    let error = send(&client, UNSAFE[0]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no answer of the API server within 0.3 s"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1);
}

/// An answer that breaks off in its body is none.
#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let server = Server::start(&[Act::BreakOff]).await;
    let client = well_mannered(&server, &Requests::default());
    let answer = send(&client, SAFE[0]).await.unwrap();
    assert_eq!(
        answer.into_body().collect_bytes().await.unwrap().as_ref(),
        b"{}"
    );
    assert_eq!(server.seen().len(), 2);
    let server = Server::start(&[Act::BreakOff]).await;
    let client = well_mannered(&server, &Requests::default());
    assert!(send(&client, UNSAFE[0]).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn attempts_have_an_end() {
    let script = vec![Act::Status(503, ""); 9];
    let server = Server::start(&script).await;
    let client = well_mannered(&server, &Requests::default());
    let answer = send(&client, SAFE[0]).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.seen().len(), 3);
}

/// The server did nothing and says when to come back: that holds for everything.
#[tokio::test]
async fn a_server_that_asks_for_time_gets_it() {
    for request in [SAFE[0], UNSAFE[0], UNSAFE[1]] {
        let server = Server::start(&[Act::Status(429, "retry-after: 1\r\n")]).await;
        let client = well_mannered(&server, &Requests::default());
        let begun = Instant::now();
        let answer = send(&client, request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{request:?}");
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_too_much_time_is_not_waited_for() {
    let server = Server::start(&[Act::Status(429, "retry-after: 60\r\n")]).await;
    let client = well_mannered(&server, &Requests::default());
    let answer = send(&client, SAFE[0]).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn answers_are_answers() {
    for code in [400, 403, 404, 409, 410, 422, 501] {
        let server = Server::start(&[Act::Status(code, "")]).await;
        let client = well_mannered(&server, &Requests::default());
        let answer = send(&client, SAFE[0]).await.unwrap();
        assert_eq!(answer.status().as_u16(), code);
        assert_eq!(server.seen().len(), 1, "{code}");
    }
}

/// Where nobody listens nothing was executed: anything is tried again, and then it is an error.
#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut config = kube::Config::new(format!("http://{closed}").parse().unwrap());
    config.default_retry = false;
    let requests = Requests::default();
    let door = door(Client::try_from(config).unwrap(), None);
    let client = polite(Side::Client, door, quick(), requests.clone(), None);
    assert!(send(&client, UNSAFE[0]).await.is_err());
    assert_eq!(requests.totals().plain, 3);
}

/// Ten requests that are refused at once renew the credentials once, and each goes once more.
#[tokio::test]
async fn credentials_are_renewed_once() {
    let script = vec![Act::Status(401, ""); 10];
    let server = Arc::new(Server::start(&script).await);
    let renewed = Arc::new(AtomicUsize::new(0));
    let renew: Arc<Open> = {
        let (server, renewed) = (server.clone(), renewed.clone());
        Arc::new(move || {
            renewed.fetch_add(1, Ordering::Relaxed);
            Ok(server.client("new"))
        })
    };
    let door = door(server.client("old"), Some(renew));
    let manners = Manners {
        at_once: 10,
        ..quick()
    };
    let client = polite(Side::Client, door, manners, Requests::default(), None);
    let all = (0..10).map(|_| send(&client, UNSAFE[0]));
    for answer in futures::future::join_all(all).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(renewed.load(Ordering::Relaxed), 1);
    let seen = server.seen();
    let with = |token: &str| seen.iter().filter(|line| line.ends_with(token)).count();
    assert_eq!((with("Bearer old"), with("Bearer new")), (10, 10));
}

/// What is refused with new credentials is refused.
#[tokio::test]
async fn a_second_refusal_is_an_answer() {
    for renewable in [true, false] {
        let server = Arc::new(Server::start(&vec![Act::Status(401, ""); 5]).await);
        let other = server.clone();
        let renew: Arc<Open> = Arc::new(move || Ok(other.client("new")));
        let door = door(server.client("old"), renewable.then_some(renew));
        let client = polite(Side::Client, door, quick(), Requests::default(), None);
        let answer = send(&client, SAFE[0]).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(server.seen().len(), if renewable { 2 } else { 1 });
    }
}

#[tokio::test]
async fn only_so_many_are_under_way() {
    let script = vec![Act::Late(Duration::from_millis(20)); 12];
    let server = Server::start(&script).await;
    let requests = Requests::default();
    let client = well_mannered(&server, &requests);
    let all = (0..12).map(|_| send(&client, SAFE[0]));
    for answer in futures::future::join_all(all).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(server.at_once(), 3);
    assert_eq!(requests.totals().plain, 12);
}

/// A stream is counted apart, and gives its place back when its answer has begun.
#[tokio::test]
async fn streams_do_not_keep_others_waiting() {
    let server = Server::start(&[]).await;
    let requests = Requests::default();
    let client = well_mannered(&server, &requests);
    let mut open = Vec::new();
    for uri in [
        "/api/v1/pods?watch=1",
        "/api/v1/namespaces/n/pods/p/log?follow=true",
    ] {
        for _ in 0..4 {
            open.push(send(&client, ("GET", uri, "", "")).await.unwrap());
        }
    }
    assert_eq!(
        send(&client, SAFE[0]).await.unwrap().status(),
        StatusCode::OK
    );
    let totals = requests.totals();
    assert_eq!(
        (totals.plain, totals.watches, totals.logs, totals.streams()),
        (1, 4, 4, 8)
    );
}

#[tokio::test]
async fn the_trace_has_a_line_for_each_attempt_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let trace = Arc::new(Trace::create(&path).unwrap());
    let server = Server::start(&[Act::Status(500, ""), Act::Hang]).await;
    let door = door(server.client("s3cret"), None);
    let client = polite(
        Side::Server,
        door,
        quick(),
        Requests::default(),
        Some(trace.clone()),
    );
    let uri = "/api/v1/namespaces/n/secrets/p?fieldManager=m";
    let body = r#"{"data":{"password":"aHVudGVyMg=="}}"#;
    send(&client, ("PATCH", uri, APPLY, body)).await.unwrap();
    trace.finish().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        !text.contains("s3cret") && !text.contains("aHVudGVyMg"),
        "{text}"
    );
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["time"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        line["time"] = "TIME".into();
        assert!(line["ms"].as_f64().unwrap() >= 0.0);
        line["ms"] = 1.into();
        lines.push(line.to_string());
    }
    insta::assert_snapshot!(lines.join("\n"));
}
