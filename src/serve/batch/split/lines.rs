//! Lines of a body.

use super::{BOM, ELEMENT_BYTES_MAX, Found, Rest, is_space};

/// Ends each line at a line feed, and the last one at the end. (A carriage return
/// before it is white space to JSON.)
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) rest: Rest,
    /// Lines that have ended, and one that is too long as soon as that shows.
    number: u64,
}

impl Lines {
    pub(super) fn next(&mut self, buffer: &[u8]) -> Option<Found> {
        while let Some(len) = memchr::memchr(b'\n', &buffer[self.rest.at..]) {
            let end = self.rest.at + len;
            let line = self.rest.begin..end;
            self.rest.at = end + 1;
            self.rest.begin = end + 1;
            if let Some(found) = self.end_line(buffer, line) {
                return Some(found);
            }
        }
        self.rest.at = buffer.len();
        let grew_too_long = self.rest.grew_too_long();
        grew_too_long.then(|| {
            self.number += 1;
            Found::TooLong(self.number)
        })
    }

    pub(super) fn finish(&mut self, rest: &[u8]) -> Option<Found> {
        let is_begun = !rest.is_empty() || self.rest.is_skipped;
        is_begun.then(|| self.end_line(rest, 0..rest.len())).flatten()
    }

    pub(super) fn complete(&self) -> u64 {
        self.number - u64::from(self.rest.is_skipped)
    }

    fn end_line(&mut self, buffer: &[u8], line: std::ops::Range<usize>) -> Option<Found> {
        if std::mem::take(&mut self.rest.is_skipped) {
            return None;
        }
        self.number += 1;
        if line.len() > ELEMENT_BYTES_MAX {
            return Some(Found::TooLong(self.number));
        }
        let mut line = line;
        if self.number == 1 && buffer[line.clone()].starts_with(BOM) {
            line.start += BOM.len();
        }
        let is_blank = buffer[line.clone()].iter().copied().all(is_space);
        (!is_blank).then_some(Found::Element(self.number, line))
    }
}
