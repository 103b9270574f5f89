//! `houseful load compare`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use houseful_load::compare::{Comparison, Options, Outcome, RunFold, Side, Void, compare};
use houseful_load::metrics;
use houseful_load::results::Keep;
use indicatif::{ProgressBar, ProgressStyle};

use super::generate::parse_duration;
use super::results::for_each;
use crate::cli::CompareArgs;
use crate::{say, was_read};

/// Reads all runs, one after the other, and prints what comes of them.
pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let options = options(args)?;
    let skip = parse_duration("--skip", &args.skip)?;
    if [&args.a, &args.b].iter().all(|side| side.as_os_str() == "-") {
        bail!("expected a file or a directory beside stdin, found `-` twice");
    }
    let (files_a, files_b) = (files(&args.a)?, files(&args.b)?);
    let mut progress = Progress::begin(files_a.len() + files_b.len());
    let mut side = |path: &Path, files: &[PathBuf]| -> anyhow::Result<Side> {
        let is_only = files.len() == 1;
        let mut runs = Vec::new();
        for file in files {
            let name = name(file);
            let options = metrics::Options { expect: args.expect.clone(), ..Default::default() };
            let mut fold = RunFold::new(name.as_str(), options, skip, is_only);
            for_each(std::slice::from_ref(file), Keep::Figures, |record| {
                fold.add(record);
                progress.update(&name);
                Ok(())
            })?;
            progress.files_read += 1;
            runs.push(fold.finish()?);
        }
        Ok(Side { name: name(path), runs })
    };
    let (a, b) = (side(&args.a, &files_a)?, side(&args.b, &files_b)?);
    progress.end();

    let comparison = compare(&a, &b, options);
    let was_read = was_read(print(&comparison, args.json)).context("cannot write to stdout")?;
    let Some(gate) = &comparison.gate else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(Void::OtherRate(why)) = &comparison.void {
        bail!("--fail-if-slower: cannot tell: {why}");
    }
    if (args.json || !was_read) && gate.outcome() != Outcome::Passed {
        say(format_args!("{gate}"));
    }
    Ok(if gate.outcome() == Outcome::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn options(args: &CompareArgs) -> anyhow::Result<Options> {
    let confidence = args.confidence.share;
    if !(0.5..=0.999).contains(&confidence) {
        bail!("--confidence: expected a percentage from 50% to 99.9%");
    }
    if args.percentiles.iter().any(|percentile| percentile.quantile() >= 1.0) {
        bail!(
            "--percentiles: expected percentiles below 100, found 100; the maximum is told besides, and a single result decides it"
        );
    }
    // All intervals hold at once, so each reaches farther out, to where few draws are.
    let resamples_min = (10.0 / (1.0 - confidence)).round() as u32;
    if args.resamples < resamples_min {
        bail!(
            "--resamples: expected at least {resamples_min} for this confidence, found {}",
            args.resamples
        );
    }
    Ok(Options {
        percentiles: args.percentiles.clone(),
        confidence,
        resamples: args.resamples as usize,
        seed: args.seed,
        same_within: args.same_within.share,
        fail_if_slower: args.fail_if_slower.map(|percent| percent.share),
    })
}

/// The runs of a side: the file, or those of the directory in the order of their names.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" {
        return Ok(vec![path.to_owned()]);
    }
    let directory = name(path);
    let metadata = path.metadata().with_context(|| format!("cannot open results `{directory}`"))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        path.read_dir().with_context(|| format!("cannot list directory `{directory}`"))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list directory `{directory}`"))?;
        // What editors and file managers leave behind.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.path().is_dir() {
            bail!(
                "{directory}: expected a file of results for each run, found the directory `{}`; results of several generators are made one by `houseful load encode -to=gob`",
                entry.path().display()
            );
        }
        files.push(entry.path());
    }
    if files.is_empty() {
        bail!("{directory}: expected a file of results for each run, found none");
    }
    files.sort();
    Ok(files)
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "stdin".to_owned() } else { path.display().to_string() }
}

fn print(comparison: &Comparison, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json { comparison.write_json(&mut out) } else { comparison.write_text(&mut out) }?;
    out.flush()
}

/// What is done sooner needs no bar.
const BAR_AFTER: Duration = Duration::from_secs(2);

/// Says how far the reading is, on a terminal.
struct Progress {
    files: usize,
    files_read: usize,
    results: u64,
    next: Instant,
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn begin(files: usize) -> Progress {
        Progress {
            files,
            files_read: 0,
            results: 0,
            next: Instant::now() + BAR_AFTER,
            is_terminal: io::stderr().is_terminal(),
            bar: None,
        }
    }

    /// One more result of the file that is called so.
    fn update(&mut self, name: &str) {
        /// The clock is not looked at for each result.
        const EVERY: u64 = 1 << 12;
        self.results += 1;
        if !self.is_terminal || !self.results.is_multiple_of(EVERY) || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + Duration::from_millis(100);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(self.files as u64);
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} runs\n{msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(self.files_read as u64);
        bar.set_message(format!("{name}, {} results so far", self.results));
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
