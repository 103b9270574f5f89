//! The one thread that decides what is stored.
//!
//! It runs at its own pace: it takes all that has come meanwhile, stores it in
//! one transaction with one sync, tells the cache, then answers everybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::intake::Job;
use crate::meters::Meters;
use crate::sqlite::checkpoint::{self, Checkpoints};
use crate::sqlite::lock::StoreLock;
use crate::sqlite::write::{Applied, WriteConnection};
use crate::store::{Health, Shared};
use crate::{Arrival, Came, Outcome, Refusal, StoreError};

/// A commit begins at the earliest this long after the last one began. An idle
/// collector answers at once, a busy one shares its syncs: a commit costs many
/// times what a row in it costs.
const COMMIT_INTERVAL_MIN: Duration = Duration::from_millis(1);

pub(crate) struct Writer {
    connection: WriteConnection,
    lock: Arc<StoreLock>,
    shared: Arc<Shared>,
    clocks: Clocks,
    checkpoints: Checkpoints,
    refusing: Refusing,
}

impl Writer {
    pub(crate) fn new(
        connection: WriteConnection,
        lock: Arc<StoreLock>,
        shared: Arc<Shared>,
    ) -> Writer {
        Writer {
            connection,
            lock,
            clocks: Clocks::new(shared.arrival()),
            shared,
            checkpoints: Checkpoints::default(),
            refusing: Refusing(false),
        }
    }

    /// Works until the queue is closed and empty, or the store fails. At the
    /// end nothing that was queued is left without an answer.
    pub(crate) fn run(mut self) {
        // A writer that panics must not leave a collector that looks alive.
        let _guard = FailOnPanic(self.shared.clone());
        let mut began = None;
        let mut batch = Vec::new();
        while self.shared.intake.wait() {
            pause_until(began.map(|began| began + COMMIT_INTERVAL_MIN));
            began = Some(Instant::now());
            self.shared.intake.take(&mut batch);
            self.clocks.look(self.shared.arrival(), &self.shared.meters);
            let committed = self.commit(&mut batch);
            let gate = &self.shared.readers_gate;
            let meters = &self.shared.meters;
            let copied = committed.and_then(|()| {
                self.checkpoints.run_if_due(&self.connection, &self.lock, gate, meters)
            });
            if let Err(error) = copied {
                self.shared.fail(error.reason());
                return;
            }
        }
        if let Err(error) = self.note_pis() {
            self.shared.fail(error.reason());
            return;
        }
        self.connection.finish();
    }

    /// Writes at the end what no commit has taken with it.
    ///
    /// # Errors
    /// If the store has failed; that it refuses is no harm.
    fn note_pis(&mut self) -> Result<(), StoreError> {
        if !self.lock.is_in_place() {
            return Err(StoreError::Moved);
        }
        match self.connection.note_pis(&self.shared.activity, self.shared.arrival()) {
            Err(error @ StoreError::Refused(_)) => {
                let reason = error.reason();
                tracing::warn!(reason, "cannot write when each Pi was last heard");
                Ok(())
            }
            noted => noted,
        }
    }

