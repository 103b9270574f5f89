//! Sends requests on schedule and says what became of each.
//!
//! Open model: a request leaves when the [`Pacer`] says so, whether or not earlier ones were
//! answered, and its latency counts from that intended time. So a server that stops for a second
//! shows up in every request that was due in that second, and a generator that falls behind shows
//! up too, as latency and as [`Record::slip`]; each request of the plan has its record. What the
//! generator alone was more than [`CATCH_UP_MAX`] late for is not sent any more, and says so.
//!
//! HTTP/1.1 over kept-alive connections, opened on demand. The connection used last is used next,
//! so a quick server sees few of them. When [`Options::connections_max`] are busy, requests wait
//! in order; the wait is part of their latency, and [`Outcome::waited`] counts them. One thread,
//! and memory that does not grow with the length of the attack.
//!
//! HTTP/2 where a server of https URLs chooses it ([`Options::http2`]), or without asking over http
//! ([`Options::h2c`]): requests share one connection to a host, and another one when the streams
//! that the server allows on it are in use. Then [`Options::requests_max`] bounds the requests under
//! way and [`Options::connections_max`] the connections; over HTTP/1.1 the lower of them bounds both.
//! A request that times out resets its stream and leaves the connection to the others. One that the
//! server says it took no notice of is sent again.
//!
//! Unlike vegeta it resolves each host once, when it is first needed, and counts connections to all
//! hosts together.

mod alarm;
mod block;
mod busy;
mod client;
mod deadline;
mod dial;
mod endpoint;
mod engine;
mod finished;
mod http2;
mod resolver;
mod supply;
mod tls;
mod worker;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::pacer::Pacer;
use crate::results::Record;
use crate::targets::{ReadError, Target};
pub use tls::{Tls, TlsError, TlsFiles};

/// How late a request may leave for the generator's own sake. After a longer pause (a machine that
/// slept, a process that was stopped) no more than this is caught up with; the rest is unsent.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// What an attack sends.
pub enum Targets {
    /// These in turn, from the first again after the last.
    Eager(Vec<Target>),
    /// Each once, read while the attack runs, by a thread of its own. When they run out, so does
    /// the attack.
    Lazy(Box<dyn Iterator<Item = Result<Target, ReadError>> + Send>),
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Targets {
        Targets::Eager(targets)
    }
}

/// How an attack sends. The defaults are vegeta's where it has the same.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sent as `X-Vegeta-Attack` and kept in each record; empty for neither.
    pub name: String,
    /// How long a request may wait for a free connection, and then again for its answer: 30 s.
    /// `None` waits for ever. So an attack ends at most twice this long after its plan.
    pub timeout: Option<Duration>,
    /// Whether connections are used again. Without, each request says `Connection: close`.
    pub keep_alive: bool,
    /// The most requests under way at once. `None` is 1,000, or [`Options::connections_max`] if that is
    /// more. Under [`Rate::AsFastAsPossible`](crate::rate::Rate) so many always are, if connections
    /// allow.
    pub requests_max: Option<NonZeroUsize>,
    /// The most connections open at once, to all hosts together: 1,000, which fits the usual
    /// limit of 1,024 open files. Over HTTP/1.1 each carries one request at a time.
    pub connections_max: NonZeroUsize,
    /// So many connections are opened before the first request: none. Over HTTP/2, one for each host
    /// of so many targets; none without keep-alive.
    pub connections_first: usize,
    /// The most connections kept open that have nothing to do: 10,000; over HTTP/2, for each host.
    pub connections_idle_max: usize,
    /// Whether servers of https URLs may choose HTTP/2: yes. Else they are offered HTTP/1.1 alone.
    pub http2: bool,
    /// Whether servers of http URLs are spoken to in HTTP/2, without being asked: no.
    pub h2c: bool,
    /// How many redirects a request follows before that is an error: 10. `None` takes a redirect
    /// for the answer.
    pub redirects_max: Option<u32>,
    /// Whether bodies are sent in chunks, so that the server does not know their length. HTTP/2 has no
    /// chunks: there only the length is left out.
    pub is_chunked: bool,
    /// Connect to this socket, whatever the URLs say.
    pub unix_socket: Option<PathBuf>,
    /// Connect elsewhere than the URLs say. Several for one place take turns.
    pub connect_to: Vec<ConnectTo>,
    /// Connect from this address.
    pub local_address: Option<IpAddr>,
    /// Ask these name servers, in turn, instead of the system.
    pub resolvers: Vec<SocketAddr>,
    /// The TLS of https URLs; `None` for that of [`TlsFiles::default`].
    pub tls: Option<Tls>,
    /// How many bytes of each answer's body are kept in its record; `None` for none. vegeta keeps
    /// all, which fills memory and files.
    pub body_max: Option<usize>,
    /// Whether an answer's headers are kept in its record.
    pub keep_headers: bool,
}

