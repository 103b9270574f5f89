//! The bounded queue between the doors and the writer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use houseful_model::Reading;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{Fingerprint, Item, Outcome, Refusal};

/// An item, and where its answer goes. The writer owns both: a client that
/// hangs up cancels nothing.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) item: Item,
    pub(crate) answer: oneshot::Sender<Outcome>,
    /// Of a batch: held until it is answered.
    pub(crate) room: Option<Room>,
}

/// Room for one emission of a batch on its way to the writer and back, given
/// back with the answer.
#[derive(Debug)]
pub(crate) struct Room(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

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

/// The queue. First in, first out; never longer than its bounds.
///
/// Single emissions and those of batches are bounded apart, so that neither
/// finds the queue full of the other: a single one is refused at its bound, one
/// of a batch waits for [`Room`].
#[derive(Debug)]
pub(crate) struct Intake {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// Single emissions that may wait.
    len_max: usize,
    /// Emissions of batches that may be on their way.
    bulk_len_max: usize,
    rooms: Arc<Semaphore>,
}

#[derive(Debug)]
struct Queue {
    jobs: Vec<Job>,
    /// How many of them are of batches.
    bulk_len: usize,
    /// Why nothing is taken any more.
    closed: Option<Refusal>,
}

impl Intake {
    pub(crate) fn new(len_max: usize, bulk_len_max: usize) -> Intake {
        let queue = Queue { jobs: Vec::new(), bulk_len: 0, closed: None };
        let rooms = Arc::new(Semaphore::new(bulk_len_max));
        Intake { queue: Mutex::new(queue), filled: Condvar::new(), len_max, bulk_len_max, rooms }
    }

    /// Waits, in turn, until one more emission of a batch may be pushed.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub(crate) async fn room(&self) -> Room {
        let permit = self.rooms.clone().acquire_owned().await;
        Room(permit.expect("the semaphore is not closed"))
    }

    /// Queues a job, or says why not; never waits.
    pub(crate) fn push(&self, job: Job) -> Result<(), Refusal> {
        let mut queue = self.lock();
        if let Some(refusal) = &queue.closed {
            return Err(refusal.clone());
        }
        if job.room.is_some() {
            queue.bulk_len += 1;
        } else if queue.jobs.len() - queue.bulk_len >= self.len_max {
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
        let mut queue = self.lock();
        std::mem::swap(&mut queue.jobs, batch);
        queue.bulk_len = 0;
    }

    /// Takes nothing more, and says `refusal` to those who try. The first
    /// reason stands.
    pub(crate) fn close(&self, refusal: Refusal) {
        self.lock().closed.get_or_insert(refusal);
        self.filled.notify_one();
    }

    /// Single emissions that wait.
    pub(crate) fn len(&self) -> usize {
        let queue = self.lock();
        queue.jobs.len() - queue.bulk_len
    }

    /// Emissions of batches that have room and are not answered.
    pub(crate) fn bulk_len(&self) -> usize {
        self.bulk_len_max - self.rooms.available_permits()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No statement under this lock can panic halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use houseful_model::{Emission, Heard, Millis};

    use super::*;
    use crate::Item;

    fn job(room: Option<Room>) -> Job {
        let emission = Emission {
            badge_id: "a".into(),
            pi_id: "1".into(),
            beacons: Vec::new(),
            badge_strength: None,
            position: None,
            motion: None,
            opposite_badge_id: None,
            heard: Heard::OnArrival,
        };
        let item = Item { emission, t: Millis(0), arrived_mono_ms: None };
        Job { fingerprint: Fingerprint(0), item, answer: oneshot::channel().0, room }
    }

    #[tokio::test]
    async fn single_ones_and_batches_fill_their_own_part_only() {
        let intake = Intake::new(2, 3);
        for _ in 0..3 {
            intake.push(job(Some(intake.room().await))).unwrap();
        }
        intake.push(job(None)).unwrap();
        intake.push(job(None)).unwrap();
        assert_eq!(intake.push(job(None)), Err(Refusal::QueueFull));
        assert_eq!((intake.len(), intake.bulk_len()), (2, 3));

        // Taken is not answered: single ones find room, batches none yet.
        let mut batch = Vec::new();
        intake.take(&mut batch);
        intake.push(job(None)).unwrap();
        assert_eq!((intake.len(), intake.bulk_len()), (1, 3));
        for job in batch {
            job.answer(Outcome::Duplicate);
        }
        assert_eq!((intake.len(), intake.bulk_len()), (1, 0));
    }
}
