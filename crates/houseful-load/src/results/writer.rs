//! Records in the encoding that was asked for.

use std::io::{self, Write};

use super::{Encoding, Record, csv, gob, json};

/// Writes records to a destination, which should have a buffer.
pub struct Writer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Gob(gob::Writer<W>),
    Json(W, Vec<u8>),
    Csv(csv::Writer<W>),
}

impl<W: Write> Writer<W> {
    /// A new stream.
    pub fn new(to: W, encoding: Encoding) -> Writer<W> {
        Writer(match encoding {
            Encoding::Gob => Inner::Gob(gob::Writer::new(to)),
            Encoding::Json => Inner::Json(to, Vec::new()),
            Encoding::Csv => Inner::Csv(csv::Writer::new(to)),
        })
    }

    /// Writes one record.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        match &mut self.0 {
            Inner::Gob(writer) => writer.write(record),
            Inner::Json(to, line) => {
                line.clear();
                json::append(line, record);
                to.write_all(line)
            }
            Inner::Csv(writer) => writer.write(record),
        }
    }

    /// Writes what lies in a buffer.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Gob(writer) => writer.get_mut().flush(),
            Inner::Json(to, _) => to.flush(),
            Inner::Csv(writer) => writer.flush(),
        }
    }
}
