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
            let encoding = match recognise(&mut reader) {
                Ok(Some(encoding)) => encoding,
                Ok(None) => return Ok(false),
                Err(source) => return Err(ReadError::Read { name, source }),
            };
            self.inner = match encoding {
                Ok(Encoding::Gob) => {
                    Inner::Gob(Box::new(gob::Reader::new(reader, name, self.keep)))
                }
                Ok(Encoding::Json) => Inner::Json(json::Reader::new(reader, name, self.keep)),
                Ok(Encoding::Csv) => {
                    Inner::Csv(Box::new(csv::Reader::new(reader, name, self.keep)))
                }
                Err(reason) => return Err(ReadError::Unrecognised { name, reason }),
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

/// What Windows puts before a text in UTF-8; it says nothing that is not known.
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// How records are encoded, or what is there instead of them; `None` of nothing. What may be skipped
/// is, and the rest stays in the source.
fn recognise(source: &mut impl BufRead) -> io::Result<Option<Result<Encoding, String>>> {
    let mut mark_len = 0;
    // Byte by byte, as it may come.
    while source.fill_buf()?.first().is_some_and(|first| UTF8_MARK.get(mark_len) == Some(first)) {
        source.consume(1);
        mark_len += 1;
    }
    let is_text = mark_len == UTF8_MARK.len();
    if mark_len > 0 && !is_text {
        return Ok(Some(Err(begin_with(UTF8_MARK[0]))));
    }
    while matches!(source.fill_buf()?.first(), Some(b'\n' | b'\r')) {
        source.consume(1);
    }
    let begin = source.fill_buf()?;
    Ok((!begin.is_empty()).then(|| encoding_of(begin, is_text)))
}

/// What begins like this. A gob begins with the length of the definition of a type of a dozen fields,
/// so with minus the number of that number's bytes, and then has the type's number, which is of two
/// bytes, too; CSV begins with a number; JSON with its brace.
fn encoding_of(begin: &[u8], is_text: bool) -> Result<Encoding, String> {
    match *begin {
        // With its mark or without, in either order.
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..=0x7f, 0, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => {
            Err("they are in UTF-16; save the file as UTF-8".to_owned())
        }
        [0x1f, 0x8b, ..] => Err("they are packed with gzip; unpack them first".to_owned()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Err("they are packed with zstd; unpack them first".to_owned())
        }
        [b'{', ..] => Ok(Encoding::Json),
        [b'-' | b'0'..=b'9' | b'"', ..] => Ok(Encoding::Csv),
        [0xf8..=0xff, ..] if !is_text => Ok(Encoding::Gob),
        [first, ..] => Err(begin_with(first)),
        [] => Err("they are empty".to_owned()),
    }
}

fn begin_with(first: u8) -> String {
    format!("they begin with `{}`", first.escape_ascii())
}
