//! Gob to records.

use std::io::{self, BufRead, Read};
use std::time::Duration;

use jiff::Timestamp;

use super::basic;
use super::types::{self, Bytes, Fault, Type, Types};
use crate::results::{HeaderMap, Keep, Place, ReadError, Record, YEAR_1_TO_UNIX_S};

/// The longest message that is read: a record with a body of some 64 MiB.
const MESSAGE_LEN_MAX: u64 = 64 << 20;

/// Reads records message by message.
///
/// After an error nothing more is read: in gob there is no place to begin again.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    name: String,
    keep: Keep,
    offset: u64,
    read: u64,
    message: Vec<u8>,
    types: Types,
    /// The type of records, and which of their fields is which; of the type seen last.
    layout: Option<(i64, Vec<Option<Field>>)>,
    over: bool,
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Attack,
    Seq,
    Code,
    Timestamp,
    Latency,
    BytesOut,
    BytesIn,
    Error,
    Body,
    Method,
    Url,
    Headers,
    Slip,
    Queued,
}

impl Field {
    /// The field of this name, and what its type has to be; `None` in place of a basic type that
    /// the stream defines itself.
    fn named(name: &str) -> Option<(Field, Option<i64>)> {
        Some(match name {
            "Attack" => (Field::Attack, Some(basic::STRING)),
            "Seq" => (Field::Seq, Some(basic::UINT)),
            "Code" => (Field::Code, Some(basic::UINT)),
            "Timestamp" => (Field::Timestamp, None),
            "Latency" => (Field::Latency, Some(basic::INT)),
            "BytesOut" => (Field::BytesOut, Some(basic::UINT)),
            "BytesIn" => (Field::BytesIn, Some(basic::UINT)),
            "Error" => (Field::Error, Some(basic::STRING)),
            "Body" => (Field::Body, Some(basic::BYTES)),
            "Method" => (Field::Method, Some(basic::STRING)),
            "URL" => (Field::Url, Some(basic::STRING)),
            "Headers" => (Field::Headers, None),
            "Slip" => (Field::Slip, Some(basic::INT)),
            "Queued" => (Field::Queued, Some(basic::INT)),
            _ => return None,
        })
    }
}

