//! Where an export goes: stdout, a file that appears when it is whole, or
//! something that takes bytes as they come (a pipe, a device).

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Stdout, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// As many as Linux follows in a path.
const LINKS_MAX: usize = 40;

/// A destination that is open.
pub(super) enum Output {
    Stdout(BufWriter<Stdout>),
    /// Not a regular file, so there is nothing to replace.
    Direct {
        name: PathBuf,
        out: BufWriter<File>,
    },
    /// Written beside the file, then moved into its place: whoever sees the
    /// file sees all of it.
    Whole {
        name: PathBuf,
        out: BufWriter<NamedTempFile>,
    },
}

impl Output {
    /// Opens what `--output` names. `before_file` is called before a file that
    /// has to be removed when the export fails is made.
    pub(super) fn open(
        path: &Path,
        before_file: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Output> {
        if is_stdout(path) {
            return Ok(Output::stdout());
        }
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                bail!("cannot write `{}`: it is a directory", path.display())
            }
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                let file = file.with_context(|| cannot_write(path))?;
                Ok(Output::Direct { name: path.to_owned(), out: BufWriter::new(file) })
            }
            _ => {
                before_file()?;
                let name = without_links(path).with_context(|| cannot_write(path))?;
                let file = NamedTempFile::new_in(directory_of(&name));
                let file = file.with_context(|| cannot_write(path))?;
                Ok(Output::Whole { name, out: BufWriter::new(file) })
            }
        }
    }

    pub(super) fn stdout() -> Output {
        Output::Stdout(BufWriter::new(io::stdout()))
    }

    /// What is written here counts only after [`Output::finish`].
    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match self {
            Output::Stdout(out) => out,
            Output::Direct { out, .. } => out,
            Output::Whole { out, .. } => out,
        }
    }

    /// Writes what is left, and lets a file appear.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Output::Stdout(mut out) => out.flush().context("cannot write to stdout"),
            Output::Direct { name, mut out } => out.flush().with_context(|| cannot_write(&name)),
            Output::Whole { name, out } => {
                let context = || cannot_write(&name);
                let file =
                    out.into_inner().map_err(|error| error.into_error()).with_context(context)?;
                file.as_file().sync_all().with_context(context)?;
                file.persist(&name).map_err(|error| error.error).with_context(context)?;
                Ok(())
            }
        }
    }
}

/// Refuses to write over the store, by whatever name.
///
/// Its `-wal` and `-shm` are refused also while they are not there: SQLite
/// would take the export for them.
pub(super) fn refuse_store(path: &Path, store: &Path) -> anyhow::Result<()> {
    // A store that is not there is said by whoever opens it.
    let Ok(store) = store.canonicalize() else { return Ok(()) };
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let resolved = without_links(path).and_then(|path| {
        let directory = directory_of(&path).canonicalize()?;
        Ok(directory.join(path.file_name().unwrap_or_default()))
    });
    for suffix in ["", "-wal", "-shm"] {
        let mut part = OsString::from(&store);
        part.push(suffix);
        let is_same = match (fs::metadata(path), fs::metadata(&part)) {
            (Ok(there), Ok(part)) => is_same_file(&there, &part),
            _ => resolved.as_ref().is_ok_and(|resolved| *resolved == *part),
        };
        if is_same {
            let part = Path::new(&part).display();
            bail!("--output: `{}` is the store's own `{part}`; name another file", path.display());
        }
    }
    Ok(())
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// `-`, `/dev/stdout`, or the file that stdout goes to already: to replace that
/// one would take it away from whoever redirected us.
fn is_stdout(path: &Path) -> bool {
    let ours = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    path.as_os_str() == "-"
        || match (fs::metadata(path), ours.and_then(|file| file.metadata())) {
            (Ok(there), Ok(ours)) => is_same_file(&there, &ours),
            _ => false,
        }
}

/// The file that a path leads to, there or not yet, so that a link to it stays
/// a link.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other(format!("more than {LINKS_MAX} links follow one another")))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write `{}`", path.display())
}
