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
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::write::WriteConnection;
use crate::OpenError;

/// A page of the store, and about a frame of its WAL.
pub(crate) const PAGE_BYTES: u64 = 4_096;

/// Past this the writer copies the WAL into the store.
const WAL_SOFT_BYTES: u64 = 16 << 20;

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
    /// A checkpoint that fails is nobody's commit: what was acknowledged stays
    /// in the WAL, so it is reported and tried again later.
    pub(crate) fn run_if_due(&mut self, writer: &WriteConnection, gate: &ReadersGate) {
        let wal_bytes = writer.wal_bytes();
        if wal_bytes < WAL_SOFT_BYTES {
            self.next_bytes = 0;
            return;
        }
        if wal_bytes < self.next_bytes {
            return;
        }
        let copied = if wal_bytes < WAL_HARD_BYTES {
            run(&writer.db, "PASSIVE")
        } else {
            let _no_readers = gate.write().unwrap_or_else(PoisonError::into_inner);
            run(&writer.db, "RESTART")
        };
        match copied {
            Ok(Copied::All) => {}
            Ok(Copied::Part { wal_pages, copied_pages }) => {
                tracing::debug!(wal_pages, copied_pages, "readers held up a checkpoint");
            }
            Err(error) => tracing::warn!(%error, "cannot checkpoint; it will be tried again"),
        }
        // If it helped, the next commit starts the WAL over, far below this.
        self.next_bytes = wal_bytes + RETRY_BYTES;
    }
}

/// Copies what it can when space has run out: a WAL that starts over needs
/// none for its next commit.
pub(crate) fn make_room(writer: &WriteConnection) {
    if let Err(error) = run(&writer.db, "PASSIVE") {
        tracing::debug!(%error, "cannot checkpoint on a full disk");
    }
}

enum Copied {
    All,
    Part { wal_pages: i64, copied_pages: i64 },
}

fn run(db: &Connection, mode: &str) -> rusqlite::Result<Copied> {
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
