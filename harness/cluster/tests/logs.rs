//! Logs whose streams break: every line comes once, and a container that has ended is not waited for.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::client::Body;
use meshproof_cluster::{ClusterAccess, Facts, LogWait, Mark, PodRef, Side, kube};
use serde_json::json;

/// More than everything here takes.
const SOON: Duration = Duration::from_secs(20);

type Answer = Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

/// What the API server does, one stream of the log after the other.
struct Server {
    streams: Mutex<Vec<Stream>>,
    container: Mutex<&'static str>,
    /// The queries by which the log was asked for.
    asked: Mutex<Vec<String>>,
}

/// A stream, and whether it stays open.
struct Stream(&'static str, bool);

impl Server {
    fn answer(&self, request: &Request<Body>) -> Answer {
        if !request.uri().path().ends_with("/log") {
            let id = *self.container.lock().unwrap();
            let status = json!({"name": "istio-proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": id, "state": {"running": {}}});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
                "status": {"initContainerStatuses": [status]}});
            return answer(pod.to_string(), false);
        }
        let query = request.uri().query().unwrap_or_default();
        self.asked.lock().unwrap().push(query.to_owned());
        let Stream(text, stays) = self.streams.lock().unwrap().remove(0);
        answer(text.to_owned(), stays)
    }
}

fn answer(text: String, stays: bool) -> Answer {
    let first = stream::iter([Ok(Frame::data(Bytes::from(text)))]);
    let body = if stays {
        first.chain(stream::pending()).boxed()
    } else {
        first.boxed()
    };
    Response::new(StreamBody::new(body))
}

fn served(streams: Vec<Stream>) -> (Arc<Server>, ClusterAccess) {
    let server = Arc::new(Server {
        streams: Mutex::new(streams),
        container: Mutex::new("containerd://1"),
        asked: Mutex::default(),
    });
    let answering = Arc::clone(&server);
    let service = tower::service_fn(move |request: Request<Body>| {
        let response = answering.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let client = kube::Client::new(service, "default");
    let facts = Facts::istio_defaults("contexts");
    (
        server,
        ClusterAccess::new(Side::Client, client, facts, "r1"),
    )
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again_and_no_line_comes_twice() {
    let (server, access) = served(vec![
        Stream(
            "2026-01-01T00:00:01.25Z one\n2026-01-01T00:00:01.5Z two\n2026-01-01T00:00:01.5Z three\n",
            false,
        ),
        Stream(
            "2026-01-01T00:00:01.25Z one\n2026-01-01T00:00:01.5Z two\n2026-01-01T00:00:01.5Z three\n2026-01-01T00:00:01.5Z four\n",
            false,
        ),
        Stream(
            "2026-01-01T00:00:01.5Z two\n2026-01-01T00:00:01.5Z three\n2026-01-01T00:00:01.5Z four\n2026-01-01T00:00:03Z five\n",
            true,
        ),
    ]);
    let pod = PodRef::new("default", "p");
    let log = access.follow_log(&pod, "istio-proxy").await.unwrap();
    let five = log
        .wait_for(Mark::default(), SOON, |line| {
            (line.text == "five").then_some(())
        })
        .await;
    assert_eq!(five, Ok(()));
    let lines: Vec<String> = log
        .since(Mark::default())
        .into_iter()
        .map(|line| line.text)
        .collect();
    assert_eq!(lines, ["one", "two", "three", "four", "five"]);
    assert_eq!(log.ended(), None);
    let asked = server.asked.lock().unwrap();
    assert!(
        asked[0].contains("tailLines=0") && asked[0].contains("timestamps=true"),
        "{asked:?}"
    );
    // The last line's time is half past a second, which may be rounded up.
    let since = |query: &String| query.contains("sinceTime=2026-01-01T00%3A00%3A0");
    assert!(asked[1..].iter().all(since), "{asked:?}");
    assert!(
        !asked[1..].iter().any(|query| query.contains("A02Z")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn the_log_of_a_container_that_was_replaced_is_at_its_end() {
    let (server, access) = served(vec![
        Stream("2026-01-01T00:00:01Z one\n", true),
        Stream("", false),
    ]);
    let pod = PodRef::new("default", "p");
    let log = access.follow_log(&pod, "istio-proxy").await.unwrap();
    let one = log.wait_for(Mark::default(), SOON, |_| Some(())).await;
    assert_eq!((one, log.ended()), (Ok(()), None));
    drop(log);
    *server.container.lock().unwrap() = "containerd://1";
    let log = access.follow_log(&pod, "istio-proxy").await;
    *server.container.lock().unwrap() = "containerd://2";
    let waited = log
        .unwrap()
        .wait_for(Mark::default(), SOON, |_| Some(()))
        .await;
    let Err(LogWait::Ended(why)) = waited else {
        panic!("{waited:?}");
    };
    assert_eq!(
        why,
        "the container's log is at its end; the container does not run any more"
    );
}
