//! One reader of what is new, for all feeds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use houseful_store::{ReadError, Store};
use tokio::sync::{Semaphore, watch};

use super::Wanted;
use super::event::Event;
use super::ring::{Ring, Taken};

/// New readings read at once.
const PAGE: usize = 256;

/// Old ones: so few that what waits for a client stays small. Usually 450 bytes
/// each, and 1.5 KiB at most.
const OLD_PAGE: usize = 32;

/// A pause between two looks. Nobody sees it, and at 1,000 commits a second the
/// feeds cost a tenth of what they would.
const PAUSE: Duration = Duration::from_millis(10);

/// A pause after the store could not be read.
const PAUSE_TROUBLE: Duration = Duration::from_secs(1);

/// Reads each new reading once, for all, while there is a feed.
pub(super) struct Pump {
    store: Arc<Store>,
    /// The id stored last.
    newest_id: watch::Receiver<i64>,
    state: Mutex<State>,
    /// Sent each time that the ring has more, and when it cannot have more.
    pumped: watch::Sender<Pumped>,
    /// Held by the feed that reads old readings. One at a time, so that queries
    /// and the pump find the store's other reader free.
    catch_up: Semaphore,
}

struct State {
    feeds: usize,
    is_running: bool,
    ring: Ring,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
enum Pumped {
    More,
    /// What is new cannot be read.
    Nothing,
}

impl Pump {
    pub(super) fn new(store: Arc<Store>) -> Arc<Pump> {
        Arc::new(Pump {
            newest_id: store.watch_newest_id(),
            store,
            state: Mutex::new(State { feeds: 0, is_running: false, ring: Ring::new(0) }),
            pumped: watch::Sender::new(Pumped::More),
            catch_up: Semaphore::new(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id stored last.
    fn newest_id(&self) -> i64 {
        *self.newest_id.borrow()
    }

    /// Takes part; the first one starts it.
    pub(super) fn attach(self: &Arc<Pump>) -> Attached {
        let mut state = self.lock();
        state.feeds += 1;
        if !state.is_running {
            state.is_running = true;
            // Older ones are in the store.
            state.ring = Ring::new(self.newest_id());
            tokio::spawn(self.clone().run());
        }
        drop(state);
        Attached { pumped: self.pumped.subscribe(), pump: self.clone() }
    }

    /// Ends at the first commit that finds no feed.
    async fn run(self: Arc<Pump>) {
        let mut newest_id = self.newest_id.clone();
        loop {
            let to = *newest_id.borrow_and_update();
            while let Some(after) = self.left_to_pump(to) {
                match self.events(after, to, PAGE).await {
                    Ok((events, to)) => {
                        self.lock().ring.extend(events, to);
                        self.pumped.send_replace(Pumped::More);
                    }
                    Err(error) => {
                        report(&error);
                        // They are let go, and come back; with the first one, it
                        // is tried again.
                        self.pumped.send_replace(Pumped::Nothing);
                        tokio::time::sleep(PAUSE_TROUBLE).await;
                        if self.stop_if_unwatched() {
                            return;
                        }
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
            if newest_id.changed().await.is_err() || self.stop_if_unwatched() {
                return;
            }
        }
    }

    /// The id to go on after, if something is left.
    fn left_to_pump(&self, to: i64) -> Option<i64> {
        let pumped_to = self.lock().ring.to();
        (pumped_to < to).then_some(pumped_to)
    }

    fn stop_if_unwatched(&self) -> bool {
        let mut state = self.lock();
        if state.feeds == 0 {
            state.is_running = false;
            state.ring = Ring::new(0);
        }
        !state.is_running
    }

    /// At most `limit` that were stored after `after`, up to `to`; and the id
    /// up to which these are all.
    async fn events(
        &self,
        after: i64,
        to: i64,
        limit: usize,
    ) -> Result<(Vec<Event>, i64), ReadError> {
        let store = self.store.clone();
        let read = move || {
            let readings = store.read(|reader| reader.after_id(after, to, limit))?;
            let last = readings.last().filter(|_| readings.len() == limit);
            Ok((readings.iter().map(Event::of).collect(), last.map_or(to, |last| last.id)))
        };
        // Off the async threads, which must never wait for the disk.
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(ReadError::Closed))
    }
}

fn report(error: &ReadError) {
    // The collector may be at its end.
    if !matches!(error, ReadError::Closed) {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "cannot read what is new for the feeds");
    }
}

/// A feed's part in it.
pub(super) struct Attached {
    pump: Arc<Pump>,
    pumped: watch::Receiver<Pumped>,
}

/// What a feed gets.
pub(super) struct Portion {
    /// It has all up to here.
    pub(super) place: i64,
    /// Whether there may be more already.
    pub(super) more: bool,
}

impl Attached {
    /// Appends what is wanted of what was stored after `place`, until the text
    /// has `bytes_min`, or a page of old ones was read.
    pub(super) async fn take(
        &mut self,
        place: i64,
        wanted: &Wanted,
        bytes_min: usize,
        text: &mut Vec<u8>,
    ) -> Result<Portion, ReadError> {
        // Before the look: what comes after it is news.
        self.pumped.mark_unchanged();
        let taken = self.pump.lock().ring.take(place, wanted, bytes_min, text);
        match taken {
            Taken::UpTo { place, more } => Ok(Portion { place, more }),
            Taken::Behind { ring_after } => {
                // It is never closed.
                let _one_at_a_time = self.pump.catch_up.acquire().await.ok();
                let (events, place) = self.pump.events(place, ring_after, OLD_PAGE).await?;
                for event in events.iter().filter(|event| wanted.has(event)) {
                    text.extend_from_slice(&event.text);
                }
                Ok(Portion { place, more: true })
            }
        }
    }

    /// Waits until there may be more. False: what is new cannot be read.
    pub(super) async fn more(&mut self) -> bool {
        // The sender lives as long as the pump, which we hold.
        self.pumped.changed().await.is_ok() && matches!(*self.pumped.borrow(), Pumped::More)
    }

    /// The id stored last.
    pub(super) fn newest_id(&self) -> i64 {
        self.pump.newest_id()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.pump.lock().feeds -= 1;
    }
}

#[cfg(test)]
mod tests {
    use houseful_store::Options;

    use super::*;
    use crate::serve::ingest::Ingest;

    /// A store that has a reading and cannot be read.
    async fn closed_store(dir: &tempfile::TempDir) -> Arc<Store> {
        let options = Options { window: Duration::from_secs(4) };
        let store = Arc::new(Store::open(&dir.path().join("houseful.db"), options).unwrap());
        let ingest = Ingest::new(store.clone());
        let arrival = ingest.arrival();
        let answer = ingest.post(br#"{"badge_id": "b", "pi_id": "32"}"#, arrival);
        assert_eq!(ingest.reply(answer, arrival).await.status, 201);
        store.close();
        store
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_cannot_be_read_is_told_and_the_pump_ends() {
        let dir = tempfile::tempdir().unwrap();
        let pump = Pump::new(closed_store(&dir).await);
        let mut attached = pump.attach();
        // As if it had been stored after the feed began.
        pump.lock().ring = Ring::new(0);
        assert!(!attached.more().await);
        drop(attached);
        while pump.lock().is_running {
            tokio::time::sleep(PAUSE_TROUBLE).await;
        }
        let mut text = Vec::new();
        let taken = pump.attach().take(0, &Wanted::default(), 1, &mut text).await;
        assert!(matches!(taken, Err(ReadError::Closed)));
        assert_eq!(text, b"");
    }
}
