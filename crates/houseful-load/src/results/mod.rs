//! What became of each request: one [`Record`] a request, in vegeta's fields and their order.
//!
//! In three encodings, each as vegeta writes and reads it: [`gob`], [`json`], [`csv`].
//! [`Reader`] finds out which one it is by looking, [`Writer`] is told, [`Merge`] joins several.
//! What is no UTF-8 in gob or CSV is read with U+FFFD in its place.

mod cause;
pub mod csv;
mod error;
pub mod gob;
pub mod json;
mod merge;
mod reader;
mod span;
mod text;
mod writer;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

pub use cause::Cause;
pub use error::{Place, ReadError};
pub use merge::Merge;
pub use reader::Reader;
pub use span::Gap;
use span::Span;
pub use writer::Writer;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Go's gob: vegeta's own, and the smallest.
    Gob,
    /// One object a line.
    Json,
    /// One row each.
    Csv,
}

/// What of each record a reader keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All.
    #[default]
    All,
    /// Neither body nor headers, which are skipped unread: a report has no use for them, and reading
    /// is several times as quick.
    Figures,
}

/// Seconds from the year 1, where Go's times begin, to 1970.
const YEAR_1_TO_UNIX_S: i64 = 62_135_596_800;

/// Headers by name, each with its values in order; names sort by their bytes.
pub type HeaderMap = BTreeMap<String, Vec<String>>;

/// What became of one request. Source: `Result` in vegeta's `lib/results.go`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The attack's name, empty if it has none.
    pub attack: String,
    /// Number of the request, from 0, in the order of sending.
    pub seq: u64,
    /// Status of the answer; 0 when there was none.
    pub code: u16,
    /// When the request was due, which is also when its latency begins.
    pub timestamp: Timestamp,
    /// From `timestamp` to the last byte of the answer, or to the failure.
    pub latency: Duration,
    /// Bytes of the request's body.
    pub bytes_out: u64,
    /// Bytes of the answer's body, all of them, kept or not.
    pub bytes_in: u64,
    /// Why there is no answer, or the status line of an answer outside 200 to 399; else empty.
    pub error: String,
    /// The answer's body as far as it was kept; `None` when none was to be kept.
    pub body: Option<Vec<u8>>,
    /// The request's method.
    pub method: String,
    /// The request's URL.
    pub url: String,
    /// The answer's headers; `None` when there was no answer or none were to be kept.
    pub headers: Option<HeaderMap>,
    /// How long after `timestamp` the generator took the request up: its own lateness and the wait
    /// for a free connection. `None` where it is not known, as in what vegeta wrote and in CSV.
    pub slip: Option<Duration>,
    /// The part of `slip` in which every connection was in use: what the server, or too few
    /// connections, made of it. The rest is the generator's own.
    pub queued: Duration,
}

impl Record {
    /// Empties it and keeps its buffers, for the next one.
    fn clear(&mut self) {
        let Record { mut attack, mut error, mut method, mut url, .. } = std::mem::take(self);
        for text in [&mut attack, &mut error, &mut method, &mut url] {
            text.clear();
        }
        *self = Record { attack, error, method, url, ..Record::default() };
    }

    /// Whether vegeta counts it as a success: a status from 200 to 399.
    pub fn is_success(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Why there is no answer; `None` if there is one, or if another tool wrote the error.
    pub fn cause(&self) -> Option<Cause> {
        if self.code == 0 { Cause::of(&self.error) } else { None }
    }

    /// When the answer was complete, in nanoseconds since the Unix epoch.
    pub fn end_ns(&self) -> i128 {
        self.timestamp.as_nanosecond() + self.latency.as_nanos() as i128
    }
}
