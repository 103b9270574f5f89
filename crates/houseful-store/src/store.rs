//! The store as the doors see it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use houseful_model::{Emission, Heard, Millis};
use tokio::sync::{oneshot, watch};

use crate::intake::{Intake, Job, Room};
use crate::meters::{Figures, Meters};
use crate::readers::Readers;
use crate::sqlite::checkpoint::{PAGE_BYTES, ReadersGate};
use crate::sqlite::lock::StoreLock;
use crate::sqlite::write::WriteConnection;
use crate::writer::Writer;
use crate::{
    Activity, Arrival, Came, Fingerprint, HOUSE_DEFAULT, Item, OpenError, Outcome, ReadError,
    Reader, Recent, Refusal,
};

/// How many single emissions may wait for the writer: at most about 8 MiB.
const QUEUE_LEN_MAX: usize = 8_192;

/// How many emissions of batches may wait for the writer or be written: all of
/// them are a commit of a few milliseconds, and that is what a single emission
/// waits for beside a batch.
const BULK_LEN_MAX: usize = 1_024;

/// Reading connections inside `serve`, opened at the start: out of descriptors
/// later, a query still works.
const READERS: usize = 2;

/// For how long after a refusal (full disk) the store calls itself not ready.
/// Not longer, or a load balancer that believes it would never try again.
const REFUSING_FOR: Duration = Duration::from_secs(5);

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The dedup window `P_d`.
    pub window: Duration,
}

/// Whether the store takes emissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ready,
    /// It refused lately, for this reason, and goes on trying.
    Refusing(String),
    /// It has failed, for this reason, and takes nothing until a restart.
    Failed(String),
}

/// What became of a submitted emission at once.
#[derive(Debug)]
pub enum Submitted {
    /// A copy; its original is on disk.
    Duplicate,
    /// The writer has it and will answer, whether or not anyone listens. A
    /// closed channel means that the writer is gone: not acknowledged.
    Queued(oneshot::Receiver<Outcome>),
    /// Not acknowledged.
    Refused(Refusal),
}

/// What the cache says of an emission.
#[derive(Debug)]
pub enum Looked {
    /// A copy; its original is on disk.
    Duplicate,
    /// The writer has to decide.
    Unknown(Fingerprint),
    /// Not acknowledged: the store has failed.
    Refused(Refusal),
}

/// What the doors and the writer share.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) recent: Recent,
    pub(crate) activity: Activity,
    pub(crate) readers_gate: Arc<ReadersGate>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) newest_t_ms: AtomicI64,
    /// The id stored last, once it is synced.
    pub(crate) newest_id: watch::Sender<i64>,
    /// Whether the store has failed; looked at before the cache, for then
    /// nothing that is remembered can be relied on.
    pub(crate) failed: AtomicBool,
    pub(crate) meters: Meters,
    refused: Mutex<Option<(Instant, String)>>,
    start: Instant,
}

impl Shared {
    /// Now, on both clocks; the monotonic one began when the store was opened.
    pub(crate) fn arrival(&self) -> Arrival {
        let at = Instant::now();
        let mono_ms = u64::try_from(at.duration_since(self.start).as_millis());
        Arrival { wall: wall_clock(), mono_ms: mono_ms.unwrap_or(u64::MAX), at }
    }

    fn failure(&self) -> Refusal {
        match &*self.health.borrow() {
            Health::Failed(reason) => Refusal::Failed(reason.clone()),
            // It is about to be said.
            Health::Ready | Health::Refusing(_) => Refusal::Failed("see the log".to_owned()),
        }
    }

    pub(crate) fn set_refusing(&self, reason: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            reason.map(|reason| (Instant::now(), reason));
    }
}

/// Now, by the wall clock, which may step.
pub fn wall_clock() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Millis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// An open store. One per process and file; see [`Store::open`].
pub struct Store {
    shared: Arc<Shared>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held until all connections are closed.
    lock: Arc<StoreLock>,
}

