//! WATCH: events as lines of JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::negotiate::{self, Format};
use super::render::{Shown, with_type};
use super::{Call, read};
use crate::select::Selector;
use crate::server::ApiServer;
use crate::status::{Cause, StatusError};
use crate::store::{Event, EventType, Watch};

/// Watches end after this time unless the client names one; clients watch again.
const LONGEST: Duration = Duration::from_hours(1);
/// Bookmarks come this often where asked for.
const BOOKMARK: Duration = Duration::from_mins(1);

/// One watch being served.
#[allow(clippy::struct_excessive_bools)] // two wishes of the client, two ways to end
struct Session {
    watch: Watch,
    view: View,
    /// What there was at the start, still to be sent as ADDED.
    initial: std::vec::IntoIter<Arc<Value>>,
    /// A bookmark says that the initial objects are all sent.
    mark_initial: bool,
    bookmarks: bool,
    next_bookmark: Instant,
    end: Instant,
    over: bool,
    /// The watch fell out of the history: what is batched is the last.
    failed: bool,
}

/// Which objects the client sees, and how.
struct View {
    namespace: Option<String>,
    selector: Selector,
    api_version: String,
    kind: &'static str,
    partial: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event_type: &'static str,
    object: Shown<'a>,
}

pub(super) fn serve(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let format = negotiate::format(&call.parts.headers)?;
    let session = open(server, call, format)?;
    let body = Body::from_stream(lines(session));
    Ok(with_type(StatusCode::OK, "application/json", body))
}

fn open(server: &ApiServer, call: &Call, format: Format) -> Result<Session, StatusError> {
    let kind = call.path.kind;
    let send_initial = initial_asked(call)?;
    let revision = match call.query.text("resourceVersion") {
        "" | "0" => None,
        text => Some(read::revision_number(text)?),
    };
    let selector = read::selector(call)?;
    let (initial, watch) = match (revision, send_initial) {
        (Some(revision), None | Some(false)) => (Vec::new(), server.store.watch(&[kind], revision)),
        (_, asked) => {
            let (objects, watch) = server.store.list_and_watch(&[kind]);
            if asked == Some(false) {
                (Vec::new(), watch)
            } else {
                (objects, watch)
            }
        }
    };
    let view = View {
        namespace: call.path.namespace.clone(),
        selector,
        api_version: call.path.api_version(),
        kind: kind.info().name,
        partial: format == Format::PartialMetadata,
    };
    let initial: Vec<_> = initial
        .into_iter()
        .map(|(_, object)| object)
        .filter(|object| view.holds(object))
        .collect();
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let seconds = call
        .query
        .number::<u64>("timeoutSeconds")?
        .filter(|seconds| *seconds > 0);
    let now = Instant::now();
    Ok(Session {
        watch,
        view,
        initial: initial.into_iter(),
        mark_initial: send_initial == Some(true) && bookmarks,
        bookmarks,
        next_bookmark: now + BOOKMARK,
        end: now + seconds.map_or(LONGEST, |seconds| Duration::from_secs(seconds).min(LONGEST)),
        over: false,
        failed: false,
    })
}

