//! The bounded queue between the doors and the writer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use houseful_model::Reading;
use tokio::sync::oneshot;

use crate::{Fingerprint, Item, Outcome, Refusal};

/// An item, and where its answer goes. The writer owns both: a client that
/// hangs up cancels nothing.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) item: Item,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Job {
    pub(crate) fn answer(self, outcome: Outcome) {
        // The client may have hung up; what was decided stands all the same.
        drop(self.answer.send(outcome));
    }

    pub(crate) fn answer_stored(self, id: i64) {
        let Job { item: Item { emission, t, .. }, answer, .. } = self;
        let reading = Reading { id, heard_at: t, emission };
        drop(answer.send(Outcome::Stored(Box::new(reading))));
    }
}

/// The queue. First in, first out; never longer than its bound.
#[derive(Debug)]
pub(crate) struct Intake {
    queue: Mutex<Queue>,
    filled: Condvar,
    len_max: usize,
}

#[derive(Debug)]
struct Queue {
    jobs: Vec<Job>,
    /// Why nothing is taken any more.
    closed: Option<Refusal>,
}

impl Intake {
    pub(crate) fn new(len_max: usize) -> Intake {
        let queue = Queue { jobs: Vec::new(), closed: None };
        Intake { queue: Mutex::new(queue), filled: Condvar::new(), len_max }
    }

    /// Queues a job, or says why not; never waits.
    pub(crate) fn push(&self, job: Job) -> Result<(), Refusal> {
        let mut queue = self.lock();
        if let Some(refusal) = &queue.closed {
            return Err(refusal.clone());
        }
        if queue.jobs.len() >= self.len_max {
            return Err(Refusal::QueueFull);
        }
        queue.jobs.push(job);
        let was_empty = queue.jobs.len() == 1;
        drop(queue);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until something is queued; `false` when the queue is closed and
    /// empty.
    pub(crate) fn wait(&self) -> bool {
        let mut queue = self.lock();
        while queue.jobs.is_empty() {
            if queue.closed.is_some() {
                return false;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Moves all that is queued, in order, to the empty `batch`.
    pub(crate) fn take(&self, batch: &mut Vec<Job>) {
        debug_assert!(batch.is_empty());
        std::mem::swap(&mut self.lock().jobs, batch);
    }

    /// Takes nothing more, and says `refusal` to those who try. The first
    /// reason stands.
    pub(crate) fn close(&self, refusal: Refusal) {
        self.lock().closed.get_or_insert(refusal);
        self.filled.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No statement under this lock can panic halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
