//! A body cut into its lines or array elements, however it arrives.
//!
//! The caller keeps one buffer. A splitter finds what is complete in it, one by
//! one, and then says where the incomplete rest begins; the next buffer begins
//! with that rest. So each element is one slice, and nothing longer than
//! [`ELEMENT_BYTES_MAX`] is ever kept.

mod array;
mod lines;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::array::Array;
use self::lines::Lines;

/// The longest line or array element, in bytes: as long as a single POST.
pub(super) const ELEMENT_BYTES_MAX: usize = crate::serve::ingest::BODY_BYTES_MAX;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// How a body separates its emissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON array.
    Array,
    /// One JSON text a line.
    Lines,
}

/// Something complete in the buffer. Lines and elements count from 1; blank lines
/// count, too, but are not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Line or element number so-and-so, and where it lies.
    Element(u64, Range<usize>),
    /// This one is longer than [`ELEMENT_BYTES_MAX`], and skipped.
    TooLong(u64),
}

/// The body does not go on as an array does, or is one and should not be; nothing
/// after it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The element at which it breaks off.
    pub(super) line: u64,
    pub(super) error: String,
}

/// What has begun and is not complete.
#[derive(Debug, Default)]
struct Rest {
    /// Where it begins in the buffer.
    begin: usize,
    /// How far it was looked at.
    at: usize,
    /// It is too long, and its beginning was dropped.
    is_skipped: bool,
}

impl Rest {
    fn take(&mut self) -> usize {
        let begin = std::mem::take(&mut self.begin);
        self.at -= begin;
        begin
    }

    /// Whether this is now longer than an element may be; from then on what was
    /// looked at is dropped.
    fn grew_too_long(&mut self) -> bool {
        let is_too_long = self.at - self.begin > ELEMENT_BYTES_MAX;
        let was_skipped = self.is_skipped;
        self.is_skipped |= is_too_long;
        if self.is_skipped {
            self.begin = self.at;
        }
        is_too_long && !was_skipped
    }
}

/// Cuts a body.
#[derive(Debug)]
pub(super) enum Splitter {
    /// The form is not known before the first byte that is not white space.
    Unknown,
    Array(Array),
    Lines(Lines),
}

impl Splitter {
    /// For a body of a form that its type tells, or of either.
    pub(super) fn new(form: Option<Form>) -> Splitter {
        match form {
            None => Splitter::Unknown,
            Some(Form::Array) => Splitter::Array(Array::default()),
            Some(Form::Lines) => Splitter::Lines(Lines::default()),
        }
    }

    /// What comes next in `buffer`, which begins with the rest of the last one.
    /// `None`: nothing more in it is complete.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Result<Option<Found>, Broken> {
        if let Splitter::Unknown = self {
            let Some(form) = form_of(buffer) else {
                return Ok(None);
            };
            *self = Splitter::new(Some(form));
        }
        match self {
            Splitter::Unknown => Ok(None),
            Splitter::Array(array) => array.next(buffer),
            Splitter::Lines(lines) => lines.next(buffer),
        }
    }

    /// Where the rest of a buffer in which nothing more is complete begins. The
    /// next buffer must begin with it.
    pub(super) fn take_rest(&mut self) -> usize {
        match self {
            Splitter::Unknown => 0,
            Splitter::Array(Array { rest, .. }) | Splitter::Lines(Lines { rest, .. }) => {
                rest.take()
            }
        }
    }

    /// The body ended, in order, after this rest.
    pub(super) fn finish(&mut self, rest: &[u8]) -> Result<Option<Found>, Broken> {
        match self {
            Splitter::Unknown => Lines::default().finish(rest),
            Splitter::Array(array) => array.finish().map(|()| None),
            Splitter::Lines(lines) => lines.finish(rest),
        }
    }

    /// The number of the last line or element that is complete.
    pub(super) fn complete(&self) -> u64 {
        match self {
            Splitter::Unknown => 0,
            Splitter::Array(array) => array.complete(),
            Splitter::Lines(lines) => lines.complete(),
        }
    }

    /// The number of the last line or element that is complete or known as too long:
    /// what follows was not looked at.
    pub(super) fn looked_at(&self) -> u64 {
        match self {
            Splitter::Unknown => 0,
            Splitter::Array(array) => array.looked_at(),
            Splitter::Lines(lines) => lines.looked_at(),
        }
    }

    /// Whether this is an array, in which broken JSON ends everything.
    pub(super) fn is_array(&self) -> bool {
        matches!(self, Splitter::Array(_))
    }
}

/// By the first byte that is not white space: `[` is an array's.
///
/// `None`: not yet known. Past so much white space it is no array.
fn form_of(buffer: &[u8]) -> Option<Form> {
    let head = &buffer[..buffer.len().min(ELEMENT_BYTES_MAX)];
    // A BOM may come in pieces.
    if head.len() < BOM.len() && BOM.starts_with(head) {
        return None;
    }
    let text = head.strip_prefix(BOM).unwrap_or(head);
    match text.iter().find(|byte| !is_space(**byte)) {
        Some(b'[') => Some(Form::Array),
        Some(_) => Some(Form::Lines),
        None => (head.len() == ELEMENT_BYTES_MAX).then_some(Form::Lines),
    }
}

/// White space of JSON.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
