//! The writer's own connection: one batch, one transaction, one sync.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use houseful_model::Millis;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::heard::PiNotes;
use super::names::Names;
use super::schema::{self, Found, HOUR_MINUTES, MINUTE_MS};
use super::{checkpoint, pack, probe, queries};
use crate::decide::{Near, Question, Verdict, decide, window_ms};
use crate::intake::Job;
use crate::{Activity, Arrival, HOUSE_DEFAULT, OpenError, Recent, StoreError};

/// The first SQLite whose checkpoints cannot lose commits.
const SQLITE_MIN: i32 = 3_051_003;

const INSERT: &str = "INSERT INTO reading(t, badge, pi, beacons, badge_strength, position, motion, opposite) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const INSERT_HOUR: &str = "INSERT OR IGNORE INTO badge_hour(badge, hour) VALUES (?1, ?2)";

/// What became of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Stored under this id.
    Stored(i64),
    /// A copy of something stored.
    Copy,
}

/// A job in the store's own terms.
struct Row {
    house: i64,
    badge: i64,
    beacons: Vec<u8>,
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct WriteConnection {
    pub(super) db: Connection,
    names: Names,
    pi_notes: PiNotes,
    window: Duration,
    /// Pages in the WAL after the last commit.
    wal_pages: Arc<AtomicU64>,
}

impl WriteConnection {
    /// Opens a store for writing, lays it out if it is new, makes durable what
    /// the last run left in the WAL, and checks what durability stands on.
    pub(crate) fn open(path: &Path, window: Duration) -> Result<WriteConnection, OpenError> {
        if rusqlite::version_number() < SQLITE_MIN {
            return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
        }
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        // A close in trouble must not checkpoint what may never have been synced.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        let found = schema::look(&db).map_err(failed)?;
        if let Found::Foreign(found) = found {
            return Err(OpenError::Foreign { path: path.to_owned(), found });
        }
        set_pragmas(&db, path)?;
        match found {
            Found::Empty => schema::create(&db).map_err(failed)?,
            Found::Older => schema::migrate(&db).map_err(failed)?,
            Found::Store | Found::Foreign(_) => {}
        }
        checkpoint::make_durable(&db, path)?;

        let wal_pages = Arc::new(AtomicU64::new(0));
        checkpoint::watch_wal(&mut db, wal_pages.clone()).map_err(failed)?;
        db.set_prepared_statement_cache_capacity(32);
        let (names, pi_notes) = (Names::new(), PiNotes::default());
        Ok(WriteConnection { db, names, pi_notes, window, wal_pages })
    }

    /// Decides a batch in its order, stores what is new, and syncs it; and with
    /// it, if it is time, what Pis heard last.
    ///
    /// When it returns `Ok`, all that it says is on disk. On an error nothing
    /// that it says is known to be: see [`StoreError`].
    pub(crate) fn apply(
        &mut self,
        jobs: &[Job],
        recent: &Recent,
        activity: &Activity,
        now: Arrival,
    ) -> Result<Vec<Applied>, StoreError> {
        self.try_apply(jobs, recent, activity, now).or_else(|error| self.undo(error))
    }

    /// Writes what Pis heard last and has not been written, and syncs it.
    ///
    /// # Errors
    /// As [`WriteConnection::apply`].
    pub(crate) fn note_pis(&mut self, activity: &Activity, now: Arrival) -> Result<(), StoreError> {
        self.try_note_pis(activity, now).or_else(|error| self.undo(error))
    }

    /// Leaves no transaction open after an error, which is sorted.
    fn undo<T>(&mut self, error: rusqlite::Error) -> Result<T, StoreError> {
        self.names.forget();
        // After some errors SQLite has rolled back by itself.
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK").map_err(StoreError::Unknown)?;
        }
        Err(StoreError::sort(error))
    }

