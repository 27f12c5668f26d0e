//! From the scenario's words to the run record's: what a case demands, as it will be judged.

use meshproof_record as record;
use meshproof_scenario as scenario;
use scenario::At;

/// What a bound case demands.
pub(crate) fn of(case: &scenario::Case) -> record::Expectation {
    let expect = &case.expect.value;
    let own_tls = case.client.as_ref().and_then(|client| client.tls.as_ref());
    record::Expectation {
        outcome: outcome(expect.outcome.value),
        hop: expect.hop.as_ref().map(|at| hop(at.value)),
        cause: expect.cause.as_ref().map(|at| cause(at.value)),
        resolves: expect.resolves.as_ref().map(|at| at.value),
        rows: expect.rows.as_ref().map(|at| rows(&at.value)),
        path: expect
            .path
            .iter()
            .map(|at| expected_hop(&at.value))
            .collect(),
        legs: expect
            .legs
            .iter()
            .map(|at| expected_leg(&at.value))
            .collect(),
        database: match &expect.database {
            Some(at) => Some(database(&at.value)),
            None if case.is_negative() && case.during.is_empty() => {
                Some(record::ExpectedDatabase::Nothing)
            }
            None => None,
        },
        link: expect.link.as_ref().map(|at| link(at.value)),
        failures: failures(case),
        own_tls: own_tls.is_some_and(|tls| tls.value == scenario::OwnTls::Required),
    }
}

fn link(link: scenario::ExpectedLink) -> record::ExpectedLink {
    match link {
        scenario::ExpectedLink::Secret => record::ExpectedLink::Secret,
        scenario::ExpectedLink::Readable => record::ExpectedLink::Readable,
        scenario::ExpectedLink::Nothing => record::ExpectedLink::Nothing,
    }
}

/// A case during which something changes says whether sessions may fail; `none` where it is silent.
fn failures(case: &scenario::Case) -> Option<record::Failures> {
    if case.during.is_empty() {
        return None;
    }
    Some(match case.expect.failures.as_ref().map(|at| at.value) {
        Some(scenario::Failures::Some) => record::Failures::Some,
        Some(scenario::Failures::None) | None => record::Failures::None,
    })
}

fn rows(rows: &[Vec<At<String>>]) -> Vec<Vec<String>> {
    rows.iter()
        .map(|row| row.iter().map(|value| value.value.clone()).collect())
        .collect()
}

fn text(at: Option<&At<String>>) -> Option<String> {
    at.map(|at| at.value.clone())
}

fn expected_hop(expected: &scenario::ExpectedHop) -> record::ExpectedHop {
    record::ExpectedHop {
        hop: hop(expected.hop.value),
        cluster: text(expected.cluster.as_ref()),
        upstream: text(expected.upstream.as_ref()),
        upstream_port: expected.upstream_port,
        sni: text(expected.sni.as_ref()),
    }
}

fn expected_leg(expected: &scenario::ExpectedLeg) -> record::ExpectedLeg {
    record::ExpectedLeg {
        from: hop(expected.from.value),
        to: hop(expected.to.value),
        encrypted: match expected.encrypted.value {
            scenario::Protection::Mutual => record::Protection::Mutual,
            scenario::Protection::ServerOnly => record::Protection::ServerOnly,
            scenario::Protection::None => record::Protection::None,
        },
        peer: text(expected.peer.as_ref()),
    }
}

fn database(expected: &scenario::ExpectedDatabase) -> record::ExpectedDatabase {
    match expected {
        scenario::ExpectedDatabase::Nothing => record::ExpectedDatabase::Nothing,
        scenario::ExpectedDatabase::Rows(wanted) => record::ExpectedDatabase::Rows {
            query: wanted.query.value.clone(),
            equal: rows(&wanted.equal.value),
        },
    }
}

fn outcome(outcome: scenario::Outcome) -> record::Outcome {
    match outcome {
        scenario::Outcome::Connected => record::Outcome::Connected,
        scenario::Outcome::Refused => record::Outcome::Refused,
        scenario::Outcome::Unreachable => record::Outcome::Unreachable,
    }
}

pub(crate) fn hop(hop: scenario::Hop) -> record::Hop {
    match hop {
        scenario::Hop::Client => record::Hop::Client,
        scenario::Hop::ClientSidecar => record::Hop::ClientSidecar,
        scenario::Hop::Egress => record::Hop::Egress,
        scenario::Hop::Network => record::Hop::Network,
        scenario::Hop::Ingress => record::Hop::Ingress,
        scenario::Hop::ServerSidecar => record::Hop::ServerSidecar,
        scenario::Hop::Mysqld => record::Hop::Mysqld,
    }
}

fn cause(cause: scenario::Cause) -> record::Cause {
    use record::Cause as To;
    use scenario::Cause as From;
    match cause {
        From::NoClientCertificate => To::NoClientCertificate,
        From::UnknownCa => To::UnknownCa,
        From::Expired => To::Expired,
        From::NotYetValid => To::NotYetValid,
        From::Revoked => To::Revoked,
        From::WrongPurpose => To::WrongPurpose,
        From::SanMismatch => To::SanMismatch,
        From::SniMismatch => To::SniMismatch,
        From::NotTls => To::NotTls,
        From::TlsToPlaintext => To::TlsToPlaintext,
        From::ProtocolVersion => To::ProtocolVersion,
        From::NoRoute => To::NoRoute,
        From::NoListener => To::NoListener,
        From::NoEndpoint => To::NoEndpoint,
        From::Refused => To::Refused,
        From::Dropped => To::Dropped,
        From::Dns => To::Dns,
        From::SecretMissing => To::SecretMissing,
        From::PolicyDenied => To::PolicyDenied,
        From::ServerDown => To::ServerDown,
        From::AuthDenied => To::AuthDenied,
        From::UnknownDatabase => To::UnknownDatabase,
        From::NoGreeting => To::NoGreeting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both crates spell the same words; a case must not mean something else after conversion.
    #[test]
    fn every_word_keeps_its_spelling() {
        for word in scenario::Cause::ALL {
            assert_eq!(crate::words::cause(cause(*word)), word.as_str());
        }
        for word in scenario::Hop::ALL {
            assert_eq!(crate::words::hop(hop(*word)), word.as_str());
        }
        for word in scenario::Outcome::ALL {
            assert_eq!(crate::words::outcome(outcome(*word)), word.as_str());
        }
    }
}
