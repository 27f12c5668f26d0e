//! How to behave towards an API server that others use too: a client that sends few requests at once, waits when
//! it is asked to, and repeats what may be repeated.
//!
//! kube's own retry sends any request again after 503 and 504, also one that may have created something: it is
//! switched off where its client is made.

mod broken;
mod count;
mod next;
mod safe;
mod trace;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Request, Response, header};
use jiff::Timestamp;
use meshproof_cluster::Side;
use meshproof_cluster::kube::client::Body;
use meshproof_cluster::kube::{self, Client};
use tokio::sync::Semaphore;

pub use self::count::{Requests, Totals};
use self::next::{Course, Ending, Next};
use self::safe::{Shape, is_idempotent};
pub use self::trace::Trace;
use self::trace::{Line, milliseconds};

/// The bounds of what a client does.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Requests that wait for their answer at the same time; streams count until their answer begins.
    pub at_once: usize,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// About how long to wait before the second attempt; it doubles with each.
    pub first_wait: Duration,
    /// How long at most.
    pub longest_wait: Duration,
    /// A server that asks for more than this is not waited for.
    pub longest_retry_after: Duration,
    /// After how long without an answer a request is given up. Streams that go through to a kubelet are not: its
    /// answer begins with the first line of a log, or the program's start.
    pub answer_within: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            at_once: 8,
            attempts: 5,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
            longest_retry_after: Duration::from_secs(30),
            answer_within: Duration::from_secs(30),
        }
    }
}

/// Makes a client from where the credentials come from, with new ones each time. It may block.
pub(crate) type Open = dyn Fn() -> kube::Result<Client> + Send + Sync;

/// Says of an error of the client what may be told of it.
pub(crate) type Told = dyn Fn(kube::Error) -> kube::Error + Send + Sync;

/// A way in, and how to make another.
pub(crate) struct Door {
    /// The client as it is now.
    pub(crate) client: Client,
    /// How to make one with newer credentials, where they can be renewed.
    pub(crate) renew: Option<Arc<Open>>,
    /// What callers see of errors: kube's own of credentials have secrets in them.
    pub(crate) told: Box<Told>,
}

/// What stands between the harness and a cluster's client.
struct Polite {
    side: Side,
    manners: Manners,
    renew: Option<Arc<Open>>,
    told: Box<Told>,
    current: RwLock<Current>,
    /// One renewal at a time.
    renewing: tokio::sync::Mutex<()>,
    permits: Semaphore,
    requests: Requests,
    trace: Option<Arc<Trace>>,
}

#[derive(Clone)]
struct Current {
    client: Client,
    /// How often the credentials were renewed.
    generation: u64,
}

/// A client of the same cluster with manners.
pub(crate) fn polite(
    side: Side,
    door: Door,
    manners: Manners,
    requests: Requests,
    trace: Option<Arc<Trace>>,
) -> Client {
    let namespace = door.client.default_namespace().to_owned();
    let polite = Arc::new(Polite {
        side,
        manners,
        renew: door.renew,
        told: door.told,
        current: RwLock::new(Current {
            client: door.client,
            generation: 0,
        }),
        renewing: tokio::sync::Mutex::default(),
        permits: Semaphore::new(manners.at_once),
        requests,
        trace,
    });
    let service = tower::service_fn(move |request| {
        let polite = Arc::clone(&polite);
        async move { polite.send(request).await }
    });
    Client::new(service, namespace)
}

type Answered = kube::Result<Response<Body>>;

/// An attempt, and what it says about another.
struct Attempted {
    ending: Ending,
    /// `None`: nobody answered in time.
    answer: Option<Answered>,
}

