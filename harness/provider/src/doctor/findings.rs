//! What the objects that were seen say about a run. Pure.

mod gateways;
mod istio;
mod logs;

use k8s_openapi::apimachinery::pkg::version::Info;
use meshproof_cluster::Side;
use meshproof_record::{Finding, FindingState};

use super::access::Answer;
use crate::discover::{Seen, Unseen};

/// One cluster, as it was seen.
pub(super) struct About<'a> {
    pub(super) side: Side,
    pub(super) context: &'a str,
    pub(super) server: &'a str,
    pub(super) seen: &'a Seen,
}

/// Every point of a cluster.
pub(super) fn of(about: &About<'_>, answers: &[Answer]) -> Vec<Finding> {
    let mut list = List {
        side: about.side,
        findings: Vec::new(),
    };
    match &about.seen.version {
        Ok(version) => list.ok("API", api(about, version)),
        Err(why) => {
            // Nothing else can be said of it.
            list.missing(
                "API",
                format!("{}: {why}", about.server),
                no_api(about, why),
            );
            return list.findings;
        }
    }
    list.identity(about.seen);
    list.permissions(about, answers);
    list.istio(about);
    list.injection(about);
    list.gateway(about, answers);
    list.logs(about);
    list.findings
}

fn api(about: &About<'_>, version: &Info) -> String {
    let (context, server) = (about.context, about.server.trim_end_matches('/'));
    format!(
        "Kubernetes {} at {server} (context {context})",
        version.git_version
    )
}

fn no_api(about: &About<'_>, why: &Unseen) -> String {
    match why {
        Unseen::Unauthorized(_) => {
            format!("renew the credentials of context {}", about.context)
        }
        Unseen::Forbidden(_) => format!(
            "let the user of context {} read /version (ClusterRole system:public-info-viewer)",
            about.context
        ),
        _ => "start the cluster, or what leads to it from here (VPN, proxy, tunnel)".to_owned(),
    }
}

struct List {
    side: Side,
    findings: Vec<Finding>,
}

impl List {
    fn add(&mut self, state: FindingState, point: &str, found: String, to_do: Option<String>) {
        self.findings.push(Finding {
            cluster: Some(self.side.to_string()),
            point: point.to_owned(),
            state,
            found,
            to_do,
        });
    }

    fn ok(&mut self, point: &str, found: impl Into<String>) {
        self.add(FindingState::Ok, point, found.into(), None);
    }

    fn unknown(&mut self, point: &str, found: impl Into<String>) {
        self.add(FindingState::Unknown, point, found.into(), None);
    }

    fn missing(&mut self, point: &str, found: impl Into<String>, to_do: impl Into<String>) {
        self.add(
            FindingState::Missing,
            point,
            found.into(),
            Some(to_do.into()),
        );
    }

    /// Two names may lead to one cluster; only the cluster can tell.
    fn identity(&mut self, seen: &Seen) {
        const POINT: &str = "identity";
        match &seen.kube_system {
            Ok(Some(_)) => {}
            Ok(None) => self.unknown(
                POINT,
                "there is no namespace kube-system: that the contexts are two clusters is told by their URLs alone",
            ),
            Err(why) => self.unknown(
                POINT,
                format!("that the contexts are two clusters is told by their URLs alone: {why}"),
            ),
        }
    }

    fn permissions(&mut self, about: &About<'_>, answers: &[Answer]) {
        const POINT: &str = "permissions";
        if let Some((answer, why)) = answers
            .iter()
            .find_map(|answer| Some((answer, answer.allowed.as_ref().err()?)))
        {
            let asked = words(&[answer.need.verb], answer);
            self.unknown(
                POINT,
                format!("whether to {asked} is allowed was not answered: {why}"),
            );
        }
        let denied = answers.iter().filter(|answer| answer.allowed == Ok(false));
        // Verbs of one resource in one place make one line.
        let mut lines: Vec<(&Answer, Vec<&str>)> = Vec::new();
        for answer in denied {
            let verb = answer.need.verb;
            match lines
                .iter_mut()
                .find(|(known, _)| place(known) == place(answer))
            {
                Some((_, verbs)) => verbs.push(verb),
                None => lines.push((answer, vec![verb])),
            }
        }
        let any = !lines.is_empty();
        for (answer, verbs) in lines {
            let denied = format!("not allowed: {}", words(&verbs, answer));
            match answer.need.without {
                Some(without) => self.unknown(POINT, format!("{denied}; {without}")),
                None => self.missing(
                    POINT,
                    denied,
                    format!("grant it to the user of context {}", about.context),
                ),
            }
        }
        let asked = answers.len();
        if !any && answers.iter().all(|answer| answer.allowed.is_ok()) {
            self.ok(
                POINT,
                format!("all {asked} that a run needs, namespaces included"),
            );
        }
    }
}

/// What makes one line of answers.
fn place(answer: &Answer) -> (&str, &str, &str, Option<&str>) {
    let need = &answer.need;
    (
        need.group,
        need.resource,
        need.subresource,
        need.namespace.as_deref(),
    )
}

/// `create, patch secrets in namespace istio-system`.
fn words(verbs: &[&str], answer: &Answer) -> String {
    let need = &answer.need;
    let mut resource = need.resource.to_owned();
    if !need.group.is_empty() {
        resource = format!("{resource}.{}", need.group);
    }
    if !need.subresource.is_empty() {
        resource = format!("{resource}/{}", need.subresource);
    }
    let place = match &need.namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None if need.resource == "namespaces" => String::new(),
        None => " in all namespaces".to_owned(),
    };
    format!("{} {resource}{place}", verbs.join(", "))
}

#[cfg(test)]
mod tests;
