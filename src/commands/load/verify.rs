//! `houseful load verify`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use houseful_load::results::Keep;
use houseful_load::targets::{self, Defaults, HttpUrl};
use houseful_load::verify::{Answers, Comparison, pages};

use super::generate::parse_duration;
use super::results::for_each;
use crate::cli::VerifyArgs;
use crate::{say, was_read};

/// Reads plan, results and readings, in that order, and prints what comes of them.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let window = parse_duration("--window", &args.window)?;
    if args.stored == "-" && args.files.iter().any(|file| file.as_os_str() == "-") {
        bail!("--stored: expected a file or a URL, for the results come from stdin");
    }
    let url = match args.stored.split_once("://") {
        Some(_) => Some(args.stored.parse::<HttpUrl>().context("--stored")?),
        None => None,
    };
    let mut answers = read_targets(args)?;
    for_each(&args.files, Keep::All, |record| {
        answers.add(record);
        Ok(())
    })?;
    answers.check()?;

    let mut comparison = Comparison::new(answers, window);
    match url {
        Some(url) => {
            pages::for_each(&url, |page, body| add_readings(&mut comparison, body, page.as_str()))?
        }
        None if args.stored == "-" => add_readings(&mut comparison, io::stdin().lock(), "stdin")?,
        None => {
            let name = args.stored.as_str();
            let file =
                File::open(name).with_context(|| format!("cannot open readings `{name}`"))?;
            add_readings(&mut comparison, BufReader::new(file), name)?;
        }
    }

    let verdict = comparison.verdict();
    let mut out = io::stdout().lock();
    let written = if args.json { verdict.write_json(&mut out) } else { write!(out, "{verdict}") };
    if !was_read(written).context("cannot write to stdout")? {
        for (name, found, meaning) in verdict.broken().filter(|(_, found, _)| found.count > 0) {
            say(format_args!("{name} {}: {meaning}", found.count));
        }
    }
    Ok(if verdict.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_targets(args: &VerifyArgs) -> anyhow::Result<Answers> {
    let name = args.targets.display().to_string();
    let file =
        File::open(&args.targets).with_context(|| format!("cannot open targets `{name}`"))?;
    // `@` paths are relative to the working directory, as in the attack.
    let targets =
        targets::read(BufReader::new(file), &name, args.format.into(), &Defaults::default())?;
    Answers::new(&targets).with_context(|| format!("cannot verify `{name}`"))
}

/// Adds stored readings, one a line. `name` says where they are from.
pub(crate) fn add_readings(
    comparison: &mut Comparison,
    mut lines: impl BufRead,
    name: &str,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read readings from `{name}`"))? == 0 {
            break;
        }
        let line = line.trim_ascii();
        if !line.is_empty() {
            comparison.add(line).with_context(|| format!("{name}:{number}"))?;
        }
    }
    Ok(())
}
