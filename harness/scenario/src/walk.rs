//! The texts of a scenario in which `${NAME}` may stand.

use serde_json::Value;

use crate::{At, Case, Cluster, Expect, ExpectedDatabase, Overlay, Scenario, Secret};

/// Visits every text that may use bindings, except the values of the bindings themselves.
pub(crate) fn texts(scenario: &mut Scenario, visit: &mut impl FnMut(&mut At<String>)) {
    scenario
        .metadata
        .description
        .iter_mut()
        .for_each(&mut *visit);
    visit(&mut scenario.certificates.dns_name);
    cluster(&mut scenario.clusters.client, visit);
    cluster(&mut scenario.clusters.server, visit);
    visit(&mut scenario.database.user);
    scenario.database.prepare.iter_mut().for_each(&mut *visit);
    for item in scenario.overlays.values_mut() {
        overlay(&mut item.value, visit);
    }
    for item in &mut scenario.cases.value {
        case(&mut item.value, visit);
    }
}

fn cluster(cluster: &mut Cluster, visit: &mut impl FnMut(&mut At<String>)) {
    for pod in cluster.pods.values_mut() {
        visit(&mut pod.image);
        pod.env.values_mut().for_each(&mut *visit);
    }
    for made in cluster.secrets.values_mut() {
        secret(made, visit);
    }
}

fn secret(secret: &mut Secret, visit: &mut impl FnMut(&mut At<String>)) {
    secret.dns_name.iter_mut().for_each(visit);
}

fn overlay(overlay: &mut Overlay, visit: &mut impl FnMut(&mut At<String>)) {
    for edit in overlay
        .client
        .values_mut()
        .chain(overlay.server.values_mut())
    {
        let edit = &mut edit.value;
        for value in edit.set.values_mut().chain(&mut edit.create) {
            let pos = value.pos;
            strings(&mut value.value, pos, visit);
        }
        if let Some(made) = &mut edit.secret {
            secret(&mut made.value, visit);
        }
    }
}

/// The strings of a value, each at the value's place: their own are not known.
fn strings(value: &mut Value, pos: crate::Pos, visit: &mut impl FnMut(&mut At<String>)) {
    match value {
        Value::String(text) => {
            let mut at = At::new(std::mem::take(text), pos);
            visit(&mut at);
            *text = at.value;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strings(item, pos, visit)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| strings(field, pos, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn case(case: &mut Case, visit: &mut impl FnMut(&mut At<String>)) {
    case.description.iter_mut().for_each(&mut *visit);
    visit(&mut case.to);
    case.sql.iter_mut().for_each(&mut *visit);
    let overlays = case
        .with
        .iter_mut()
        .chain(&mut case.sabotage)
        .chain(&mut case.during);
    for item in overlays {
        overlay(&mut item.value, visit);
    }
    if let Some(login) = &mut case.client {
        login.value.user.iter_mut().for_each(&mut *visit);
        login.value.database.iter_mut().for_each(&mut *visit);
    }
    if let Some(tls) = &mut case.tls {
        tls.value.sni.iter_mut().for_each(&mut *visit);
        if let Some(shows) = &mut tls.value.shows {
            secret(&mut shows.value, visit);
        }
    }
    expect(&mut case.expect.value, visit);
}

fn expect(expect: &mut Expect, visit: &mut impl FnMut(&mut At<String>)) {
    if let Some(table) = &mut expect.rows {
        rows(&mut table.value, visit);
    }
    for hop in &mut expect.path {
        let hop = &mut hop.value;
        [&mut hop.cluster, &mut hop.upstream, &mut hop.sni]
            .into_iter()
            .flatten()
            .for_each(&mut *visit);
    }
    for leg in &mut expect.legs {
        leg.value.peer.iter_mut().for_each(&mut *visit);
    }
    if let Some(At {
        value: ExpectedDatabase::Rows(table),
        ..
    }) = &mut expect.database
    {
        visit(&mut table.query);
        rows(&mut table.equal.value, visit);
    }
}

fn rows(rows: &mut [Vec<At<String>>], visit: &mut impl FnMut(&mut At<String>)) {
    rows.iter_mut().flatten().for_each(visit);
}