impl Options {
    /// See [`Options::requests_max`].
    fn requests_limit(&self) -> NonZeroUsize {
        let most = const { NonZeroUsize::new(1_000).expect("1000 is not 0") };
        self.requests_max.unwrap_or(self.connections_max.max(most))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: String::new(),
            timeout: Some(Duration::from_secs(30)),
            keep_alive: true,
            requests_max: None,
            connections_max: NonZeroUsize::new(1_000).expect("1000 is not 0"),
            connections_first: 0,
            connections_idle_max: 10_000,
            http2: true,
            h2c: false,
            redirects_max: Some(10),
            is_chunked: false,
            unix_socket: None,
            connect_to: Vec::new(),
            local_address: None,
            resolvers: Vec::new(),
            tls: None,
            body_max: None,
            keep_headers: true,
        }
    }
}

/// Connections that a URL sends to one place go to another. Read from `host:port:host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    /// Host, without the brackets of an IPv6 address, and port of the URL.
    pub from: (String, u16),
    /// Where connections go.
    pub to: (String, u16),
}

/// A text is not `host:port:host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `host:port:host:port`, such as example.org:80:localhost:8080, found `{0}`")]
pub struct ConnectToError(String);

impl FromStr for ConnectTo {
    type Err = ConnectToError;

    fn from_str(text: &str) -> Result<ConnectTo, ConnectToError> {
        /// Host, port, and what follows.
        fn place(text: &str) -> Option<((String, u16), &str)> {
            let (host, rest) = match text.strip_prefix('[') {
                Some(inner) => inner.split_once("]:")?,
                None => text.split_once(':')?,
            };
            let port_len = rest.find(':').unwrap_or(rest.len());
            let port = rest[..port_len].parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty()).then(|| ((host.to_owned(), port), &rest[port_len..]))
        }
        place(text)
            .and_then(|(from, rest)| Some((from, place(rest.strip_prefix(':')?)?)))
            .and_then(|(from, (to, rest))| rest.is_empty().then_some(ConnectTo { from, to }))
            .ok_or_else(|| ConnectToError(text.to_owned()))
    }
}

/// What an attack amounts to, beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Requests taken up or given up; each but the abandoned has been handed out as a [`Record`].
    pub requests: u64,
    /// Of them those that were never sent: no connection became free in time, the system allowed no
    /// other one, or the generator was later than [`CATCH_UP_MAX`].
    pub unsent: u64,
    /// Of them those that left, or were given up, more than [`LATE`](crate::metrics::LATE) after
    /// their time.
    pub late: u64,
    /// Requests that were under way when the attack was abandoned: they have no record.
    pub abandoned: u64,
    /// Requests that left late because [`Options::connections_max`] were in use, all streams of each,
    /// or [`Options::requests_max`] under way.
    pub waited: u64,
    /// Requests sent again, because the server cannot have acted on them: it had closed the kept
    /// connection before it could have seen anything of them, or said over HTTP/2 that it took no
    /// notice (GOAWAY, REFUSED_STREAM). A GET, HEAD, OPTIONS or TRACE is also sent again when a kept
    /// connection ends without a byte of an answer: none of these asks for an act. Each has one record.
    pub resent: u64,
    /// The most requests under way at once.
    pub requests_peak: usize,
    /// Connections opened in all.
    pub connections_opened: u64,
    /// The most connections open at once.
    pub connections_peak: usize,
    /// The greatest [`Record::slip`].
    pub slip_max: Duration,
    /// The greatest [`Record::queued`].
    pub queued_max: Duration,
    /// For how long the generator's thread had no rest.
    pub at_limit: Duration,
    /// For how long the next target had not been read, while a connection was free for it.
    pub awaited_targets: Duration,
    /// Whether the plan had more to send when the targets ran out.
    pub ran_out: bool,
    /// From the start to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Whether the load was the one that was asked for: every request of the plan sent, and 99 %
    /// of them no later than [`LATE`](crate::metrics::LATE).
    pub fn is_rate_held(&self) -> bool {
        self.unsent == 0 && self.late.saturating_mul(100) <= self.requests
    }
}

