//! The words of `houseful load report`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use houseful_load::metrics::{Buckets, Codes, Percentile};
use houseful_load::thresholds::Assertion;

/// Sum up results, as vegeta does
///
/// Several files are one run: those of several generators at once, say. Without
/// --expect a success is a status from 200 to 399, as in vegeta. Percentiles are
/// at most 0.1 % too high; all else is exact.
#[derive(Debug, Args)]
#[command(after_help = "\
Types:
  text                   vegeta's text report
  json                   vegeta's JSON report, on one line
  markdown               tables for a pull request
  hist, 'hist[0,1ms]'    how many latencies each bucket holds, with bars
  hdrplot                vegeta's percentiles for HdrHistogram's plotter
  hgrm                   percentiles as HdrHistogram's own tools write them

What can be asserted, with < <= > >= = !=:
  min, mean, max, p99, p99.9           latencies
  slip_mean, slip_max, slip_p99        how late requests were sent
  duration, wait                       from first to last, and until the last answer
  requests, errors, no_answer, unsent  how many
  rate, throughput                     a second
  success                              99.9%, or 0.999
  codes=201,409                        that no other status came
  limit!=generator                     who kept the rate down: none, generator or server

Examples:
  houseful load report results.gob
  houseful load report -type=json < results.gob
  houseful load report -type='hist[0,1ms,5ms,20ms]' results.gob
  houseful load report --expect 201,409 --percentiles 50,99,99.9 --skip 500ms results.gob
  houseful load report --assert 'p99<2s' --assert 'codes=201,409' results.gob")]
pub(crate) struct ReportArgs {
    /// Results as gob, JSON or CSV, ours or vegeta's; `-` is stdin, and so is none
    /// at all. Several are merged
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What to print; see below
    #[arg(long, default_value = "text", value_name = "TYPE", overrides_with = "type")]
    pub(crate) r#type: ReportType,
    /// Where the buckets of hist begin; in json, too
    #[arg(long, value_name = "[0,1ms,5ms]", overrides_with = "buckets")]
    pub(crate) buckets: Option<Buckets>,
    /// Print the report so far again and again; 0 is never
    #[arg(
        long,
        default_value = "0",
        value_name = "DURATION",
        hide_default_value = true,
        allow_hyphen_values = true,
        overrides_with = "every"
    )]
    pub(crate) every: String,
    /// Percentiles in place of 50, 90, 95 and 99; in json beside them
    #[arg(long, value_name = "50,99.9", value_delimiter = ',')]
    pub(crate) percentiles: Vec<Percentile>,
    /// Which statuses are successes, and no errors
    #[arg(long, value_name = "201,409")]
    pub(crate) expect: Option<Codes>,
    /// Leave out what was sent in the first seconds, while all warms up
    #[arg(
        long,
        default_value = "0",
        value_name = "DURATION",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) skip: String,
    /// Report each method and URL for itself, too, at most 100; text, json, markdown
    #[arg(long)]
    pub(crate) per_target: bool,
    /// What must hold, such as p99<20ms; else the exit code is 1. May be repeated
    #[arg(long, value_name = "CLAIM")]
    pub(crate) assert: Vec<Assertion>,
    /// Where to; `-` is stdout
    #[arg(long, default_value = "-", value_name = "FILE", overrides_with = "output")]
    pub(crate) output: String,
}

/// What is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportType {
    Text,
    Json,
    Markdown,
    /// With buckets, if they stand behind it, as in vegeta.
    Hist(Option<Buckets>),
    Hdrplot,
    Hgrm,
}

impl FromStr for ReportType {
    type Err = String;

    fn from_str(text: &str) -> Result<ReportType, String> {
        Ok(match text {
            "text" => ReportType::Text,
            "json" => ReportType::Json,
            "markdown" => ReportType::Markdown,
            "hist" => ReportType::Hist(None),
            "hdrplot" => ReportType::Hdrplot,
            "hgrm" => ReportType::Hgrm,
            _ => match text.strip_prefix("hist") {
                Some(buckets) if buckets.starts_with('[') => {
                    let buckets = buckets.parse::<Buckets>();
                    ReportType::Hist(Some(buckets.map_err(|error| error.to_string())?))
                }
                _ => {
                    return Err(format!(
                        "expected text, json, markdown, hist, hdrplot or hgrm, found `{text}`"
                    ));
                }
            },
        })
    }
}
