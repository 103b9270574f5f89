//! As much of an HTTP/1.1 client as an attack needs: one request at a time on one connection.

pub(super) mod connection;
pub(super) mod memo;
pub(super) mod request;
pub(super) mod response;
pub(super) mod stream;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use crate::attack::{CATCH_UP_MAX, http2};
use crate::duration::Go;
use crate::results::Cause;
use crate::targets::UrlError;
use response::Fault;

/// Why a request has no answer. Displayed it becomes the record's error: first the [`Cause`], then
/// what happened, and nothing that differs between requests to which the same happened.
#[derive(Debug)]
pub(super) enum Failure {
    Resolve {
        host: String,
        source: io::Error,
    },
    Connect {
        to: String,
        source: io::Error,
    },
    Tls {
        to: String,
        source: io::Error,
    },
    Send(io::Error),
    Read(io::Error),
    Answer(Fault),
    Http2(http2::Fault),
    /// One of several requests that waited for the same connection.
    Shared(Rc<Failure>),
    /// More redirects than this.
    Redirects(u32),
    /// A redirect that leads nowhere.
    Nowhere(UrlError),
    Timeout(Duration),
    /// No connection became free in this time: nothing was sent.
    NoneFree {
        connections_max: NonZeroUsize,
        timeout: Duration,
    },
    /// The generator was too late: nothing was sent.
    Late,
}

impl Failure {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Failure::Resolve { .. } => Cause::Dns,
            Failure::Connect { source, .. } if is_timeout(source) => Cause::Timeout,
            Failure::Connect { source, .. } if is_ours(source) => Cause::Unsent,
            Failure::Connect { .. } => Cause::Connect,
            Failure::Tls { .. } => Cause::Tls,
            Failure::Redirects(_) | Failure::Nowhere(_) => Cause::Redirect,
            Failure::Send(source) | Failure::Read(source) if is_timeout(source) => Cause::Timeout,
            Failure::Send(source) | Failure::Read(source) if tls_error(source).is_some() => {
                Cause::Tls
            }
            Failure::Send(_) | Failure::Read(_) => Cause::Reset,
            Failure::Answer(Fault::Missing | Fault::Cut) => Cause::ClosedEarly,
            Failure::Answer(_) => Cause::Protocol,
            Failure::Http2(fault) => fault.cause(),
            Failure::Shared(failure) => failure.cause(),
            Failure::Timeout(_) => Cause::Timeout,
            Failure::NoneFree { .. } | Failure::Late => Cause::Unsent,
        }
    }
}

impl Failure {
    /// Whether the server, or what stands for it, has closed the connection, in whatever way.
    pub(super) fn is_end_of_connection(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self {
            Failure::Send(_) | Failure::Answer(Fault::Missing | Fault::Cut) => true,
            Failure::Read(source) => {
                matches!(source.kind(), ConnectionReset | ConnectionAborted | BrokenPipe)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Failure::Shared(failure) = self {
            return failure.fmt(f);
        }
        write!(f, "{}: ", self.cause())?;
        match self {
            Failure::Shared(_) => Ok(()),
            Failure::Http2(fault) => fault.fmt(f),
            Failure::Resolve { host, source } => {
                write!(f, "cannot resolve `{host}`: {source}")
            }
            Failure::Connect { to, source } => {
                write!(f, "cannot connect to `{to}`: {}", Words(source))
            }
            Failure::Tls { to, source } => {
                write!(f, "cannot agree on TLS with `{to}`: {}", Words(source))
            }
            Failure::Redirects(max) => write!(f, "stopped after {max} redirects"),
            Failure::Nowhere(error) => error.fmt(f),
            Failure::Send(source) => write!(f, "cannot send the request: {}", Words(source)),
            Failure::Read(source) => write!(f, "cannot read the answer: {}", Words(source)),
            Failure::Answer(fault) => fault.fmt(f),
            Failure::Timeout(timeout) => write!(f, "no answer within {}", Go(*timeout)),
            Failure::NoneFree { connections_max, timeout } => write!(
                f,
                "none of {connections_max} connections became free within {}",
                Go(*timeout)
            ),
            Failure::Late => {
                write!(f, "the generator was more than {} late", Go(CATCH_UP_MAX))
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

/// What the server, or we, found wrong with TLS after all had been agreed on: a client's certificate that did not come, say (RFC 8446, 4.4.2.4).
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether the system lets us have no other connection (EMFILE, ENFILE): no server was asked.
fn is_ours(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// `connection refused` where there is a word for it, else what the system says.
struct Words<'a>(&'a io::Error);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::TimedOut
            | io::ErrorKind::AddrNotAvailable => self.0.kind().fmt(f),
            _ => self.0.fmt(f),
        }
    }
}
