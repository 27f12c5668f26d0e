//! The clusters' name servers.
//!
//! A cluster answers for its Services and pods as `CoreDNS` does (the Kubernetes DNS specification
//! 1.1.0), and for `A.B.C.D.nip.io`, the public service that makes a name out of an address: the
//! tutorial's certificates need a name, and an embedded cluster has no Internet. An AAAA question
//! for a name that exists is answered empty, never refused: resolvers give up on a refusal.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Seconds an answer may be kept. `CoreDNS` gives 30; a change must be seen sooner here.
const TTL: u32 = 1;
/// The largest answer over UDP without EDNS (RFC 1035, 4.2.1).
const UDP_LIMIT: usize = 512;

/// The names of one cluster. Replaced as a whole when Services, pods or endpoints change.
#[derive(Debug)]
pub(crate) struct Zone {
    /// It answers for names of nip.io too.
    nip_io: bool,
    names: RwLock<Arc<HashMap<String, Vec<Ipv4Addr>>>>,
}

/// What a zone has for a name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Addresses(Vec<Ipv4Addr>),
    Nothing,
}

impl Zone {
    pub(crate) fn new(nip_io: bool) -> Self {
        Self {
            nip_io,
            names: RwLock::default(),
        }
    }

    /// Replaces all names. Names are absolute, in lower case, without the final dot.
    pub(crate) fn replace(&self, names: HashMap<String, Vec<Ipv4Addr>>) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }

    fn find(&self, name: &str) -> Found {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(ip) = nip_io(&name).filter(|_| self.nip_io) {
            return Found::Addresses(vec![ip]);
        }
        let names = self
            .names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        names
            .get(&name)
            .map_or(Found::Nothing, |ips| Found::Addresses(ips.clone()))
    }

    /// Answers one message; `None` for what is not a question at all.
    pub(crate) fn answer(&self, packet: &[u8]) -> Option<Message> {
        let question = Message::from_vec(packet).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.authoritative = true;
        answer.add_queries(question.queries.iter().cloned());
        match question.queries.as_slice() {
            _ if question.metadata.op_code != OpCode::Query => {
                answer.metadata.response_code = ResponseCode::NotImp;
            }
            [query] => {
                match self.find(&query.name().to_ascii()) {
                    Found::Addresses(ips) if query.query_type() == RecordType::A => {
                        answer.add_answers(ips.into_iter().map(|ip| {
                            Record::from_rdata(query.name().clone(), TTL, RData::A(A(ip)))
                        }));
                    }
                    Found::Addresses(_) => {}
                    Found::Nothing => answer.metadata.response_code = ResponseCode::NXDomain,
                }
            }
            _ => answer.metadata.response_code = ResponseCode::FormErr,
        }
        Some(answer)
    }
}

/// The address in `A.B.C.D.nip.io` or `anything.A.B.C.D.nip.io`.
fn nip_io(name: &str) -> Option<Ipv4Addr> {
    let labels: Vec<&str> = name
        .strip_suffix(".nip.io")?
        .rsplitn(5, '.')
        .take(4)
        .collect();
    let [d, c, b, a] = labels.as_slice() else {
        return None;
    };
    Ipv4Addr::from_str(&format!("{a}.{b}.{c}.{d}")).ok()
}

/// Answers questions over UDP until the socket fails.
pub(crate) async fn serve_udp(zone: Arc<Zone>, socket: UdpSocket) -> io::Result<()> {
    let mut packet = vec![0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut packet).await?;
        let Some(answer) = zone.answer(&packet[..length]) else {
            continue;
        };
        let Ok(bytes) = answer.to_vec() else { continue };
        let bytes = if bytes.len() > UDP_LIMIT {
            answer.truncate().to_vec().unwrap_or_default()
        } else {
            bytes
        };
        match socket.send_to(&bytes, from).await {
            // The asker may be gone: ICMP tells it on the next call, and it is nobody else's error.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
            other => {
                other?;
            }
        }
    }
}

/// Answers questions over TCP until the listener fails.
pub(crate) async fn serve_tcp(zone: Arc<Zone>, listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let zone = zone.clone();
        tokio::spawn(async move {
            // A client that breaks off in the middle concerns only itself.
            let _ended = converse(&zone, stream).await;
        });
    }
}

async fn converse(zone: &Zone, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut packet = vec![0; usize::from(length)];
        stream.read_exact(&mut packet).await?;
        let Some(answer) = zone.answer(&packet) else {
            return Ok(());
        };
        let bytes = answer.to_vec().map_err(io::Error::other)?;
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        stream
            .write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat())
            .await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;
    use hickory_proto::rr::Name;

    fn ask(zone: &Zone, name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).expect("name"), kind));
        zone.answer(&message.to_vec().expect("encode"))
            .expect("answer")
    }

    fn addresses(message: &Message) -> Vec<String> {
        message.answers.iter().map(|r| r.data.to_string()).collect()
    }

    #[test]
    fn nip_io_names_hold_their_address() {
        let zone = Zone::new(true);
        assert_eq!(
            addresses(&ask(&zone, "203.0.113.10.nip.io.", RecordType::A)),
            ["203.0.113.10"]
        );
        assert_eq!(
            addresses(&ask(&zone, "db.203.0.113.10.NIP.io.", RecordType::A)),
            ["203.0.113.10"]
        );
        for (zone, name) in [
            (zone, "0.113.10.nip.io."),
            (Zone::new(false), "203.0.113.10.nip.io."),
        ] {
            let answer = ask(&zone, name, RecordType::A);
            assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        }
    }

    #[test]
    fn aaaa_of_a_known_name_is_empty_not_refused() {
        let answer = ask(&Zone::new(true), "203.0.113.10.nip.io.", RecordType::AAAA);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.answers.is_empty());
    }

    #[test]
    fn services_are_found_and_others_are_not() {
        let zone = Zone::new(true);
        zone.replace(HashMap::from([(
            "mysql.default.svc.cluster.local".into(),
            vec![Ipv4Addr::new(10, 96, 1, 33)],
        )]));
        assert_eq!(
            addresses(&ask(
                &zone,
                "mysql.default.svc.cluster.local.",
                RecordType::A
            )),
            ["10.96.1.33"]
        );
        assert_eq!(
            ask(&zone, "mysql.other.svc.cluster.local.", RecordType::A)
                .metadata
                .response_code,
            ResponseCode::NXDomain
        );
    }

    #[test]
    fn noise_is_not_answered() {
        assert!(Zone::new(true).answer(b"\x00\x01garbage").is_none());
        assert!(Zone::new(true).answer(&[]).is_none());
    }
}
