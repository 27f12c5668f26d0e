//! The program at the end.

use meshproof_mesh::Pod;
use meshproof_record::{Cause, Hop, word};

use crate::{
    cluster::Cluster,
    report::Ending,
    walk::Flow,
    way::{End, Path, Way},
};

/// A connection reaches a program, which is taken for one that greets in plaintext, as MySQL does.
pub(crate) fn reached(cluster: &Cluster, pod: &Pod, flow: &Flow, way: Way) -> Path {
    let at = cluster.place(pod);
    let said = format!("port {} of {at}", flow.port);
    let way = way.and(Hop::Mysqld, &at, "program", said);
    if let Some(hello) = flow.payload.hello() {
        let why = format!(
            "the TLS that {} opens reaches the program on port {} of {at}, which answers in plaintext",
            word(hello.hop),
            flow.port
        );
        return way.ends(End::refused(hello.hop, Cause::TlsToPlaintext, why));
    }
    let why = format!("the connection reaches port {} of {at}", flow.port);
    way.ends(End {
        outcome: Ending::Connected,
        hop: Hop::None,
        cause: Cause::None,
        why,
    })
}
