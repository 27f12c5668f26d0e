//! Asking an API server what the user may do there.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use meshproof_cluster::kube::api::{Api, PostParams};
use meshproof_cluster::kube::{self, Client};

use super::needs::Need;
use crate::error::chain;

/// Questions under way at once; the client's own bound is below it or above it.
const AT_ONCE: usize = 8;

/// What the API server says of a need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub need: Need,
    /// Whether it is allowed; an error in words where it was not answered.
    pub allowed: Result<bool, String>,
}

/// Asks about every need.
pub(super) async fn ask(client: &Client, needs: Vec<Need>) -> Vec<Answer> {
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let asked = needs.into_iter().map(|need| {
        let api = api.clone();
        async move {
            let answer = api.create(&PostParams::default(), &review(&need)).await;
            Answer {
                allowed: answer.map(is_allowed).map_err(words),
                need,
            }
        }
    });
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

fn review(need: &Need) -> SelfSubjectAccessReview {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: some(need.verb),
                group: some(need.group),
                resource: some(need.resource),
                subresource: some(need.subresource),
                namespace: need.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

fn is_allowed(review: SelfSubjectAccessReview) -> bool {
    review.status.is_some_and(|status| status.allowed)
}

fn words(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => chain(&other),
    }
}
