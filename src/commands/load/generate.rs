//! `houseful load generate`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use houseful_load::{duration, plan};

use crate::cli::GenerateArgs;

/// Writes the plan's files and prints what they are.
pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let plan = plan::Plan {
        badges: args.badges,
        pis: args.pis,
        seconds: args.seconds,
        update_window: parse_duration("--update-window", &args.update_window)?,
        advertising_interval: parse_duration("--advertising-interval", &args.advertising_interval)?,
        beacons: args.beacons,
        seed: args.seed,
        url: args.url.parse().context("--url")?,
    };
    let summary = plan::write(&args.directory, &plan, args.force)?;
    write!(std::io::stdout(), "{summary}").context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// A duration in Go's form, named when it is none.
pub(super) fn parse_duration(flag: &'static str, text: &str) -> anyhow::Result<Duration> {
    duration::parse(text).context(flag)
}
