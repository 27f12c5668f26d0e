//! The node with real namespaces. Every trial has a node of its own.
#![allow(clippy::unwrap_used)]

mod applet;
mod containers;
mod death;
mod lab;
mod network;
mod ordinary;
mod refusal;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    meshproof_pocket_node::entry();
    if let Some(code) = applet::run() {
        return code;
    }
    let mut trials = Vec::new();
    trials.extend(containers::trials());
    trials.extend(network::trials());
    trials.extend(death::trials());
    trials.extend(refusal::trials());
    trials.extend(ordinary::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A trial that runs on a runtime of its own.
fn trial<F>(name: &str, work: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work());
        Ok(())
    })
}
