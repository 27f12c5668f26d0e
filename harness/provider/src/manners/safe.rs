//! What a request is, and whether it may be sent again when nobody knows whether it was executed. Pure.

use http::{Method, Request, header};

/// What a request asks for, as far as manners depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An answer that ends by itself.
    Plain,
    /// Events until somebody closes.
    Watch,
    /// A container's log.
    Log,
    /// A program in a container, by an upgraded connection.
    Exec,
    /// A port of a pod, by an upgraded connection.
    PortForward,
}

impl Shape {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        if path.ends_with("/exec") || path.ends_with("/attach") {
            Self::Exec
        } else if path.ends_with("/portforward") {
            Self::PortForward
        } else if path.ends_with("/log") {
            Self::Log
        } else if parameter(request, "watch").is_some_and(|value| matches!(value, "true" | "1")) {
            Self::Watch
        } else {
            Self::Plain
        }
    }
}

/// Sending it twice does what sending it once does.
///
/// - Reading does nothing, except where it is a program that is begun (`exec`) or a port that is opened.
/// - Server-side apply states what is to be; a repeated one finds it so
///   (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>).
/// - A deletion with a uid in its preconditions takes no other object of that name.
/// - Reviews of one's own access, and whatever is only a dry run, change nothing.
///
/// Creating is not: the second answer would be a conflict with ourselves. Nor are JSON patches, merge patches and
/// updates, which build on what was there before.
pub(super) fn is_idempotent<B>(request: &Request<B>, body: &[u8]) -> bool {
    if parameter(request, "dryRun") == Some("All") {
        return true;
    }
    let path = request.uri().path();
    match *request.method() {
        Method::GET | Method::HEAD => {
            !matches!(Shape::of(request), Shape::Exec | Shape::PortForward)
        }
        Method::PATCH => content_type(request) == "application/apply-patch+yaml",
        Method::DELETE => serde_json::from_slice::<serde_json::Value>(body)
            .is_ok_and(|options| options["preconditions"]["uid"].is_string()),
        Method::POST => path.ends_with("/selfsubjectaccessreviews"),
        _ => false,
    }
}

fn content_type<B>(request: &Request<B>) -> &str {
    let value = request.headers().get(header::CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn parameter<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "/api/v1/namespaces/n/pods/p";

    fn request(method: &str, uri: &str, content_type: &str) -> Request<()> {
        Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, content_type)
            .body(())
            .unwrap()
    }

    #[test]
    fn shapes() {
        let shape = |uri: &str| Shape::of(&request("GET", uri, ""));
        assert_eq!(
            shape("/api/v1/pods?watch=true&resourceVersion=1"),
            Shape::Watch
        );
        assert_eq!(shape("/api/v1/pods?watch=1"), Shape::Watch);
        assert_eq!(shape("/api/v1/pods?watch=false"), Shape::Plain);
        assert_eq!(shape(&format!("{POD}/log?follow=true")), Shape::Log);
        assert_eq!(shape(&format!("{POD}/exec?command=ls")), Shape::Exec);
        assert_eq!(shape(&format!("{POD}/attach?stdin=true")), Shape::Exec);
        assert_eq!(
            shape(&format!("{POD}/portforward?ports=1")),
            Shape::PortForward
        );
    }

    #[test]
    fn only_what_changes_nothing_when_repeated_is_idempotent() {
        let uid = br#"{"preconditions":{"uid":"1"}}"#;
        let version = br#"{"preconditions":{"resourceVersion":"1"}}"#;
        let json = "application/json";
        let cases: &[(&str, String, &str, &[u8], bool)] = &[
            ("GET", POD.into(), "", b"", true),
            ("HEAD", POD.into(), "", b"", true),
            ("GET", "/api/v1/pods?watch=true".into(), "", b"", true),
            ("GET", format!("{POD}/log"), "", b"", true),
            ("GET", format!("{POD}/exec?command=ls"), "", b"", false),
            ("GET", format!("{POD}/portforward"), "", b"", false),
            (
                "POST",
                "/api/v1/namespaces/n/pods".into(),
                json,
                b"{}",
                false,
            ),
            (
                "POST",
                "/api/v1/namespaces/n/pods?dryRun=All".into(),
                json,
                b"{}",
                true,
            ),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(),
                json,
                b"{}",
                true,
            ),
            ("PUT", POD.into(), json, b"{}", false),
            (
                "PATCH",
                POD.into(),
                "application/apply-patch+yaml",
                b"{}",
                true,
            ),
            (
                "PATCH",
                POD.into(),
                "application/json-patch+json",
                b"[]",
                false,
            ),
            (
                "PATCH",
                POD.into(),
                "application/merge-patch+json",
                b"{}",
                false,
            ),
            (
                "PATCH",
                POD.into(),
                "application/strategic-merge-patch+json",
                b"{}",
                false,
            ),
            ("DELETE", POD.into(), json, b"{}", false),
            ("DELETE", POD.into(), json, version, false),
            ("DELETE", POD.into(), json, uid, true),
            ("DELETE", POD.into(), json, b"", false),
        ];
        for (method, uri, content_type, body, wanted) in cases {
            let request = request(method, uri, content_type);
            let told = format!("{method} {uri} {content_type}");
            assert_eq!(is_idempotent(&request, body), *wanted, "{told}");
        }
    }
}
