//! `houseful config`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::ConfigArgs;
use crate::config::{Effective, Environment, example};

/// Checks the settings as `serve` does, and prints them.
pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let text = if args.example {
        example()
    } else {
        let effective = Effective::new(&args.settings, &Environment::of_process())?;
        if args.json { format!("{:#}\n", effective.to_json()) } else { effective.to_toml() }
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}