impl Store {
    /// Opens or creates the SQLite store at `path`, and makes durable what the
    /// last run left behind.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is changed then, but for an empty file that
    /// may have been created.
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        let lock = Arc::new(StoreLock::acquire(path)?);
        let connection = WriteConnection::open(&lock.path, options.window)?;
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let newest_t = connection.newest_t().map_err(failed)?;
        let newest_id = connection.newest_id().map_err(failed)?;
        let readers_gate = Arc::new(ReadersGate::default());
        let readers = (0..READERS)
            .map(|_| Reader::beside_writer(&lock.path, readers_gate.clone()))
            .collect::<Result<Vec<_>, OpenError>>()?;
        let start = Instant::now();
        let shared = Arc::new(Shared {
            intake: Intake::new(QUEUE_LEN_MAX, BULK_LEN_MAX),
            recent: Recent::new(options.window),
            activity: Activity::new(Arrival { wall: wall_clock(), mono_ms: 0, at: start }),
            readers_gate,
            health: watch::Sender::new(Health::Ready),
            newest_t_ms: AtomicI64::new(newest_t.map_or(i64::MIN, |t| t.0)),
            newest_id: watch::Sender::new(newest_id),
            failed: AtomicBool::new(false),
            meters: Meters::new(connection.wal_pages()),
            refused: Mutex::new(None),
            start,
        });
        let writer = Writer::new(connection, lock.clone(), shared.clone());
        let writer = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        Ok(Store { shared, readers: Readers::new(readers), writer: Mutex::new(Some(writer)), lock })
    }

    /// Submits a checked emission with its time. Never waits.
    ///
    /// `t` is what [`houseful_model::Heard::resolve`] made of it; an untimed
    /// one is also compared by its arrival.
    pub fn submit(&self, emission: Emission<'_>, t: Millis, arrival: Arrival) -> Submitted {
        let fingerprint = match self.look(&emission, t, arrival) {
            Looked::Duplicate => return Submitted::Duplicate,
            Looked::Refused(refusal) => return Submitted::Refused(refusal),
            Looked::Unknown(fingerprint) => fingerprint,
        };
        match self.push(emission, t, arrival, fingerprint, None) {
            Ok(outcome) => Submitted::Queued(outcome),
            Err(refusal) => Submitted::Refused(refusal),
        }
    }

    /// Looks a checked emission up in the cache. Never waits. A copy is counted as
    /// one.
    pub fn look(&self, emission: &Emission<'_>, t: Millis, arrival: Arrival) -> Looked {
        if self.shared.failed.load(Ordering::SeqCst) {
            return Looked::Refused(self.shared.failure());
        }
        let recent = &self.shared.recent;
        let fingerprint = recent.fingerprint(HOUSE_DEFAULT, emission);
        if recent.is_copy(fingerprint, t, arrived_mono_ms(emission, arrival)) {
            self.shared.meters.known.add(1);
            self.shared.activity.heard(emission, t, arrival, Came::Second);
            return Looked::Duplicate;
        }
        Looked::Unknown(fingerprint)
    }

    /// Submits an emission of a batch that [`Store::look`] does not know: waits, in
    /// turn, until the writer has room for one more. Single ones have room of
    /// their own. What one task submits is decided in that order.
    ///
    /// # Errors
    /// If the store takes nothing more.
    pub async fn submit_of_batch(
        &self,
        emission: Emission<'_>,
        t: Millis,
        arrival: Arrival,
        fingerprint: Fingerprint,
    ) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let room = self.shared.intake.room().await;
        self.push(emission, t, arrival, fingerprint, Some(room))
    }

    fn push(
        &self,
        emission: Emission<'_>,
        t: Millis,
        arrival: Arrival,
        fingerprint: Fingerprint,
        room: Option<Room>,
    ) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let arrived_mono_ms = arrived_mono_ms(&emission, arrival);
        let item = Item { emission: emission.into_owned(), t, arrived_mono_ms };
        let (answer, outcome) = oneshot::channel();
        self.shared.intake.push(Job { fingerprint, item, answer, room })?;
        Ok(outcome)
    }

    /// Now, on both clocks.
    pub fn arrival(&self) -> Arrival {
        self.shared.arrival()
    }

    /// Who was heard when, by whom, since the start; [`Store::badges_heard`] and
    /// [`Store::pis_heard`] add what is stored from before.
    pub fn activity(&self) -> &Activity {
        &self.shared.activity
    }

    /// The newest stored time, if anything is stored.
    pub fn newest_t(&self) -> Option<Millis> {
        let newest = self.shared.newest_t_ms.load(Ordering::Relaxed);
        (newest != i64::MIN).then_some(Millis(newest))
    }

    /// The id stored last, 0 if nothing is stored; changes after each commit
    /// that stored something, once it is synced.
    pub fn watch_newest_id(&self) -> watch::Receiver<i64> {
        self.shared.newest_id.subscribe()
    }

    /// Whether the store takes emissions now.
    pub fn health(&self) -> Health {
        let health = self.shared.health.borrow().clone();
        let refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match (health, &*refused) {
            (Health::Ready, Some((when, reason))) if when.elapsed() < REFUSING_FOR => {
                Health::Refusing(reason.clone())
            }
            (health, _) => health,
        }
    }

    /// Says when the store has failed: [`Health::Failed`] is then its value.
    pub fn watch(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// Runs a short read on one of the reading connections; blocks until one is
    /// free.
    ///
    /// # Errors
    /// Those of `read`, and [`ReadError::Closed`].
    pub fn read<T>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        read(&mut *self.readers.lend().ok_or(ReadError::Closed)?)
    }

    /// How many single emissions wait for the writer.
    pub fn queue_len(&self) -> usize {
        self.shared.intake.len()
    }

    /// How many may.
    pub fn queue_len_max(&self) -> usize {
        QUEUE_LEN_MAX
    }

    /// How many readings were stored since it was opened.
    pub fn stored(&self) -> u64 {
        self.shared.meters.stored.load(Ordering::Relaxed)
    }

    /// How many copies were recognised since it was opened.
    pub fn duplicates(&self) -> u64 {
        let meters = &self.shared.meters;
        meters.known.total() + meters.found.load(Ordering::Relaxed)
    }

    /// The store's numbers now. Takes each lock of the cache for a moment.
    pub fn figures(&self) -> Figures {
        let Shared { intake, recent, meters, newest_id, .. } = &*self.shared;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            stored: read(&meters.stored),
            duplicates_known: meters.known.total(),
            duplicates_found: read(&meters.found),
            newest_id: *newest_id.borrow(),
            queue_len: intake.len(),
            queue_len_max: QUEUE_LEN_MAX,
            bulk_len: intake.bulk_len(),
            bulk_len_max: BULK_LEN_MAX,
            cache_entries: recent.entries(),
            cache_bytes: recent.bytes(),
            commits: meters.commits.counted(),
            commit_emissions: meters.commit_emissions.counted(),
            commits_failed: read(&meters.commits_failed),
            checkpoints: meters.checkpoints.counted(),
            checkpoints_unfinished: read(&meters.checkpoints_unfinished),
            wal_bytes: read(&meters.wal_pages) * PAGE_BYTES,
            clock_steps_forward: read(&meters.steps_forward),
            clock_steps_back: read(&meters.steps_back),
        }
    }

    /// The store's file, under its real name. To be looked at, never opened:
    /// any close would drop SQLite's locks.
    pub fn path(&self) -> &Path {
        &self.lock.path
    }

    /// Stops taking emissions; what is queued is still stored and answered.
    pub fn stop_taking(&self) {
        self.shared.intake.close(Refusal::Stopping);
    }

    /// Finishes what is queued, copies the WAL into the store with a sync, and
    /// closes. Blocks.
    pub fn close(&self) {
        self.stop_taking();
        self.readers.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer panicked");
        }
    }
}

/// When an untimed emission arrived, by which it is compared with others.
fn arrived_mono_ms(emission: &Emission<'_>, arrival: Arrival) -> Option<u64> {
    (emission.heard == Heard::OnArrival).then_some(arrival.mono_ms)
}

impl Drop for Store {
    /// The lock goes with the store, so the connections go first.
    fn drop(&mut self) {
        self.close();
    }
}
