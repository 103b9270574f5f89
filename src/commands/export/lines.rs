//! Readings as lines of text.

use std::io::Write;

use anyhow::{Context, anyhow};
use houseful_model::Reading;

use crate::cli::ExportFormat;

/// The CSV columns, in order. Fixed, so that a file says what it is.
const COLUMNS: [&str; 9] = [
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

/// Readings as text.
pub(super) enum Lines<W: Write> {
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Lines<W> {
    pub(super) fn new(format: ExportFormat, out: W) -> anyhow::Result<Lines<W>> {
        Ok(match format {
            ExportFormat::Ndjson => Lines::Ndjson(out),
            ExportFormat::Csv => {
                let mut csv =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
                csv.write_record(COLUMNS).map_err(csv_error)?;
                Lines::Csv(Box::new(csv))
            }
        })
    }

    pub(super) fn write(&mut self, reading: &Reading) -> anyhow::Result<()> {
        match self {
            Lines::Ndjson(out) => {
                let mut line = reading.to_json();
                line.push(b'\n');
                out.write_all(&line).context("cannot write")
            }
            Lines::Csv(csv) => csv.write_record(cells(reading)).map_err(csv_error),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Lines::Ndjson(_) => Ok(()),
            Lines::Csv(mut csv) => csv.flush().context("cannot write"),
        }
    }
}

/// Without its wrapper, so that a closed pipe is recognised.
fn csv_error(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => anyhow::Error::new(error).context("cannot write"),
        kind => anyhow!("cannot write CSV: {kind:?}"),
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
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}
