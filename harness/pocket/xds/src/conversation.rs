//! One stream as a state machine: requests in, responses out, no I/O.
//!
//! Source: Envoy's "xDS REST and gRPC protocol" page, state-of-the-world variant: a request answers
//! the response whose nonce it carries, an older nonce is stale, names always come in full.
//!
//! A change breaks nothing on its way: listeners go out when the clusters before them serve (Envoy
//! answers to clusters when none is warming), and clusters end after the listeners that named them.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    discovery::{Any, DiscoveryRequest, DiscoveryResponse},
    snapshot::{Resource, Resources},
    status::{Progress, ProxyStatus, Rejected, ResourceType, Unanswered},
};

/// What one stream of a proxy has asked for and was given.
#[derive(Debug)]
pub(crate) struct Conversation {
    stream: u64,
    nonces: u64,
    subscriptions: [Option<Subscription>; 4],
    /// The version of the clusters that was last sent without retired ones.
    cleared: u64,
    /// Whether retired clusters were sent last: they have yet to end.
    lingering: bool,
    unknown: BTreeSet<Unanswered>,
}

#[derive(Debug, Default)]
struct Subscription {
    names: BTreeSet<String>,
    /// Of these, what it was given: it keeps that, also when the snapshot no longer has it.
    given: BTreeSet<String>,
    /// The proxy asked for something that a change of the snapshot would not bring.
    owed: bool,
    /// The version of the type that was accepted last.
    accepted: u64,
    sent: Option<Sent>,
}

#[derive(Debug)]
struct Sent {
    nonce: String,
    version: u64,
    answer: Answer,
}

#[derive(Debug, PartialEq)]
enum Answer {
    None,
    Accepted,
    Refused(String),
}

impl Conversation {
    /// `stream` tells nonces of several streams apart.
    pub(crate) fn new(stream: u64) -> Self {
        Self {
            stream,
            nonces: 0,
            subscriptions: Default::default(),
            cleared: 0,
            lingering: false,
            unknown: BTreeSet::new(),
        }
    }

    /// Takes in one request.
    pub(crate) fn request(&mut self, request: DiscoveryRequest) {
        let Some(kind) = ResourceType::from_url(&request.type_url) else {
            self.note_unknown(request);
            return;
        };
        match &mut self.subscriptions[kind.index()] {
            Some(subscription) => subscription.again(request),
            none => {
                let names = request.resource_names.into_iter().collect();
                *none = Some(Subscription {
                    names,
                    owed: true,
                    ..Subscription::default()
                });
            }
        }
    }

    fn note_unknown(&mut self, request: DiscoveryRequest) {
        let DiscoveryRequest {
            type_url,
            mut resource_names,
            ..
        } = request;
        if resource_names.is_empty() {
            resource_names.push(String::new());
        }
        let asked = resource_names.into_iter();
        self.unknown.extend(asked.map(|name| Unanswered {
            type_url: type_url.clone(),
            name,
        }));
    }

    /// The responses that are due now, in the order in which they must be sent.
    ///
    /// Endpoints go out behind clusters even where they are as before, as istiod sends them: a cluster that
    /// is rebuilt waits for its own. The question that Envoy repeats for it cannot be relied on: where
    /// endpoints and clusters changed milliseconds apart, about one proxy in some hundred changes warmed for ever.
    pub(crate) fn due(&mut self, resources: &Resources) -> Vec<DiscoveryResponse> {
        let mut due = Vec::new();
        for kind in ResourceType::ALL {
            let response = self.respond(kind, resources);
            if response.is_some() && kind == ResourceType::Cluster {
                let endpoints = &mut self.subscriptions[ResourceType::Endpoint.index()];
                if let Some(endpoints) = endpoints {
                    endpoints.owed = true;
                }
            }
            due.extend(response);
        }
        due
    }

