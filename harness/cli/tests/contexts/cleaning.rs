//! What a run that was killed leaves, and `clean`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use meshproof_cluster::Side;
use meshproof_cluster::kube::api::{Api, DynamicObject, Patch, PatchParams};
use meshproof_cluster::kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use crate::clusters::Served;
use crate::command::{Folder, KILLED};
use crate::objects;

/// `kill -9` while a case runs. Somebody else's change of a Service that the run had changed too stays.
pub(crate) async fn what_a_killed_run_has_left_is_cleaned(served: &Served, folder: &Folder) {
    let clusters = served.clusters().await;
    let mut before = objects::settled(&clusters).await;
    let ran = folder.meshproof(&["clean"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing was left\n"));
    let scenario = folder.scenario();
    // This one waits for a timeout of ten seconds.
    let line = "no-sidecar-mysql-port: running";
    let run = ["run", &scenario, "--out", folder.out()];
    let killed = folder.killed(&run, line).await;
    assert_eq!(killed.code, KILLED, "{}", killed.stderr);

    let state = folder.path().join("state/meshproof/runs");
    let files: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|file| file.unwrap())
        .collect();
    assert_eq!(
        files.len(),
        3,
        "a lock, and a journal for each cluster: {files:?}"
    );
    for file in &files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
    let client = clusters.server.client.clone();
    let services: Api<DynamicObject> = Api::namespaced_with(client, "istio-system", &kind);
    let other = json!({"metadata": {"labels": {"somebody": "else"}}});
    let name = "istio-ingressgateway";
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&other));
    services.patch(name, &parameters, &patch).await.unwrap();
    let service = before.get_mut(&format!("{} Service istio-system/{name}", Side::Server));
    service.unwrap()["metadata"]["labels"]["somebody"] = json!("else");

    let ran = folder.meshproof(&["clean"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for side in [Side::Client, Side::Server] {
        let told = format!("cluster {side}: what run ");
        assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    }
    objects::wait_for(&clusters, &before).await;
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    let again = folder.meshproof(&["clean"]).await;
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "nothing was left\n")
    );
}
