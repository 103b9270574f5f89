//! Failures told apart.

use std::fmt;

use crate::results::{Cause, Record};

/// What kind of failure it was. Ordered as it is listed: first what has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// No answer, and why.
    Cause(Cause),
    /// No answer; another tool says why in its own words.
    NoAnswer,
    /// A status that is no success.
    Status(u16),
    /// One of more statuses than are told apart.
    Other,
}

impl Kind {
    /// Of a record that is no success; `code` is its status if that is told apart.
    pub(super) fn of(record: &Record, code: Option<u16>) -> Kind {
        match (code, record.cause()) {
            (_, Some(cause)) => Kind::Cause(cause),
            (Some(0), None) => Kind::NoAnswer,
            (Some(code), None) => Kind::Status(code),
            (None, None) => Kind::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Cause(cause) => write!(f, "{cause}"),
            Kind::NoAnswer => f.write_str("no answer"),
            Kind::Status(code) => write!(f, "{code}"),
            Kind::Other => f.write_str("others"),
        }
    }
}