    /// Empties the batch: each job of it is answered.
    ///
    /// # Errors
    /// If the store has failed, after everyone in the batch was told.
    fn commit(&mut self, batch: &mut Vec<Job>) -> Result<(), StoreError> {
        // Copies that came while their original was being synced.
        let Shared { recent, activity, meters, .. } = &*self.shared;
        let known =
            |job: &mut Job| recent.is_copy(job.fingerprint, job.item.t, job.item.arrived_mono_ms);
        let now = self.shared.arrival();
        for copy in batch.extract_if(.., known) {
            meters.found.fetch_add(1, Ordering::Relaxed);
            activity.heard(&copy.item.emission, copy.item.t, now, Came::Second);
            copy.answer(Outcome::Duplicate);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let applied = if self.lock.is_in_place() {
            self.connection.apply(batch, recent, activity, now)
        } else {
            Err(StoreError::Moved)
        };
        match applied {
            Ok(applied) => {
                meters.commits.note_duration(began.elapsed());
                meters.commit_emissions.note(batch.len() as u64);
                self.remember(batch, &applied);
                // Before anyone is told: whoever was stored finds a store that does not refuse.
                self.refusing.now(false, "");
                self.shared.set_refusing(None);
                for (job, applied) in batch.drain(..).zip(applied) {
                    match applied {
                        Applied::Stored(id) => job.answer_stored(id),
                        Applied::Copy => job.answer(Outcome::Duplicate),
                    }
                }
                Ok(())
            }
            Err(error) => {
                meters.commits_failed.fetch_add(1, Ordering::Relaxed);
                let reason = error.reason();
                let is_refused = matches!(error, StoreError::Refused(_));
                let refusal = if is_refused {
                    self.refusing.now(true, &reason);
                    self.shared.set_refusing(Some(reason.clone()));
                    Refusal::Unavailable(reason)
                } else {
                    // Before anyone is told: whoever asks after that, at any
                    // door, finds the store failed.
                    self.shared.fail(reason.clone());
                    Refusal::Failed(reason)
                };
                for job in batch.drain(..) {
                    job.answer(Outcome::Refused(refusal.clone()));
                }
                if !is_refused {
                    return Err(error);
                }
                checkpoint::make_room(&self.connection, &self.lock, &self.shared.meters)
            }
        }
    }

    /// Tells the cache what is on disk now, and counts it.
    fn remember(&self, batch: &[Job], applied: &[Applied]) {
        let Shared { recent, activity, meters, newest_t_ms, .. } = &*self.shared;
        let now = self.shared.arrival();
        let mut newest_id = None;
        for (job, applied) in batch.iter().zip(applied) {
            let item = &job.item;
            let came = match applied {
                Applied::Stored(id) => {
                    recent.remember(job.fingerprint, item.t, item.arrived_mono_ms, now.mono_ms);
                    newest_t_ms.fetch_max(item.t.0, Ordering::Relaxed);
                    newest_id = Some(*id);
                    meters.stored.fetch_add(1, Ordering::Relaxed);
                    Came::First
                }
                Applied::Copy => {
                    meters.found.fetch_add(1, Ordering::Relaxed);
                    Came::Second
                }
            };
            activity.heard(&item.emission, item.t, now, came);
        }
        // Once a commit; it wakes one task at most, which reads for all feeds.
        if let Some(id) = newest_id {
            self.shared.newest_id.send_replace(id);
        }
    }
}

fn pause_until(moment: Option<Instant>) {
    if let Some(pause) = moment.map(|moment| moment.saturating_duration_since(Instant::now()))
        && !pause.is_zero()
    {
        std::thread::sleep(pause);
    }
}

/// Compares the clocks, so that the log tells of a step.
struct Clocks {
    /// The wall clock less the monotonic one, in milliseconds.
    apart_ms: i64,
}

/// A step of less is what time synchronisation does all day.
const STEP_MS_MIN: u64 = 1_000;

impl Clocks {
    fn new(now: Arrival) -> Clocks {
        Clocks { apart_ms: Clocks::apart_ms(now) }
    }

    fn apart_ms(now: Arrival) -> i64 {
        now.wall.0.saturating_sub_unsigned(now.mono_ms)
    }

    /// How far the wall clock stepped since the last look, if it did.
    fn step_ms(&mut self, now: Arrival) -> Option<i64> {
        let apart_ms = Clocks::apart_ms(now);
        let step_ms = apart_ms.saturating_sub(self.apart_ms);
        (step_ms.unsigned_abs() > STEP_MS_MIN).then(|| {
            self.apart_ms = apart_ms;
            step_ms
        })
    }

    fn look(&mut self, now: Arrival, meters: &Meters) {
        if let Some(step_ms) = self.step_ms(now) {
            let steps = if step_ms > 0 { &meters.steps_forward } else { &meters.steps_back };
            steps.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(step_ms, now = %now.wall, "the wall clock has stepped");
        }
    }
}

/// Whether the store refuses, so that the log says it once, and once when it is
/// over.
struct Refusing(bool);

impl Refusing {
    fn now(&mut self, refusing: bool, reason: &str) {
        if self.0 != refusing {
            self.0 = refusing;
            if refusing {
                tracing::error!(reason, "the store refuses to write; emissions are answered 503");
            } else {
                tracing::info!("the store writes again");
            }
        }
    }
}

struct FailOnPanic(Arc<Shared>);

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer panicked, see the log".to_owned());
        }
    }
}

impl Shared {
    /// Closes the store for good and tells everyone who waits.
    fn fail(&self, reason: String) {
        if matches!(&*self.health.borrow(), Health::Failed(_)) {
            return;
        }
        tracing::error!(reason, "the store has failed; nothing more is accepted until a restart");
        self.failed.store(true, Ordering::SeqCst);
        self.intake.close(Refusal::Failed(reason.clone()));
        self.health.send_replace(Health::Failed(reason.clone()));
        let mut rest = Vec::new();
        self.intake.take(&mut rest);
        for job in rest {
            job.answer(Outcome::Refused(Refusal::Failed(reason.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use houseful_model::Millis;

    use super::*;

    #[test]
    fn a_step_is_seen_once_and_drift_is_none() {
        let at = |wall: i64, mono_ms: u64| Arrival {
            wall: Millis(1_000_000 + wall),
            mono_ms,
            at: Instant::now(),
        };
        let mut clocks = Clocks::new(at(0, 0));
        let rows = [
            (at(5_000, 5_000), None),
            (at(11_000, 10_000), None),
            (at(3_611_000, 11_000), Some(3_600_000)),
            (at(3_612_000, 12_000), None),
            (at(13_000, 13_000), Some(-3_600_000)),
        ];
        for (now, want) in rows {
            assert_eq!(clocks.step_ms(now), want, "{now:?}");
        }
    }
}
