//! The load: emissions in the order of the toolkit's plan, and the clients that send them.
//!
//! A hundred badges at a time advertise five times, each time heard by four Pis: the original,
//! three copies right behind it, and sixteen later ones. So the emissions go in blocks of 2,000,
//! each with 100 new payloads, and a round that ends with a block knows its codes: one 201 in 20.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Badges of a thousand houses. At 80,000 emissions/s each changes its payload every 5 s, as a
/// badge does; with fewer, a badge would have more neighbours in time than any real one.
const BADGES: u64 = 20_000;
const BLOCK_BADGES: u64 = 100;
const PIS: u64 = 4;
const ADVERTISEMENTS: u64 = 5;
/// Emissions of a block.
const BLOCK: u64 = BLOCK_BADGES * PIS * ADVERTISEMENTS;
/// Emissions for each new one.
pub(crate) const PER_PAYLOAD: u64 = PIS * ADVERTISEMENTS;
/// Levels a beacon is heard at, all of two digits: so all bodies are of one length.
const LEVELS: u64 = 68;
const LEVEL_MIN_DBM: u64 = 30;
/// Distinct payloads that a badge can have.
const PAYLOADS: u64 = LEVELS * LEVELS * LEVELS;

/// What is sent next. No payload comes again after its block, however many rounds there are.
#[derive(Debug, Clone)]
pub(crate) struct Emissions {
    next: u64,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// With the first block that ends at this moment or later.
    Block(Instant),
    /// Once every badge has had one payload.
    EveryBadge,
}

/// Badge, number of its payload, Pi.
type Emission = (u64, u64, u64);

impl Emissions {
    pub(crate) fn new() -> Emissions {
        Emissions { next: 0, end: End::EveryBadge }
    }

    fn claim(&mut self, now: Instant) -> Option<Emission> {
        let n = self.next;
        let (over, emission) = match self.end {
            End::EveryBadge => (n == BADGES, (n, PAYLOADS - 1, 0)),
            End::Block(end) => (n.is_multiple_of(BLOCK) && now >= end, in_plan(n)),
        };
        if over {
            return None;
        }
        self.next += 1;
        Some(emission)
    }
}

fn in_plan(n: u64) -> Emission {
    let first = n / BLOCK * BLOCK_BADGES;
    let badge = first % BADGES + n / PIS % BLOCK_BADGES;
    (badge, first / BADGES, n % PIS)
}

/// The bytes of a POST, made once per connection; an emission only changes some digits.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    body: usize,
}

impl Request {
    /// The headers are those that vegeta sends.
    fn new(address: SocketAddr) -> Request {
        let body = r#"{"badge_id": "b00000", "pi_id": "30", "beacons": {"beacon_1": -30, "beacon_2": -30, "beacon_3": -30}}"#;
        let head = format!(
            "POST /rssi_readings HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
            body.len()
        );
        Request { body: head.len(), bytes: [head.as_bytes(), body.as_bytes()].concat() }
    }

    fn set(&mut self, (badge, payload, pi): Emission) -> &[u8] {
        let body = &mut self.bytes[self.body..];
        digits(&mut body[15..20], badge);
        digits(&mut body[33..35], 30 + pi);
        for (at, weight) in [(63, 1), (80, LEVELS), (97, LEVELS * LEVELS)] {
            digits(&mut body[at..at + 2], LEVEL_MIN_DBM + payload / weight % LEVELS);
        }
        &self.bytes
    }
}

fn digits(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How often 201, 409 and any other code came.
    pub(crate) codes: [u64; 3],
    /// In nanoseconds, 4.2 s at most.
    latencies: Vec<u32>,
    /// How late requests of an open model were sent, in the same unit.
    late: Vec<u32>,
}

impl Tally {
    fn note(&mut self, status: u16, latency: Duration) {
        let class = [201, 409].iter().position(|&known| known == status).unwrap_or(2);
        self.codes[class] += 1;
        self.latencies.push(nanos(latency));
    }

    fn add(&mut self, other: Tally) {
        for (count, more) in self.codes.iter_mut().zip(other.codes) {
            *count += more;
        }
        self.latencies.extend(other.latencies);
        self.late.extend(other.late);
    }

    /// The `q`-quantile of the answer times.
    pub(crate) fn latency(&mut self, q: f64) -> Duration {
        quantile(&mut self.latencies, q)
    }

    /// The `q`-quantile of how late requests were sent.
    pub(crate) fn late(&mut self, q: f64) -> Duration {
        quantile(&mut self.late, q)
    }
}

fn nanos(duration: Duration) -> u32 {
    duration.as_nanos().try_into().unwrap_or(u32::MAX)
}

