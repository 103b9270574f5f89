//! Who may send a batch now: some at once, the others wait for their turn. Who
//! has a turn makes progress, all the more while others wait.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use houseful_store::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::serve::ingest::Fault;
use crate::serve::refused::Reason;

/// Batches read at once: each holds a few MiB at most.
const TURNS: usize = 16;

/// How long a batch waits for its turn: longer than those before it may be slow.
const TURN_MAX: Duration = Duration::from_secs(30);

/// How often a slow client is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a client must do while nobody waits for its turn: 1 KiB/s.
const ALONE: Limit = Limit { time: Duration::from_secs(60), bytes: 60 << 10 };

/// And while somebody does: 64 KiB/s.
const WANTED: Limit = Limit { time: Duration::from_secs(10), bytes: 640 << 10 };

/// All turns there are.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    /// Batches that wait for one.
    waiting: AtomicUsize,
}

/// The right to send a batch and to take its answer.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    _permit: OwnedSemaphorePermit,
}

/// A batch that waits for its turn.
struct Waiting<'a>(&'a Turns);

/// A turn, and how fast its client is: counted only while we wait for it, since
/// it also waits for us.
#[derive(Debug)]
pub(super) struct Pace {
    turn: Turn,
    alone: Progress,
    wanted: Progress,
}

/// So many bytes in so long a time of waiting.
#[derive(Debug)]
struct Limit {
    time: Duration,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Progress {
    waited: Duration,
    bytes: usize,
}

/// A client is too slow; says what was expected of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow(pub(super) &'static str);

impl Default for Turns {
    fn default() -> Turns {
        Turns { free: Arc::new(Semaphore::new(TURNS)), waiting: AtomicUsize::new(0) }
    }
}

impl Turns {
    /// Waits, first come first served, for a turn that counts as so many.
    ///
    /// # Errors
    /// If none comes, or if the collector stops before.
    pub(super) async fn wait(
        self: Arc<Self>,
        weight: u32,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<Turn, Fault> {
        let waiting = Waiting::new(&self);
        let permit = timeout(TURN_MAX, self.free.clone().acquire_many_owned(weight));
        let permit = tokio::select! {
            biased;
            permit = permit => permit,
            // A sender that is gone says as much.
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Err(no_turn(Reason::Stopping, &Refusal::Stopping.to_string()));
            }
        };
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(Turn { turns: self, _permit: permit }),
            _ => Err(no_turn(Reason::QueueFull, "too many batches are being read")),
        }
    }
}

fn no_turn(reason: Reason, error: &str) -> Fault {
    Fault { reason, errors: vec![error.to_owned()] }
}

impl Waiting<'_> {
    fn new(turns: &Turns) -> Waiting<'_> {
        turns.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(turns)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    pub(super) fn new(turn: Turn) -> Pace {
        Pace { turn, alone: Progress::default(), wanted: Progress::default() }
    }

    /// Waits until its client is `ready`, at most for so long, if that is given.
    /// `len` tells how many bytes that moved.
    ///
    /// # Errors
    /// If it moves too few.
    pub(super) async fn wait<T>(
        &mut self,
        ready: impl Future<Output = T>,
        limit: Option<Duration>,
        len: impl FnOnce(&T) -> usize,
    ) -> Result<Option<T>, TooSlow> {
        let mut ready = pin!(ready);
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            let began = Instant::now();
            let look = began + LOOK;
            if let Ok(done) = timeout_at(end.unwrap_or(look).min(look), &mut ready).await {
                self.note(began.elapsed(), len(&done))?;
                return Ok(Some(done));
            }
            self.note(began.elapsed(), 0)?;
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
        }
    }

    fn note(&mut self, waited: Duration, bytes: usize) -> Result<(), TooSlow> {
        if !self.alone.note(waited, bytes, &ALONE) {
            return Err(TooSlow("at least 1 KiB/s over a minute"));
        }
        if self.turn.turns.waiting.load(Ordering::Relaxed) == 0 {
            self.wanted = Progress::default();
        } else if !self.wanted.note(waited, bytes, &WANTED) {
            return Err(TooSlow("at least 64 KiB/s over 10 s while other batches wait"));
        }
        Ok(())
    }
}

impl Progress {
    /// Notes what came after such a wait; `false` if that was too little for too
    /// long.
    fn note(&mut self, waited: Duration, bytes: usize, limit: &Limit) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < limit.time {
            return true;
        }
        std::mem::take(self).bytes >= limit.bytes
    }
}
