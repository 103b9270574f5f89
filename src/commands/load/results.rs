//! Where results come from and go to.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use houseful_load::duration::{Go, rounded};
use houseful_load::results::{Encoding, Gap, Keep, Merge, ReadError, Reader, Record};

use super::output::{Output, file_of};
use crate::say;

/// How much of a file is read at once.
const READ_LEN: usize = 1 << 16;

/// Hands on each record of these files, or of stdin if there are none, in the order of time, and
/// keeps this of it.
pub(super) fn for_each(
    files: &[PathBuf],
    keep: Keep,
    each: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    refuse_stdin_twice(files)?;
    read(files, keep, each).map(drop)
}

/// The same, of files that are taken for one run; warns if they hardly are.
pub(super) fn for_each_of_run(
    files: &[PathBuf],
    keep: Keep,
    each: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    refuse_stdin_twice(files)?;
    warn_of_same(files);
    if let Some(Gap { before, after, duration }) = read(files, keep, each)? {
        let [before, after] = [before, after].map(|at| source(&files[at]));
        let duration = Go(rounded(duration));
        say(format_args!(
            "warning: {before} and {after} do not overlap in time, {duration} lie between them; they are taken for one run"
        ));
    }
    Ok(())
}

/// Hands on each record. Returns the longest time in between two files.
fn read(
    files: &[PathBuf],
    keep: Keep,
    mut each: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Gap>> {
    let readers = if files.is_empty() {
        vec![open(Path::new("-"))?]
    } else {
        files.iter().map(|path| open(path)).collect::<anyhow::Result<Vec<_>>>()?
    };
    let mut merge = Merge::new(readers.into_iter().map(|reader| reader.keep(keep)));
    let mut record = Record::default();
    loop {
        match merge.read_into(&mut record) {
            Ok(true) => each(&record)?,
            Ok(false) => return Ok(merge.gap()),
            // Whoever wrote it was stopped; what came before is whole.
            Err(error @ ReadError::Cut { .. }) => say(format_args!("warning: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Who holds it would wait for himself when it is opened again.
fn refuse_stdin_twice(files: &[PathBuf]) -> anyhow::Result<()> {
    if files.iter().filter(|path| is_stdin(path)).count() > 1 {
        bail!("expected stdin once, found `-` twice; name the other results by their file");
    }
    Ok(())
}

/// Warns of a file that is read more than once, by whatever name.
fn warn_of_same(files: &[PathBuf]) {
    let identities: Vec<_> = files.iter().map(|path| file_of(path)).collect();
    for (n, file) in identities.iter().enumerate() {
        let Some(first) = identities[..n].iter().position(|it| it.is_some() && it == file) else {
            continue;
        };
        let (one, other) = (source(&files[first]), source(&files[n]));
        if one == other {
            say(format_args!(
                "warning: {one} is given twice, and each of its results counts twice"
            ));
        } else {
            say(format_args!(
                "warning: {one} and {other} are the same file, and each of its results counts twice"
            ));
        }
    }
}

/// What results are read from, in words.
pub(super) fn sources(files: &[PathBuf]) -> String {
    match files {
        [] => "stdin".to_owned(),
        files => files.iter().map(|path| source(path)).collect::<Vec<_>>().join(", "),
    }
}

fn source(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { format!("`{}`", path.display()) }
}

/// Says that nothing comes of these files, for it may look like an answer.
pub(super) fn warn_of_none(files: &[PathBuf]) {
    say(format_args!("warning: there is no result in {}", sources(files)));
}

/// Whether any of it comes from stdin.
pub(super) fn reads_stdin(files: &[PathBuf]) -> bool {
    files.is_empty() || files.iter().any(|path| is_stdin(path))
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &Path) -> anyhow::Result<Reader<Box<dyn BufRead>>> {
    if is_stdin(path) {
        return Ok(Reader::new(Box::new(io::stdin().lock()), "stdin"));
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot open results `{name}`"))?;
    Ok(Reader::new(Box::new(BufReader::with_capacity(READ_LEN, file)), name))
}

/// Results could not be written to the output of this name.
pub(super) fn cannot_write(name: &str) -> String {
    match name {
        "-" => "cannot write the results to stdout".to_owned(),
        name => format!("cannot write the results to `{name}`"),
    }
}

/// Where results go that are made of those, with a buffer: the file of this name, or stdout for `-`.
pub(super) fn open_output(
    name: &str,
    encoding: Encoding,
    inputs: &[PathBuf],
) -> anyhow::Result<Box<dyn Write + Send>> {
    Ok(Box::new(BufWriter::new(open_unbuffered(name, encoding, inputs)?)))
}

/// The same, without.
pub(super) fn open_unbuffered(
    name: &str,
    encoding: Encoding,
    inputs: &[PathBuf],
) -> anyhow::Result<Output> {
    if name == "-" && encoding == Encoding::Gob && io::stdout().is_terminal() {
        bail!(
            "gob is not for terminals: pipe it to `houseful load report` or `houseful load encode`, or name a file with --output"
        );
    }
    Output::open(name, inputs)
}
