//! A body as it comes over the wire, within limits on its size and on its
//! client's progress.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::run::End;

/// The largest body on the wire, in bytes.
pub(super) const WIRE_BYTES_MAX: u64 = 64 << 20;

/// How long a client may pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// In so long a time of our waiting for it, a client sends [`PACE_BYTES_MIN`].
const PACE_TIME: Duration = Duration::from_secs(60);

/// 1 KiB a second.
const PACE_BYTES_MIN: usize = 60 << 10;

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

/// How fast a client sends, counted only while we wait for it: its bytes may
/// also wait for us.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Incoming {
    pub(super) fn new(body: Body, mut stopping: watch::Receiver<bool>) -> Incoming {
        let drained = async move {
            // A sender that is gone says as much.
            drop(stopping.wait_for(|stopping| *stopping).await);
            tokio::time::sleep(DRAIN_MAX).await;
        };
        let (received_bytes, pace) = (0, Pace::default());
        Incoming { body, received_bytes, pace, drained: Box::pin(drained) }
    }

    /// Waits for more, at most so long if a limit is given.
    ///
    /// # Errors
    /// Why nothing more is waited for.
    pub(super) async fn next(&mut self, limit: Option<Duration>) -> Result<Next, End> {
        let began = Instant::now();
        let received = tokio::select! {
            biased;
            () = &mut self.drained => return Err(End::Stopping),
            received = receive(&mut self.body) => Some(received?),
            () = tokio::time::sleep(limit.unwrap_or(PAUSE_MAX)) => None,
        };
        let len = received.as_ref().and_then(Option::as_ref).map_or(0, Bytes::len);
        if !self.pace.note(began.elapsed(), len) {
            return Err(End::Late("body: expected at least 1 KiB/s over a minute".to_owned()));
        }
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

impl Pace {
    /// Notes what came after such a wait; `false` if that was too little for too
    /// long.
    fn note(&mut self, waited: Duration, len: usize) -> bool {
        self.waited += waited;
        self.bytes += len;
        if self.waited < PACE_TIME {
            return true;
        }
        std::mem::take(self).bytes >= PACE_BYTES_MIN
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::serve::chunks::Chunks;

    /// How a body ends that comes in so many pieces of such a length, one after each
    /// such time; and after how many seconds.
    async fn paced(pieces: usize, len: usize, every: Duration) -> (Result<(), End>, u64) {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (sender, chunks) = Chunks::new(permit);
        let (_stop, stopping) = watch::channel(false);
        let mut incoming = Incoming::new(Body::new(chunks), stopping);
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
        (end, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_asked_for_and_no_more() {
        let late = |text: &str| Err(End::Late(text.to_owned()));
        let slow = "body: expected at least 1 KiB/s over a minute";
        let second = Duration::from_secs(1);
        assert_eq!(paced(100, 1, 9 * second).await, (late(slow), 63));
        assert_eq!(paced(1_000, 1_000, second).await, (late(slow), 60));
        // For as long as it likes.
        assert_eq!(paced(1_000, 1_024, second).await, (Ok(()), 1_000));
        assert_eq!(paced(7, 10 << 10, 9 * second).await, (Ok(()), 63));
        let paused = "body: expected more within 10 s";
        assert_eq!(paced(2, 1 << 20, 11 * second).await, (late(paused), 10));
    }
}
