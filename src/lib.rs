//! The program `houseful`: words in, exit code out.
//!
//! A library only so that the binary stays empty and benches and fuzz targets
//! can reach the doors; it promises no API. The map is ARCHITECTURE.md.

mod cli;
mod commands;
mod config;
mod descriptors;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod go_flags;
mod interrupt;
mod log;
mod rows;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// The whole program: parse, run, map the result to an exit code.
///
/// 0: done. 1: asked, and the answer is no (or the store has failed). 2: it
/// could not be done; stderr says why. A reader that closes our pipe has seen
/// enough: 0, but for a command that judges: its verdict is the same, read or not.
pub fn main() -> ExitCode {
    let words = go_flags::to_double_dashes(std::env::args_os());
    match commands::run(cli::Cli::parse_from(words)) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            log::say(tracing::Level::ERROR, format_args!("houseful: {}", chain(&error)));
            ExitCode::from(2)
        }
    }
}

/// Says a line on stderr. If nobody reads there any more, that ends nothing.
fn say(line: std::fmt::Arguments<'_>) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Whether somebody still read what was written. To have stopped is no failure, and leaves open what
/// the exit code is.
fn was_read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error with its causes, once each.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