    fn try_note_pis(&mut self, activity: &Activity, now: Arrival) -> rusqlite::Result<()> {
        let WriteConnection { db, names, pi_notes, .. } = self;
        let due = pi_notes.all(activity, now);
        if due.is_empty() {
            return Ok(());
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let house = names.house(&transaction, HOUSE_DEFAULT)?;
        due.write(&transaction, names, house)?;
        transaction.commit()?;
        pi_notes.written(due, activity);
        Ok(())
    }

    fn try_apply(
        &mut self,
        jobs: &[Job],
        recent: &Recent,
        activity: &Activity,
        now: Arrival,
    ) -> rusqlite::Result<Vec<Applied>> {
        let WriteConnection { db, names, pi_notes, window, .. } = self;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let db = &*transaction;
        let house = names.house(db, HOUSE_DEFAULT)?;
        let rows = jobs
            .iter()
            .map(|job| row_of(db, names, house, job))
            .collect::<rusqlite::Result<Vec<Row>>>()?;
        let questions: Vec<Question> = jobs.iter().map(question_of).collect();
        let verdicts = decide(&questions, *window, |index| {
            near(db, &questions[index], &rows[index], recent, window_ms(*window))
        })?;

        let mut applied = Vec::with_capacity(jobs.len());
        let mut stored = false;
        for ((job, row), verdict) in jobs.iter().zip(&rows).zip(verdicts) {
            applied.push(match verdict {
                Verdict::Copy => Applied::Copy,
                Verdict::Store => {
                    stored = true;
                    Applied::Stored(insert(db, names, job, row)?)
                }
            });
        }
        if stored {
            let due = pi_notes.due(activity, now);
            due.write(db, names, house)?;
            transaction.commit()?;
            pi_notes.written(due, activity);
        } else {
            // Only copies, whose originals an earlier commit has synced, names
            // and all: so what `names` has learnt here is in the tables.
            transaction.rollback()?;
        }
        Ok(applied)
    }

    /// The newest stored time, if anything is stored.
    pub(crate) fn newest_t(&self) -> rusqlite::Result<Option<Millis>> {
        let newest: Option<i64> = self.db.query_row(
            "SELECT max(t) FROM reading WHERE t / 60000 = (SELECT max(t / 60000) FROM reading)",
            [],
            |row| row.get(0),
        )?;
        Ok(newest.map(Millis))
    }

    /// The id stored last, 0 if nothing is stored.
    pub(crate) fn newest_id(&self) -> rusqlite::Result<i64> {
        self.db.query_row(queries::NEWEST_ID, [], |row| row.get(0))
    }

    /// Copies the WAL into the store at the end. Everything in it was synced
    /// already, so a failure loses nothing.
    pub(crate) fn finish(self) {
        let emptied = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            .and_then(|busy| match busy {
                // The last to close an empty WAL may delete it.
                0 => self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false),
                _ => {
                    tracing::info!(
                        "another process reads the store; the next start empties the WAL"
                    );
                    Ok(true)
                }
            });
        if let Err(error) = emptied {
            tracing::warn!(%error, "cannot checkpoint at the end; the next start will");
        }
    }

    /// Where the number of pages in the WAL after the last commit stands.
    pub(crate) fn wal_pages(&self) -> Arc<AtomicU64> {
        self.wal_pages.clone()
    }

    /// Bytes in the WAL that a later checkpoint has to copy or may write over.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.wal_pages.load(Ordering::Relaxed) * checkpoint::PAGE_BYTES
    }
}

fn question_of(job: &Job) -> Question {
    Question { identity: job.fingerprint, t: job.item.t, arrived_mono_ms: job.item.arrived_mono_ms }
}

fn row_of(db: &Connection, names: &mut Names, house: i64, job: &Job) -> rusqlite::Result<Row> {
    let emission = &job.item.emission;
    let mut beacons = Vec::with_capacity(3 * emission.beacons.len());
    for beacon in &emission.beacons {
        let number = names.beacon(db, house, &beacon.id)?;
        pack::push(&mut beacons, number, beacon.rssi_dbm)
            .map_err(|number| rusqlite::Error::IntegralValueOutOfRange(0, number))?;
    }
    Ok(Row { house, badge: names.badge(db, house, &emission.badge_id)?, beacons })
}

/// What is stored of the same identity within the window.
fn near(
    db: &Connection,
    question: &Question,
    row: &Row,
    recent: &Recent,
    window_ms: u64,
) -> rusqlite::Result<Near> {
    Ok(Near {
        times: probe::times_near(db, row.badge, &row.beacons, question.t, window_ms)?,
        arrived_mono_ms: recent.arrived_mono_ms(question.identity),
    })
}

fn insert(db: &Connection, names: &mut Names, job: &Job, row: &Row) -> rusqlite::Result<i64> {
    let emission = &job.item.emission;
    let pi = names.pi(db, row.house, &emission.pi_id, job.item.t)?;
    let opposite = match &emission.opposite_badge_id {
        Some(opposite) => Some(names.badge(db, row.house, opposite)?),
        None => None,
    };
    let t = job.item.t.0;
    db.prepare_cached(INSERT_HOUR)?.execute((row.badge, t / (MINUTE_MS * HOUR_MINUTES)))?;
    db.prepare_cached(INSERT)?.insert((
        t,
        row.badge,
        pi,
        &row.beacons,
        emission.badge_strength,
        emission.position,
        emission.motion,
        opposite,
    ))
}

/// Sets what durability stands on, and reads it back from this connection.
fn set_pragmas(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let pragmas = [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        // The writer checkpoints itself, never inside a COMMIT.
        ("wal_autocheckpoint", "0"),
        ("temp_store", "2"),
        ("foreign_keys", "0"),
        ("cache_size", "-16384"),
    ];
    for (pragma, want) in pragmas {
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        db.execute_batch(&format!("PRAGMA {pragma} = {want}")).map_err(failed)?;
        let found = db
            .query_row(&format!("PRAGMA {pragma}"), [], |row| {
                Ok(match row.get_ref(0)? {
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    other => other.as_str()?.to_owned(),
                })
            })
            .map_err(failed)?;
        if found != want {
            return Err(OpenError::Pragma { path: path.to_owned(), pragma, want, found });
        }
    }
    Ok(())
}
