//! `houseful export`.

mod output;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use houseful_model::Millis;
use houseful_model::emission::check_id;
use houseful_store::{Cursor, Filter, OpenError, Order, Reader};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::output::Output;
use crate::cli::{ExportArgs, ExportFormat};
use crate::config::{Environment, store_path};
use crate::interrupt;
use crate::rows::{Format, Rows};

/// Readings per look into the store; between two nothing is held.
const PAGE: usize = 2_000;

const CANNOT_WRITE: &str = "cannot write";

/// Checks what was asked, then writes it.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let store = store_path(&args.store, &Environment::of_process())?;
    let mut filter = Filter {
        badge_id: args.badge.clone(),
        from: args.from.as_deref().map(|text| parse_time("--from", text)).transpose()?,
        to: args.to.as_deref().map(|text| parse_time("--to", text)).transpose()?,
        ..Filter::default()
    };
    if let Some(badge) = &filter.badge_id {
        check_id(badge).map_err(|fault| anyhow!("--badge: {fault}"))?;
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        bail!("--from: expected a time that is not after --to {to}, found {from}");
    }
    if let Some(path) = &args.output {
        output::refuse_store(path, &store)?;
    }
    let mut reader = open(&store)?;
    filter.id_max = Some(reader.newest_id()?);

    let interrupted = Arc::new(AtomicBool::new(false));
    let mut output = match &args.output {
        // It ends between two pages, so that no unfinished file stays.
        Some(path) => Output::open(path, || interrupt::sets(&interrupted))?,
        None => Output::stdout(),
    };
    write_all(&mut reader, &filter, args.format, &interrupted, output.writer())?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever gets the default does not know, perhaps, that the collector's is elsewhere.
fn open(store: &Path) -> anyhow::Result<Reader> {
    match Reader::open(store) {
        Err(OpenError::File { path, source }) if source.kind() == ErrorKind::NotFound => bail!(
            "there is no store `{}`; name the collector's with --store sqlite:PATH or HOUSEFUL_STORE, \
             or its file of settings with --config",
            path.display()
        ),
        opened => Ok(opened?),
    }
}

fn parse_time(flag: &str, text: &str) -> anyhow::Result<Millis> {
    Millis::parse(text).map_err(|error| anyhow!("{flag}: {error}"))
}

fn write_all(
    reader: &mut Reader,
    filter: &Filter,
    format: ExportFormat,
    interrupted: &AtomicBool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let progress = progress();
    let format = match format {
        ExportFormat::Ndjson => Format::Ndjson,
        ExportFormat::Csv => Format::Csv,
    };
    let mut rows = Rows::begin(format, out).context(CANNOT_WRITE)?;
    let mut after = None;
    loop {
        if interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let readings = reader.page(filter, Order::OldestFirst, after, PAGE)?;
        for reading in &readings {
            rows.write(reading).context(CANNOT_WRITE)?;
        }
        progress.inc(readings.len() as u64);
        match readings.last() {
            Some(last) if readings.len() == PAGE => after = Some(Cursor::past(last)),
            _ => break,
        }
    }
    rows.finish().context(CANNOT_WRITE)?;
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
