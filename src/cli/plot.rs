//! The words of `houseful load plot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use houseful_load::metrics::Codes;

/// Draw results: one HTML file that opens offline, an SVG or a PNG
///
/// Latency over time with bands of percentiles, the rate asked and reached, answers
/// by status, failures by cause, a histogram. However many results, the file stays
/// small: time is drawn in up to 2,000 columns, and each keeps its fastest and its
/// slowest result and all that failed. Attacks of several names can be seen apart.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful load plot results.gob > plot.html
  houseful load plot --output plot.png results.gob
  houseful load plot --expect 201,409 --title 'Five houses' --output plot.html results.gob")]
pub(crate) struct PlotArgs {
    /// Results as gob, JSON or CSV, ours or vegeta's; `-` is stdin, and so is none
    /// at all. Several are merged
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to; `-` is stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: String,
    /// What to draw [default: what the name of the output ends in, or html]
    #[arg(long, value_enum, value_name = "html|svg|png", hide_possible_values = true)]
    pub(crate) format: Option<PlotFormat>,
    /// What stands above [default: the name of the attack]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Which statuses are successes, and no failures
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotFormat {
    Html,
    Svg,
    Png,
}
