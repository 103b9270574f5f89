//! What a connection has received and not yet consumed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// One read takes at most this much, into a buffer that all connections of a
/// thread share: an idle connection holds none.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8; READ_BYTES]>> = RefCell::new(Box::new([0; READ_BYTES]));
}

/// Why a read ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// There is more to look at.
    Bytes,
    /// The client will send nothing more.
    End,
    /// The connection broke.
    Lost,
    /// The deadline passed.
    Late,
    /// The collector drains and no request has begun.
    Stopping,
}

type StoppingSeen = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

pub(super) struct Input {
    received: Vec<u8>,
    consumed: usize,
    /// How much of the unconsumed bytes has been searched for a head's end.
    searched: usize,
    stopping: watch::Receiver<bool>,
    /// Resolves when the collector drains. One for the connection's life, since
    /// each new one would take the channel's lock.
    stopping_seen: StoppingSeen,
    /// Armed at or before the deadline, and moved only when it goes off, so
    /// that a request costs no timer.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Input {
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Input {
        let mut seen = stopping.clone();
        let stopping_seen = Box::pin(async move {
            if seen.wait_for(|stopping| *stopping).await.is_err() {
                // Nobody is left to say so: then it never happens.
                std::future::pending::<()>().await;
            }
        });
        Input {
            received: Vec::new(),
            consumed: 0,
            searched: 0,
            stopping,
            stopping_seen,
            alarm: None,
        }
    }

    /// What was received and not consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.received[self.consumed..]
    }

    pub(super) fn consume(&mut self, len: usize) {
        self.consumed += len;
        self.searched = 0;
        if self.consumed == self.received.len() {
            self.received.clear();
            self.received.shrink_to(super::IDLE_BUFFER_BYTES);
            self.consumed = 0;
        }
    }

    pub(super) fn into_rest(self) -> Vec<u8> {
        let mut received = self.received;
        received.drain(..self.consumed);
        received
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Whether another look at the head is worth it.
    ///
    /// It is at its first bytes, when an empty line came, and when it is long;
    /// not at each of the thousand pieces that a slow or wicked client sends,
    /// since each look begins at the beginning.
    pub(super) fn head_may_be_complete(&mut self) -> bool {
        let bytes = &self.received[self.consumed..];
        let searched = std::mem::replace(&mut self.searched, bytes.len());
        if searched == 0 {
            return !bytes.is_empty();
        }
        // An empty line may have begun in what was searched before.
        let new = &bytes[searched.saturating_sub(2)..];
        let ended = new.windows(2).any(|pair| pair == b"\n\n")
            || new.windows(3).any(|triple| triple == b"\n\r\n");
        ended || bytes.len() >= super::head::HEAD_BYTES_MAX
    }

    /// Waits for more bytes, until `deadline`.
    pub(super) async fn read<S>(&mut self, stream: &mut S, deadline: Instant) -> Wake
    where
        S: AsyncRead + Unpin,
    {
        if self.consumed > 0 {
            self.received.drain(..self.consumed);
            self.consumed = 0;
        }
        let idle = self.received.is_empty();
        let Input { received, stopping_seen, alarm, .. } = self;
        poll_fn(|cx| {
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(&mut scratch[..]);
                let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
                received.extend_from_slice(buffer.filled());
                read.map_ok(|()| buffer.filled().len())
            });
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Wake::End),
                Poll::Ready(Ok(_)) => return Poll::Ready(Wake::Bytes),
                Poll::Ready(Err(_)) => return Poll::Ready(Wake::Lost),
                Poll::Pending => {}
            }
            if idle && stopping_seen.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Stopping);
            }
            let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if alarm.deadline() > deadline {
                alarm.as_mut().reset(deadline);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(Wake::Late);
                }
                alarm.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}
