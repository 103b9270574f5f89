//! One client's feed, from its first byte to its last.

use std::time::Duration;

use axum::body::Bytes;
use tokio::time::{Instant, timeout};

use super::pump::{Attached, Portion};
use super::{FALLEN_BEHIND_MAX, Wanted, event};
use crate::serve::chunks::Sender;

/// When nothing was sent for so long, a heartbeat is: a proxy gives up after a
/// minute, and a client that has gone is found.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A client that takes nothing for so long, while something is there, is let
/// go. Less than a connection may leave an answer unread, so that it can be told.
const STALL_MAX: Duration = Duration::from_secs(5);

/// What is sent at once, about.
const CHUNK_BYTES: usize = 16 * 1024;

/// A feed that runs.
pub(super) struct Follow {
    pub(super) attached: Attached,
    pub(super) wanted: Wanted,
    /// The client has all that it wants up to this id.
    pub(super) place: i64,
    pub(super) chunks: Sender,
}

/// Why a client is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Dropped {
    /// It reads nothing.
    Stalled,
    /// It reads less than is stored.
    Behind,
    /// The store cannot be read.
    Unreadable,
}

impl Dropped {
    /// In the order of their numbers.
    pub(in crate::serve) const ALL: [Dropped; 3] =
        [Dropped::Stalled, Dropped::Behind, Dropped::Unreadable];

    /// For a metric's label.
    pub(in crate::serve) fn word(self) -> &'static str {
        match self {
            Dropped::Stalled => "stalled",
            Dropped::Behind => "behind",
            Dropped::Unreadable => "unreadable",
        }
    }

    /// What the client is told.
    fn reason(self) -> String {
        match self {
            Dropped::Stalled => {
                format!("too slow: nothing was read for {} s", STALL_MAX.as_secs())
            }
            Dropped::Behind => {
                format!("too slow: more than {FALLEN_BEHIND_MAX} readings behind the newest")
            }
            Dropped::Unreadable => "the store cannot be read".to_owned(),
        }
    }
}

impl Follow {
    /// Ends when the client is gone, or let go, which is noted before it is told.
    pub(super) async fn run(mut self, first: Vec<u8>, note: impl FnOnce(Dropped)) {
        let gone = self.chunks.clone();
        tokio::select! {
            biased;
            () = gone.closed() => {}
            why = self.follow(first) => {
                note(why);
                let last_id = self.place;
                tracing::debug!(why = why.word(), last_id, "a feed is let go");
                let last = Bytes::from(event::dropped(&why.reason(), last_id));
                // If it does not read this either, the connection's own limit
                // ends it.
                drop(self.chunks.send(Ok(last)).await);
            }
        }
    }

    async fn follow(&mut self, first: Vec<u8>) -> Dropped {
        let mut text = first;
        let mut portion = Portion { place: self.place, more: true };
        let mut sent_at = Instant::now();
        loop {
            if text.is_empty() && sent_at.elapsed() >= HEARTBEAT {
                text = event::heartbeat(portion.place);
            }
            if !text.is_empty() {
                match timeout(STALL_MAX, self.chunks.reserve()).await {
                    Ok(Ok(permit)) => {
                        // It may wait: without what it has reserved to grow.
                        let chunk = std::mem::take(&mut text).into_boxed_slice();
                        permit.send(Ok(chunk.into()));
                    }
                    // Gone, which our caller sees, too.
                    Ok(Err(_)) => std::future::pending().await,
                    Err(_) => return Dropped::Stalled,
                }
                sent_at = Instant::now();
            }
            self.place = portion.place;
            if !portion.more {
                tokio::select! {
                    readable = self.attached.more() => if !readable {
                        return Dropped::Unreadable;
                    },
                    () = tokio::time::sleep_until(sent_at + HEARTBEAT) => continue,
                }
            }
            let newest_id = self.attached.newest_id();
            if newest_id - self.place > FALLEN_BEHIND_MAX {
                return Dropped::Behind;
            }
            let taken = self.attached.take(self.place, &self.wanted, CHUNK_BYTES, &mut text);
            portion = match taken.await {
                Ok(portion) => portion,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot read what a feed lacks"
                    );
                    return Dropped::Unreadable;
                }
            };
        }
    }
}
