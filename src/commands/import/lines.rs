//! A file's lines, counted from 1, in bounded memory.

use std::io::{BufRead, Read};

use anyhow::Context;

/// The longest line, in bytes: that of one emission on the wire.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024;

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it, without its end.
    Whole,
    /// Its first [`LINE_BYTES_MAX`] bytes; the rest was skipped.
    Cut,
}

/// Reads line by line. A line ends with LF; a CR before it belongs to the line.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    number: u64,
    bytes: u64,
}

impl Lines {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Lines {
        Lines { input, number: 0, bytes: 0 }
    }

    /// Reads the next line into `line`; `None` at the end. (A line end at the
    /// end of the file begins no line.)
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> anyhow::Result<Option<Line>> {
        line.clear();
        if self.read_up_to(LINE_BYTES_MAX + 1, line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(Line::Whole));
        }
        if line.len() <= LINE_BYTES_MAX {
            // The last one, without an end.
            return Ok(Some(Line::Whole));
        }
        line.truncate(LINE_BYTES_MAX);
        let mut skipped = Vec::new();
        while self.read_up_to(LINE_BYTES_MAX, &mut skipped)? > 0 && skipped.last() != Some(&b'\n') {
            skipped.clear();
        }
        Ok(Some(Line::Cut))
    }

    /// Appends up to the line's end, but no more than `len_max` bytes.
    fn read_up_to(&mut self, len_max: usize, into: &mut Vec<u8>) -> anyhow::Result<usize> {
        let mut input = (&mut self.input).take(len_max as u64);
        let len = input.read_until(b'\n', into).context("cannot read on")?;
        self.bytes += len as u64;
        Ok(len)
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Each line's number, what it is, and its bytes.
    fn lines(text: &[u8]) -> Vec<(u64, Line, Vec<u8>)> {
        // A small buffer, so that lines span several.
        let input = BufReader::with_capacity(7, std::io::Cursor::new(text.to_owned()));
        let mut lines = Lines::new(Box::new(input));
        let (mut all, mut line) = (Vec::new(), Vec::new());
        while let Some(read) = lines.next(&mut line).unwrap() {
            all.push((lines.number(), read, line.clone()));
        }
        assert_eq!(lines.bytes(), text.len() as u64);
        all
    }

    #[test]
    fn lines_are_counted_whatever_their_ends() {
        let whole = |number, text: &str| (number, Line::Whole, text.as_bytes().to_owned());
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [whole(1, "")]);
        assert_eq!(lines(b"a\r\n\nb"), [whole(1, "a\r"), whole(2, ""), whole(3, "b")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_is_whole() {
        for (len, want) in [
            (LINE_BYTES_MAX, Line::Whole),
            (LINE_BYTES_MAX + 1, Line::Cut),
            (2 * LINE_BYTES_MAX, Line::Cut),
            (2 * LINE_BYTES_MAX + 1, Line::Cut),
            (5 * LINE_BYTES_MAX + 7, Line::Cut),
        ] {
            for end in ["", "\n"] {
                let text = [vec![b'x'; len], end.into()].concat();
                let read = lines(&text);
                let [(1, kind, line)] = &read[..] else { panic!("{len}: {} lines", read.len()) };
                assert_eq!((*kind, line.len()), (want, len.min(LINE_BYTES_MAX)));
            }
            let text = [vec![b'x'; len], b"\nnext".to_vec()].concat();
            assert_eq!(lines(&text)[1], (2, Line::Whole, b"next".to_vec()), "{len}");
        }
    }
}