    fn respond(&mut self, kind: ResourceType, resources: &Resources) -> Option<DiscoveryResponse> {
        let version = resources.version.types[kind.index()];
        if version == 0 || self.is_held(kind, resources) || !self.is_due(kind, resources) {
            return None;
        }
        let retired = self.retired(kind, resources);
        let subscription = self.subscriptions[kind.index()].as_mut()?;
        subscription.owed = false;
        let mut found = subscription.give(kind, resources);
        found.extend(retired);
        if found.is_empty() && !kind.is_wildcard() {
            return None;
        }
        self.nonces += 1;
        let nonce = format!("{}-{}", self.stream, self.nonces);
        subscription.sent = Some(Sent {
            nonce: nonce.clone(),
            version,
            answer: Answer::None,
        });
        Some(DiscoveryResponse {
            version_info: version.to_string(),
            resources: found,
            type_url: kind.type_url(),
            nonce,
        })
    }

    fn is_due(&self, kind: ResourceType, resources: &Resources) -> bool {
        let Some(subscription) = &self.subscriptions[kind.index()] else {
            return false;
        };
        let over =
            kind == ResourceType::Cluster && self.lingering && !self.listeners_pend(resources);
        over || subscription.is_due(kind, resources)
    }

    /// Listeners wait while clusters warm, unless those wait for a secret that is not there: what
    /// does not depend on it goes on.
    fn is_held(&self, kind: ResourceType, resources: &Resources) -> bool {
        let clusters = self.subscriptions[ResourceType::Cluster.index()].as_ref();
        kind == ResourceType::Listener
            && clusters.is_some_and(Subscription::is_unanswered)
            && self.unanswered_secrets(resources).is_empty()
    }

    fn unanswered_secrets(&self, resources: &Resources) -> Vec<Unanswered> {
        let kind = ResourceType::Secret;
        let secrets = self.subscriptions[kind.index()].as_ref();
        secrets.map_or_else(Vec::new, |secrets| secrets.unanswered(kind, resources))
    }

    /// Whether the proxy may still have listeners of before.
    fn listeners_pend(&self, resources: &Resources) -> bool {
        let kind = ResourceType::Listener;
        self.subscriptions[kind.index()]
            .as_ref()
            .is_some_and(|listeners| listeners.is_unanswered() || listeners.is_due(kind, resources))
    }

    /// The clusters that go out beside those of the snapshot.
    fn retired(&mut self, kind: ResourceType, resources: &Resources) -> Vec<Any> {
        if kind != ResourceType::Cluster {
            return Vec::new();
        }
        let pend = self.listeners_pend(resources);
        let has = |ended: &&Resource| pend && ended.changed > self.cleared;
        let retired: Vec<Any> = resources
            .retired
            .values()
            .filter(has)
            .map(|ended| any(kind, ended))
            .collect();
        self.lingering = !retired.is_empty();
        if !self.lingering {
            self.cleared = resources.version.types[kind.index()];
        }
        retired
    }

    /// The version of the clusters that the proxy was told without any that are retired.
    pub(crate) fn clusters_without_retired(&self) -> u64 {
        self.cleared
    }

    /// What is known of the proxy by now.
    pub(crate) fn status(&self, resources: &Resources) -> ProxyStatus {
        let mut status = ProxyStatus {
            connected: true,
            unanswered: self.unknown.iter().cloned().collect(),
            ..ProxyStatus::default()
        };
        for kind in ResourceType::ALL {
            let Some(subscription) = &self.subscriptions[kind.index()] else {
                continue;
            };
            status.progress[kind.index()] = subscription.progress(kind, resources);
            if kind == ResourceType::Cluster && self.lingering {
                status.progress[kind.index()] = Progress::Waiting;
            }
            status
                .unanswered
                .extend(subscription.unanswered(kind, resources));
            if let Progress::Rejected(_, why) = &status.progress[kind.index()] {
                status.rejection = Some(why.clone());
            }
        }
        if status.settled(&resources.version) == Ok(Ok(())) {
            status.acknowledged = Some(resources.version);
        }
        status
    }
}

