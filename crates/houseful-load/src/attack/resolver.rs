//! From names to addresses: by the system, or by the name servers that the options name.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one server has for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often all servers are asked.
const ROUNDS: usize = 2;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// Looks names up.
pub(super) struct Resolver {
    /// None: as the system does it.
    servers: Vec<SocketAddr>,
}

impl Resolver {
    pub(super) fn new(servers: &[SocketAddr]) -> Resolver {
        Resolver { servers: servers.to_vec() }
    }

    /// All addresses of `host`, with `port`.
    pub(super) async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if self.servers.is_empty() {
            return Ok(tokio::net::lookup_host((host, port)).await?.collect());
        }
        let with_port = |address| SocketAddr::new(address, port);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![with_port(address)]);
        }
        // RFC 6761: no name server is to be asked.
        if host.eq_ignore_ascii_case("localhost") {
            let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
            return Ok(vec![with_port(v4), with_port(v6)]);
        }
        let mut last = io::Error::other("no name server answered");
        for server in self.servers.iter().cycle().take(self.servers.len() * ROUNDS) {
            match ask(*server, host).await {
                Ok(addresses) => return Ok(addresses.into_iter().map(with_port).collect()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = io::Error::other(format!("name server {server}: {error}")),
            }
        }
        Err(last)
    }
}

/// Asks one server for both kinds of addresses.
async fn ask(server: SocketAddr, host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for kind in [TYPE_A, TYPE_AAAA] {
        let id = RandomState::new().build_hasher().finish() as u16;
        let query = query(id, host, kind)?;
        let answer = tokio::time::timeout(PATIENCE, exchange(server, &query)).await;
        let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        addresses.extend(answer_addresses(&answer, &query).map_err(wrong)?);
    }
    if addresses.is_empty() { Err(no_such_host()) } else { Ok(addresses) }
}

fn wrong(fault: Fault) -> io::Error {
    match fault {
        Fault::NoSuchHost => no_such_host(),
        Fault::Refused(code) => io::Error::other(format!("it refused, with code {code}")),
        Fault::Malformed => io::Error::other("malformed answer"),
    }
}

fn no_such_host() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such host")
}

