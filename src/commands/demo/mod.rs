//! `houseful demo`: houses played against a collector, and every answer
//! compared with what is stored.

mod check;
mod collector;
mod sent;
mod stay;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use houseful_load::attack::{self, Options, Stop};
use houseful_load::metrics::Metrics;
use houseful_load::pacer::Pacer;
use houseful_load::plan::{BADGES_PER_HOUSE, Plan, Summary};
use houseful_load::reports;
use houseful_load::results::Record;
use houseful_load::targets::{Header, HttpUrl, Target};

use self::check::{Check, read_exported};
use self::collector::{Collector, this_program};
use self::sent::Sent;
use super::load::{Live, stop_on_interrupt};
use crate::cli::DemoArgs;

/// Kept of each answer: a reading is shorter.
const ANSWER_BYTES_MAX: usize = 4_096;

/// Each emission is kept with its answer: this many took 1.9 GB.
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
    let stop = stop_on_interrupt()?;
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
    let hits = play(&summary, targets(&plan, &sent)?, &stop)?;
    let mut metrics = Metrics::new();
    for hit in &hits {
        metrics.add(hit);
    }
    print(format_args!("\n"))?;
    reports::text::write(&mut std::io::stdout().lock(), &metrics.summary())
        .context("cannot print the report")?;

    let (played, planned) = (hits.len() as u64, summary.emissions);
    // One that stays is compared while it runs.
    let staying = if args.stay && played == planned {
        Some(collector)
    } else {
        collector.stop()?;
        None
    };
    let exported = directory.path().join("readings.ndjson");
    export(&store, &exported)?;
    let check = Check::new(&sent, &hits, &read_exported(&exported)?);
    print(format_args!("\n{check}"))?;
    if played < planned {
        let verdict = verdict(check.is_clean());
        print(format_args!(
            "interrupted after {played} of {planned}; what was answered is {verdict}\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let is_right = check.is_right();
    print(format_args!("{}\n", verdict(is_right)))?;
    if let Some(collector) = staying {
        // Every answer was kept until here.
        drop(hits);
        let targets = targets(&plan, &sent)?;
        drop(sent);
        stay::stay(collector, &summary, targets, &stop)?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints on stdout. If nobody reads there any more, the demo ends.
fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    std::io::stdout().write_fmt(text).context("cannot write to stdout")
}

fn verdict(is_clean: bool) -> &'static str {
    if is_clean { "clean" } else { "NOT CLEAN" }
}

fn targets(plan: &Plan, sent: &[Sent]) -> anyhow::Result<Vec<Target>> {
    let json: Header = "Content-Type: application/json".parse()?;
    let target = |sent: &Sent| Target {
        method: "POST".to_owned(),
        url: plan.url.clone(),
        headers: vec![json.clone()],
        body: sent.body.clone(),
    };
    Ok(sent.iter().map(target).collect())
}

fn play(summary: &Summary, targets: Vec<Target>, stop: &Stop) -> anyhow::Result<Vec<Record>> {
    let pacer = Pacer::new(summary.rate().parse()?, Some(summary.duration))?;
    let options =
        Options { body_max: Some(ANSWER_BYTES_MAX), keep_headers: false, ..Options::default() };
    let mut live = Live::new(&pacer);
    let mut hits = Vec::with_capacity(targets.len());
    attack::run(targets, pacer, &options, stop, |record| {
        live.hit(record);
        hits.push(record.clone());
    })?;
    live.finish();
    Ok(hits)
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
