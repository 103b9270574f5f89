//! What a connection has received and not yet consumed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use houseful_store::Arrival;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::serve::ingest::Ingest;

/// While an answer is awaited, nothing is received past this many bytes that
/// were not looked at.
const AHEAD_BYTES_MAX: usize = 32 * 1024;

/// So many arrivals are told apart.
const ARRIVALS_MAX: usize = 64;

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
    /// When what was received arrived: up to which byte of `received`, and when.
    arrivals: VecDeque<(usize, Arrival)>,
    ingest: Ingest,
    consumed: usize,
    /// Bytes that came while an answer was awaited, and were not looked at.
    has_ahead: bool,
    /// How the stream ended meanwhile.
    ended_ahead: Option<Wake>,
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
    pub(super) fn new(ingest: Ingest, stopping: watch::Receiver<bool>) -> Input {
        let mut seen = stopping.clone();
        let stopping_seen = Box::pin(async move {
            if seen.wait_for(|stopping| *stopping).await.is_err() {
                // Nobody is left to say so: then it never happens.
                std::future::pending::<()>().await;
            }
        });
        Input {
            received: Vec::new(),
            arrivals: VecDeque::new(),
            ingest,
            consumed: 0,
            has_ahead: false,
            ended_ahead: None,
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
            self.arrivals.clear();
            self.received.shrink_to(super::IDLE_BUFFER_BYTES);
            self.consumed = 0;
        } else if self.consumed >= READ_BYTES {
            // While more is received than read for, nobody else would.
            self.forget_consumed();
        }
    }

    /// When the first `len` bytes had arrived.
    pub(super) fn arrival(&self, len: usize) -> Arrival {
        let end = self.consumed + len;
        let arrived = self.arrivals.iter().find(|(to, _)| *to >= end);
        arrived.map_or_else(|| self.ingest.arrival(), |(_, arrival)| *arrival)
    }

    /// Consumes empty lines before a request, as HTTP asks of a server; each of
    /// them would else look like the end of a head.
    pub(super) fn skip_empty_lines(&mut self) {
        loop {
            let bytes = self.bytes();
            let len = if bytes.starts_with(b"\n") {
                1
            } else if bytes.starts_with(b"\r\n") {
                2
            } else {
                return;
            };
            self.consume(len);
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

    fn forget_consumed(&mut self) {
        let consumed = std::mem::take(&mut self.consumed);
        if consumed > 0 {
            self.received.drain(..consumed);
            self.arrivals.retain(|(to, _)| *to > consumed);
            self.arrivals.iter_mut().for_each(|(to, _)| *to -= consumed);
        }
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

    /// Waits for `answer`, and receives what comes meanwhile, within bounds: a
    /// request's time counts from its arrival, not from the last answer.
    pub(super) async fn receive_until<S, T>(
        &mut self,
        stream: &mut S,
        answer: impl Future<Output = T>,
    ) -> T
    where
        S: AsyncRead + Unpin,
    {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            while self.ended_ahead.is_none() && self.bytes().len() < AHEAD_BYTES_MAX {
                match self.poll_receive(stream, cx) {
                    Poll::Ready(Wake::Bytes) => self.has_ahead = true,
                    Poll::Ready(end) => self.ended_ahead = Some(end),
                    Poll::Pending => break,
                }
            }
            Poll::Pending
        })
        .await
    }

    fn poll_receive<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<Wake>
    where
        S: AsyncRead + Unpin,
    {
        let Input { received, arrivals, ingest, .. } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch[..]);
            match Pin::new(stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Wake::End),
                Poll::Ready(Ok(())) => {
                    received.extend_from_slice(buffer.filled());
                    let is_full = arrivals.len() >= ARRIVALS_MAX;
                    match arrivals.back_mut().filter(|_| is_full) {
                        // What drips in counts as come with an earlier drop.
                        Some((to, _)) => *to = received.len(),
                        None => arrivals.push_back((received.len(), ingest.arrival())),
                    }
                    Poll::Ready(Wake::Bytes)
                }
                Poll::Ready(Err(_)) => Poll::Ready(Wake::Lost),
                Poll::Pending => Poll::Pending,
            }
        })
    }

    /// Waits for more bytes, until `deadline`.
    pub(super) async fn read<S>(&mut self, stream: &mut S, deadline: Instant) -> Wake
    where
        S: AsyncRead + Unpin,
    {
        if std::mem::take(&mut self.has_ahead) {
            return Wake::Bytes;
        }
        if let Some(end) = self.ended_ahead.take() {
            return end;
        }
        self.forget_consumed();
        let idle = self.received.is_empty();
        poll_fn(|cx| {
            if let Poll::Ready(wake) = self.poll_receive(stream, cx) {
                return Poll::Ready(wake);
            }
            let Input { stopping_seen, alarm, .. } = &mut *self;
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

#[cfg(test)]
mod tests {
    use super::super::oracle::Bench;
    use super::*;

    /// A client that always sends on while it is answered, and always leaves a
    /// part of a request behind, so that the buffer is never empty.
    #[tokio::test]
    async fn what_was_consumed_is_forgotten_while_more_comes() {
        let front = Bench::new().front;
        let mut input = Input::new(front.ingest.clone(), front.stopping.clone());
        let mut stream = tokio::io::repeat(b'x');
        for _ in 0..100 {
            input.receive_until(&mut stream, tokio::task::yield_now()).await;
            let left = input.bytes().len();
            assert!((AHEAD_BYTES_MAX..AHEAD_BYTES_MAX + READ_BYTES).contains(&left), "{left}");
            while input.bytes().len() > 300 {
                input.consume(300);
            }
            let deadline = Instant::now() + std::time::Duration::from_secs(1);
            assert_eq!(input.read(&mut stream, deadline).await, Wake::Bytes);
            assert!(input.received.len() < 4 * READ_BYTES, "{} bytes", input.received.len());
            assert!(input.arrivals.iter().all(|(to, _)| *to <= input.received.len()));
        }
    }
}