/// Why an attack does not start, or breaks off.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// Nothing to send.
    #[error("expected at least one target")]
    NoTargets,
    /// The name would break the header that carries it.
    #[error(
        "expected an attack name in printable ASCII without surrounding white space, found `{0}`"
    )]
    Name(String),
    /// A host has no address.
    #[error("{0}")]
    Resolve(String),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The next target cannot be read. What was sent before has been handed out.
    #[error("cannot read the next target")]
    Targets(#[source] ReadError),
    /// The system gives no event loop or timer.
    #[error("cannot start the attack's event loop")]
    EventLoop(#[source] io::Error),
}

/// Ends an attack early, from any thread. Clones end the same attack.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Level>>);

/// How far an attack is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Send,
    Drain,
    Abandon,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

impl Stop {
    /// A handle for one attack.
    pub fn new() -> Stop {
        Stop(Arc::new(watch::Sender::new(Level::Send)))
    }

    /// Sends nothing more, waits for what is under way.
    pub fn drain(&self) {
        self.raise(Level::Drain);
    }

    /// Sends nothing more and gives up what is under way, without records.
    pub fn abandon(&self) {
        self.raise(Level::Abandon);
    }

    /// Whether the attack was told to end early.
    pub fn is_told(&self) -> bool {
        *self.0.borrow() > Level::Send
    }

    fn raise(&self, to: Level) {
        self.0.send_if_modified(|level| {
            let higher = *level < to;
            *level = to.max(*level);
            higher
        });
    }
}

/// Sends `targets` until `pacer` ends, they run out, or `stop` says so, then waits for what is
/// under way.
///
/// `on_record` gets the record of each request when that is over, in that order, some at a time and
/// no later than a tenth of a second. It runs between sends on this thread, so it has to be quick:
/// what it takes is [`Record::slip`] to others.
///
/// # Errors
///
/// See [`AttackError`]; all but a bad target of [`Targets::Lazy`] are found before the first
/// request. A server that cannot be reached
/// is none: it is a record with code 0.
///
/// # Panics
///
/// When called from inside an async runtime; give it a thread of its own.
pub fn run(
    targets: impl Into<Targets>,
    pacer: Pacer,
    options: &Options,
    stop: &Stop,
    on_record: impl FnMut(&Record),
) -> Result<Outcome, AttackError> {
    let name = options.name.as_str();
    if !name.bytes().all(|b| b.is_ascii_graphic() || b == b' ') || name.trim() != name {
        return Err(AttackError::Name(name.to_owned()));
    }
    let targets = targets.into();
    if matches!(&targets, Targets::Eager(targets) if targets.is_empty()) {
        return Err(AttackError::NoTargets);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(AttackError::EventLoop)?;
    let outcome = runtime.block_on(engine::run(
        targets,
        pacer,
        options.clone(),
        stop.0.subscribe(),
        on_record,
    ));
    // A resolver that is left behind is nobody's business any more.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_connections_go() {
        let to = |from: &str, from_port, to: &str, to_port| {
            Ok(ConnectTo { from: (from.into(), from_port), to: (to.into(), to_port) })
        };
        for (text, want) in [
            ("a:80:b:8080", to("a", 80, "b", 8080)),
            ("[::1]:80:[::2]:81", to("::1", 80, "::2", 81)),
            ("a:80:[::2]:81", to("a", 80, "::2", 81)),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
        for text in ["", "a:80", "a:80:b", "a:80:b:0", "a:80:b:1:c", "a:x:b:1", ":80:b:1"] {
            assert_eq!(text.parse::<ConnectTo>(), Err(ConnectToError(text.into())), "{text}");
        }
    }
}
