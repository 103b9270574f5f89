//! `houseful demo`: houses played against a collector, and every answer
//! compared with what is stored.

mod check;
mod collector;
mod sent;
mod stay;

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_load::attack::{self, Options, Stop};
use houseful_load::metrics::Metrics;
use houseful_load::pacer::Pacer;
use houseful_load::plan::{BADGES_PER_HOUSE, Plan, Summary};
use houseful_load::reports;
use houseful_load::targets::{Header, HttpUrl, Target};
use houseful_load::verify::{Answers, Comparison, Verdict};

use self::check::{is_clean, is_right};
use self::collector::{Collector, this_program};
use super::load::{Live, add_readings, stop_on_interrupt};
use crate::cli::DemoArgs;

/// The collector's default dedup window, which the demo leaves as it is.
const WINDOW: Duration = Duration::from_millis(4_500);

/// Kept of each answer: a reading is shorter.
const ANSWER_BYTES_MAX: usize = 4_096;

/// Each emission is kept with what it was answered, in 700 bytes: this many take 1.4 GB.
const EMISSIONS_MAX: u64 = 2_000_000;

/// Plays, reports, compares.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let mut plan =
        Plan { badges: args.houses * BADGES_PER_HOUSE, seconds: args.seconds, ..Plan::default() };
    let summary = plan.summary();
    if summary.emissions > EMISSIONS_MAX {
        bail!(
            "expected at most {EMISSIONS_MAX} emissions, for every answer is kept; found {}: --houses {} × {BADGES_PER_HOUSE} badges × {} Pis × --seconds {}",
            summary.emissions,
            args.houses,
            plan.pis,
            args.seconds
        );
    }
    // From here on an interrupt does not end us: the collector would be left behind.
    let stop = stop_on_interrupt(|_| ())?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let store = directory.path().join("houseful.db");
    let collector = Collector::start(&store)?;
    plan.url = format!("{}/rssi_readings", collector.url).parse::<HttpUrl>()?;
    print(format_args!(
        "collector    {url} on a temporary store\n\
         page         {url}/\n\
         playing      {} houses, {} badges, {} Pis each, for {} s: {} emissions at {} a second, 1 in {} new\n",
        args.houses,
        plan.badges,
        plan.pis,
        plan.seconds,
        summary.emissions,
        summary.rate(),
        summary.emissions_per_payload(),
        url = collector.url
    ))?;

    let sent = sent::all(&plan);
    let targets_all = targets(&plan, &sent)?;
    let mut answers = Answers::new(&targets_all)?;
    let metrics = play(&summary, targets_all, &stop, &mut answers)?;
    let report = metrics.summary();
    print(format_args!("\n"))?;
    reports::text::write(&mut std::io::stdout().lock(), &report)
        .context("cannot print the report")?;

    let (played, planned) = (report.requests, summary.emissions);
    // One that stays is compared while it runs.
    let staying = if args.stay && played == planned {
        Some(collector)
    } else {
        collector.stop()?;
        None
    };
    let exported = directory.path().join("readings.ndjson");
    export(&store, &exported)?;
    let verdict = compare(answers, &exported)?;
    print(format_args!("\n{verdict}"))?;
    if played < planned {
        let word = word(is_clean(&verdict, planned - played));
        print(format_args!(
            "interrupted after {played} of {planned}; what was answered is {word}\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let is_right = is_right(&verdict);
    print(format_args!("{}\n", word(is_right)))?;
    if let Some(collector) = staying {
        stay::stay(collector, &summary, targets(&plan, &sent)?, &stop)?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints on stdout. If nobody reads there any more, the demo ends.
fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    std::io::stdout().write_fmt(text).context("cannot write to stdout")
}

fn word(is_clean: bool) -> &'static str {
    if is_clean { "clean" } else { "NOT CLEAN" }
}

fn targets(plan: &Plan, sent: &[Arc<[u8]>]) -> anyhow::Result<Vec<Target>> {
    let json: Header = "Content-Type: application/json".parse()?;
    let target = |body: &Arc<[u8]>| Target {
        method: "POST".to_owned(),
        url: plan.url.clone(),
        headers: vec![json.clone()],
        body: body.clone(),
    };
    Ok(sent.iter().map(target).collect())
}

fn play(
    summary: &Summary,
    targets: Vec<Target>,
    stop: &Stop,
    answers: &mut Answers,
) -> anyhow::Result<Metrics> {
    let pacer = Pacer::new(summary.rate().parse()?, Some(summary.duration))?;
    let options =
        Options { body_max: Some(ANSWER_BYTES_MAX), keep_headers: false, ..Options::default() };
    let (mut live, mut metrics) = (Live::new(&pacer), Metrics::new());
    attack::run(targets, pacer, &options, stop, |record| {
        live.hit(record);
        metrics.add(record);
        answers.add(record);
    })?;
    live.finish();
    Ok(metrics)
}

fn compare(answers: Answers, exported: &Path) -> anyhow::Result<Verdict> {
    let mut comparison = Comparison::new(answers, WINDOW);
    let file = File::open(exported).context("cannot read the export")?;
    add_readings(&mut comparison, BufReader::new(file), "the export")?;
    Ok(comparison.verdict())
}

fn export(store: &Path, to: &Path) -> anyhow::Result<()> {
    let status = this_program()?
        .args(["export", "--format", "ndjson", "--store"])
        .arg(format!("sqlite:{}", store.display()))
        .arg("--output")
        .arg(to)
        .status()
        .context("cannot start the export")?;
    if !status.success() {
        bail!("the export ended with {status}");
    }
    Ok(())
}
