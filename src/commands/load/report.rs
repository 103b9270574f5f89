//! `houseful load report`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use anyhow::Context;
use houseful_load::metrics::Metrics;
use houseful_load::reports;
use houseful_load::results::json::{ReadError, Reader};

use crate::cli::{ReportArgs, ReportType};
use crate::{interrupt, say};

/// Folds all results, then prints.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    // A Ctrl-C reaches the attack before us in the pipe, too; what it still sends is reported.
    interrupt::on_each(|interrupt| {
        if !(interrupt.is_from_keyboard() && interrupt.nth == 1) {
            interrupt.end();
        }
    })?;
    let mut metrics = Metrics::new();
    if args.files.is_empty() {
        add_all(&mut metrics, io::stdin().lock(), "stdin")?;
    }
    for path in &args.files {
        if path.as_os_str() == "-" {
            add_all(&mut metrics, io::stdin().lock(), "stdin")?;
            continue;
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open results `{name}`"))?;
        add_all(&mut metrics, BufReader::new(file), &name)?;
    }
    let mut out = io::stdout().lock();
    let summary = metrics.summary();
    match args.r#type {
        ReportType::Text => reports::text::write(&mut out, &summary),
        ReportType::Json => reports::json::write(&mut out, &summary),
    }
    .and_then(|()| out.flush())
    .context("cannot write the report")?;
    Ok(ExitCode::SUCCESS)
}

fn add_all(metrics: &mut Metrics, source: impl BufRead, name: &str) -> anyhow::Result<()> {
    for record in Reader::new(source, name) {
        match record {
            Ok(record) => metrics.add(&record),
            // Whoever wrote it was stopped; what came before is whole.
            Err(error @ ReadError::Cut { .. }) => say(format_args!("warning: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
