//! The lines of a source of targets, each bounded, one buffer for all.

use std::io::{BufRead, Read};

use super::{LineError, ReadError};

/// Reads lines; `name` is what errors call their source.
pub(super) struct Lines<R> {
    source: R,
    name: String,
    number: u64,
    len_max: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `len_max` bytes without their ends.
    pub(super) fn new(source: R, name: impl Into<String>, len_max: usize) -> Lines<R> {
        Lines { source, name: name.into(), number: 0, len_max, buffer: Vec::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the next line; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        self.number += 1;
        // A BOM, the longest line, its CR LF, and a byte more to see that it is too long.
        let mut bounded = (&mut self.source).take(self.len_max as u64 + 6);
        bounded
            .read_until(b'\n', &mut self.buffer)
            .map(|read| read > 0)
            .map_err(|source| ReadError::Read { name: self.name.clone(), source })
    }

    /// The line without its end, and the first without its byte order mark.
    pub(super) fn text(&self) -> Result<&str, LineError> {
        let mut line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            // No text in UTF-8 begins like this; UTF-16 in either order does, with its mark or not.
            if matches!(line, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
                return Err(LineError::Utf16);
            }
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.len() > self.len_max {
            return Err(LineError::TooLong(self.len_max));
        }
        std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)
    }

    /// The fault, with where it is.
    pub(super) fn fault(&self, fault: LineError) -> ReadError {
        ReadError::Line { name: self.name.clone(), line: self.number, fault }
    }
}