/// Why there is no message.
enum Stop {
    End,
    Cut,
    Broken(io::Error),
    Wrong(Fault),
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`, which keeps this of each record; `name` is what errors call it.
    pub fn new(source: R, name: impl Into<String>, keep: Keep) -> Reader<R> {
        Reader {
            source,
            name: name.into(),
            keep,
            offset: 0,
            read: 0,
            message: Vec::new(),
            types: Types::default(),
            layout: None,
            over: false,
        }
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; the record is then a mixture.
    pub fn read_into(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        while !self.over {
            let at = self.offset;
            match self.next_message().and_then(|()| self.take(record).map_err(Stop::Wrong)) {
                Ok(false) => {}
                Ok(true) => {
                    self.read += 1;
                    return Ok(true);
                }
                Err(stop) => {
                    self.over = true;
                    let (name, at) = (self.name.clone(), Place::Byte(at));
                    return match stop {
                        Stop::End => Ok(false),
                        Stop::Cut => Err(ReadError::Cut { name, at, before: self.read }),
                        Stop::Broken(source) => Err(ReadError::Read { name, source }),
                        Stop::Wrong(reason) => {
                            Err(ReadError::Wrong { name, at, expected: "gob", reason })
                        }
                    };
                }
            }
        }
        Ok(false)
    }

    /// Reads the next message, without its length.
    fn next_message(&mut self) -> Result<(), Stop> {
        let mut head = [0; 9];
        let mut head_len = 0;
        let len = loop {
            if let Some((len, _)) = types::uint(&head[..head_len]).map_err(Stop::Wrong)? {
                break len;
            }
            match self.source.read(&mut head[head_len..=head_len]) {
                Ok(0) if head_len == 0 => return Err(Stop::End),
                Ok(0) => return Err(Stop::Cut),
                Ok(_) => head_len += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Broken(error)),
            }
        };
        if len > MESSAGE_LEN_MAX {
            let fault = format!("a message of {len} bytes; at most {MESSAGE_LEN_MAX} are read");
            return Err(Stop::Wrong(fault));
        }
        self.message.clear();
        let read = (&mut self.source).take(len).read_to_end(&mut self.message);
        let read = read.map_err(Stop::Broken)? as u64;
        self.offset += head_len as u64 + read;
        if read < len { Err(Stop::Cut) } else { Ok(()) }
    }

    /// Takes what the message holds: a definition, or the record.
    fn take(&mut self, record: &mut Record) -> Result<bool, Fault> {
        let mut message = Bytes(&self.message);
        let id = message.int()?;
        if id < 0 {
            let id = id.checked_neg().ok_or("a type with an impossible number")?;
            self.types.define(id, message)?;
            self.layout = None;
            return Ok(false);
        }
        let layout = match self.layout.take() {
            Some((known, layout)) if known == id => layout,
            _ => layout(&self.types, id)?,
        };
        fill(record, &layout, &self.types, id, message, self.keep)?;
        self.layout = Some((id, layout));
        Ok(true)
    }
}

/// Which field of the type `id` is which of a record's.
fn layout(types: &Types, id: i64) -> Result<Vec<Option<Field>>, Fault> {
    let Some(Type::Struct(fields)) = types.get(id) else {
        return Err(format!("a value of the type {id}, which is no result"));
    };
    let mut layout = Vec::with_capacity(fields.len());
    for (name, id) in fields {
        layout.push(match Field::named(name) {
            None => None,
            Some((field, wanted)) => {
                let fits = match (field, wanted) {
                    (_, Some(wanted)) => *id == wanted,
                    (Field::Headers, None) => is_headers(types, *id),
                    (_, None) => matches!(types.get(*id), Some(Type::Opaque)),
                };
                if !fits {
                    return Err(format!("the field {name} has the wrong type"));
                }
                Some(field)
            }
        });
    }
    if !layout.contains(&Some(Field::Timestamp)) {
        return Err("a value without a Timestamp, which is no result".to_owned());
    }
    Ok(layout)
}

fn is_headers(types: &Types, id: i64) -> bool {
    match types.get(id) {
        Some(Type::Map { key: basic::STRING, element }) => {
            matches!(types.get(*element), Some(Type::Slice(basic::STRING)))
        }
        _ => false,
    }
}

fn fill(
    record: &mut Record,
    layout: &[Option<Field>],
    types: &Types,
    id: i64,
    mut from: Bytes<'_>,
    keep: Keep,
) -> Result<(), Fault> {
    let slip = layout.contains(&Some(Field::Slip)).then_some(Duration::ZERO);
    record.clear();
    record.slip = slip;
    let mut number = -1;
    while let Some(next) = from.next_field(number)? {
        number = next;
        let place = usize::try_from(number).ok().filter(|place| *place < layout.len());
        let place = place.ok_or_else(|| format!("field {number} of {}", layout.len()))?;
        let is_kept =
            |field: &Field| keep == Keep::All || !matches!(field, Field::Body | Field::Headers);
        let Some(field) = layout[place].filter(is_kept) else {
            let Some(Type::Struct(fields)) = types.get(id) else {
                return Err(format!("a value of the undefined type {id}"));
            };
            types.skip(fields[place].1, &mut from)?;
            continue;
        };
        match field {
            Field::Attack => from.text_into(&mut record.attack)?,
            Field::Seq => record.seq = from.uint()?,
            Field::Code => {
                let code = from.uint()?;
                record.code = u16::try_from(code).map_err(|_| format!("Code: {code} is none"))?;
            }
            Field::Timestamp => record.timestamp = time(from.bytes()?)?,
            Field::Latency => record.latency = nanoseconds("Latency", from.int()?)?,
            Field::BytesOut => record.bytes_out = from.uint()?,
            Field::BytesIn => record.bytes_in = from.uint()?,
            Field::Error => from.text_into(&mut record.error)?,
            Field::Body => record.body = Some(from.bytes()?.to_vec()),
            Field::Method => from.text_into(&mut record.method)?,
            Field::Url => from.text_into(&mut record.url)?,
            Field::Headers => record.headers = Some(headers(&mut from)?),
            Field::Slip => {
                let ns = from.int()?;
                record.slip = if ns < 0 { None } else { Some(nanoseconds("Slip", ns)?) };
            }
            Field::Queued => record.queued = nanoseconds("Queued", from.int()?)?,
        }
    }
    if from.0.is_empty() { Ok(()) } else { Err(format!("{} bytes behind a value", from.0.len())) }
}

fn nanoseconds(field: &str, ns: i64) -> Result<Duration, Fault> {
    let ns = u64::try_from(ns).map_err(|_| format!("{field}: {ns} is negative"))?;
    Ok(Duration::from_nanos(ns))
}

fn headers(from: &mut Bytes<'_>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for _ in 0..from.count()? {
        // Two names may have become the same one.
        let values = headers.entry(from.text()?).or_default();
        for _ in 0..from.count()? {
            values.push(from.text()?);
        }
    }
    Ok(headers)
}

/// Go's `Time.UnmarshalBinary`: versions 1 and 2, the zone apart.
fn time(bytes: &[u8]) -> Result<Timestamp, Fault> {
    let wrong = || format!("Timestamp: expected Go's time, found `{}`", bytes.escape_ascii());
    let whole = matches!((bytes.first(), bytes.len()), (Some(1), 15) | (Some(2), 16));
    let part = |range| bytes.get(range).filter(|_| whole).ok_or_else(wrong);
    let s = i64::from_be_bytes(part(1..9)?.try_into().map_err(|_| wrong())?);
    let ns = i32::from_be_bytes(part(9..13)?.try_into().map_err(|_| wrong())?);
    let s = s.checked_sub(YEAR_1_TO_UNIX_S).ok_or_else(wrong)?;
    Timestamp::new(s, ns).map_err(|_| wrong())
}
