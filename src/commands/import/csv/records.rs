//! RFC 4180, strictly: what a record is, and in which line it stands.
//!
//! Not the `csv` crate, which reads whatever it is given: a quote that was never
//! closed would swallow the rest of the file, and a cell would be guessed.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::lines::{LINE_BYTES_MAX, Line, Lines};

/// A record: its cells, unquoted.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    cells: Vec<Range<usize>>,
}

impl Record {
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.cells.iter().map(|cell| &self.text[cell.clone()])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
    }

    fn end_cell(&mut self) {
        let start = self.cells.last().map_or(0, |cell| cell.end);
        self.cells.push(start..self.text.len());
    }
}

/// What became of a record.
pub(super) type Read = Result<(), String>;

/// Reads records. A quoted cell may span lines; after a record that cannot be
/// read, it goes on with the next line of the file.
pub(super) struct Records {
    lines: Lines,
    /// Lines that were read in search of a quote's end, and belong to nobody.
    ahead: VecDeque<(u64, Line, Vec<u8>)>,
    raw: Vec<u8>,
}

impl Records {
    pub(super) fn new(lines: Lines) -> Records {
        Records { lines, ahead: VecDeque::new(), raw: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// Reads the next record that is not blank, and says in which line it
    /// begins.
    pub(super) fn next(&mut self, record: &mut Record) -> anyhow::Result<Option<(u64, Read)>> {
        loop {
            let Some((number, line, first)) = self.next_line()? else { return Ok(None) };
            if line == Line::Cut {
                return Ok(Some((number, Err(too_long()))));
            }
            if first.trim_ascii().is_empty() {
                continue;
            }
            let first_len = first.len();
            self.raw = first;
            // While a quote is open the record goes on. If it should not have
            // been, the lines after the first are read again on their own.
            let mut more = VecDeque::new();
            let mut has_more = true;
            while has_more && is_open(&self.raw) {
                match self.next_line()? {
                    Some((number, Line::Whole, line))
                        if self.raw.len() + line.len() < LINE_BYTES_MAX =>
                    {
                        self.raw.push(b'\n');
                        self.raw.extend_from_slice(&line);
                        more.push_back((number, Line::Whole, line));
                    }
                    Some(other) => {
                        more.push_back(other);
                        has_more = false;
                    }
                    None => has_more = false,
                }
            }
            let read = split(&self.raw, first_len, record);
            if read.is_err() {
                more.append(&mut self.ahead);
                self.ahead = more;
            }
            return Ok(Some((number, read)));
        }
    }

    fn next_line(&mut self) -> anyhow::Result<Option<(u64, Line, Vec<u8>)>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let read = self.lines.next(&mut line)?;
        Ok(read.map(|read| (self.lines.number(), read, line)))
    }
}

fn too_long() -> String {
    format!("expected a line of at most {LINE_BYTES_MAX} bytes, found more")
}

/// Whether a quote is open at the end. (Inside quotes they come in pairs.)
fn is_open(raw: &[u8]) -> bool {
    raw.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

/// Splits a record without the LF at its end into its cells. `first_len` is the
/// length of its first line.
fn split(raw: &[u8], first_len: usize, record: &mut Record) -> Read {
    record.clear();
    let mut rest = raw.strip_suffix(b"\r").unwrap_or(raw);
    loop {
        let column = record.cells.len() + 1;
        let fault = |fault: &str| Err(format!("column {column}: {fault}"));
        let is_quoted = rest.first() == Some(&b'"');
        if is_quoted {
            rest = &rest[1..];
            loop {
                let Some(quote) = rest.iter().position(|byte| *byte == b'"') else {
                    return fault("a quoted cell has no `\"` at its end");
                };
                record.text.extend_from_slice(&rest[..quote]);
                rest = &rest[quote + 1..];
                if rest.first() != Some(&b'"') {
                    break;
                }
                record.text.push(b'"');
                rest = &rest[1..];
            }
        } else {
            let len = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            let cell = &rest[..len];
            if cell.contains(&b'"') {
                return fault("a `\"` inside a cell that does not begin with one");
            }
            if cell.contains(&b'\r') {
                return fault("a line ends in CR alone, or a CR stands in a cell without quotes");
            }
            record.text.extend_from_slice(cell);
            rest = &rest[len..];
        }
        record.end_cell();
        match rest.split_first() {
            None => return Ok(()),
            Some((b',', after)) => rest = after,
            // Only after a quote; if that is in another line, the first line's was not closed.
            Some(_) if raw.len() - rest.len() > first_len => {
                return fault("a quoted cell has no `\"` at its end");
            }
            Some(_) => return fault("more text after the `\"` at a quoted cell's end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Each record's first line, and its cells or the fault.
    fn records(text: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        let lines = Lines::new(Box::new(Cursor::new(text.to_owned().into_bytes())));
        let (mut records, mut record, mut all) =
            (Records::new(lines), Record::default(), Vec::new());
        while let Some((number, read)) = records.next(&mut record).unwrap() {
            let cells = || record.cells().map(|cell| String::from_utf8(cell.into()).unwrap());
            all.push((number, read.map(|()| cells().collect())));
        }
        all
    }

    fn cells<const N: usize>(cells: [&str; N]) -> Result<Vec<String>, String> {
        Ok(cells.map(str::to_owned).to_vec())
    }

    #[test]
    fn what_rfc_4180_says() {
        let rows = [
            ("", vec![]),
            ("a,b\r\nc,d\r\n", vec![(1, cells(["a", "b"])), (2, cells(["c", "d"]))]),
            ("a,b\nc,d", vec![(1, cells(["a", "b"])), (2, cells(["c", "d"]))]),
            ("\r\n\na\n\n", vec![(3, cells(["a"]))]),
            (",", vec![(1, cells(["", ""]))]),
            ("\"\",\"a\"\"b\",\"\"\"\"", vec![(1, cells(["", "a\"b", "\""]))]),
            (
                "\"a\r\nb\",c\r\n\"\n\n\"\r\nd",
                vec![(1, cells(["a\r\nb", "c"])), (3, cells(["\n\n"])), (6, cells(["d"]))],
            ),
            ("\"a,b\", c", vec![(1, cells(["a,b", " c"]))]),
        ];
        for (text, want) in rows {
            assert_eq!(records(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_fault_is_in_its_own_line_and_the_next_line_is_read() {
        let open = "column 2: a quoted cell has no `\"` at its end";
        let rows = [
            ("a,\"b\nc,d\ne", open, vec![(2, cells(["c", "d"])), (3, cells(["e"]))]),
            ("a,\"b\n\"c\",d\ne", open, vec![(2, cells(["c", "d"])), (3, cells(["e"]))]),
            ("a,\"b", open, vec![]),
            (
                "a,b\"c\nd",
                "column 2: a `\"` inside a cell that does not begin with one",
                vec![(2, cells(["d"]))],
            ),
            (
                "a,\"b\"c\nd",
                "column 2: more text after the `\"` at a quoted cell's end",
                vec![(2, cells(["d"]))],
            ),
            (
                "a\rb\nd",
                "column 1: a line ends in CR alone, or a CR stands in a cell without quotes",
                vec![(2, cells(["d"]))],
            ),
        ];
        for (text, fault, rest) in rows {
            let want = [vec![(1, Err(fault.to_owned()))], rest].concat();
            assert_eq!(records(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_ends_with_its_line() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        assert_eq!(records(&format!("{long}\nb")), [(1, Err(too_long())), (2, cells(["b"]))]);
        // A quote that is open over more than that is none that was meant.
        let text = format!("a,\"{}\nb\n", "\nb".repeat(LINE_BYTES_MAX));
        let read = records(&text);
        assert_eq!(read.len(), LINE_BYTES_MAX + 2);
        assert!(read[0].1.is_err() && read[1..].iter().all(|(_, read)| *read == cells(["b"])));
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read(
            rows in proptest::collection::vec(proptest::collection::vec("[ab,\"\r\n'é]{0,6}", 2..5), 0..5),
        ) {
            let mut writer = csv::WriterBuilder::new()
                .terminator(csv::Terminator::CRLF)
                .flexible(true)
                .from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let read: Vec<_> = records(&text).into_iter().map(|(_, read)| read).collect();
            let want: Vec<_> = rows.into_iter().map(Ok).collect();
            prop_assert_eq!(read, want);
        }

        #[test]
        fn any_text_is_read_in_lines_that_only_grow(text in "[a,\"\r\n]{0,80}") {
            let read = records(&text);
            prop_assert!(read.is_sorted_by_key(|(number, _)| *number));
            prop_assert!(read.iter().all(|(number, _)| *number <= text.lines().count() as u64));
        }
    }
}
