//! What the client's own words settle. Most of its errors have many causes and settle nothing.

use meshproof_record::{Cause, Hop, Observed, Outcome};
use meshproof_sql::{ClientEnd, FirstPacket};

use super::{CONNECTED, Claim, Client, Signs, probe};

pub(super) fn claim(signs: &Signs<'_>) -> Option<Claim> {
    let client = signs.client.as_ref().ok()?;
    let observed = match client {
        Client::MySql { end, printed } => of_mysql(end, *printed, signs.statements)?,
        Client::Raw { first, .. } => match first {
            Some(FirstPacket::Greeting) => CONNECTED,
            Some(FirstPacket::Error) | None => return None,
        },
        Client::Probe(report) => probe::settled(report)?,
    };
    Some(Claim::new(observed, "client", how(client)))
}

fn of_mysql(end: &ClientEnd, printed: bool, statements: Option<u64>) -> Option<Observed> {
    let refused = |hop, cause| Observed {
        outcome: Outcome::Refused,
        hop,
        cause,
    };
    match end {
        ClientEnd::Connected if printed || statements.is_some_and(|count| count > 0) => {
            Some(CONNECTED)
        }
        ClientEnd::StatementFailed(_) | ClientEnd::LostInSession(_) => Some(CONNECTED),
        ClientEnd::NameUnknown(_) => Some(Observed {
            outcome: Outcome::Unreachable,
            hop: Hop::Client,
            cause: Cause::Dns,
        }),
        ClientEnd::AuthDenied(_) => Some(refused(Hop::Mysqld, Cause::AuthDenied)),
        ClientEnd::UnknownDatabase(_) => Some(refused(Hop::Mysqld, Cause::UnknownDatabase)),
        _ => None,
    }
}

fn how(client: &Client) -> String {
    match client {
        Client::MySql {
            end: ClientEnd::Connected,
            ..
        } => "the client ended without an error".to_owned(),
        Client::MySql { end, .. } => {
            let words = end.error().map_or("", |error| error.message.as_str());
            match end {
                ClientEnd::StatementFailed(_) | ClientEnd::LostInSession(_) => {
                    format!("the session stood; the client says: {words}")
                }
                _ => format!("the client says: {words}"),
            }
        }
        Client::Raw { .. } => "the database's greeting reached the client".to_owned(),
        Client::Probe(report) => format!("the prober says: {}", probe::said(report)),
    }
}

/// What the client says, for the list of evidence.
pub(super) fn said(signs: &Signs<'_>) -> Option<String> {
    match signs.client.as_ref().ok()? {
        Client::MySql { end, printed } => Some(match (end, end.error()) {
            (_, Some(error)) => format!("error {}: {}", error.number, error.message),
            (ClientEnd::Connected, None) if *printed => {
                "it ended without an error and printed rows".to_owned()
            }
            (ClientEnd::Connected, None) => "it ended without an error and no output".to_owned(),
            (ClientEnd::Unreadable { exit, last_line }, None) => {
                format!("exit code {exit}: {last_line}")
            }
            (_, None) => "it was stopped".to_owned(),
        }),
        Client::Raw { first, tls } => Some(match (first, tls) {
            (Some(FirstPacket::Greeting), _) => "it received a MySQL greeting".to_owned(),
            (Some(FirstPacket::Error), _) => "it received a MySQL error".to_owned(),
            (None, Some(tls)) if tls.alert.is_some() => tls.line.clone(),
            (None, _) => "it received no MySQL greeting".to_owned(),
        }),
        Client::Probe(report) => Some(probe::said(report)),
    }
}

/// A refusal of TCP. Nobody says whose: a pod without a listener, or the network's.
pub(super) fn refused_tcp(signs: &Signs<'_>) -> Option<(String, Vec<Observed>)> {
    let said = match &signs.client {
        Ok(Client::MySql {
            end: ClientEnd::Refused(error),
            ..
        }) => error.message.clone(),
        Ok(Client::Probe(report)) if probe::is_refused(report) => probe::said(report),
        _ => return None,
    };
    let refused = |hop, cause| Observed {
        outcome: Outcome::Refused,
        hop,
        cause,
    };
    let peers = signs
        .peer
        .map_or_else(|| super::logs::GATES.to_vec(), |peer| vec![peer]);
    let closed = peers.into_iter().map(|hop| refused(hop, Cause::NoListener));
    let fits = std::iter::once(refused(Hop::Network, Cause::Refused)).chain(closed);
    Some((format!("the client says: {said}"), fits.collect()))
}

/// Whether the database's greeting reached the client.
pub(super) fn greeted(signs: &Signs<'_>) -> Option<bool> {
    match signs.client.as_ref().ok()? {
        Client::MySql { end, .. } => end.greeted(),
        Client::Raw { first, .. } => (*first == Some(FirstPacket::Greeting)).then_some(true),
        Client::Probe(report) => Some(report.greeted()),
    }
}
