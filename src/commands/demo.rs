//! `houseful demo`.
use crate::cli::DemoArgs;
use std::process::ExitCode;
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{args:?}")
}
