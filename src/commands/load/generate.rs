//! `houseful load generate`.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_load::plan::BADGES_PER_HOUSE;
use houseful_load::targets::Format;
use houseful_load::{duration, plan};

use crate::cli::{GenerateArgs, TargetFormat};

/// Writes the plan's files and prints what they are, or streams its targets.
pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let badges = match args.houses {
        // As badges it would be told of a flag that was not given.
        Some(0) => bail!("--houses: expected at least 1, found 0"),
        Some(houses) => houses.checked_mul(BADGES_PER_HOUSE).with_context(|| {
            format!("--houses: expected at most {}, found {houses}", u32::MAX / BADGES_PER_HOUSE)
        })?,
        None => args.badges,
    };
    let plan = plan::Plan {
        badges,
        pis: args.pis,
        seconds: args.seconds,
        update_window: parse_duration("--update-window", &args.update_window)?,
        advertising_interval: parse_duration("--advertising-interval", &args.advertising_interval)?,
        beacons: args.beacons,
        seed: args.seed,
        url: args.url.parse().context("--url")?,
        ..plan::Plan::default()
    };
    if args.stream {
        if args.format == Some(TargetFormat::Http) {
            bail!("--stream: expected --format json, whose targets hold their bodies, found http");
        }
        match plan::stream(&mut BufWriter::new(std::io::stdout().lock()), &plan)? {}
    }
    let format = args.format.map_or(Format::Http, Format::from);
    let summary = plan::write(&args.directory, &plan, format, args.force)?;
    write!(std::io::stdout(), "{summary}").context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// A duration in Go's form, named when it is none.
pub(super) fn parse_duration(flag: &'static str, text: &str) -> anyhow::Result<Duration> {
    duration::parse(text).context(flag)
}
