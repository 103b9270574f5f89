//! A body as it comes over the wire, within limits on its size and on its
//! client's progress.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::watch;

use super::run::End;
use super::turns::{Pace, TooSlow};

/// The largest body on the wire, in bytes.
pub(super) const WIRE_BYTES_MAX: u64 = 64 << 20;

/// How long a client may pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// For how long a drain lets a client go on; less than the collector's own
/// patience, so that it is answered.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Bytes(Bytes),
    /// The body's end, in order.
    End,
    /// Nothing within the time that was asked for.
    Nothing,
}

/// A body that is being received.
pub(super) struct Incoming {
    body: Body,
    received_bytes: u64,
    pace: Pace,
    /// Ends when a drain is over for this client.
    drained: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Incoming {
    pub(super) fn new(body: Body, pace: Pace, mut stopping: watch::Receiver<bool>) -> Incoming {
        let drained = async move {
            // A sender that is gone says as much.
            drop(stopping.wait_for(|stopping| *stopping).await);
            tokio::time::sleep(DRAIN_MAX).await;
        };
        Incoming { body, received_bytes: 0, pace, drained: Box::pin(drained) }
    }

    /// The client's turn, and how fast it was.
    pub(super) fn into_pace(self) -> Pace {
        self.pace
    }

    /// Waits for more, at most so long if a limit is given.
    ///
    /// # Errors
    /// Why nothing more is waited for.
    pub(super) async fn next(&mut self, limit: Option<Duration>) -> Result<Next, End> {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let receive =
            self.pace.wait(receive(&mut self.body), Some(limit.unwrap_or(PAUSE_MAX)), |received| {
                received.as_ref().map_or(0, len)
            });
        let received = tokio::select! {
            biased;
            () = &mut self.drained => return Err(End::Stopping),
            received = receive => received,
        };
        let received = received.map_err(|TooSlow(expected)| End::slow(expected))?.transpose()?;
        let len = received.as_ref().map_or(0, len);
        self.received_bytes += len as u64;
        if self.received_bytes > WIRE_BYTES_MAX {
            return Err(End::TooLarge(too_large()));
        }
        match received {
            Some(Some(bytes)) => Ok(Next::Bytes(bytes)),
            Some(None) => Ok(Next::End),
            None if limit.is_some() => Ok(Next::Nothing),
            None => {
                let seconds = PAUSE_MAX.as_secs();
                Err(End::Late(format!("body: expected more within {seconds} s")))
            }
        }
    }
}

/// The next bytes of a body, or `None` at its end. Nothing is lost if the wait is
/// given up.
async fn receive(body: &mut Body) -> Result<Option<Bytes>, End> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => {
                let error = "body: broken framing, or the connection ended";
                return Err(End::Broken(error.to_owned()));
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                // Trailers say nothing that we ask.
                Err(_) => continue,
            },
        }
    }
}

/// What a larger body is told.
pub(super) fn too_large() -> String {
    format!("body: expected at most {WIRE_BYTES_MAX} bytes")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::serve::batch::turns::Turns;
    use crate::serve::chunks::Chunks;

    /// How a body ends that comes in so many pieces of such a length, one after each
    /// such time; and after how many seconds. Others wait for their turn, or none.
    async fn paced(
        pieces: usize,
        len: usize,
        every: Duration,
        others_wait: bool,
    ) -> (Result<(), End>, u64) {
        let turns = Arc::new(Turns::default());
        let (_stop, stopping) = watch::channel(false);
        let turn = turns.clone().wait(16, stopping.clone()).await.unwrap();
        let others = others_wait.then(|| {
            let stopping = stopping.clone();
            tokio::spawn(async move {
                loop {
                    drop(turns.clone().wait(1, stopping.clone()).await);
                }
            })
        });
        let permit = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        let (sender, chunks) = Chunks::new(permit);
        let mut incoming = Incoming::new(Body::new(chunks), Pace::new(turn), stopping);
        tokio::spawn(async move {
            for _ in 0..pieces {
                tokio::time::sleep(every).await;
                if sender.send(Ok(vec![b'x'; len].into())).await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let end = loop {
            match incoming.next(None).await {
                Ok(Next::End) => break Ok(()),
                Ok(_) => {}
                Err(end) => break Err(end),
            }
        };
        others.inspect(tokio::task::JoinHandle::abort);
        (end, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_asked_for_and_no_more() {
        let late = |text: &str| Err(End::Late(text.to_owned()));
        let slow = "body: expected at least 1 KiB/s over a minute";
        let second = Duration::from_secs(1);
        assert_eq!(paced(100, 1, 9 * second, false).await, (late(slow), 60));
        assert_eq!(paced(1_000, 1_000, second, false).await, (late(slow), 60));
        // For as long as it likes.
        assert_eq!(paced(1_000, 1_100, second, false).await, (Ok(()), 1_000));
        assert_eq!(paced(7, 10 << 10, 9 * second, false).await, (Ok(()), 63));
        let paused = "body: expected more within 10 s";
        assert_eq!(paced(2, 1 << 20, 11 * second, false).await, (late(paused), 10));
    }

    #[tokio::test(start_paused = true)]
    async fn more_is_asked_for_while_others_wait() {
        let slow = "body: expected at least 64 KiB/s over 10 s while other batches wait";
        let slow = Err(End::Late(slow.to_owned()));
        let second = Duration::from_secs(1);
        assert_eq!(paced(100, 60_000, second, true).await, (slow, 10));
        assert_eq!(paced(100, 60_000, second, false).await, (Ok(()), 100));
        assert_eq!(paced(100, 80_000, second, true).await, (Ok(()), 100));
    }
}
