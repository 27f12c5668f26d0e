//! The name's addresses, as programs in the pod find them.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use meshproof_record::ProbeDns;

use crate::wire::ms;

/// Asks the system's resolver. It knows no deadline, so it is asked in a thread that may outlast this.
pub(crate) fn resolve(host: &str, port: u16, within: Duration) -> (Vec<SocketAddr>, ProbeDns) {
    let start = Instant::now();
    let found = ask(host, port, within);
    let ms = ms(start);
    let (addresses, error) = match found {
        Ok(addresses) => (addresses, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let dns = ProbeDns {
        ms,
        addresses: addresses.iter().map(|at| at.ip().to_string()).collect(),
        error,
    };
    (addresses, dns)
}

fn ask(host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
    let (tell, told) = mpsc::channel();
    let name = host.to_owned();
    let asking = std::thread::Builder::new().spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody listens once the time is over.
        let _late = tell.send(found.map(Iterator::collect::<Vec<SocketAddr>>));
    });
    asking.map_err(|error| format!("starting a thread for the resolver: {error}"))?;
    let mut found: Vec<SocketAddr> = Vec::new();
    let all = told
        .recv_timeout(within)
        .map_err(|_| format!("no answer within {} ms", within.as_millis()))?
        .map_err(|error| error.to_string())?;
    for address in all {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err("the resolver gave no address".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_answer() {
        let (found, dns) = resolve("127.0.0.1", 1, Duration::from_secs(5));
        assert_eq!(found, ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(dns.addresses, ["127.0.0.1"]);
        assert_eq!(dns.error, None);
    }

    #[test]
    fn a_name_without_addresses_says_why() {
        // Longer than a name may be: no resolver has to be asked.
        let (found, dns) = resolve(&"a".repeat(300), 1, Duration::from_secs(5));
        assert!(found.is_empty() && dns.addresses.is_empty());
        assert!(dns.error.is_some_and(|why| !why.is_empty()));
    }
}
