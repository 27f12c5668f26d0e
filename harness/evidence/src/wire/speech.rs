//! What the two ends of a connection speak.

use meshproof_record::{WireMySql, WireSpeech, WireTls};

use super::mysql::{self, Answer};
use super::stream::Stream;
use super::tls::{self, Records};

/// What was understood.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) client: Heard,
    pub(super) server: Heard,
    pub(super) tls: Option<WireTls>,
    pub(super) mysql: Option<WireMySql>,
}

/// Of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) speaks: WireSpeech,
    pub(super) strays_at: Option<u64>,
}

pub(super) fn read(client: &Stream<'_>, server: &Stream<'_>) -> Spoken {
    let (asked, answered) = (beginning(client), beginning(server));
    let mut spoken = Spoken::default();
    let greeted = answered.as_deref().and_then(mysql::server);
    let answer = asked.as_deref().and_then(mysql::client);
    let own_tls = match (greeted, answer) {
        (Some((_, greeting)), Some(Answer::Tls(request))) => {
            Some((request as u64, greeting as u64))
        }
        _ => None,
    };
    spoken.client.speaks = match (&asked, greeted, answer) {
        (_, Some(_), Some(_)) if own_tls.is_some() => WireSpeech::MysqlThenTls,
        (_, Some(_), Some(_)) => WireSpeech::Mysql,
        (asked, ..) => plain(client, asked.as_deref(), tls::HELLO),
    };
    spoken.server.speaks = match (&answered, greeted) {
        (_, Some(_)) if own_tls.is_some() => WireSpeech::MysqlThenTls,
        (_, Some(_)) => WireSpeech::Mysql,
        (answered, None) => plain(server, answered.as_deref(), tls::ANSWER),
    };
    spoken.mysql = greeted.map(|(found, _)| WireMySql {
        own_tls: own_tls.is_some(),
        ..found
    });
    let (from_client, from_server) = own_tls.unwrap_or_default();
    let read = |heard: &mut Heard, stream: &Stream<'_>, from: u64| {
        let tls = matches!(heard.speaks, WireSpeech::Tls | WireSpeech::MysqlThenTls);
        let records = tls.then(|| Records::read(stream, from))?;
        heard.strays_at = records.strays_at;
        Some(records)
    };
    let by_client = read(&mut spoken.client, client, from_client);
    let by_server = read(&mut spoken.server, server, from_server);
    if by_client.is_some() || by_server.is_some() {
        let (client, server) = (by_client.unwrap_or_default(), by_server.unwrap_or_default());
        spoken.tls = Some(tls::handshake(&client, &server));
    }
    spoken
}

/// The first bytes that were sent; `None` where they were not captured.
fn beginning(stream: &Stream<'_>) -> Option<Vec<u8>> {
    stream.begins.then(|| stream.beginning(mysql::ENOUGH))
}

/// What is neither a greeting nor an answer to one.
fn plain(stream: &Stream<'_>, beginning: Option<&[u8]>, kinds: &[u8]) -> WireSpeech {
    if stream.bytes == 0 {
        return if stream.missing > 0 || stream.truncated {
            WireSpeech::NotVisible
        } else {
            WireSpeech::Nothing
        };
    }
    match beginning {
        // In the middle of a connection only whole records can be told from chance.
        None => match Records::read(stream, stream.pieces.first().map_or(0, |(at, _)| *at)) {
            records if records.strays_at.is_none() && records.whole > 0 => WireSpeech::Tls,
            _ => WireSpeech::NotVisible,
        },
        Some([]) => WireSpeech::NotVisible,
        Some(bytes) => match tls::begins(bytes, kinds) {
            Some(true) => WireSpeech::Tls,
            Some(false) => WireSpeech::Other,
            None => WireSpeech::NotVisible,
        },
    }
}
