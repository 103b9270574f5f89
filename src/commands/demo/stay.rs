//! `houseful demo --stay`: the houses play on, so that the page shows life.

use std::collections::BTreeMap;
use std::time::Duration;

use houseful_load::attack::{self, Options, Stop};
use houseful_load::pacer::Pacer;
use houseful_load::plan::Summary;
use houseful_load::targets::Target;

use super::collector::Collector;
use super::print;

/// After so many more readings the houses fall silent: a demo that is forgotten
/// must not fill the disk. They take about 70 MB, and five houses 14 hours.
const READINGS_MAX: u64 = 1_000_000;

/// How often one looks whether it is over, once they are silent.
const LOOK: Duration = Duration::from_millis(100);

/// Plays the same again and again until an interrupt, then stops the collector.
///
/// # Errors
/// If the collector ended by itself.
pub(super) fn stay(
    mut collector: Collector,
    summary: &Summary,
    targets: Vec<Target>,
    stop: &Stop,
) -> anyhow::Result<()> {
    print(format_args!("\nstaying      until Ctrl-C; the houses play on at {}/\n", collector.url))?;
    let rounds = u32::try_from(READINGS_MAX / summary.payloads.max(1)).unwrap_or(u32::MAX);
    let pacer = Pacer::new(summary.rate().parse()?, Some(summary.duration * rounds))?;
    let options = Options { keep_headers: false, ..Options::default() };
    let mut codes: BTreeMap<u16, u64> = BTreeMap::new();
    attack::run(targets, pacer, &options, stop, |record| {
        *codes.entry(record.code).or_default() += 1;
        if record.code == 0 && collector.has_ended() {
            stop.abandon();
        }
    })?;
    if !stop.is_told() {
        print(format_args!("silent       the houses played long enough; the page stays\n"))?;
    }
    while !stop.is_told() && !collector.has_ended() {
        std::thread::sleep(LOOK);
    }
    collector.stop()?;
    let answers: Vec<_> = codes.iter().map(|(code, count)| counted(*code, *count)).collect();
    print(format_args!("stayed       {}: {}\n", codes.values().sum::<u64>(), answers.join(", ")))
}

/// So many answers with this code; 0 is none.
fn counted(code: u16, count: u64) -> String {
    match code {
        0 => format!("{count} without an answer"),
        code => format!("{count} × {code}"),
    }
}
