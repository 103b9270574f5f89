//! `houseful serve`.

use std::process::ExitCode;

use crate::cli::ServeArgs;
use crate::config::{Environment, ServeConfig};
use crate::log;

/// Checks the settings, then collects until told to stop.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = ServeConfig::new(&args.settings, &Environment::of_process())?;
    log::init(&config.log_levels, config.log_format);
    crate::serve::run(&config)
}
