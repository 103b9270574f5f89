//! How many lists are told at once, and what a slow client may hold.
//!
//! A client that reads slowly holds what waits for it. So lists have places, and
//! two kinds of them: a short answer is in memory as a whole, takes a place among
//! many, and is out of it as fast as the network takes it; a long one holds a
//! page or two for as long as its client reads, and there are few of those. Who
//! finds all taken waits a while. Meanwhile a client that is too slow loses its
//! place: whoever would watch residents comes before who lets an answer lie.
//!
//! In memory, then: 32 MiB of short answers at most, and for each of the 16 long
//! ones three pages (of 500 readings, some 100 to 300 KiB); for a few seconds one
//! page of each that turned out long and waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::chunks::{Chunks, Sender};
use super::reply::Reply;

/// Short answers at once, of so many bytes.
const SHORT_MAX: usize = 128;
const SHORT_BYTES_MAX: usize = 256 * 1024;

/// Long lists at once.
const LONG_MAX: usize = 16;

/// How long who finds all places taken waits for one.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// For so long after someone had to wait a place is missed.
const MISSED_FOR: Duration = Duration::from_secs(20);

/// A client is watched for so long at a time.
pub(super) const WATCHED: Duration = Duration::from_secs(10);

/// What it takes meanwhile, or another may have its place: 64 KiB a second.
pub(super) const WATCHED_BYTES_MIN: u64 = 10 * 64 * 1024;

/// All lists.
#[derive(Debug)]
pub(super) struct Lists {
    short: Arc<Places>,
    long: Arc<Places>,
}

impl Lists {
    pub(super) fn new() -> Lists {
        Lists { short: Arc::new(Places::new(SHORT_MAX)), long: Arc::new(Places::new(LONG_MAX)) }
    }

    /// How many are being told.
    pub(super) fn open(&self) -> usize {
        self.short.taken() + self.long.taken()
    }

    /// Takes a place for a short answer, before it is looked up.
    ///
    /// # Errors
    /// 503 if none gets free.
    pub(super) async fn short(&self) -> Result<Place, Reply> {
        Places::take(&self.short).await
    }

    /// Takes a place for a long one instead.
    ///
    /// # Errors
    /// 503 if none gets free.
    pub(super) async fn long(&self, short: Place) -> Result<Place, Reply> {
        let long = Places::take(&self.long).await;
        drop(short);
        long
    }

    /// Keeps a place for a whole answer of so many bytes, or takes another one.
    ///
    /// # Errors
    /// 503 if it needs another one, and none gets free.
    pub(super) async fn whole(&self, place: Place, bytes: usize) -> Result<Place, Reply> {
        let is_long = bytes > SHORT_BYTES_MAX && Arc::ptr_eq(&place.among, &self.short);
        if is_long { self.long(place).await } else { Ok(place) }
    }
}

/// Places of one kind.
#[derive(Debug)]
pub(super) struct Places {
    permits: Arc<Semaphore>,
    max: usize,
    /// When someone last found all of them taken.
    missed: Mutex<Option<Instant>>,
}

impl Places {
    fn new(max: usize) -> Places {
        Places { permits: Arc::new(Semaphore::new(max)), max, missed: Mutex::new(None) }
    }

    fn taken(&self) -> usize {
        self.max.saturating_sub(self.permits.available_permits())
    }

    async fn take(places: &Arc<Places>) -> Result<Place, Reply> {
        let permits = places.permits.clone();
        let permit = match permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                *places.missed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now());
                match tokio::time::timeout(WAIT_MAX, permits.acquire_owned()).await {
                    Ok(Ok(permit)) => permit,
                    Ok(Err(_)) | Err(_) => {
                        return Err(Reply::error(503, "too many lists are being read"));
                    }
                }
            }
        };
        Ok(Place { permit, among: places.clone() })
    }

    /// Whether someone else would have one: waits, or was refused and will be back.
    pub(super) fn are_missed(&self) -> bool {
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_some_and(|at| at.elapsed() <= MISSED_FOR)
    }
}

/// A place; given back when its answer is sent, or its client is gone.
#[derive(Debug)]
pub(super) struct Place {
    permit: OwnedSemaphorePermit,
    among: Arc<Places>,
}

impl Place {
    /// An answer that holds it, and where its chunks go in. The connection finds
    /// in its extensions among which places it is.
    pub(super) fn answer(self) -> (Sender, Response) {
        let (sender, body) = Chunks::new(self.permit);
        let mut response = Response::new(Body::new(body));
        response.extensions_mut().insert(self.among);
        (sender, response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_all_taken_waits_a_while() {
        let lists = Lists::new();
        let mut held = Vec::new();
        for _ in 0..LONG_MAX {
            let short = lists.short().await.unwrap();
            held.push(lists.long(short).await.unwrap());
        }
        assert_eq!((lists.open(), lists.long.are_missed()), (LONG_MAX, false));
        let began = Instant::now();
        let short = lists.short().await.unwrap();
        let refused = lists.long(short).await.map(drop).unwrap_err();
        assert_eq!((refused.status, began.elapsed() >= WAIT_MAX), (503, true));
        assert!(lists.long.are_missed() && !lists.short.are_missed());

        // A short answer needs none of them; one that turns out long does.
        let short = lists.short().await.unwrap();
        let short = lists.whole(short, SHORT_BYTES_MAX).await.unwrap();
        assert_eq!(lists.short.taken(), 1);
        let given_back = async {
            tokio::time::sleep(WAIT_MAX / 2).await;
            drop(held.pop());
        };
        let (long, ()) = tokio::join!(lists.whole(short, SHORT_BYTES_MAX + 1), given_back);
        assert!(long.is_ok());
        assert_eq!((lists.short.taken(), lists.long.taken()), (0, LONG_MAX));

        tokio::time::sleep(MISSED_FOR).await;
        assert!(!lists.long.are_missed(), "nobody came lately");
    }
}
