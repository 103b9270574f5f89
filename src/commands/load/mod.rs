//! `houseful load`: one file per command of the toolkit.

mod attack;
mod attack_flags;
mod capacity;
mod compare;
mod encode;
mod generate;
mod live;
mod outflow;
mod output;
mod plot;
mod report;
mod results;
mod verify;

use std::process::ExitCode;

pub(crate) use self::live::{Live, say_waits, stop_on_interrupt};
pub(crate) use self::verify::add_readings;
use crate::cli::LoadCommand;

/// Runs what was asked for.
pub(crate) fn run(command: LoadCommand) -> anyhow::Result<ExitCode> {
    match command {
        LoadCommand::Generate(args) => generate::run(&args),
        LoadCommand::Attack(args) => attack::run(&args),
        LoadCommand::Report(args) => report::run(&args),
        LoadCommand::Plot(args) => plot::run(&args),
        LoadCommand::Encode(args) | LoadCommand::Dump(args) => encode::run(&args),
        LoadCommand::Verify(args) => verify::run(&args),
        LoadCommand::Capacity(args) => capacity::run(&args),
        LoadCommand::Compare(args) => compare::run(&args),
    }
}
