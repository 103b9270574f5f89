//! `houseful load report`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use houseful_load::metrics::Metrics;
use houseful_load::reports;

use super::results::for_each;
use crate::cli::{ReportArgs, ReportType};
use crate::interrupt;

/// Folds all results, then prints.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    // A Ctrl-C reaches the attack before us in the pipe, too; what it still sends is reported.
    interrupt::on_each(|interrupt| {
        if !(interrupt.is_from_keyboard() && interrupt.nth == 1) {
            interrupt.end();
        }
    })?;
    let mut metrics = Metrics::new();
    for_each(&args.files, |record| {
        metrics.add(record);
        Ok(())
    })?;
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
