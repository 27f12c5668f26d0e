//! The texts of a scenario in which `${NAME}` may stand.

use crate::{At, Case, Cluster, Expect, ExpectedDatabase, Scenario};

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
    for item in &mut scenario.cases.value {
        case(&mut item.value, visit);
    }
}

fn cluster(cluster: &mut Cluster, visit: &mut impl FnMut(&mut At<String>)) {
    for pod in cluster.pods.values_mut() {
        visit(&mut pod.image);
        pod.env.values_mut().for_each(&mut *visit);
    }
}

fn case(case: &mut Case, visit: &mut impl FnMut(&mut At<String>)) {
    case.description.iter_mut().for_each(&mut *visit);
    visit(&mut case.to);
    case.sql.iter_mut().for_each(&mut *visit);
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
