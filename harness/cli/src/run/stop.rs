//! SIGINT and SIGTERM: the first ends the run in order, the second ends the process at once.
//!
//! A thread of its own listens, so that neither a busy runtime nor one that is being taken down can
//! keep the second signal from being heard. What runs in the namespaces ends with the process.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;
use crate::failure::Failure;

/// What a run says that a signal ended.
pub(crate) fn stopped(exit: Exit) -> Failure {
    let signal = if exit == Exit::Interrupted {
        "SIGINT"
    } else {
        "SIGTERM"
    };
    Failure::new(
        exit,
        format!("interrupted by {signal}: what was found until then is in the report"),
    )
}

/// Tells of the first signal.
#[derive(Clone)]
pub(crate) struct Stop {
    first: watch::Receiver<Option<Exit>>,
}

impl Stop {
    /// Begins to listen. From now on the signals do not end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        let (tell, first) = watch::channel(None);
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut interrupts, mut terminations) = {
            let _within = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        let exit = tokio::select! {
                            _ = interrupts.recv() => Exit::Interrupted,
                            _ = terminations.recv() => Exit::Terminated,
                        };
                        if tell.send_replace(Some(exit)).is_some() {
                            std::process::exit(exit.code().into());
                        }
                    }
                });
            })?;
        Ok(Self { first })
    }

    /// Resolves with the first signal, never without one.
    pub(crate) async fn wait(&mut self) -> Exit {
        loop {
            if let Some(exit) = *self.first.borrow_and_update() {
                return exit;
            }
            if self.first.changed().await.is_err() {
                // The listener cannot end before the process does.
                std::future::pending::<()>().await;
            }
        }
    }
}
