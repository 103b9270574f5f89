//! `houseful load`: one file per command of the toolkit.

use std::process::ExitCode;

use crate::cli::LoadCommand;

pub(crate) fn run(command: LoadCommand) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{command:?}")
}
