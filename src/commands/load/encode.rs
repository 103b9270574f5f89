//! `houseful load encode`.

use std::process::ExitCode;

use anyhow::Context;
use houseful_load::results::{Encoding, Keep};

use super::outflow::Outflow;
use super::results::{for_each, open_output, warn_of_none};
use crate::cli::{EncodeArgs, ResultEncoding};

/// Writes each record again as it is read.
pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<ExitCode> {
    let encoding = match args.to {
        ResultEncoding::Gob => Encoding::Gob,
        ResultEncoding::Json => Encoding::Json,
        ResultEncoding::Csv => Encoding::Csv,
    };
    let out = Outflow::new(open_output(&args.output, encoding, &args.files)?, encoding, || ());
    let mut is_empty = true;
    for_each(&args.files, Keep::All, |record| {
        is_empty = false;
        out.write(record).context("cannot write the results")
    })?;
    out.finish().context("cannot write the results")?;
    if is_empty {
        warn_of_none(&args.files);
    }
    Ok(ExitCode::SUCCESS)
}
