//! What an error of the client says about whether a request was executed. Pure.

use std::error::Error;
use std::io::ErrorKind;

use hyper_util::client::legacy;
use meshproof_cluster::kube;

use super::next::Ending;

/// Whether another attempt may mend it, and whether this one can have been executed.
pub(super) fn ending(error: &kube::Error) -> Ending {
    let mut transient = false;
    let mut connecting = false;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<legacy::Error>() {
            connecting |= error.is_connect();
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            transient |= error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            transient |= is_transient(error.kind());
            // It may carry another, which `source` of some versions does not tell.
            if let Some(inner) = error.get_ref() {
                cause = Some(inner);
                continue;
            }
        }
        cause = error.source();
    }
    match (transient, connecting) {
        (true, true) => Ending::NotSent,
        (true, false) => Ending::Lost,
        // A certificate that is not trusted, a name that does not exist, credentials that are none.
        (false, _) => Ending::Failed,
    }
}

fn is_transient(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::UnexpectedEof
    )
}