impl Polite {
    async fn send(&self, request: Request<Body>) -> Answered {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let shape = Shape::of(&Request::from_parts(parts.clone(), ()));
        let mut course = Course {
            idempotent: is_idempotent(&Request::from_parts(parts.clone(), ()), &body),
            attempts: 0,
            renewable: self.renew.is_some(),
        };
        loop {
            course.attempts += 1;
            let current = self.current();
            let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
            let sending = self.attempt(&current.client, shape, request);
            let attempted = self.traced(&parts, shape, course.attempts, sending).await;
            match course.next(attempted.ending, &self.manners, fastrand::f64()) {
                Next::Give => return self.give(attempted),
                Next::Renew => {
                    course.renewable = false;
                    self.renew(current.generation).await?;
                }
                Next::Again(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn current(&self) -> Current {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Sends a request and, unless it is a stream, waits for the whole answer: one that breaks off is none.
    async fn attempt(&self, client: &Client, shape: Shape, request: Request<Body>) -> Attempted {
        let whole = async {
            let answer = client.send(request).await?;
            if shape != Shape::Plain {
                return Ok(answer);
            }
            let (head, body) = answer.into_parts();
            let bytes = body.collect_bytes().await?;
            Ok(Response::from_parts(head, Body::from(bytes)))
        };
        let answer = match shape {
            Shape::Plain | Shape::Watch => tokio::time::timeout(self.manners.answer_within, whole)
                .await
                .ok(),
            Shape::Log | Shape::Exec | Shape::PortForward => Some(whole.await),
        };
        let ending = match &answer {
            None => Ending::Lost,
            Some(Ok(answer)) => Ending::Status(answer.status().as_u16(), retry_after(answer)),
            Some(Err(error)) => broken::ending(error),
        };
        Attempted { ending, answer }
    }

    /// The attempt within the bound on what is under way at once; counted, and told to the trace.
    async fn traced(
        &self,
        parts: &Parts,
        shape: Shape,
        attempt: u32,
        sending: impl Future<Output = Attempted>,
    ) -> Attempted {
        // The semaphore is never closed; if it were, requests would go all the same.
        let permit = self.permits.acquire().await.ok();
        self.requests.sent(shape, attempt);
        let (time, begun) = (Timestamp::now(), Instant::now());
        let attempted = sending.await;
        drop(permit);
        if let Some(trace) = &self.trace {
            let path = parts.uri.path_and_query();
            let (status, error) = match attempted.ending {
                Ending::Status(status, _) => (Some(status), None),
                Ending::NotSent => (None, Some("no connection")),
                Ending::Lost if attempted.answer.is_none() => (None, Some("no answer in time")),
                Ending::Lost => (None, Some("the connection broke")),
                Ending::Failed => (None, Some("not sent: the client refused or cannot read it")),
            };
            trace.write(&Line {
                time: format!("{time:.3}"),
                cluster: self.side.name(),
                method: parts.method.as_str(),
                path: path.map_or("/", http::uri::PathAndQuery::as_str),
                status,
                error,
                ms: milliseconds(begun.elapsed()),
                attempt,
            });
        }
        attempted
    }

    fn give(&self, attempted: Attempted) -> Answered {
        match attempted.answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err((self.told)(error)),
            None => {
                let within = self.manners.answer_within.as_secs_f64();
                let words = format!("no answer of the API server within {within} s");
                let error = std::io::Error::new(std::io::ErrorKind::TimedOut, words);
                Err(kube::Error::Service(Box::new(error)))
            }
        }
    }

    /// Makes a client with new credentials, unless another request has done so since.
    async fn renew(&self, refused: u64) -> kube::Result<()> {
        let _alone = self.renewing.lock().await;
        let generation = self.current().generation;
        let Some(renew) = self.renew.as_ref().filter(|_| generation == refused) else {
            return Ok(());
        };
        // A plugin is a program: it is waited for in a thread of its own.
        let renew = Arc::clone(renew);
        let opened = tokio::task::spawn_blocking(move || renew()).await;
        let opened = opened.map_err(|error| kube::Error::Service(Box::new(error)))?;
        let client = opened.map_err(|error| (self.told)(error))?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current {
            client,
            generation: generation + 1,
        };
        Ok(())
    }
}

/// Seconds: API servers give no dates (RFC 9110, section 10.2.3, allows both).
fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let value = answer.headers().get(header::RETRY_AFTER)?;
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
