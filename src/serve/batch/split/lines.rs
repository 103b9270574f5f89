//! Lines of a body.

use std::ops::Range;

use super::{BOM, Broken, ELEMENT_BYTES_MAX, Form, Found, Rest, is_space};

/// Ends each line at a line feed, and the last one at the end. (A carriage return
/// before it is white space to JSON.)
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) rest: Rest,
    /// Lines that have ended, and one that is too long as soon as that shows.
    number: u64,
    /// One was found, so the body is no array.
    has_found: bool,
}

impl Lines {
    pub(super) fn next(&mut self, buffer: &[u8]) -> Result<Option<Found>, Broken> {
        while let Some(len) = memchr::memchr(b'\n', &buffer[self.rest.at..]) {
            let end = self.rest.at + len;
            let line = self.rest.begin..end;
            self.rest.at = end + 1;
            self.rest.begin = end + 1;
            if let Some(found) = self.end_line(buffer, line)? {
                return Ok(Some(found));
            }
        }
        self.rest.at = buffer.len();
        let begin = self.rest.begin;
        if !self.rest.grew_too_long() {
            return Ok(None);
        }
        self.number += 1;
        self.found(&buffer[begin..], Found::TooLong(self.number)).map(Some)
    }

    pub(super) fn finish(&mut self, rest: &[u8]) -> Result<Option<Found>, Broken> {
        let is_begun = !rest.is_empty() || self.rest.is_skipped;
        if is_begun { self.end_line(rest, 0..rest.len()) } else { Ok(None) }
    }

    pub(super) fn complete(&self) -> u64 {
        self.number - u64::from(self.rest.is_skipped)
    }

    pub(super) fn looked_at(&self) -> u64 {
        self.number
    }

    fn end_line(&mut self, buffer: &[u8], line: Range<usize>) -> Result<Option<Found>, Broken> {
        if std::mem::take(&mut self.rest.is_skipped) {
            return Ok(None);
        }
        self.number += 1;
        if line.len() > ELEMENT_BYTES_MAX {
            return self.found(&buffer[line], Found::TooLong(self.number)).map(Some);
        }
        let mut line = line;
        if self.number == 1 && buffer[line.clone()].starts_with(BOM) {
            line.start += BOM.len();
        }
        let text = &buffer[line.clone()];
        if text.iter().copied().all(is_space) {
            return Ok(None);
        }
        self.found(text, Found::Element(self.number, line)).map(Some)
    }

    /// Refuses what begins like an array, since no line of one is an emission. Of
    /// a line that is too long, as much is looked at as every buffer has.
    fn found(&mut self, line: &[u8], found: Found) -> Result<Found, Broken> {
        let is_first = !std::mem::replace(&mut self.has_found, true);
        let looked_at = &line[..line.len().min(ELEMENT_BYTES_MAX)];
        if is_first && super::form_of(looked_at) == Some(Form::Array) {
            let error = "expected an object a line, found `[`; an array is application/json";
            return Err(Broken { line: self.number, error: error.to_owned() });
        }
        Ok(found)
    }
}
