//! `houseful load report`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_load::metrics::{Metrics, Options, PerTarget, Percentile, WarmUp};
use houseful_load::reports;
use houseful_load::results::{Keep, Record};
use houseful_load::thresholds::{Assertion, Judgement};

use super::generate::parse_duration;
use super::output::Output;
use super::results::{for_each_of_run, sources, warn_of_none};
use crate::cli::{ReportArgs, ReportType};
use crate::{interrupt, say, was_read};

/// Clears a terminal and goes to its top.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// Folds all results, then prints; or prints meanwhile, too.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let every = parse_duration("--every", &args.every)?;
    let fold = Fold::new(args)?;
    let mut out = Out::open(args, every)?;
    // A Ctrl-C reaches the attack before us in the pipe, too; what it still sends is reported.
    interrupt::on_each(|interrupt| {
        if !(interrupt.is_from_keyboard() && interrupt.nth == 1) {
            interrupt.end();
        }
    })?;
    let fold = if every.is_zero() {
        let mut fold = fold;
        for_each_of_run(&args.files, Keep::Figures, |record| {
            fold.add(record);
            Ok(())
        })?;
        fold
    } else {
        print_every(every, args, fold, &mut out)?
    };
    out.print(&fold, args)?;
    match (fold.counted, fold.left_out) {
        (0, 0) => warn_of_none(&args.files),
        (0, left_out) => say(format_args!(
            "warning: --skip={} leaves out all {left_out} results of {}",
            args.skip,
            sources(&args.files)
        )),
        _ => {}
    }
    let failed: Vec<_> = fold.judgements().into_iter().filter(|found| !found.holds).collect();
    for judgement in &failed {
        say(format_args!("{judgement}"));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What comes of the results.
#[derive(Clone)]
struct Fold {
    metrics: Metrics,
    per_target: Option<PerTarget>,
    warm_up: WarmUp,
    counted: u64,
    left_out: u64,
    assertions: Vec<Assertion>,
}

impl Fold {
    fn new(args: &ReportArgs) -> anyhow::Result<Fold> {
        let buckets = match (&args.r#type, &args.buckets) {
            (ReportType::Hist(Some(_)), Some(_)) => {
                bail!("--buckets: expected none, for --type has them already")
            }
            (ReportType::Hist(Some(buckets)), None) => Some(buckets.clone()),
            (ReportType::Hist(None), None) => {
                bail!("--type=hist: expected buckets, such as --type='hist[0,1ms,5ms]'")
            }
            (ReportType::Hist(None) | ReportType::Json, buckets) => buckets.clone(),
            (_, Some(_)) => bail!("--buckets: expected --type=hist or --type=json"),
            (_, None) => None,
        };
        let is_for_each =
            matches!(args.r#type, ReportType::Text | ReportType::Json | ReportType::Markdown);
        if args.per_target && !is_for_each {
            bail!("--per-target: expected --type=text, json or markdown");
        }
        if !args.percentiles.is_empty() && !is_for_each {
            bail!("--percentiles: expected --type=text, json or markdown");
        }
        if args.expect.is_some() && !is_for_each && args.assert.is_empty() {
            bail!(
                "--expect: expected --type=text, json or markdown, or an --assert to judge by it"
            );
        }
        let percentiles = match args.percentiles.as_slice() {
            [] => Percentile::USUAL.to_vec(),
            percentiles => percentiles.to_vec(),
        };
        let options = Options { expect: args.expect.clone(), percentiles, buckets };
        Ok(Fold {
            per_target: args.per_target.then(|| PerTarget::new(options.clone())),
            metrics: Metrics::with(options),
            warm_up: WarmUp::new(parse_duration("--skip", &args.skip)?),
            counted: 0,
            left_out: 0,
            assertions: args.assert.clone(),
        })
    }

    fn add(&mut self, record: &Record) {
        if self.warm_up.has(record) {
            self.left_out += 1;
            return;
        }
        self.counted += 1;
        self.metrics.add(record);
        if let Some(per_target) = &mut self.per_target {
            per_target.add(record);
        }
    }

    fn judgements(&self) -> Vec<Judgement> {
        let summary = self.metrics.summary();
        self.assertions.iter().map(|it| it.judge(&self.metrics, &summary)).collect()
    }
}

/// What was folded so far, and how the reading ended, once it has.
struct Shared {
    fold: Mutex<(Fold, Option<anyhow::Result<()>>)>,
    done: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Fold, Option<anyhow::Result<()>>)> {
        self.fold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folds in a thread, and prints here until it is done; so that the report goes on while no
/// results come, and a reader that has gone ends us, unless something is to be judged.
fn print_every(
    every: Duration,
    args: &ReportArgs,
    fold: Fold,
    out: &mut Out,
) -> anyhow::Result<Fold> {
    let shared = Arc::new(Shared { fold: Mutex::new((fold, None)), done: Condvar::new() });
    std::thread::spawn({
        let (shared, files) = (Arc::clone(&shared), args.files.clone());
        move || {
            let read = for_each_of_run(&files, Keep::Figures, |record| {
                shared.lock().0.add(record);
                Ok(())
            });
            shared.lock().1 = Some(read);
            shared.done.notify_all();
        }
    });
    let mut locked = shared.lock();
    loop {
        let waited = shared.done.wait_timeout_while(locked, every, |(_, read)| read.is_none());
        locked = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(read) = locked.1.take() {
            read?;
            return Ok(locked.0.clone());
        }
        // Copied, so that whoever reads our output slowly does not keep results waiting.
        let fold = locked.0.clone();
        drop(locked);
        out.print(&fold, args)?;
        locked = shared.lock();
    }
}

/// Where the report goes, and which.
struct Out {
    to: Output,
    /// There is but one, which may take the place of what a file had.
    is_only: bool,
    is_terminal: bool,
    r#type: ReportType,
    printed: bool,
}

impl Out {
    fn open(args: &ReportArgs, every: Duration) -> anyhow::Result<Out> {
        Ok(Out {
            to: Output::open(&args.output, &args.files)?,
            is_only: every.is_zero(),
            is_terminal: args.output == "-" && io::stdout().is_terminal(),
            r#type: args.r#type.clone(),
            printed: false,
        })
    }

    /// Prints the report; a later one in place of the earlier one, or, where that cannot be, after
    /// an empty line, which JSON, a line each, does not need.
    fn print(&mut self, fold: &Fold, args: &ReportArgs) -> anyhow::Result<()> {
        let mut report = Vec::new();
        let written = self.write(&mut report, fold).and_then(|()| {
            if self.is_only {
                return self.to.replace(&report);
            }
            self.to.write_all(&report).and_then(|()| self.to.flush())
        });
        // What is asserted is judged for nobody's eyes, too.
        if args.assert.is_empty() { written } else { was_read(written).map(|_| ()) }
            .context("cannot write the report")
    }

    fn write(&mut self, out: &mut Vec<u8>, fold: &Fold) -> io::Result<()> {
        let Out { is_terminal, r#type, printed, .. } = self;
        match (&r#type, *is_terminal) {
            (_, true) if *printed => out.write_all(CLEAR)?,
            (ReportType::Json, _) => {}
            _ if *printed => out.write_all(b"\n")?,
            _ => {}
        }
        *printed = true;
        let metrics = &fold.metrics;
        let targets = fold.per_target.as_ref().map(PerTarget::summaries).unwrap_or_default();
        match r#type {
            ReportType::Text => reports::text::write(out, &metrics.summary())
                .and_then(|()| reports::text::write_targets(out, &targets)),
            ReportType::Json => {
                reports::json::write_all(out, &metrics.summary(), &targets, &fold.judgements())
            }
            ReportType::Markdown => reports::markdown::write(out, &metrics.summary(), &targets),
            ReportType::Hist(_) => match &metrics.summary().histogram {
                Some(histogram) => reports::hist::write(out, histogram),
                None => Ok(()),
            },
            ReportType::Hdrplot => reports::hdrplot::write(out, metrics),
            ReportType::Hgrm => reports::hgrm::write(out, metrics),
        }
    }
}
