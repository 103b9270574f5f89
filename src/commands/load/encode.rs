//! `houseful load encode`.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use houseful_load::results::{Encoding, Keep};

use super::outflow::Outflow;
use super::results::{cannot_write, for_each_of_run, open_unbuffered, reads_stdin, warn_of_none};
use crate::cli::{EncodeArgs, ResultEncoding};
use crate::interrupt;

/// Writes each record again as it is read; a file has what it had until all are.
pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<ExitCode> {
    let encoding = match args.to {
        ResultEncoding::Gob => Encoding::Gob,
        ResultEncoding::Json => Encoding::Json,
        ResultEncoding::Csv => Encoding::Csv,
    };
    let unfinished = Arc::new(Mutex::new(None));
    end_on_interrupt(args, &unfinished)?;
    let (mut output, beside) = {
        // An interrupt in between waits, so that nothing new is left behind.
        let mut unfinished = unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = open_unbuffered(&args.output, encoding, &args.files)?;
        let beside = output.beside().with_context(|| cannot_write(&args.output))?;
        *unfinished = beside.as_ref().map(|it| it.path().to_owned());
        (output, beside)
    };
    match beside {
        Some(beside) => {
            write(args, encoding, beside.writer().with_context(|| cannot_write(&args.output))?)?;
            output.put(beside).with_context(|| cannot_write(&args.output))?;
        }
        None => write(args, encoding, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(
    args: &EncodeArgs,
    encoding: Encoding,
    to: impl Write + Send + 'static,
) -> anyhow::Result<()> {
    let out = Outflow::new(Box::new(BufWriter::new(to)), encoding, || ());
    let mut is_empty = true;
    for_each_of_run(&args.files, Keep::All, |record| {
        is_empty = false;
        out.write(record).with_context(|| cannot_write(&args.output))
    })?;
    out.finish().with_context(|| cannot_write(&args.output))?;
    if is_empty {
        warn_of_none(&args.files);
    }
    Ok(())
}

/// Leaves nothing unfinished. A Ctrl-C reaches the attack before us in the pipe, too; what it still
/// sends is encoded.
fn end_on_interrupt(
    args: &EncodeArgs,
    unfinished: &Arc<Mutex<Option<PathBuf>>>,
) -> anyhow::Result<()> {
    let (reads_stdin, unfinished) = (reads_stdin(&args.files), Arc::clone(unfinished));
    interrupt::on_each(move |interrupt| {
        if reads_stdin && interrupt.is_from_keyboard() && interrupt.nth == 1 {
            return;
        }
        if let Some(path) = &*unfinished.lock().unwrap_or_else(PoisonError::into_inner) {
            drop(fs::remove_file(path));
        }
        interrupt.end();
    })
}
