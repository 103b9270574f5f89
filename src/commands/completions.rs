//! `houseful completions`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::aot;

use crate::cli::{Cli, CompletionsArgs, Shell};

/// Prints the shell's script.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    // Into memory first: written to a pipe that closes, it would panic.
    let mut script = Vec::new();
    aot::generate(shell, &mut Cli::command(), "houseful", &mut script);
    std::io::stdout().write_all(&script).context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}
