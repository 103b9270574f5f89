//! The file: opened, known for what it is, read entry by entry.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use houseful_model::Millis;
use houseful_store::stethoscope::Stethoscope;

use super::csv::Csv;
use super::entry::Entry;
use super::lines::Lines;
use super::ndjson::Ndjson;
use super::stethoscope::{Predecessor, Zone};
use super::tally::Unit;

const BUFFER_BYTES: usize = 128 * 1024;

/// An open file of one of the formats.
pub(super) struct Source {
    kind: Kind,
    /// How much there is to read, if that is known.
    total: Option<u64>,
}

enum Kind {
    Ndjson(Ndjson),
    Csv(Box<Csv>),
    Stethoscope(Box<Predecessor>),
}

/// What the file is said to be.
pub(super) enum Format {
    Ndjson,
    Csv,
    Stethoscope(Zone),
}

/// A file as messages name it.
#[derive(Clone, Debug)]
pub(super) struct FileName(PathBuf);

impl FileName {
    pub(super) fn new(path: &Path) -> FileName {
        FileName(path.to_owned())
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.0.as_os_str() == "-"
    }
}

impl Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_stdin() { f.write_str("stdin") } else { self.0.display().fmt(f) }
    }
}

impl Source {
    /// Opens a file, and checks that it is of the format that it is said to be.
    pub(super) fn open(name: &FileName, format: Format) -> anyhow::Result<Source> {
        let (kind, total) = match format {
            Format::Ndjson => {
                let (lines, total) = open_text(name, false)?;
                (Kind::Ndjson(Ndjson::new(lines)), total)
            }
            Format::Csv => {
                let (lines, total) = open_text(name, true)?;
                (Kind::Csv(Box::new(Csv::open(lines, name)?)), total)
            }
            Format::Stethoscope(zone) => {
                // SQLite opens it by its name; but what the system says of a file is clearer.
                File::open(&name.0).with_context(|| cannot_read(name))?;
                let predecessor = Predecessor::new(Stethoscope::open(&name.0)?, zone);
                let total = predecessor.total();
                (Kind::Stethoscope(Box::new(predecessor)), Some(total))
            }
        };
        Ok(Source { kind, total })
    }

    /// What its places are.
    pub(super) fn unit(&self) -> Unit {
        match self.kind {
            Kind::Stethoscope(_) => Unit::Row,
            Kind::Ndjson(_) | Kind::Csv(_) => Unit::Line,
        }
    }

    /// The next entry, held against our clock, which says `now`; `None` at the
    /// end.
    pub(super) fn next(&mut self, now: Millis) -> anyhow::Result<Option<Entry>> {
        match &mut self.kind {
            Kind::Ndjson(ndjson) => ndjson.next(now),
            Kind::Csv(csv) => csv.next(now),
            Kind::Stethoscope(rows) => rows.next(now),
        }
    }

    /// How much was read, in the unit of [`Source::total`].
    pub(super) fn done(&self) -> u64 {
        match &self.kind {
            Kind::Ndjson(ndjson) => ndjson.bytes(),
            Kind::Csv(csv) => csv.bytes(),
            Kind::Stethoscope(rows) => rows.done(),
        }
    }

    /// How much there is to read, if that is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }
}

/// A file of text, and its length if it has one.
fn open_text(name: &FileName, is_csv: bool) -> anyhow::Result<(Lines, Option<u64>)> {
    let (mut input, total) = open(name).with_context(|| cannot_read(name))?;
    let head = input.fill_buf().with_context(|| cannot_read(name))?;
    match other_kind(head, is_csv) {
        Some(found) => bail!("{name}: {found}"),
        None => Ok((Lines::new(input), total)),
    }
}

fn open(name: &FileName) -> io::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if name.is_stdin() {
        return Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin())), None));
    }
    let file = File::open(&name.0)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let total = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, file)), total))
}

fn cannot_read(name: &FileName) -> String {
    format!("cannot read `{name}`")
}

/// What a file is by its first bytes, if it is no CSV or no NDJSON.
fn other_kind(head: &[u8], is_csv: bool) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let is_utf16 =
        starts(b"\xff\xfe") || starts(b"\xfe\xff") || head.iter().take(2).any(|b| *b == 0);
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
    Some(match is_csv {
        _ if starts(b"SQLite format 3\0") => {
            "expected text, found an SQLite database; --format stethoscope reads the predecessor's, \
             and a store is exported first"
        }
        _ if starts(b"\x1f\x8b") => {
            "expected text, found gzip; unpack it: `gunzip -c FILE | houseful import - …`"
        }
        _ if starts(b"\x28\xb5\x2f\xfd") => {
            "expected text, found zstd; unpack it: `zstdcat FILE | houseful import - …`"
        }
        _ if starts(b"PK\x03\x04") => {
            "expected text, found a ZIP file, as spreadsheets write them; save it as CSV"
        }
        _ if is_utf16 => {
            "expected UTF-8, found UTF-16, as a spreadsheet may save it; save it as CSV in UTF-8"
        }
        false if text.starts_with(b"[") => {
            "expected one object a line, found an array; `jq -c '.[]' FILE | houseful import - …` splits it"
        }
        false if text.starts_with(b"id,badge_id,") => {
            "expected NDJSON, found the header of a CSV; give --format csv"
        }
        true if text.starts_with(b"{") => "expected CSV, found JSON; give --format ndjson",
        _ => return None,
    })
}
