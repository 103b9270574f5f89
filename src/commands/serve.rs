//! `houseful serve`.

use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::cli::ServeArgs;
use crate::config::{ServeConfig, process_environment};

/// Checks the settings, then collects until told to stop.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = ServeConfig::new(args, &process_environment)?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // It would say so on stderr, and panic: a log that nobody reads ends no collector.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(EnvFilter::new("info"))
        .with_target(false)
        .init();
    crate::serve::run(&config)
}