/// `sendInitialEvents`, checked against the other options.
fn initial_asked(call: &Call) -> Result<Option<bool>, StatusError> {
    let matching = call.query.text("resourceVersionMatch");
    let refuse = |why: &str| {
        let cause = Cause::forbidden("resourceVersionMatch", why);
        Err(StatusError::invalid(
            "meta.k8s.io",
            "ListOptions",
            "",
            &[cause],
        ))
    };
    if call.query.text("sendInitialEvents").is_empty() {
        if !matching.is_empty() {
            return refuse(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
        }
        return Ok(None);
    }
    if matching != "NotOlderThan" {
        return refuse("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    Ok(Some(call.query.flag("sendInitialEvents")))
}

fn lines(session: Session) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::unfold(session, |mut session| async move {
        let line = session.next_line().await?;
        Some((Ok(line), session))
    })
    .fuse()
}

impl Session {
    /// The next lines, as many as are ready; `None` at the end.
    async fn next_line(&mut self) -> Option<Bytes> {
        let mut batch = Vec::new();
        self.drain_initial(&mut batch);
        loop {
            if self.over || self.failed && batch.is_empty() {
                return None;
            }
            if self.failed {
                return Some(batch.into());
            }
            self.drain_events(&mut batch);
            if !batch.is_empty() {
                return Some(batch.into());
            }
            self.wait(&mut batch).await;
        }
    }

    fn drain_initial(&mut self, batch: &mut Vec<u8>) {
        for object in self.initial.by_ref() {
            self.view.line(EventType::Added.as_str(), &object, batch);
        }
        if std::mem::take(&mut self.mark_initial) {
            self.bookmark(true, batch);
        }
    }

    fn drain_events(&mut self, batch: &mut Vec<u8>) {
        /// A batch of about this many bytes is sent before more is encoded.
        const ENOUGH: usize = 64 * 1024;
        while batch.len() < ENOUGH {
            match self.watch.try_next() {
                Ok(Some(event)) => self.view.event(&event, batch),
                Ok(None) => return,
                Err(lagged) => return self.gone(lagged.asked, lagged.oldest, batch),
            }
        }
    }

    fn gone(&mut self, asked: u64, oldest: u64, batch: &mut Vec<u8>) {
        let error = StatusError::gone(format!("too old resource version: {asked} ({oldest})"));
        push_line(
            &json!({ "type": "ERROR", "object": error.to_value() }),
            batch,
        );
        self.failed = true;
    }

    async fn wait(&mut self, batch: &mut Vec<u8>) {
        tokio::select! {
            event = self.watch.next() => match event {
                Ok(event) => self.view.event(&event, batch),
                Err(lagged) => self.gone(lagged.asked, lagged.oldest, batch),
            },
            () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                self.next_bookmark = Instant::now() + BOOKMARK;
                self.bookmark(false, batch);
            }
            () = tokio::time::sleep_until(self.end) => self.over = true,
        }
    }

    fn bookmark(&self, initial_end: bool, batch: &mut Vec<u8>) {
        let mut metadata = json!({ "resourceVersion": self.watch.revision().to_string() });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "kind": self.view.kind, "apiVersion": self.view.api_version, "metadata": metadata });
        self.view.line("BOOKMARK", &object, batch);
    }
}

impl View {
    fn holds(&self, object: &Value) -> bool {
        let inside = self
            .namespace
            .as_deref()
            .is_none_or(|namespace| crate::object::namespace(object) == namespace);
        inside && self.selector.matches(object)
    }

    /// An object that starts or ceases to match is an addition or a deletion to this client.
    fn event(&self, event: &Event, batch: &mut Vec<u8>) {
        let now = event.event_type != EventType::Deleted && self.holds(&event.object);
        let before = event.previous.as_ref().filter(|object| self.holds(object));
        match (before, now) {
            (None, true) => self.line("ADDED", &event.object, batch),
            (Some(_), true) => self.line("MODIFIED", &event.object, batch),
            (Some(_), false) if event.event_type == EventType::Deleted => {
                self.line("DELETED", &event.object, batch);
            }
            (Some(before), false) => {
                // The last state that matched, with the revision of the change.
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = event.revision.to_string().into();
                self.line("DELETED", &last, batch);
            }
            (None, false) => {}
        }
    }

    fn line(&self, event_type: &'static str, object: &Value, batch: &mut Vec<u8>) {
        let object = Shown {
            object,
            api_version: Some(&self.api_version),
            partial: self.partial,
        };
        push_line(&Line { event_type, object }, batch);
    }
}

fn push_line(line: &impl Serialize, batch: &mut Vec<u8>) {
    let start = batch.len();
    match serde_json::to_writer(&mut *batch, line) {
        Ok(()) => batch.push(b'\n'),
        // JSON values always encode; were it not so, the half line must not go out.
        Err(_) => batch.truncate(start),
    }
}
