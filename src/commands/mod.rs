//! One file per command: it parses, calls, prints.

mod completions;
mod config;
mod demo;
mod export;
mod import;
mod load;
mod man;
mod serve;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Load(command) => load::run(command),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
