//! The WAL's way into the store, by the writer, between two commits.
//!
//! SQLite's automatic checkpoint runs inside COMMIT, and a checkpoint by
//! another thread never finds a moment at which all is copied while commits go
//! on, so the WAL would grow without bound. Here the writer does it when the
//! WAL passes [`WAL_SOFT_BYTES`]; if readers kept the next commit from starting
//! the WAL over, it shuts the readers of this process out for a moment when the
//! WAL passes [`WAL_HARD_BYTES`].

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

use super::lock::StoreLock;
use super::write::WriteConnection;
use crate::meters::Meters;
use crate::{OpenError, StoreError};

/// A page of the store, and about a frame of its WAL.
pub(crate) const PAGE_BYTES: u64 = 4_096;

/// Past this the writer copies the WAL into the store. Just below the 4,062
/// pages that the first part of the WAL's index has room for: on a full disk the
/// index could not grow.
const WAL_SOFT_BYTES: u64 = 4_000 * PAGE_BYTES;

/// Past this it also makes sure that the WAL starts over.
const WAL_HARD_BYTES: u64 = 32 << 20;

/// After a checkpoint that did not help, how much more before the next.
const RETRY_BYTES: u64 = 4 << 20;

/// How long a checkpoint may wait for a reader of another process.
const READERS_WAIT: Duration = Duration::from_millis(100);

/// Held shared by this process's readers for each short read, and exclusively
/// by the writer to start the WAL over.
pub(crate) type ReadersGate = RwLock<()>;

/// Decides when to checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    /// The WAL's size at which the next one is due, after one that did not
    /// help.
    next_bytes: u64,
}

impl Checkpoints {
    /// To be called between two commits.
    ///
    /// A checkpoint that fails is nobody's commit: what was acknowledged is in
    /// the WAL, which starts over only when all of it was copied and synced. So
    /// it is reported, and done again later.
    ///
    /// # Errors
    /// If a part was copied and its own sync failed, or the store is damaged.
    pub(crate) fn run_if_due(
        &mut self,
        writer: &WriteConnection,
        lock: &StoreLock,
        gate: &ReadersGate,
        meters: &Meters,
    ) -> Result<(), StoreError> {
        let wal_bytes = writer.wal_bytes();
        if wal_bytes < WAL_SOFT_BYTES {
            self.next_bytes = 0;
            return Ok(());
        }
        if wal_bytes < self.next_bytes {
            return Ok(());
        }
        // If it helps, the next commit starts the WAL over, far below this.
        self.next_bytes = wal_bytes + RETRY_BYTES;
        if wal_bytes < WAL_HARD_BYTES {
            run(&writer.db, "PASSIVE", lock, meters)
        } else {
            let _no_readers = gate.write().unwrap_or_else(PoisonError::into_inner);
            run(&writer.db, "RESTART", lock, meters)
        }
    }
}

/// Copies what it can when space has run out: a WAL that starts over needs
/// none for its next commit.
///
/// # Errors
/// As [`Checkpoints::run_if_due`].
pub(crate) fn make_room(
    writer: &WriteConnection,
    lock: &StoreLock,
    meters: &Meters,
) -> Result<(), StoreError> {
    run(&writer.db, "PASSIVE", lock, meters)
}

fn run(db: &Connection, mode: &str, lock: &StoreLock, meters: &Meters) -> Result<(), StoreError> {
    let began = Instant::now();
    let copied = try_run(db, mode);
    meters.checkpoints.note_duration(began.elapsed());
    if !matches!(copied, Ok(Copied::All)) {
        meters.checkpoints_unfinished.fetch_add(1, Ordering::Relaxed);
    }
    match copied {
        Ok(Copied::All) => Ok(()),
        Ok(Copied::Part { wal_pages, copied_pages }) => {
            tracing::debug!(wal_pages, copied_pages, "readers held up a checkpoint");
            // SQLite counts these pages as copied and never copies them again,
            // but syncs after the last of the WAL only; if that sync fails, its
            // next try covers what it copies then. So these are synced here.
            lock.sync().map_err(StoreError::Sync)
        }
        Err(error) => match StoreError::sort(error) {
            StoreError::Unknown(error)
                if error.sqlite_error_code() != Some(ErrorCode::SystemIoFailure) =>
            {
                Err(StoreError::Unknown(error))
            }
            // Nothing of it counts as copied, so the next one copies it again.
            error => {
                let reason = error.reason();
                tracing::warn!(reason, "cannot checkpoint; it will be tried again");
                Ok(())
            }
        },
    }
}

enum Copied {
    All,
    Part { wal_pages: i64, copied_pages: i64 },
}

fn try_run(db: &Connection, mode: &str) -> rusqlite::Result<Copied> {
    db.busy_timeout(READERS_WAIT)?;
    let result = db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    db.busy_timeout(Duration::from_secs(5))?;
    let (busy, wal_pages, copied_pages) = result?;
    // PASSIVE reports busy = 0 even when readers held it up.
    Ok(if busy == 0 && wal_pages == copied_pages {
        Copied::All
    } else {
        Copied::Part { wal_pages, copied_pages }
    })
}

/// Copies the whole WAL into the store, with syncs, and empties it.
///
/// A commit that stands in the WAL after a crash may never have been synced, so
/// nothing may be answered on it before this.
pub(crate) fn make_durable(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let busy: i64 =
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed)?;
    if busy == 0 { Ok(()) } else { Err(OpenError::WalBusy { path: path.to_owned() }) }
}

/// Keeps `wal_pages` at the number of pages in the WAL after the last commit.
pub(crate) fn watch_wal(db: &mut Connection, wal_pages: Arc<AtomicU64>) -> rusqlite::Result<()> {
    db.wal_hook(Some(move |_: &mut Wal, pages: i32| {
        wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
}
