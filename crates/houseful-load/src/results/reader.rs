//! Records in whatever encoding they are.

use std::io::{self, BufRead};

use super::{Encoding, Keep, ReadError, Record, csv, gob, json};

/// Reads records, and finds out by the first bytes how they are encoded.
pub struct Reader<R> {
    inner: Inner<R>,
    keep: Keep,
}

enum Inner<R> {
    Unknown(Option<R>, String),
    Gob(Box<gob::Reader<R>>),
    Json(json::Reader<R>),
    Csv(Box<csv::Reader<R>>),
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`; `name` is what errors call it. Nothing is read yet.
    pub fn new(source: R, name: impl Into<String>) -> Reader<R> {
        Reader { inner: Inner::Unknown(Some(source), name.into()), keep: Keep::All }
    }

    /// The same reader, which keeps this of each record.
    pub fn keep(mut self, keep: Keep) -> Reader<R> {
        self.keep = keep;
        self
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end.
    ///
    /// An empty source is no error, and holds no record.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; the record is then a mixture. In JSON and CSV the next one may be tried.
    pub fn read_into(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        if let Inner::Unknown(source, name) = &mut self.inner {
            let Some(mut reader) = source.take() else {
                return Ok(false);
            };
            let name = name.clone();
            let first = match first_byte(&mut reader) {
                Ok(Some(first)) => first,
                Ok(None) => return Ok(false),
                Err(source) => return Err(ReadError::Read { name, source }),
            };
            self.inner = match recognise(first) {
                Some(Encoding::Gob) => {
                    Inner::Gob(Box::new(gob::Reader::new(reader, name, self.keep)))
                }
                Some(Encoding::Json) => Inner::Json(json::Reader::new(reader, name, self.keep)),
                Some(Encoding::Csv) => {
                    Inner::Csv(Box::new(csv::Reader::new(reader, name, self.keep)))
                }
                None => {
                    let reason = format!("they begin with `{}`", first.escape_ascii());
                    return Err(ReadError::Unrecognised { name, reason });
                }
            };
        }
        match &mut self.inner {
            Inner::Unknown(..) => Ok(false),
            Inner::Gob(reader) => reader.read_into(record),
            Inner::Json(reader) => reader.read_into(record),
            Inner::Csv(reader) => reader.read_into(record),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = Record::default();
        match self.read_into(&mut record) {
            Ok(true) => Some(Ok(record)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The first byte that says something; it stays in the source.
fn first_byte(source: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let Some(first) = source.fill_buf()?.first().copied() else {
            return Ok(None);
        };
        if !matches!(first, b'\n' | b'\r') {
            return Ok(Some(first));
        }
        source.consume(1);
    }
}

/// What begins with this byte. A gob begins with the length of the definition of a type of a
/// dozen fields, so with minus the number of that number's bytes; CSV with a number; JSON with its brace.
fn recognise(first: u8) -> Option<Encoding> {
    match first {
        b'{' => Some(Encoding::Json),
        b'-' | b'0'..=b'9' | b'"' => Some(Encoding::Csv),
        0xf8.. => Some(Encoding::Gob),
        _ => None,
    }
}