fn quantile(values: &mut [u32], q: f64) -> Duration {
    values.sort_unstable();
    let at = (values.len() as f64 * q) as usize;
    let value = values.get(at.min(values.len().saturating_sub(1)));
    Duration::from_nanos(value.copied().unwrap_or(0).into())
}

/// The status of the answer that `bytes` holds, once it is whole.
fn answer(bytes: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("expected an answer with its length"))?;
    let status = head.code.ok_or_else(|| io::Error::other("expected an answer with a status"))?;
    Ok((bytes.len() >= start + length).then_some(status))
}

/// Kept-alive connections on one thread, each sending again as soon as it has its answer.
pub(crate) struct ClosedLoop {
    runtime: Runtime,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    request: Request,
    received: Vec<u8>,
    tally: Tally,
}

impl ClosedLoop {
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> io::Result<ClosedLoop> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..connections {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (request, received) = (Request::new(address), vec![0; 4_096]);
                clients.push(Client { stream, request, received, tally: Tally::default() });
            }
            io::Result::Ok(clients)
        })?;
        Ok(ClosedLoop { runtime, clients })
    }

    /// One payload of each badge, so that the store knows them all.
    pub(crate) fn introduce_badges(&mut self) -> io::Result<Tally> {
        self.send(&mut Emissions::new())
    }

    /// Whole blocks, until `time` has passed, which is more than zero.
    pub(crate) fn run(&mut self, emissions: &mut Emissions, time: Duration) -> io::Result<Tally> {
        emissions.end = End::Block(Instant::now() + time);
        self.send(emissions)
    }

    fn send(&mut self, emissions: &mut Emissions) -> io::Result<Tally> {
        let shared = Arc::new(Mutex::new(emissions.clone()));
        let clients = std::mem::take(&mut self.clients);
        self.clients = self.runtime.block_on(async {
            let tasks: Vec<_> = clients
                .into_iter()
                .map(|client| tokio::spawn(client.send(shared.clone())))
                .collect();
            let mut clients = Vec::new();
            for task in tasks {
                clients.push(task.await.map_err(io::Error::other)??);
            }
            io::Result::Ok(clients)
        })?;
        emissions.clone_from(&shared.lock().unwrap_or_else(PoisonError::into_inner));
        let mut tally = Tally::default();
        for client in &mut self.clients {
            tally.add(std::mem::take(&mut client.tally));
        }
        Ok(tally)
    }
}

impl Client {
    async fn send(mut self, emissions: Arc<Mutex<Emissions>>) -> io::Result<Client> {
        let mut began = Instant::now();
        loop {
            let emission = emissions.lock().unwrap_or_else(PoisonError::into_inner).claim(began);
            let Some(emission) = emission else { return Ok(self) };
            self.stream.write_all(self.request.set(emission)).await?;
            let mut len = 0;
            let status = loop {
                match self.stream.read(&mut self.received[len..]).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => len += n,
                }
                if let Some(status) = answer(&self.received[..len])? {
                    break status;
                }
            };
            // One reading of the clock ends a request and begins the next.
            let now = Instant::now();
            self.tally.note(status, now - began);
            began = now;
        }
    }
}

/// One block at `rate` a second, each emission at its time whether or not earlier ones have their
/// answer, as long as one of the connections is free.
///
/// Threads, since a sleeping thread wakes more precisely than tokio's timer of 1 ms.
pub(crate) fn open_model(
    address: SocketAddr,
    emissions: &mut Emissions,
    rate: u32,
) -> io::Result<Tally> {
    const CONNECTIONS: u64 = 16;
    let first = emissions.next;
    emissions.next += BLOCK;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = BlockingStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        streams.push(stream);
    }
    let start = Instant::now();
    thread::scope(|scope| {
        let connection = |(offset, mut stream): (u64, BlockingStream)| {
            scope.spawn(move || {
                let (mut request, mut tally) = (Request::new(address), Tally::default());
                for n in (offset..BLOCK).step_by(CONNECTIONS as usize) {
                    let due = start + Duration::from_secs(1) * n as u32 / rate;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    tally.late.push(nanos(due.elapsed()));
                    stream.write_all(request.set(in_plan(first + n)))?;
                    let status = read_status(&mut stream)?;
                    tally.note(status, due.elapsed());
                }
                io::Result::Ok(tally)
            })
        };
        let threads: Vec<_> = (0..CONNECTIONS).zip(streams).map(connection).collect();
        let mut tally = Tally::default();
        for thread in threads {
            tally.add(thread.join().map_err(|_| io::Error::other("a client panicked"))??);
        }
        Ok(tally)
    })
}

fn read_status(stream: &mut BlockingStream) -> io::Result<u16> {
    let (mut received, mut len) = ([0; 4_096], 0);
    loop {
        match stream.read(&mut received[len..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => len += n,
        }
        if let Some(status) = answer(&received[..len])? {
            return Ok(status);
        }
    }
}
