//! `houseful load report`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use anyhow::Context;
use houseful_load::metrics::Metrics;
use houseful_load::{reports, results};

use crate::cli::{ReportArgs, ReportType};

/// Folds all results, then prints.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let mut metrics = Metrics::new();
    if args.files.is_empty() {
        add_all(&mut metrics, io::stdin().lock(), "stdin")?;
    }
    for path in &args.files {
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
    for record in results::json::Reader::new(source, name) {
        metrics.add(&record?);
    }
    Ok(())
}
