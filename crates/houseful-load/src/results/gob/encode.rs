//! Records to gob.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{basic, wire_type};
use crate::results::{HeaderMap, Record, YEAR_1_TO_UNIX_S};

/// The first number that Go gives a type of the stream's own.
const RESULT: i64 = 64;
const TIME: i64 = 65;
const STRINGS: i64 = 66;
const HEADER: i64 = 67;

/// The fields of a record on the wire, in order: names as Go's, and ours at the end.
const FIELDS: [(&str, i64); 14] = [
    ("Attack", basic::STRING),
    ("Seq", basic::UINT),
    ("Code", basic::UINT),
    ("Timestamp", TIME),
    ("Latency", basic::INT),
    ("BytesOut", basic::UINT),
    ("BytesIn", basic::UINT),
    ("Error", basic::STRING),
    ("Body", basic::BYTES),
    ("Method", basic::STRING),
    ("URL", basic::STRING),
    ("Headers", HEADER),
    ("Slip", basic::INT),
    ("Queued", basic::INT),
];

/// Writes records; the types go before the first.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    /// One message without its length.
    message: Vec<u8>,
    out: Vec<u8>,
    types_written: bool,
}

impl<W: Write> Writer<W> {
    /// A new stream.
    pub fn new(to: W) -> Writer<W> {
        Writer { to, message: Vec::new(), out: Vec::new(), types_written: false }
    }

    /// Writes one record, with one call of the destination.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.out.clear();
        if !self.types_written {
            self.types_written = true;
            push_types(&mut self.out, &mut self.message);
        }
        self.message.clear();
        push_int(&mut self.message, RESULT);
        push_record(&mut self.message, record);
        push_bytes(&mut self.out, &self.message);
        self.to.write_all(&self.out)
    }

    /// The destination.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }
}

/// Fields of a struct, in order, zero values left out.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
    last: i64,
}

impl<'a> Fields<'a> {
    fn new(out: &'a mut Vec<u8>) -> Fields<'a> {
        Fields { out, last: -1 }
    }

    /// Where the value of this field is to be written.
    fn field(&mut self, number: i64) -> &mut Vec<u8> {
        push_uint(self.out, (number - self.last) as u64);
        self.last = number;
        self.out
    }

    fn uint(&mut self, number: i64, value: u64) {
        if value != 0 {
            push_uint(self.field(number), value);
        }
    }

    fn int(&mut self, number: i64, value: i64) {
        if value != 0 {
            push_int(self.field(number), value);
        }
    }

    fn bytes(&mut self, number: i64, value: &[u8]) {
        if !value.is_empty() {
            push_bytes(self.field(number), value);
        }
    }

    fn end(self) {
        self.out.push(0);
    }
}

fn push_record(out: &mut Vec<u8>, record: &Record) {
    let nanoseconds =
        |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let mut fields = Fields::new(out);
    fields.bytes(0, record.attack.as_bytes());
    fields.uint(1, record.seq);
    fields.uint(2, record.code.into());
    push_bytes(fields.field(3), &time_bytes(record.timestamp));
    fields.int(4, nanoseconds(record.latency));
    fields.uint(5, record.bytes_out);
    fields.uint(6, record.bytes_in);
    fields.bytes(7, record.error.as_bytes());
    fields.bytes(8, record.body.as_deref().unwrap_or_default());
    fields.bytes(9, record.method.as_bytes());
    fields.bytes(10, record.url.as_bytes());
    if let Some(headers) = &record.headers {
        push_headers(fields.field(11), headers);
    }
    // −1: not known. Left out, it is zero.
    fields.int(12, record.slip.map_or(-1, nanoseconds));
    fields.int(13, nanoseconds(record.queued));
    fields.end();
}

fn push_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    push_uint(out, headers.len() as u64);
    for (key, values) in headers {
        push_bytes(out, key.as_bytes());
        push_uint(out, values.len() as u64);
        for value in values {
            push_bytes(out, value.as_bytes());
        }
    }
}

/// Go's `Time.MarshalBinary`, version 1, in UTC.
fn time_bytes(time: Timestamp) -> [u8; 15] {
    // jiff rounds to zero, Go's nanoseconds count up.
    let ns = time.as_nanosecond();
    let (s, ns) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    let s = i64::try_from(s).unwrap_or(i64::MAX).saturating_add(YEAR_1_TO_UNIX_S);
    let mut bytes = [0; 15];
    bytes[0] = 1;
    bytes[1..9].copy_from_slice(&s.to_be_bytes());
    bytes[9..13].copy_from_slice(&(ns as i32).to_be_bytes());
    // The offset in minutes; −1 is UTC.
    bytes[13..15].copy_from_slice(&(-1i16).to_be_bytes());
    bytes
}

/// Defines the types, as Go does it.
fn push_types(out: &mut Vec<u8>, message: &mut Vec<u8>) {
    let mut define = |id: i64, kind: u64, name: &str, rest: &dyn Fn(&mut Vec<u8>)| {
        message.clear();
        push_int(message, -id);
        let mut wire = Fields::new(message);
        let description = wire.field(kind as i64);
        // CommonType: its name, if it has one, and its number.
        push_uint(description, 1);
        let mut common = Fields::new(description);
        common.bytes(0, name.as_bytes());
        common.int(1, id);
        common.end();
        rest(description);
        description.push(0);
        wire.end();
        push_bytes(out, message);
    };
    define(RESULT, wire_type::STRUCT, "Result", &|out| {
        push_uint(out, 1);
        push_uint(out, FIELDS.len() as u64);
        for (name, id) in FIELDS {
            let mut field = Fields::new(out);
            field.bytes(0, name.as_bytes());
            field.int(1, id);
            field.end();
        }
    });
    define(TIME, wire_type::GOB_ENCODER, "Time", &|_| {});
    define(HEADER, wire_type::MAP, "Header", &|out| {
        push_uint(out, 1);
        push_int(out, basic::STRING);
        push_uint(out, 1);
        push_int(out, STRINGS);
    });
    define(STRINGS, wire_type::SLICE, "", &|out| {
        push_uint(out, 1);
        push_int(out, basic::STRING);
    });
}

fn push_uint(out: &mut Vec<u8>, value: u64) {
    if value < 128 {
        out.push(value as u8);
        return;
    }
    let bytes = value.to_be_bytes();
    let used = &bytes[value.leading_zeros() as usize / 8..];
    out.push((used.len() as u8).wrapping_neg());
    out.extend_from_slice(used);
}

fn push_int(out: &mut Vec<u8>, value: i64) {
    push_uint(out, (value << 1 ^ value >> 63) as u64);
}

fn push_bytes(out: &mut Vec<u8>, value: &[u8]) {
    push_uint(out, value.len() as u64);
    out.extend_from_slice(value);
}