/// One question and its answer, over UDP, and over TCP if it is too long for that.
async fn exchange(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let udp = UdpSocket::bind((any, 0)).await?;
    // Connected, it hears nobody else.
    udp.connect(server).await?;
    udp.send(query).await?;
    let mut answer = vec![0; 4_096];
    loop {
        let len = udp.recv(&mut answer).await?;
        // The same number; an answer to another question is left alone.
        if len >= 4 && answer[..2] == query[..2] {
            answer.truncate(len);
            break;
        }
    }
    let is_truncated = answer[2] & 0b10 != 0;
    if !is_truncated {
        return Ok(answer);
    }
    let mut tcp = TcpStream::connect(server).await?;
    let len = u16::try_from(query.len()).map_err(io::Error::other)?;
    tcp.write_all(&[&len.to_be_bytes()[..], query].concat()).await?;
    let len = tcp.read_u16().await?;
    let mut answer = vec![0; len.into()];
    tcp.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A question by RFC 1035, section 4.1.
fn query(id: u16, host: &str, kind: u16) -> io::Result<Vec<u8>> {
    let mut query = Vec::new();
    query.extend_from_slice(&id.to_be_bytes());
    // Recursion is desired; one question.
    query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in host.trim_end_matches('.').split('.') {
        match u8::try_from(label.len()) {
            Ok(len @ 1..=63) => query.push(len),
            _ => return Err(io::Error::other(format!("`{host}` is no name"))),
        }
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&kind.to_be_bytes());
    // The internet.
    query.extend_from_slice(&1u16.to_be_bytes());
    Ok(query)
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    NoSuchHost,
    Refused(u8),
    Malformed,
}

/// The addresses in an answer to `query`, those behind a CNAME included: the server follows it.
fn answer_addresses(answer: &[u8], query: &[u8]) -> Result<Vec<IpAddr>, Fault> {
    let (header, question) = (answer.get(..12).ok_or(Fault::Malformed)?, &query[12..]);
    let is_answer = header[2] & 0x80 != 0;
    let asks_the_same = answer
        .get(12..12 + question.len())
        .is_some_and(|asked| asked.eq_ignore_ascii_case(question));
    match header[3] & 0x0f {
        _ if !is_answer || header[..2] != query[..2] => return Err(Fault::Malformed),
        0 => {}
        3 => return Err(Fault::NoSuchHost),
        code => return Err(Fault::Refused(code)),
    }
    if !asks_the_same {
        return Err(Fault::Malformed);
    }
    let count = u16::from_be_bytes([header[6], header[7]]);
    let mut rest = &answer[12 + question.len()..];
    let mut addresses = Vec::new();
    for _ in 0..count {
        rest = &rest[name_len(rest).ok_or(Fault::Malformed)?..];
        let fixed = rest.get(..10).ok_or(Fault::Malformed)?;
        let len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = rest.get(10..10 + len).ok_or(Fault::Malformed)?;
        match u16::from_be_bytes([fixed[0], fixed[1]]) {
            TYPE_A => {
                let octets: [u8; 4] = data.try_into().map_err(|_| Fault::Malformed)?;
                addresses.push(octets.into());
            }
            TYPE_AAAA => {
                let octets: [u8; 16] = data.try_into().map_err(|_| Fault::Malformed)?;
                addresses.push(octets.into());
            }
            _ => {}
        }
        rest = &rest[10 + len..];
    }
    Ok(addresses)
}

/// How long a name is where it stands; what a pointer at its end points to is not of interest.
fn name_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            0xc0.. if at + 2 <= bytes.len() => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(query: &[u8], code: u8, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let mut answer = query.to_vec();
        answer[2] = 0x81;
        answer[3] = code;
        answer[7] = records.len() as u8;
        for (name, kind, data) in records {
            answer.extend_from_slice(name);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 9]);
            answer.extend_from_slice(&(data.len() as u16).to_be_bytes());
            answer.extend_from_slice(data);
        }
        answer
    }

    #[test]
    fn answers() {
        let query = query(7, "a.example", TYPE_A).unwrap();
        assert_eq!(query[12..], *b"\x01a\x07example\0\0\x01\0\x01");
        let pointer: &[u8] = &[0xc0, 12];
        let v4 = [127, 0, 0, 9];
        for (answer, want) in [
            (answer(&query, 0, &[(pointer, TYPE_A, &v4)]), Ok(vec![IpAddr::from(v4)])),
            // A CNAME first, then the address of what it names.
            (
                answer(&query, 0, &[(pointer, 5, b"\x01b\0"), (b"\x01b\0", TYPE_A, &v4)]),
                Ok(vec![v4.into()]),
            ),
            (
                answer(&query, 0, &[(pointer, TYPE_AAAA, &Ipv6Addr::LOCALHOST.octets())]),
                Ok(vec![Ipv6Addr::LOCALHOST.into()]),
            ),
            (answer(&query, 0, &[]), Ok(vec![])),
            (answer(&query, 3, &[]), Err(Fault::NoSuchHost)),
            (answer(&query, 5, &[]), Err(Fault::Refused(5))),
            (answer(&query, 0, &[(pointer, TYPE_A, &v4[..3])]), Err(Fault::Malformed)),
            (query.clone(), Err(Fault::Malformed)),
            (b"short".to_vec(), Err(Fault::Malformed)),
        ] {
            assert_eq!(answer_addresses(&answer, &query), want, "{answer:?}");
        }
        let other = super::query(7, "b.example", TYPE_A).unwrap();
        let answer = answer(&other, 0, &[(pointer, TYPE_A, &v4)]);
        assert_eq!(answer_addresses(&answer, &query), Err(Fault::Malformed), "another question");
        super::query(7, "a..b", TYPE_A).unwrap_err();
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(cut in 0usize..80, noise: Vec<u8>) {
            let query = query(7, "a.example", TYPE_A).unwrap();
            let whole = answer(&query, 0, &[(&[0xc0, 12], TYPE_A, &[1, 2, 3, 4]), (b"\x01b\0", 5, b"x")]);
            drop(answer_addresses(&whole[..cut.min(whole.len())], &query));
            let mut changed = whole;
            for (at, byte) in noise.iter().enumerate().take(changed.len()) {
                changed[at] ^= byte;
            }
            drop(answer_addresses(&changed, &query));
        }
    }
}
