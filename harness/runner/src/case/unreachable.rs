//! A target that nobody answers at. Where a router can be looked into, its counters settle it as soon
//! as the client's SYN was dropped, and the client is stopped; else its own timeout is waited out.

use std::cell::RefCell;
use std::time::Instant;

use meshproof_record::NetworkEvidence;
use meshproof_scenario::Speaks;

use super::{Running, exec, probe, session};
use crate::client;
use crate::judge::source;
use crate::router::{Flow, Routers};

pub(super) async fn collect(running: &mut Running<'_>) {
    let logs = &running.stage.environment.logs;
    let marks = logs.mark(&running.case.from);
    running.resolve().await;
    let mut routers = open(running).await;
    let flow = Flow {
        source: running.client.address.clone().unwrap_or_default(),
        targets: running
            .evidence
            .resolution
            .as_ref()
            .map(|found| found.addresses.clone())
            .unwrap_or_default(),
        port: running.target.port,
    };
    let command = match running.case.speaks() {
        Speaks::Plaintext => Ok((client::speak_first(&running.target), Vec::new())),
        Speaks::Mysql => Ok((exec::mysql(running), exec::sql(running))),
        Speaks::Tls | Speaks::Silent => probe::command(running),
    };
    let (argv, stdin) = match command {
        Ok(command) => command,
        Err(why) => return running.missing(source::CLIENT, why),
    };
    let counted: RefCell<Option<Result<NetworkEvidence, String>>> = RefCell::new(None);
    let started = Instant::now();
    let wait_out = running.stage.manner.wait_timeouts;
    let stop = async {
        if let (Some(routers), false) = (routers.as_mut(), wait_out) {
            let found = routers.wait_dropped(&flow).await;
            let dropped = found.is_ok();
            *counted.borrow_mut() = Some(found);
            if dropped {
                return format!(
                    "the router dropped its SYN, the client was stopped at {:.3} s",
                    started.elapsed().as_secs_f64()
                );
            }
        }
        std::future::pending().await
    };
    match exec::run(running, argv.clone(), stdin, stop).await {
        Ok(output) => running.evidence.client = Some(exec::evidence(argv, &output)),
        Err(why) => running.missing(source::CLIENT, why),
    }
    if wait_out && let Some(routers) = routers.as_mut() {
        // The client has given up, so its SYNs are counted: the state at hand or the next line has them.
        let found = routers.wait_dropped(&flow).await;
        *counted.borrow_mut() = Some(found);
    }
    match counted.into_inner() {
        Some(Ok(network)) => running.evidence.network = Some(network),
        Some(Err(why)) => running.missing(source::NETWORK, why),
        None => running.evidence.network = routers.as_ref().map(|routers| routers.evidence(&flow)),
    }
    // Somebody on the way may have found nobody behind it, and says so in its log.
    let dropped = running
        .evidence
        .network
        .as_ref()
        .is_some_and(|network| network.drops > 0);
    if !dropped {
        session::refused(running, &marks, running.opening()).await;
    }
    logs.collect(&marks, &mut running.evidence);
}

async fn open(running: &mut Running<'_>) -> Option<Routers> {
    match Routers::open(running.stage.clusters.both()).await {
        Ok(Some(routers)) => Some(routers),
        Ok(None) => {
            running.missing(
                source::NETWORK,
                "this provider has no router that can be looked into",
            );
            None
        }
        Err(why) => {
            running.missing(source::NETWORK, why);
            None
        }
    }
}
