//! Records as CSV, as vegeta's `encode -to=csv` writes them.
//!
//! No header row; exactly twelve columns: timestamp in ns since 1970, code, latency in ns,
//! bytes_out, bytes_in, error, body in base64, attack, seq, method, url, headers in base64 (`Key:
//! value` lines in the order of keys, and an empty line at the end; nothing for no headers). So a
//! [`Record::slip`] is lost, and what of it was [`Record::queued`]. Source: `NewCSVEncoder` in vegeta's `lib/results.go`.
//!
//! The empty line tells whether headers are whole. So the last row needs no line end, unless it is
//! one without headers: then only the line end says that there were none, and that they were not cut off.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::text::push_lossy;
use super::{HeaderMap, Keep, Place, ReadError, Record};

const COLUMNS: usize = 12;
/// The last column.
const HEADERS: usize = COLUMNS - 1;

/// The longest row that is read: a record with a body of some 48 MiB.
const ROW_LEN_MAX: usize = 64 << 20;

/// Writes records, a line each.
pub struct Writer<W> {
    to: W,
    row: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A new file; `to` should have a buffer.
    pub fn new(to: W) -> Writer<W> {
        Writer { to, row: Vec::new() }
    }

    /// Writes one record.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        let row = &mut self.row;
        row.clear();
        // As Go's UnixNano, which wraps where 64 bits do not reach, as in the year 1.
        let time_ns = record.timestamp.as_nanosecond() as i64;
        let latency_ns = record.latency.as_nanos();
        write!(row, "{time_ns},{},{latency_ns},", record.code)?;
        write!(row, "{},{},", record.bytes_out, record.bytes_in)?;
        push_text(row, &record.error);
        let body = record.body.as_deref().unwrap_or_default();
        write!(row, ",{},", STANDARD.encode(body))?;
        push_text(row, &record.attack);
        write!(row, ",{},", record.seq)?;
        push_text(row, &record.method);
        row.push(b',');
        push_text(row, &record.url);
        let headers = record.headers.as_ref().map(headers_column).unwrap_or_default();
        writeln!(row, ",{headers}")?;
        self.to.write_all(row)
    }

    /// Flushes the destination.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Appends a field that may need quotes. Not by the csv crate, which has none around white space:
/// vegeta cuts that off when it reads. Source: `Writer.Write` of Go's `encoding/csv`.
fn push_text(row: &mut Vec<u8>, text: &str) {
    let needs_quotes = text.starts_with(char::is_whitespace)
        || text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
        || text == r"\.";
    if !needs_quotes {
        return row.extend_from_slice(text.as_bytes());
    }
    row.push(b'"');
    row.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    row.push(b'"');
}

fn headers_column(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (key, values) in headers {
        for value in values {
            text.extend([key, ": ", value, "\r\n"]);
        }
    }
    text.push_str("\r\n");
    STANDARD.encode(text)
}

