//! Failures of the store, sorted once: refused, or unknown.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was stored; the writer goes on and the next try may succeed.
    #[error("nothing was stored")]
    Refused(#[source] rusqlite::Error),
    /// What reached the disk is unknown, so nothing more may be accepted.
    #[error("what reached the disk is unknown")]
    Unknown(#[source] rusqlite::Error),
    /// A sync of our own failed: unknown, too.
    #[error("what reached the disk is unknown")]
    Sync(#[source] std::io::Error),
    /// The store's name leads elsewhere: what is written would not be found.
    #[error("the store's file was moved or removed")]
    Moved,
}

impl StoreError {
    /// Sorts what SQLite said.
    ///
    /// Only what certainly stored nothing is refused: a full disk, a lock that
    /// another holds, a file that could not be opened (no descriptors). All
    /// else, such as an I/O error, a failed sync or corruption, is unknown.
    pub(crate) fn sort(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen,
            ) => StoreError::Refused(error),
            _ => StoreError::Unknown(error),
        }
    }

    /// What happened, for the client and the log.
    pub(crate) fn reason(&self) -> String {
        let (StoreError::Refused(cause) | StoreError::Unknown(cause)) = self else {
            return match self {
                StoreError::Sync(cause) => format!("cannot sync: {cause}"),
                other => other.to_string(),
            };
        };
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "no space left on the disk".to_owned(),
            _ => match cause.sqlite_error() {
                // The extended code tells a failed sync from a failed read.
                Some(error) => format!("{cause} (SQLite code {})", error.extended_code),
                None => cause.to_string(),
            },
        }
    }
}

/// Why a store could not be opened. Each names the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or created.
    #[error("cannot open store `{}`", path.display())]
    File {
        /// The store as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process serves it.
    #[error(
        "store `{}` is in use: another `houseful serve` or `import` holds it; stop that one first, or choose another --store",
        path.display()
    )]
    InUse {
        /// The store as it was named.
        path: PathBuf,
    },
    /// The file has several names, and the WAL lies beside only one of them.
    #[error(
        "store `{}` has {links} hard links, and its WAL lies beside only one of those names; remove the other names (copy a store with `houseful export`)",
        path.display()
    )]
    HardLinks {
        /// The store as it was named.
        path: PathBuf,
        /// How many names the file has.
        links: u64,
    },
    /// The file is new, but a WAL lies beside it already.
    #[error(
        "store `{}` is new, but `{}` holds readings of a store that lay here; move that store back, or its WAL away with it",
        path.display(), wal.display()
    )]
    ForeignWal {
        /// The store as it was named.
        path: PathBuf,
        /// The WAL.
        wal: PathBuf,
    },
    /// The file is something else.
    #[error("store `{}` is not a Houseful store: {found}", path.display())]
    Foreign {
        /// The store as it was named.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The linked SQLite is one with a known loss of commits.
    #[error(
        "SQLite {found} is linked, and versions before 3.51.3 can lose commits (WAL reset); build with a newer one"
    )]
    SqliteTooOld {
        /// Its version.
        found: &'static str,
    },
    /// A setting that durability stands on did not take.
    #[error("store `{}`: expected `PRAGMA {pragma}` to be {want}, found {found}", path.display())]
    Pragma {
        /// The store as it was named.
        path: PathBuf,
        /// Its name.
        pragma: &'static str,
        /// What it must be.
        want: &'static str,
        /// What was read back.
        found: String,
    },
    /// What the last run left in the WAL could not be made durable.
    #[error("store `{}`: cannot make the last run's WAL durable: another process keeps reading it", path.display())]
    WalBusy {
        /// The store as it was named.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("cannot open store `{}`", path.display())]
    Sqlite {
        /// The store as it was named.
        path: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite refused.
    #[error("cannot read the store")]
    Sqlite(#[from] rusqlite::Error),
    /// The store was closed meanwhile.
    #[error("the store is closed")]
    Closed,
    /// A row does not hold what this program writes.
    #[error("reading {id} is damaged in the store")]
    Damaged {
        /// Its id.
        id: i64,
    },
}
