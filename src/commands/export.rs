//! `houseful export`.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use houseful_model::emission::check_id;
use houseful_model::{Millis, Reading};
use houseful_store::{Cursor, Filter, Order, Reader};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tempfile::NamedTempFile;

use crate::cli::{ExportArgs, ExportFormat};
use crate::config::{process_environment, store_path};

/// Readings per look into the store; between two nothing is held.
const PAGE: usize = 2_000;

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

/// Checks what was asked, then writes it.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let store = store_path(&args.store, &process_environment)?;
    let mut filter = Filter {
        badge_id: args.badge.clone(),
        from: args.from.as_deref().map(|text| parse_time("--from", text)).transpose()?,
        to: args.to.as_deref().map(|text| parse_time("--to", text)).transpose()?,
        id_max: None,
    };
    if let Some(badge) = &filter.badge_id {
        check_id(badge).map_err(|fault| anyhow!("--badge: {fault}"))?;
    }
    let mut reader = Reader::open(&store)?;
    filter.id_max = Some(reader.newest_id()?);
    match &args.output {
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            write_all(&mut reader, &filter, args.format, &mut out)?;
            out.flush().context("cannot write to stdout")?;
        }
        Some(path) => write_file(&mut reader, &filter, args.format, path)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_time(flag: &str, text: &str) -> anyhow::Result<Millis> {
    let parsed = match text.parse::<i64>() {
        Ok(number) => Millis::from_wire_number(number),
        Err(_) => Millis::parse_rfc3339(text),
    };
    parsed.map_err(|error| anyhow!("{flag}: {error}"))
}

/// Writes beside the file, then moves into its place: whoever sees the file
/// sees all of it.
fn write_file(
    reader: &mut Reader,
    filter: &Filter,
    format: ExportFormat,
    path: &Path,
) -> anyhow::Result<()> {
    let context = || format!("cannot write `{}`", path.display());
    if path.is_dir() {
        bail!("cannot write `{}`: it is a directory", path.display());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = NamedTempFile::new_in(directory).with_context(context)?;
    let mut out = BufWriter::new(file);
    write_all(reader, filter, format, &mut out)?;
    let file = out.into_inner().map_err(|error| error.into_error()).with_context(context)?;
    file.as_file().sync_all().with_context(context)?;
    file.persist(path).map_err(|error| error.error).with_context(context)?;
    Ok(())
}

fn write_all(
    reader: &mut Reader,
    filter: &Filter,
    format: ExportFormat,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let progress = progress();
    let mut lines = Lines::new(format, out)?;
    let mut after = None;
    loop {
        let readings = reader.page(filter, Order::OldestFirst, after, PAGE)?;
        for reading in &readings {
            lines.write(reading)?;
        }
        progress.inc(readings.len() as u64);
        match readings.last() {
            Some(last) if readings.len() == PAGE => after = Some(Cursor::past(last)),
            _ => break,
        }
    }
    lines.finish()?;
    progress.finish_and_clear();
    Ok(())
}

fn progress() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} readings, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Readings as text.
enum Lines<W: Write> {
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Lines<W> {
    fn new(format: ExportFormat, out: W) -> anyhow::Result<Lines<W>> {
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

    fn write(&mut self, reading: &Reading) -> anyhow::Result<()> {
        match self {
            Lines::Ndjson(out) => {
                let mut line = reading.to_json();
                line.push(b'\n');
                out.write_all(&line).context("cannot write")
            }
            Lines::Csv(csv) => csv.write_record(cells(reading)).map_err(csv_error),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
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