/// Reads records; quoted fields may span lines.
pub struct Reader<R> {
    source: csv::Reader<Bounded<R>>,
    name: String,
    keep: Keep,
    read: u64,
    row: csv::ByteRecord,
    /// The line on which the next row begins at the earliest.
    line: u64,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`, which keeps this of each record; `name` is what errors call it.
    pub fn new(source: R, name: impl Into<String>, keep: Keep) -> Reader<R> {
        let source = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Bounded { source, left: ROW_LEN_MAX, ended: false });
        let (name, row) = (name.into(), csv::ByteRecord::new());
        Reader { source, name, keep, read: 0, row, line: 1, over: false }
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end.
    ///
    /// After an error the next row may be tried.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; the record is then a mixture.
    pub fn read_into(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        if self.over {
            return Ok(false);
        }
        self.source.get_mut().left = ROW_LEN_MAX;
        let found = self.source.read_byte_record(&mut self.row);
        let name = || self.name.clone();
        match found {
            Ok(true) => {}
            Ok(false) => {
                self.over = true;
                return Ok(false);
            }
            Err(error) => {
                self.over = true;
                return Err(ReadError::Read { name: name(), source: error.into() });
            }
        }
        // It says where the row before ended: before its LF, if that was CR LF.
        let line = self.row.position().map_or(1, csv::Position::line).max(self.line);
        self.line = line + 1 + self.row.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
        let at = Place::Line(line);
        let filled = fill(record, &self.row, self.keep);
        let has_line_end = !self.source.get_ref().ended;
        if !has_line_end && (filled.is_err() || headers(&self.row[HEADERS]).is_err()) {
            return Err(ReadError::Cut { name: name(), at, before: self.read });
        }
        match filled {
            Ok(()) => {
                self.read += 1;
                Ok(true)
            }
            Err(reason) => Err(ReadError::Wrong { name: name(), at, expected: "CSV", reason }),
        }
    }
}

/// Reads no further than a row may reach; what csv reads ahead counts, too.
struct Bounded<R> {
    source: R,
    left: usize,
    /// Whether the end was seen: no row with a line end needs that.
    ended: bool,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!("a row is longer than {ROW_LEN_MAX} bytes")));
        }
        let most = to.len().min(self.left);
        let read = self.source.read(&mut to[..most])?;
        self.left -= read;
        self.ended = read == 0;
        Ok(read)
    }
}

fn fill(record: &mut Record, row: &csv::ByteRecord, keep: Keep) -> Result<(), String> {
    if row.len() != COLUMNS {
        return Err(format!("{} columns, which are {COLUMNS}", row.len()));
    }
    fn number<T: std::str::FromStr>(bytes: &[u8], name: &str) -> Result<T, String> {
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("{name}: expected a number, found `{}`", bytes.escape_ascii()))
    }
    record.clear();
    let ns: i128 = number(&row[0], "timestamp")?;
    record.timestamp = Timestamp::from_nanosecond(ns)
        .map_err(|_| format!("timestamp: {ns} ns since 1970 is no time"))?;
    record.code = number(&row[1], "code")?;
    record.latency = Duration::from_nanos(number(&row[2], "latency")?);
    record.bytes_out = number(&row[3], "bytes_out")?;
    record.bytes_in = number(&row[4], "bytes_in")?;
    push_lossy(&mut record.error, &row[5]);
    if keep == Keep::All {
        let body = base64(&row[6], "body")?;
        record.body = (!body.is_empty()).then_some(body);
    }
    push_lossy(&mut record.attack, &row[7]);
    record.seq = number(&row[8], "seq")?;
    push_lossy(&mut record.method, &row[9]);
    push_lossy(&mut record.url, &row[10]);
    if keep == Keep::All && !row[HEADERS].is_empty() {
        record.headers = Some(headers(&row[HEADERS])?);
    }
    Ok(())
}

fn base64(column: &[u8], name: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(column).map_err(|error| format!("{name}: expected base64: {error}"))
}

fn headers(column: &[u8]) -> Result<HeaderMap, String> {
    let bytes = base64(column, "headers")?;
    if bytes != b"\r\n" && !bytes.ends_with(b"\r\n\r\n") {
        return Err("headers: expected an empty line at their end".to_owned());
    }
    let mut text = String::with_capacity(bytes.len());
    push_lossy(&mut text, &bytes);
    let mut headers = HeaderMap::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (key, value) = line
            .split_once(':')
            .ok_or_else(|| format!("headers: expected `Key: value`, found `{line}`"))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        headers.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_does_it() {
        for (text, field) in [
            ("", ""),
            ("409 Conflict", "409 Conflict"),
            ("trail ", "trail "),
            ("a\u{a0}b", "a\u{a0}b"),
            (r"\", r"\"),
            (" lead", "\" lead\""),
            ("\t", "\"\t\""),
            ("\u{85}a", "\"\u{85}a\""),
            ("\u{a0}a", "\"\u{a0}a\""),
            ("\u{2003}a", "\"\u{2003}a\""),
            // No white space since Unicode 6.3, nor ever.
            ("\u{180e}a", "\u{180e}a"),
            ("\u{200b}a", "\u{200b}a"),
            (r"\.", "\"\\.\""),
            (r"\.a", r"\.a"),
            ("a,b", "\"a,b\""),
            ("a\nb", "\"a\nb\""),
            ("a\rb", "\"a\rb\""),
            ("\"", "\"\"\"\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
        ] {
            let mut row = b"1,".to_vec();
            push_text(&mut row, text);
            assert_eq!(String::from_utf8(row).unwrap(), format!("1,{field}"), "{text:?}");
        }
    }
}
