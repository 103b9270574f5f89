//! Records as JSON lines, as vegeta's `encode -to=json` writes them.
//!
//! One object a line, keys in the order of [`Record`]'s fields: `timestamp` in RFC 3339 with as
//! many decimals as it needs (ours always in UTC), `latency` in nanoseconds, `body` in base64 or
//! null, `headers` an object of lists or null. `<`, `>` and `&` are escaped. Where they are known, last
//! keys `slip` and, unless it is zero, `queued`, in nanoseconds; vegeta's reader skips them. Source: vegeta's `lib/results.go` and its
//! encoder, easyjson's `jwriter`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{HeaderMap, Keep, Place, ReadError, Record, YEAR_1_TO_UNIX_S};
use crate::reports::json::write_string;

/// The longest line that is read: a record with a body of some 48 MiB.
const LINE_LEN_MAX: u64 = 64 << 20;

/// Appends `record` and a line end to `out`.
pub fn append(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(b"{\"attack\":");
    write_string(out, &record.attack);
    put(out, format_args!(",\"seq\":{},\"code\":{}", record.seq, record.code));
    put(
        out,
        format_args!(
            ",\"timestamp\":\"{}\",\"latency\":{}",
            record.timestamp,
            record.latency.as_nanos()
        ),
    );
    put(
        out,
        format_args!(
            ",\"bytes_out\":{},\"bytes_in\":{},\"error\":",
            record.bytes_out, record.bytes_in
        ),
    );
    write_string(out, &record.error);
    out.extend_from_slice(b",\"body\":");
    match &record.body {
        None => out.extend_from_slice(b"null"),
        Some(body) => put(out, format_args!("\"{}\"", STANDARD.encode(body))),
    }
    out.extend_from_slice(b",\"method\":");
    write_string(out, &record.method);
    out.extend_from_slice(b",\"url\":");
    write_string(out, &record.url);
    out.extend_from_slice(b",\"headers\":");
    match &record.headers {
        None => out.extend_from_slice(b"null"),
        Some(headers) => {
            out.push(b'{');
            for (at, (key, values)) in headers.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.extend_from_slice(b":[");
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_string(out, value);
                }
                out.push(b']');
            }
            out.push(b'}');
        }
    }
    if let Some(slip) = record.slip {
        put(out, format_args!(",\"slip\":{}", slip.as_nanos()));
    }
    if !record.queued.is_zero() {
        put(out, format_args!(",\"queued\":{}", record.queued.as_nanos()));
    }
    out.extend_from_slice(b"}\n");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec cannot fail");
}

