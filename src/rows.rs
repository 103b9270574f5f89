//! Readings as rows of text, the same wherever they are written: to a file by
//! `export`, or to a client.

use std::io::{self, Write};

use houseful_model::Reading;

/// The CSV columns, in order. Fixed, so that a file says what it is.
pub(crate) const COLUMNS: [&str; 9] = [
    "id",
    "badge_id",
    "pi_id",
    "heard_at",
    "beacons",
    "badge_strength",
    "position",
    "motion",
    "opposite_badge_id",
];

/// With what a text cell must not begin, or a spreadsheet runs it as a formula;
/// and the `'` that stands before those, and so before itself.
pub(crate) const GUARDED: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// How rows look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A reading's JSON a line.
    Ndjson,
    /// RFC 4180 in UTF-8, with a header.
    Csv,
}

/// Writes readings as rows.
pub(crate) enum Rows<W: Write> {
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Rows<W> {
    /// Begins with the header, if there is one.
    pub(crate) fn begin(format: Format, out: W) -> io::Result<Rows<W>> {
        let mut rows = Rows::go_on(format, out);
        if let Rows::Csv(csv) = &mut rows {
            csv.write_record(COLUMNS).map_err(io_error)?;
        }
        Ok(rows)
    }

    /// Without a header: `out` has one already.
    pub(crate) fn go_on(format: Format, out: W) -> Rows<W> {
        match format {
            Format::Ndjson => Rows::Ndjson(out),
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new();
                csv.terminator(csv::Terminator::CRLF);
                Rows::Csv(Box::new(csv.from_writer(out)))
            }
        }
    }

    pub(crate) fn write(&mut self, reading: &Reading) -> io::Result<()> {
        match self {
            Rows::Ndjson(out) => {
                let mut line = reading.to_json();
                line.push(b'\n');
                out.write_all(&line)
            }
            Rows::Csv(csv) => csv.write_record(cells(reading)).map_err(io_error),
        }
    }

    /// Hands over what is still held back.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Rows::Ndjson(out) => Ok(out),
            Rows::Csv(csv) => csv.into_inner().map_err(|error| error.into_error()),
        }
    }
}

/// Without its wrapper, so that a closed pipe is recognised.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("broken CSV: {kind:?}")),
    }
}

fn cells(reading: &Reading) -> [String; 9] {
    let emission = &reading.emission;
    let number = |number: Option<i32>| number.map_or(String::new(), |number| number.to_string());
    let beacons: Vec<String> = emission
        .beacons
        .iter()
        .map(|beacon| format!("{}:{}", serde_json::Value::from(&*beacon.id), beacon.rssi_dbm))
        .collect();
    [
        reading.id.to_string(),
        text(&emission.badge_id),
        text(&emission.pi_id),
        reading.heard_at.to_string(),
        format!("{{{}}}", beacons.join(",")),
        number(emission.badge_strength.map(i32::from)),
        number(emission.position),
        number(emission.motion),
        emission.opposite_badge_id.as_deref().map_or(String::new(), text),
    ]
}

/// A text cell that a spreadsheet would run as a formula gets a `'` in front,
/// and so does one that begins with `'` already, so that it can be taken off
/// again.
fn text(cell: &str) -> String {
    if cell.starts_with(GUARDED) { format!("'{cell}") } else { cell.to_owned() }
}
