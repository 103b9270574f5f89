//! The words of `houseful load compare`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use houseful_load::metrics::{Codes, Percentile};

use super::whole::whole;

/// Say whether B is faster than A, slower, the same, or that nobody can tell
///
/// A and B are each a file of results, or a directory of such files: a run each.
/// One run says nothing of how the next one differs, so run both several times,
/// five if you can, by turns, on the same machine and at the same rate. What is
/// compared is the ratio of the percentiles of B to those of A, each the
/// geometric mean over the runs.
///
/// The intervals are bootstrapped over runs, or over stretches of time where a
/// side has but one, widened for few runs, and so wide that all of them hold the
/// truth at once with the confidence asked for. The more percentiles, the wider.
/// A percentile with fewer than 20 results beyond it in a run is not judged, nor
/// is anything if the generator was the limit.
#[derive(Debug, Args)]
#[command(after_help = "\
Five runs of each build, by turns, with a collector of each on a port of its own:
  mkdir old new
  for run in 1 2 3 4 5; do for build in old new; do
    houseful load attack -targets=$build.txt -rate=400 -duration=60s -output=$build/$run.gob
  done; done

Examples:
  houseful load compare old new --expect 201,409 --skip 500ms
  houseful load compare old new --expect 201,409 --percentiles 50,99 --fail-if-slower 5%
  houseful load compare old/1.gob new/1.gob     one run each, which is less sure")]
pub(crate) struct CompareArgs {
    /// The old: results as gob, JSON or CSV, ours or vegeta's, or a directory of them
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The new
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// Which percentiles are compared
    #[arg(long, default_value = "50,90,95,99,99.9", value_name = "50,99.9", value_delimiter = ',')]
    pub(crate) percentiles: Vec<Percentile>,
    /// Exit 1 if at one of the percentiles it is shown that B is slower by more than
    /// this, the whole interval beyond it, or that it has more unexpected answers.
    /// What nobody can tell of either exits 0, and is said: that B is slower, say, if
    /// fewer of its answers are unexpected, for A's may have been the quick ones
    #[arg(long, value_name = "5%", allow_hyphen_values = true)]
    pub(crate) fail_if_slower: Option<Percent>,
    /// Differences up to this do not matter
    #[arg(long, default_value = "1%", value_name = "PERCENT", allow_hyphen_values = true)]
    pub(crate) same_within: Percent,
    /// How often all intervals hold the truth
    #[arg(long, default_value = "95%", value_name = "PERCENT", allow_hyphen_values = true)]
    pub(crate) confidence: Percent,
    /// How often is drawn
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) resamples: u32,
    /// The same seed draws the same
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>)]
    pub(crate) seed: u64,
    /// Which statuses are expected; without it those from 200 to 399
    #[arg(long, value_name = "201,409")]
    pub(crate) expect: Option<Codes>,
    /// Leave out what was sent in the first seconds of each run
    #[arg(
        long,
        default_value = "0",
        value_name = "DURATION",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) skip: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A share, as people write it: `5%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percent {
    /// 0.05.
    pub(crate) share: f64,
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        // The point is moved in the text, so that 5% is 0.05.
        let share =
            text.strip_suffix('%').filter(plain).and_then(|it| format!("{it}e-2").parse().ok());
        share
            .map(|share| Percent { share })
            .ok_or_else(|| format!("expected a percentage such as 5%, found `{text}`"))
    }
}
