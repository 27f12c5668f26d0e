//! Requests with a token of the test's choice.

use meshproof_cluster::Side;
use meshproof_cluster::kube::api::{Api, ListParams};
use meshproof_cluster::kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use meshproof_cluster::kube::{Client, Error};

use crate::clusters::Served;

/// The status code that a list of Namespaces is answered with.
pub(crate) async fn code(served: &Served, side: Side, token: Option<&str>) -> u16 {
    let mut config = served.config(side).await;
    config.auth_info.token = token.map(|token| token.to_owned().into());
    let client = Client::try_from(config).unwrap();
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
    let namespaces: Api<DynamicObject> = Api::all_with(client, &kind);
    match namespaces.list(&ListParams::default()).await {
        Ok(list) => {
            assert!(!list.items.is_empty(), "a cluster has namespaces");
            200
        }
        Err(Error::Api(status)) => status.code,
        Err(error) => panic!("cluster {side}: no answer of the API: {error}"),
    }
}