impl Subscription {
    /// A further request of the type: an answer, other names, or the same question again (Envoy
    /// repeats it when a cluster is rebuilt and waits for its unchanged endpoints or secrets).
    fn again(&mut self, request: DiscoveryRequest) {
        let mut repeated = true;
        if let Some(sent) = self
            .sent
            .as_mut()
            .filter(|_| !request.response_nonce.is_empty())
        {
            if request.response_nonce != sent.nonce {
                return;
            }
            repeated = sent.answer != Answer::None;
            match request.error_detail {
                Some(error) => {
                    sent.answer = Answer::Refused(error.message);
                    repeated = false;
                }
                None if sent.answer == Answer::None => {
                    sent.answer = Answer::Accepted;
                    self.accepted = sent.version;
                }
                None => {}
            }
        }
        let names: BTreeSet<String> = request.resource_names.into_iter().collect();
        let grown = !names.is_subset(&self.names);
        let same = names == self.names;
        self.owed |= grown || (repeated && same);
        self.given.retain(|name| names.contains(name));
        self.names = names;
    }

    fn wanted<'a>(
        &'a self,
        kind: ResourceType,
        resources: &'a Resources,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Resource)> {
        let everything = kind.is_wildcard();
        resources
            .named(kind)
            .filter(move |(name, _)| everything || self.names.contains(&***name))
    }

    fn is_due(&self, kind: ResourceType, resources: &Resources) -> bool {
        let sent = self.sent.as_ref().map_or(0, |sent| sent.version);
        if kind.is_wildcard() {
            return self.owed || resources.version.types[kind.index()] > sent;
        }
        self.owed
            || self
                .wanted(kind, resources)
                .any(|(_, resource)| resource.changed > sent)
    }

    fn give(&mut self, kind: ResourceType, resources: &Resources) -> Vec<Any> {
        let wanted = self.wanted(kind, resources);
        let (names, found): (Vec<_>, _) = wanted
            .map(|(name, resource)| (name.to_string(), any(kind, resource)))
            .unzip();
        if !kind.is_wildcard() {
            self.given.extend(names);
        }
        found
    }

    /// Whether the newest response is on its way or still worked on.
    fn is_unanswered(&self) -> bool {
        self.sent
            .as_ref()
            .is_some_and(|sent| sent.answer == Answer::None)
    }

    fn unanswered(&self, kind: ResourceType, resources: &Resources) -> Vec<Unanswered> {
        let missing = self
            .names
            .difference(&self.given)
            .filter(|name| !kind.is_wildcard() && !resources.has(kind, name));
        missing
            .map(|name| Unanswered {
                type_url: kind.type_url(),
                name: name.clone(),
            })
            .collect()
    }

    fn refused(&self, kind: ResourceType, resources: &Resources, message: &str) -> Rejected {
        let fresh = self
            .wanted(kind, resources)
            .filter(|(_, resource)| resource.changed > self.accepted);
        let mut names: Vec<String> = fresh.map(|(name, _)| name.to_string()).collect();
        if names.iter().any(|name| message.contains(name)) {
            names.retain(|name| message.contains(name));
        }
        Rejected {
            type_url: kind.type_url(),
            message: message.to_owned(),
            names,
        }
    }

    fn progress(&self, kind: ResourceType, resources: &Resources) -> Progress {
        let current = resources.version.types[kind.index()];
        if self.is_due(kind, resources) {
            return Progress::Waiting;
        }
        match self.sent.as_ref().map(|sent| (&sent.answer, sent.version)) {
            Some((Answer::Refused(message), version)) => {
                let refused = self.refused(kind, resources, message);
                Progress::Rejected(version, refused)
            }
            Some((Answer::Accepted, _)) => Progress::Acknowledged(current),
            // Nothing it asked for by name is to be had: there is nothing to acknowledge.
            None if !kind.is_wildcard() => Progress::Acknowledged(current),
            Some((Answer::None, _)) | None => Progress::Waiting,
        }
    }
}

fn any(kind: ResourceType, resource: &Resource) -> Any {
    Any {
        type_url: kind.type_url(),
        value: resource.bytes.clone(),
    }
}

#[cfg(test)]
mod tests;
