//! The one thread that decides what is stored.
//!
//! It runs at its own pace: it takes all that has come meanwhile, stores it in
//! one transaction with one sync, tells the cache, then answers everybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use houseful_model::Reading;

use crate::intake::Job;
use crate::sqlite::checkpoint::{self, Checkpoints};
use crate::sqlite::write::{Applied, WriteConnection};
use crate::store::{Health, Shared};
use crate::{Outcome, Refusal, StoreError};

/// A commit begins at the earliest this long after the last one began. An idle
/// collector answers at once, a busy one shares its syncs: a commit costs ten
/// times what a row in it costs.
const COMMIT_INTERVAL_MIN: Duration = Duration::from_millis(1);

pub(crate) struct Writer {
    connection: WriteConnection,
    shared: Arc<Shared>,
    checkpoints: Checkpoints,
    refusing: Refusing,
}

impl Writer {
    pub(crate) fn new(connection: WriteConnection, shared: Arc<Shared>) -> Writer {
        Writer {
            connection,
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
            if self.commit(&mut batch).is_err() {
                return;
            }
            self.checkpoints.run_if_due(&self.connection, &self.shared.readers_gate);
        }
        self.connection.finish();
    }

    /// Empties the batch: each job of it is answered.
    ///
    /// # Errors
    /// If the store has failed, after everyone in the batch was told.
    fn commit(&mut self, batch: &mut Vec<Job>) -> Result<(), StoreError> {
        // Copies that came while their original was being synced.
        let recent = &self.shared.recent;
        let known =
            |job: &mut Job| recent.is_copy(job.fingerprint, job.item.t, job.item.arrived_mono_ms);
        for copy in batch.extract_if(.., known) {
            copy.answer(Outcome::Duplicate);
        }
        if batch.is_empty() {
            return Ok(());
        }
        match self.connection.apply(batch, recent) {
            Ok(applied) => {
                self.remember(batch, &applied);
                for (job, applied) in batch.drain(..).zip(applied) {
                    answer(job, applied);
                }
                self.refusing.now(false, "");
                self.shared.set_refusing(None);
                Ok(())
            }
            Err(error) => {
                let reason = error.reason();
                let is_unknown = matches!(error, StoreError::Unknown(_));
                let refusal = if is_unknown {
                    // Before anyone is told: whoever asks after that, at any
                    // door, finds the store failed.
                    self.shared.fail(reason.clone());
                    Refusal::Failed(reason)
                } else {
                    self.refusing.now(true, &reason);
                    self.shared.set_refusing(Some(reason.clone()));
                    Refusal::Unavailable(reason)
                };
                for job in batch.drain(..) {
                    job.answer(Outcome::Refused(refusal.clone()));
                }
                if is_unknown {
                    return Err(error);
                }
                checkpoint::make_room(&self.connection);
                Ok(())
            }
        }
    }

    /// Tells the cache what is on disk now.
    fn remember(&self, batch: &[Job], applied: &[Applied]) {
        let now_mono_ms = self.shared.mono_ms();
        for (job, applied) in batch.iter().zip(applied) {
            if let Applied::Stored(_) = applied {
                let item = &job.item;
                self.shared.recent.remember(
                    job.fingerprint,
                    item.t,
                    item.arrived_mono_ms,
                    now_mono_ms,
                );
                self.shared.newest_t_ms.fetch_max(item.t.0, Ordering::Relaxed);
            }
        }
    }
}

fn answer(job: Job, applied: Applied) {
    let Job { item, answer, .. } = job;
    let outcome = match applied {
        Applied::Stored(id) => {
            Outcome::Stored(Box::new(Reading { id, heard_at: item.t, emission: item.emission }))
        }
        Applied::Copy => Outcome::Duplicate,
    };
    // The client may have hung up; what was stored stays stored.
    drop(answer.send(outcome));
}

fn pause_until(moment: Option<Instant>) {
    if let Some(pause) = moment.map(|moment| moment.saturating_duration_since(Instant::now()))
        && !pause.is_zero()
    {
        std::thread::sleep(pause);
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
        tracing::error!(reason, "the store has failed; nothing more is accepted until a restart");
        self.intake.close(Refusal::Failed(reason.clone()));
        self.health.send_replace(Health::Failed(reason.clone()));
        let mut rest = Vec::new();
        self.intake.take(&mut rest);
        for job in rest {
            job.answer(Outcome::Refused(Refusal::Failed(reason.clone())));
        }
    }
}
