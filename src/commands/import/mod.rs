//! `houseful import`: what was collected elsewhere, through the one writer.
//!
//! ```text
//! file ─▶ source: lines, ndjson | csv | stethoscope ─▶ entry ─▶ destination: the store, or a rehearsal
//!         (a thread of its own)                          │            │
//!                                                     refused     stored, copy ─▶ tally
//! ```
//!
//! Everything that is acknowledged stays whatever happens then, so an import
//! that was ended is finished by running it again.

mod csv;
mod destination;
mod entry;
mod lines;
mod ndjson;
mod progress;
mod reading;
mod source;
mod stethoscope;
mod tally;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use houseful_store::Refusal;

use self::destination::Destination;
use self::progress::Progress;
use self::reading::Chunk;
use self::source::{FileName, Format, Source};
use self::stethoscope::Zone;
use self::tally::{SHOWN_MAX, Summary, Tally, Unit, fault_line, grouped};
use crate::cli::{ImportArgs, ImportFormat};
use crate::config::{Environment, store_and_window};
use crate::interrupt;

/// How often an interrupt is looked for while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Checks what was asked, then does it.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let name = FileName::new(&args.file);
    let format = format(args, &name)?;
    let (store, window) = store_and_window(&args.settings, &Environment::of_process())?;

    let source = Source::open(&name, format)?;
    // It ends after what it has begun.
    let interrupted = Arc::default();
    interrupt::sets(&interrupted)?;
    let mut destination = if args.dry_run {
        Destination::rehearsal(&store, window)?
    } else {
        Destination::store(&store, window)?
    };
    let mut import = Import {
        name: name.to_string(),
        unit: source.unit(),
        progress: Progress::begin(source.unit(), source.total()),
        tally: Tally::default(),
    };
    let chunks = reading::begin(source)?;
    let ended = import.take_all(&chunks, &mut destination, &interrupted);
    import.progress.end();
    let took = import.progress.took();
    let unacknowledged = destination.unacknowledged().cloned();
    destination.close();
    if let Some(unacknowledged) = &unacknowledged {
        return Err(import.stopped(unacknowledged));
    }
    let is_interrupted = ended.with_context(|| import.so_far())? == Ended::Interrupted;
    import.say_the_rest(is_interrupted);
    let summary = Summary {
        tally: &import.tally,
        unit: import.unit,
        is_dry_run: args.dry_run,
        is_interrupted,
        took,
    };
    let text = if args.json { summary.json() } else { summary.text() };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    let is_whole = !is_interrupted && import.tally.refused == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn format(args: &ImportArgs, name: &FileName) -> anyhow::Result<Format> {
    match (args.format, &args.timezone) {
        (ImportFormat::Stethoscope, Some(zone)) => {
            if name.is_stdin() {
                bail!("FILE: expected a file, for SQLite reads no stdin, found `-`");
            }
            let zone = Zone::parse(zone).map_err(|fault| anyhow!("--timezone: {fault}"))?;
            Ok(Format::Stethoscope(zone))
        }
        (ImportFormat::Stethoscope, None) => bail!(
            "--timezone: expected the zone of the database's times, which do not tell it, such as Europe/Berlin; found none"
        ),
        (_, Some(_)) => {
            bail!(
                "--timezone: expected only with --format stethoscope; times in an export have theirs"
            )
        }
        (ImportFormat::Ndjson, None) => Ok(Format::Ndjson),
        (ImportFormat::Csv, None) => Ok(Format::Csv),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With the file, or because the store takes nothing more.
    ByItself,
    Interrupted,
}

/// An import under way.
struct Import {
    name: String,
    unit: Unit,
    progress: Progress,
    tally: Tally,
}

impl Import {
    /// Submits all that is read, and waits for every answer.
    fn take_all(
        &mut self,
        chunks: &Receiver<anyhow::Result<Chunk>>,
        destination: &mut Destination,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Ended> {
        let ended = self.submit_all(chunks, destination, interrupted);
        destination.settle_all(&mut self.tally);
        ended
    }

    fn submit_all(
        &mut self,
        chunks: &Receiver<anyhow::Result<Chunk>>,
        destination: &mut Destination,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Ended> {
        let mut done = 0;
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            self.progress.update(done, &self.tally);
            let chunk = match chunks.recv_timeout(LOOK_EVERY) {
                Ok(chunk) => chunk?,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => bail!("the reading thread panicked"),
            };
            for entry in chunk.entries {
                self.tally.last = Some(entry.place);
                match entry.read {
                    Ok(timed) => destination.submit(entry.place, timed, &mut self.tally)?,
                    Err(faults) => self.refuse(entry.place, faults),
                }
                if destination.unacknowledged().is_some() {
                    return Ok(Ended::ByItself);
                }
            }
            done = chunk.done;
            if chunk.is_last {
                return Ok(Ended::ByItself);
            }
        }
    }

    fn refuse(&mut self, place: i64, faults: Vec<String>) {
        let line = fault_line(&self.name, self.unit, place, &faults);
        if self.tally.refuse(place, faults) {
            self.progress.say(&line);
        }
    }

    /// What stderr has to say at the end.
    fn say_the_rest(&self, is_interrupted: bool) {
        let unit = self.unit.name();
        let unshown = self.tally.refused.saturating_sub(SHOWN_MAX as u64);
        if unshown > 0 {
            self.progress.say(&format!("and {} more {unit}s were refused", grouped(unshown)));
        }
        if is_interrupted {
            let until = match self.tally.last {
                Some(last) => format!("after {unit} {last}"),
                None => "before anything was read".to_owned(),
            };
            self.progress.say(&format!(
                "houseful: interrupted {until}; what was stored stays, and the same command finishes it"
            ));
        }
    }

    /// The store takes nothing more.
    fn stopped(&self, (first, last, refusal): &(i64, i64, Refusal)) -> anyhow::Error {
        let unit = self.unit.name();
        anyhow!("{refusal}; {unit}s {first} to {last} were not acknowledged; {}", self.so_far())
    }

    fn so_far(&self) -> String {
        let Tally { stored, copies, refused, .. } = &self.tally;
        format!(
            "stopped with {} stored, {} copies, {} refused; the same command goes on from there",
            grouped(*stored),
            grouped(*copies),
            grouped(*refused)
        )
    }
}
