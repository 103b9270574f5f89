//! Where the output of the toolkit goes: stdout, or a file that keeps what it had until there is
//! something to write.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Stdout, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// A destination that is open, so that a long attack does not end in a name that cannot be written.
pub(super) enum Output {
    Stdout(Stdout),
    File {
        path: PathBuf,
        file: File,
        /// Made by us, so it goes again if there is nothing to write.
        is_new: bool,
        /// What it had is gone, or never was.
        is_cut: bool,
    },
}

/// What is to take the place of a file; dropped, it is gone.
pub(super) struct Beside {
    file: NamedTempFile,
    target: PathBuf,
    /// Whose it is, and who may read it.
    like: Metadata,
}

impl Beside {
    pub(super) fn writer(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }

    /// Where it is until then.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}

impl Output {
    /// The file of this name, or stdout for `-`. It is none of `inputs`, where none is stdin: what is
    /// written over cannot be read.
    pub(super) fn open(name: &str, inputs: &[PathBuf]) -> anyhow::Result<Output> {
        refuse_inputs(name, inputs)?;
        // What stdout goes to already is not taken away from whoever redirected us.
        if name == "-" || is_same_file(fs::metadata(name).ok(), metadata_of(io::stdout())) {
            return Ok(Output::Stdout(io::stdout()));
        }
        let path = PathBuf::from(name);
        let is_new = path.metadata().is_err();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot create `{name}`"))?;
        Ok(Output::File { path, file, is_new, is_cut: false })
    }

    /// Puts all of it in the place of what the file had, when it is whole.
    pub(super) fn replace(&mut self, with: &[u8]) -> io::Result<()> {
        if let Some(mut beside) = self.beside()? {
            beside.file.write_all(with)?;
            return self.put(beside);
        }
        self.write_all(with)?;
        self.flush()
    }

    /// A file beside this one, to be put in its place when it is whole. None beside stdout, a pipe or a
    /// device, which take what is written as it comes, and so does a file that has more than this name,
    /// or lies where none can be made.
    pub(super) fn beside(&mut self) -> io::Result<Option<Beside>> {
        let Output::File { path, file, is_new, is_cut } = self else { return Ok(None) };
        let like = file.metadata()?;
        // A link to it stays a link.
        let target = path.canonicalize()?;
        if !like.is_file() || like.nlink() != 1 || is_open_twice(&like) {
            return Ok(None);
        }
        let Some(Ok(file)) = target.parent().map(NamedTempFile::new_in) else {
            return Ok(None);
        };
        // Whoever ends us before it is whole finds nothing there.
        if *is_new && !*is_cut {
            fs::remove_file(&target)?;
            *is_new = false;
        }
        Ok(Some(Beside { file, target, like }))
    }

    /// What was written there is what this has now.
    pub(super) fn put(&mut self, Beside { file, target, like }: Beside) -> io::Result<()> {
        // Whose it is can be kept only by root, and matters only then.
        drop(fchown(file.as_file(), Some(like.uid()), Some(like.gid())));
        file.as_file().set_permissions(like.permissions())?;
        file.persist(target).map_err(|error| error.error)?;
        if let Output::File { is_cut, .. } = self {
            *is_cut = true;
        }
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        if let Output::File { file, is_cut, .. } = self
            && !std::mem::replace(is_cut, true)
            // A pipe or a device has no length.
            && file.metadata()?.is_file()
        {
            file.set_len(0)?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut()?;
        match self {
            Output::Stdout(out) => out.write(bytes),
            Output::File { file, .. } => file.write(bytes),
        }
    }

    /// Nothing written before is an empty file, too.
    fn flush(&mut self) -> io::Result<()> {
        self.cut()?;
        match self {
            Output::Stdout(out) => out.flush(),
            Output::File { file, .. } => file.flush(),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Output::File { path, is_new: true, is_cut: false, .. } = self {
            drop(path.canonicalize().and_then(fs::remove_file));
        }
    }
}

fn refuse_inputs(name: &str, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let output = match name {
        "-" => metadata_of(io::stdout()).as_ref().and_then(FileId::of),
        name => file_of(Path::new(name)),
    };
    let stdin = [PathBuf::from("-")];
    for input in if inputs.is_empty() { &stdin } else { inputs } {
        if output.is_some() && output == file_of(input) {
            bail!("--output: `{name}` is what is to be read; name another file");
        }
    }
    Ok(())
}

/// Which regular file this is, by whatever name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> Option<FileId> {
        metadata.is_file().then(|| FileId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The regular file that is read by this name, in which `-` is stdin; `None` if it is none.
pub(super) fn file_of(input: &Path) -> Option<FileId> {
    let metadata =
        if input.as_os_str() == "-" { metadata_of(io::stdin()) } else { fs::metadata(input).ok() };
    metadata.as_ref().and_then(FileId::of)
}

fn metadata_of(file: impl AsFd) -> Option<Metadata> {
    File::from(file.as_fd().try_clone_to_owned().ok()?).metadata().ok()
}

fn is_same_file(one: Option<Metadata>, other: Option<Metadata>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if (one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Whether somebody opened this for us as well, as by `--output /dev/fd/3 3>file`: then it must stay
/// the file that it is.
fn is_open_twice(metadata: &Metadata) -> bool {
    let open = fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    let same = open.filter(|it| is_same_file(fs::metadata(it.path()).ok(), Some(metadata.clone())));
    same.count() > 1
}
