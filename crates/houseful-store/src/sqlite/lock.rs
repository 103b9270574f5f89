//! One store, one `serve`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::OpenError;

/// Holds a store for this process, whatever name it is reached by.
///
/// The lock is an `flock` on the file itself, hence on device and inode, and
/// the kernel drops it with the process. SQLite's own locks are POSIX locks,
/// which do not see an `flock`, and which *any* close of the file by this
/// process would drop: so the file is opened here before SQLite opens it, and
/// closed after SQLite has closed it.
#[derive(Debug)]
pub(crate) struct StoreLock {
    file: File,
    /// The store's real path, beside which the WAL lies.
    pub(crate) path: PathBuf,
}

impl StoreLock {
    /// Creates the file if it is missing (for its owner only: where a resident
    /// is, is sensitive) and locks it.
    pub(crate) fn acquire(named: &Path) -> Result<StoreLock, OpenError> {
        let failed = |source| OpenError::File { path: named.to_owned(), source };
        let is_new = !named.exists();
        if is_new {
            // Before there is a file, so that a refusal leaves none.
            refuse_foreign_wal(named, named, 0)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(named)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(OpenError::Foreign {
                path: named.to_owned(),
                found: "it is not a regular file".to_owned(),
            });
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                // If this very process serves the store, closing the file here
                // would drop SQLite's locks; so it stays open.
                std::mem::forget(file);
                return Err(OpenError::InUse { path: named.to_owned() });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        if metadata.nlink() > 1 {
            return Err(OpenError::HardLinks { path: named.to_owned(), links: metadata.nlink() });
        }
        let path = named.canonicalize().map_err(failed)?;
        if is_new {
            sync_new_file(&file, &path).map_err(failed)?;
        }
        refuse_foreign_wal(named, &path, metadata.len())?;
        Ok(StoreLock { file, path })
    }

    /// Whether the store's name still leads to the store. If the file was moved
    /// or removed, what is written goes where nobody will look for it.
    pub(crate) fn is_in_place(&self) -> bool {
        let ids = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(held)) => ids(named) == ids(held),
            _ => false,
        }
    }

    /// Syncs what a checkpoint has written so far. SQLite does so only after a
    /// whole one.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

/// Refuses a new store beside whose name another's WAL lies: that store was
/// moved away, perhaps while it was served, and its newest readings are in there.
pub(super) fn refuse_foreign_wal(named: &Path, path: &Path, len: u64) -> Result<(), OpenError> {
    let mut wal = path.to_owned().into_os_string();
    wal.push("-wal");
    let wal = PathBuf::from(wal);
    if len == 0 && wal.metadata().is_ok_and(|wal| wal.len() > 0) {
        return Err(OpenError::ForeignWal { path: named.to_owned(), wal });
    }
    Ok(())
}

/// A new file's name is durable only when its directory is synced.
fn sync_new_file(file: &File, path: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
