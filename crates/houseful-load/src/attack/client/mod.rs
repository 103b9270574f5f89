//! As much of an HTTP/1.1 client as an attack needs: one request at a time on one connection.

pub(super) mod connection;
pub(super) mod request;
pub(super) mod response;

use std::io;

use response::Fault;

/// Why a request has no answer. Displayed it becomes the record's error, so it names the cause and
/// nothing that differs between requests with the same cause.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot resolve `{host}`: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("cannot connect to `{to}`: {}", cause(.source))]
    Connect { to: String, source: io::Error },
    #[error("cannot send the request: {}", cause(.0))]
    Send(io::Error),
    #[error("cannot read the answer: {}", cause(.0))]
    Read(io::Error),
    #[error("cannot read the answer: {0}")]
    Answer(Fault),
}

/// `connection refused` where there is a word for it, else what the system says.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::TimedOut
        | io::ErrorKind::AddrNotAvailable => error.kind().to_string(),
        _ => error.to_string(),
    }
}
