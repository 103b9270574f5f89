//! What every format comes down to.

use std::fmt::Display;

use houseful_model::{Emission, Heard, HeardFault, Millis};

/// A line of the file (of stethoscope: a row), read.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number: the line, counted from 1, in which it begins; the row's id.
    pub(super) place: i64,
    /// What to store; or all that is wrong, each fault after its key or column.
    pub(super) read: Result<Timed, Vec<String>>,
}

/// An emission and its time.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) emission: Emission<'static>,
    pub(super) t: Millis,
}

impl Entry {
    /// An emission from a file, held against our clock, which says `now`. `key`
    /// is where the file has its time.
    ///
    /// It must tell its own time: what a file does not say, nobody knows later.
    pub(super) fn checked(
        place: i64,
        emission: Emission<'_>,
        key: &'static str,
        now: Millis,
    ) -> Entry {
        let t = match (emission.heard, emission.heard.resolve(now)) {
            (Heard::OnArrival, _) => {
                Err(format!("{key}: expected the time when it was heard, found nothing"))
            }
            (Heard::Ago(_), _) => Err(format!(
                "age_ms: expected {key} instead, since a file does not tell when it was sent"
            )),
            (Heard::At(_), Ok(t)) => Ok(t),
            (Heard::At(_), Err(HeardFault::Ahead { heard_at })) => Err(format!(
                "{key}: expected at most 60 s ahead of this machine's clock ({now}), found {heard_at}"
            )),
            (Heard::At(_), Err(HeardFault::TooOld { t, .. })) => {
                Err(format!("{key}: expected a time from 2000-01-01 on, found {t}"))
            }
        };
        let read = match t {
            Ok(t) => Ok(Timed { emission: emission.into_owned(), t }),
            Err(fault) => Err(vec![fault]),
        };
        Entry { place, read }
    }
}

/// What is wrong with one entry, each fault after its column.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<String>);

impl Faults {
    /// The value, or `None` and its fault noted.
    pub(super) fn note<T>(&mut self, column: impl Display, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(fault) => {
                self.0.push(format!("{column}: {fault}"));
                None
            }
        }
    }
}