/// Reads records line by line; blank lines are skipped, the last line needs no line end.
///
/// After an error the next line may be tried.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    name: String,
    keep: Keep,
    line: u64,
    read: u64,
    buffer: Vec<u8>,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`, which keeps this of each record; `name` is what errors call it.
    pub fn new(source: R, name: impl Into<String>, keep: Keep) -> Reader<R> {
        let name = name.into();
        Reader { source, name, keep, line: 0, read: 0, buffer: Vec::new(), over: false }
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; the record is then a mixture.
    pub fn read_into(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        while self.advance()? {
            if !self.buffer.trim_ascii().is_empty() {
                return match fill(record, &self.buffer, self.keep) {
                    Ok(()) => {
                        self.read += 1;
                        Ok(true)
                    }
                    Err(Fault::Ends) if !self.buffer.ends_with(b"\n") => Err(ReadError::Cut {
                        name: self.name.clone(),
                        at: Place::Line(self.line),
                        before: self.read,
                    }),
                    Err(Fault::Ends) => Err(self.wrong("the line ends inside it".to_owned())),
                    Err(Fault::Other(reason)) => Err(self.wrong(reason)),
                };
            }
        }
        Ok(false)
    }

    /// Reads a line; `false` at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        if self.over {
            return Ok(false);
        }
        self.buffer.clear();
        self.line += 1;
        match (&mut self.source).take(LINE_LEN_MAX).read_until(b'\n', &mut self.buffer) {
            Ok(0) => {
                self.over = true;
                Ok(false)
            }
            Ok(read) if read as u64 == LINE_LEN_MAX && !self.buffer.ends_with(b"\n") => {
                self.over = true;
                Err(self.wrong(format!("the line is longer than {LINE_LEN_MAX} bytes")))
            }
            Ok(_) => Ok(true),
            Err(source) => {
                self.over = true;
                Err(ReadError::Read { name: self.name.clone(), source })
            }
        }
    }

    fn wrong(&self, reason: String) -> ReadError {
        let (name, at) = (self.name.clone(), Place::Line(self.line));
        ReadError::Wrong { name, at, expected: "a JSON object", reason }
    }
}

/// A record as it stands in a line. As to vegeta's decoder, any key may be absent or null, but for the
/// code: a line without one is something else, such as a target.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    attack: Option<Text<'a>>,
    seq: Option<u64>,
    code: u16,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    latency: Option<u64>,
    bytes_out: Option<u64>,
    bytes_in: Option<u64>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
    /// As it stands there, like the headers: most readers have no use for them.
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    slip: Option<u64>,
    queued: Option<u64>,
}

/// A text, borrowed if it has no escapes; a plain `Cow` in an `Option` never is.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why a line is no record.
enum Fault {
    /// It stops in the middle of one.
    Ends,
    Other(String),
}

fn fill(record: &mut Record, line: &[u8], keep: Keep) -> Result<(), Fault> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(Fault::Other("the line does not begin with `{`".to_owned()));
    }
    // Once for the line is quicker than for each text in it.
    let text = std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        match error.error_len() {
            None => Fault::Ends,
            Some(_) => Fault::Other(format!(
                "expected UTF-8, found byte {:#04x} at column {}",
                line[at],
                at + 1
            )),
        }
    })?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| {
        if error.is_eof() {
            return Fault::Ends;
        }
        // Each record is one line to the parser: its `line 1` would contradict ours.
        Fault::Other(error.to_string().replace(" at line 1 column ", " at column "))
    })?;
    record.clear();
    record.timestamp = line.timestamp.map_or(Ok(year_1()), |text| timestamp(&text.0))?;
    if keep == Keep::All {
        record.body = line.body.map(body).transpose().map_err(Fault::Other)?;
        record.headers = line.headers.map(headers).transpose().map_err(Fault::Other)?;
    }
    for (to, text) in [
        (&mut record.attack, line.attack),
        (&mut record.error, line.error),
        (&mut record.method, line.method),
        (&mut record.url, line.url),
    ] {
        to.push_str(text.as_ref().map_or("", |text| &text.0));
    }
    record.seq = line.seq.unwrap_or_default();
    record.code = line.code;
    record.latency = Duration::from_nanos(line.latency.unwrap_or_default());
    record.bytes_out = line.bytes_out.unwrap_or_default();
    record.bytes_in = line.bytes_in.unwrap_or_default();
    record.slip = line.slip.map(Duration::from_nanos);
    record.queued = Duration::from_nanos(line.queued.unwrap_or_default());
    Ok(())
}

fn timestamp(text: &str) -> Result<Timestamp, Fault> {
    text.parse()
        .map_err(|_| Fault::Other(format!("timestamp: expected an RFC 3339 time, found `{text}`")))
}

/// Go's zero time, which vegeta takes for an absent one.
fn year_1() -> Timestamp {
    Timestamp::constant(-YEAR_1_TO_UNIX_S, 0)
}

fn body(value: &RawValue) -> Result<Vec<u8>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("body: expected base64: {error}");
    let text: Text<'_> = serde_json::from_str(value.get()).map_err(|error| wrong(&error))?;
    STANDARD.decode(text.0.as_bytes()).map_err(|error| wrong(&error))
}

fn headers(value: &RawValue) -> Result<HeaderMap, String> {
    let headers: BTreeMap<String, Option<Vec<String>>> = serde_json::from_str(value.get())
        .map_err(|error| format!("headers: expected an object of lists: {error}"))?;
    Ok(headers.into_iter().map(|(key, values)| (key, values.unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            attack: "a<b".into(),
            seq: 7,
            code: 409,
            timestamp: "2026-11-24T20:29:00.1234567Z".parse().unwrap(),
            latency: Duration::from_nanos(1_234_567),
            bytes_out: 102,
            bytes_in: 24,
            error: "409 Conflict".into(),
            body: Some(b"{\"errors\"".to_vec()),
            method: "POST".into(),
            url: "http://localhost/?a=1&b=2".into(),
            headers: Some(
                [("B".into(), vec!["1".into(), "2".into()]), ("A".into(), vec![])].into(),
            ),
            slip: Some(Duration::from_nanos(89)),
            queued: Duration::from_nanos(7),
        }
    }

    fn read(bytes: &[u8]) -> Vec<Result<Record, String>> {
        let mut reader = Reader::new(bytes, "r.json", Keep::All);
        let mut read = Vec::new();
        loop {
            let mut record = Record::default();
            match reader.read_into(&mut record) {
                Ok(true) => read.push(Ok(record)),
                Ok(false) => return read,
                Err(error) => read.push(Err(error.to_string())),
            }
        }
    }

    #[test]
    fn writes_vegetas_bytes() {
        let mut out = Vec::new();
        append(&mut out, &record());
        let expected = concat!(
            r#"{"attack":"a\u003cb","seq":7,"code":409,"timestamp":"2026-11-24T20:29:00.1234567Z","latency":1234567,"#,
            r#""bytes_out":102,"bytes_in":24,"error":"409 Conflict","body":"eyJlcnJvcnMi","method":"POST","#,
            r#""url":"http://localhost/?a=1\u0026b=2","headers":{"A":[],"B":["1","2"]},"slip":89,"queued":7}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);

        let mut out = Vec::new();
        append(
            &mut out,
            &Record {
                body: None,
                headers: None,
                slip: None,
                queued: Duration::ZERO,
                timestamp: Timestamp::UNIX_EPOCH,
                ..record()
            },
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""timestamp":"1970-01-01T00:00:00Z""#), "{text}");
        assert!(
            text.contains(r#""body":null,"#) && text.ends_with("\"headers\":null}\n"),
            "{text}"
        );
    }

    #[test]
    fn reads_what_vegeta_writes() {
        let line = concat!(
            r#"{"attack":"","seq":0,"code":200,"timestamp":"2026-11-24T21:29:00.5+01:00","latency":5,"bytes_out":0,"#,
            r#""bytes_in":2,"error":"","body":"","method":"GET","url":"http://a/","headers":{"X":["\u003c"]},"new":[1]}"#
        );
        let records = read(format!("\n{line}\r\n  \n{line}").as_bytes());
        assert_eq!(records.len(), 2);
        let record = records[1].as_ref().unwrap();
        assert_eq!(record.timestamp.to_string(), "2026-11-24T20:29:00.5Z");
        assert_eq!(record.body, Some(Vec::new()));
        assert_eq!(record.headers.as_ref().unwrap()["X"], ["<"]);
    }

    #[test]
    fn what_vegeta_lets_be_absent_or_null_is_nothing() {
        let nothing = Record {
            code: 200,
            timestamp: "0001-01-01T00:00:00Z".parse().unwrap(),
            ..Record::default()
        };
        let nulls = concat!(
            r#"{"attack":null,"seq":null,"code":200,"timestamp":null,"latency":null,"bytes_out":null,"#,
            r#""bytes_in":null,"error":null,"body":null,"method":null,"url":null,"headers":null,"slip":null,"queued":null}"#
        );
        for line in [r#"{"code":200}"#, nulls] {
            assert_eq!(read(line.as_bytes()), [Ok(nothing.clone())]);
        }
        let line = br#"{"code":200,"headers":{"A":null}}"#;
        let headers = Some([("A".to_owned(), Vec::new())].into());
        assert_eq!(read(line), [Ok(Record { headers, ..nothing })]);
    }

    #[test]
    fn refuses_with_file_and_line_and_goes_on() {
        let mut good = Vec::new();
        append(&mut good, &record());
        for (line, reason) in [
            ("{}", "missing field `code` at column 2"),
            ("nonsense", "the line does not begin with `{`"),
            ("{\"code\":20", "the line ends inside it"),
            // A target.
            (r#"{"method":"GET","url":"/"}"#, "missing field `code` at column 26"),
            (r#"{"code":null}"#, "invalid type: null, expected u16 at column 12"),
            ("{\"error\":\"\u{e9}\"}", "missing field `code` at column 14"),
            (
                r#"{"code":70000,"timestamp":"","latency":1}"#,
                "invalid value: integer `70000`, expected u16 at column 13",
            ),
            (
                r#"{"code":200,"timestamp":"yesterday","latency":1}"#,
                "timestamp: expected an RFC 3339 time, found `yesterday`",
            ),
            (
                r#"{"code":200,"timestamp":"2026-11-24T20:29:00Z","latency":-1}"#,
                "invalid value: integer `-1`, expected u64 at column 59",
            ),
            (
                r#"{"code":200,"timestamp":"2026-11-24T20:29:00Z","latency":1,"body":"!"}"#,
                "body: expected base64: Invalid symbol 33, offset 0.",
            ),
        ] {
            let text = [b"\n", line.as_bytes(), b"\n", &good].concat();
            let expected = format!("r.json:2: expected a result as a JSON object: {reason}");
            assert_eq!(read(&text), [Err(expected), Ok(record())]);
        }
    }

    #[test]
    fn text_is_utf_8() {
        let reason = "expected UTF-8, found byte 0xff at column 11";
        let expected = format!("r.json:1: expected a result as a JSON object: {reason}");
        assert_eq!(read(b"{\"error\":\"\xff\"}\n"), [Err(expected)]);
    }

    #[test]
    fn a_line_that_was_cut_off_is_the_last_ones_lot() {
        let mut line = Vec::new();
        append(&mut line, &record());
        // All but its end, and with that it is whole.
        for len in 1..line.len() - 1 {
            let records = read(&[&line, &line[..len]].concat());
            let cut = "r.json:2: the last result is cut off and is left out, after 1 whole ones"
                .to_owned();
            assert_eq!(records, [Ok(record()), Err(cut)], "after {len} bytes");
        }
        assert_eq!(read(&[&line, &line[..line.len() - 1]].concat()), [Ok(record()), Ok(record())]);
    }
}
