//! `houseful serve`.

use std::process::ExitCode;

use crate::cli::ServeArgs;
use crate::config::{ServeConfig, process_environment};
use crate::log;

/// Checks the settings, then collects until told to stop.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = ServeConfig::new(args, &process_environment)?;
    log::init(&log::Levels::default(), log::Format::default());
    crate::serve::run(&config)
}
