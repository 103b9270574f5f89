//! Why records cannot be read.

use std::fmt;
use std::io;

/// Where in its source a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line number, from 1.
    Line(u64),
    /// Bytes before it, in a source that has no lines.
    Byte(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "{line}"),
            Place::Byte(offset) => write!(f, "byte {offset}"),
        }
    }
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source broke.
    #[error("cannot read results from `{name}`")]
    Read {
        /// Where the records come from.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// What stands there is no record.
    #[error("{name}:{at}: expected a result as {expected}: {reason}")]
    Wrong {
        /// Where the records come from.
        name: String,
        /// Where it stands there.
        at: Place,
        /// What stands there if all is well: `a JSON object`.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The source ends inside a record: its writer was stopped. All before it was read.
    #[error("{name}:{at}: the last result is cut off and is left out, after {before} whole ones")]
    Cut {
        /// Where the records come from.
        name: String,
        /// Where the record begins.
        at: Place,
        /// How many were read before it.
        before: u64,
    },
    /// Its first bytes are no beginning of gob, JSON or CSV.
    #[error("{name}: expected results as gob, JSON or CSV: {reason}")]
    Unrecognised {
        /// Where the records come from.
        name: String,
        /// What it begins with.
        reason: String,
    },
}
