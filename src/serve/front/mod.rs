//! The hot door: owns each connection, frames its requests, answers well-framed
//! single POSTs itself, and hands everything else to hyper.
//!
//! ```text
//! read ─▶ look (head) ─▶ body complete ─▶ ingest ─▶ answers, in order ─▶ one write
//!           │ Other                         │ many per wake-up, if they are there
//!           ▼
//!         hyper + router, with what was read so far; one request, then closed
//! ```
//!
//! Why not hyper for all: it accepts `Content-Length` together with
//! `Transfer-Encoding`, cannot give its own errors our body, and costs more than
//! the job itself. It answers one request per connection, so each head that is
//! ever read was read here first. No business rule lives here.

mod head;
mod linger;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod rewind;
#[cfg(test)]
mod tests;
mod wire_in;

use std::sync::Arc;
use std::time::Duration;

use houseful_store::Arrival;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

use self::head::{Asks, Head, Keep, Look, is_emission, look};
pub(crate) use self::linger::linger;
pub(crate) use self::rewind::Rewind;
use self::wire_in::{Input, Wake};
use super::host::HostRule;
use super::ingest::{Answer, Ingest, Peer};
use super::reply::{After, Reply};
use super::router::Router;

pub(crate) use self::head::INGEST_PATH;

/// How long a connection may rest between requests: longer than a proxy keeps
/// its own side, usually 60 s.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(75);

/// How long a head may take from its first byte.
pub(crate) const HEAD_MAX: Duration = Duration::from_secs(10);

/// How long the body of a single POST may take from the end of its head.
pub(crate) const BODY_MAX: Duration = Duration::from_secs(10);

/// How long a client may leave an answer unread.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(10);

/// How long a client has, when the collector drains, to take what it asked to
/// see. What is not read by then is not waited for: it can be asked for again.
const LOOK_END_MAX: Duration = Duration::from_millis(500);

/// Pipelined requests answered with one write.
const PIPELINED_MAX: usize = 64;

/// Above this an idle connection gives its buffer back.
const IDLE_BUFFER_BYTES: usize = 1024;

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) ingest: Ingest,
    pub(crate) hosts: Arc<HostRule>,
    pub(crate) router: Router,
    /// Becomes true when the collector drains.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Why the loop over requests ended.
enum End {
    /// Nothing more is to be said.
    Close,
    /// An answer was sent to a client that may still be sending.
    Linger,
    /// The next request is not ours; its bytes are the input's. When its head
    /// arrived, and what it asks for.
    HandOver(Arrival, Asks),
}

impl Front {
    /// Serves one connection to its end.
    ///
    /// A lost connection is the client's affair: whatever was queued for it is
    /// stored all the same.
    pub(crate) async fn serve<S>(mut self, mut stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.ingest = self.ingest.of(peer);
        let mut input = Input::new(self.ingest.clone(), self.stopping.clone());
        match self.requests(&mut stream, &mut input).await {
            End::Close => {}
            End::Linger => linger(&mut stream).await,
            End::HandOver(arrival, asks) => {
                let stream = Rewind::new(input.into_rest(), stream);
                // It is answered for as long as its client listens; so a client that
                // shuts its side has gone, where others may only have finished asking.
                let half_close = asks != Asks::Feed;
                tokio::select! {
                    () = self.router.serve_one(stream, arrival, peer, half_close) => {}
                    () = overdue(self.stopping), if asks != Asks::Change => {}
                }
            }
        }
    }

    async fn requests<S>(&self, stream: &mut S, input: &mut Input) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = Request::default();
        let mut answers: Vec<Due> = Vec::new();
        let mut out = Vec::new();
        loop {
            let next = self.collect(input, &mut request, &mut answers);
            let mut end = None;
            let mut left = answers.len();
            for Due { answer, keep, arrival } in answers.drain(..) {
                left -= 1;
                let reply = self.ingest.reply(answer, arrival);
                let reply = input.receive_until(stream, reply).await;
                let draining = left == 0 && input.stopping();
                let last = reply.after == After::Close || keep == Keep::No || draining;
                reply.write_to(&mut out, connection_header(keep, last));
                if last {
                    end = Some(End::Linger);
                    break;
                }
            }
            if !out.is_empty() {
                match tokio::time::timeout(WRITE_MAX, stream.write_all(&out)).await {
                    Ok(Ok(())) => {}
                    // Gone, or reading nothing.
                    Ok(Err(_)) | Err(_) => return End::Close,
                }
                out.clear();
                out.shrink_to(IDLE_BUFFER_BYTES);
            }
            if let Some(end) = end {
                return end;
            }
            match next {
                Next::Requests => continue,
                Next::Foreign(arrival, asks) => return End::HandOver(arrival, asks),
                Next::Bytes => {}
            }
            let deadline = request.deadline(input);
            match input.read(stream, deadline).await {
                Wake::Bytes => request.note_bytes(),
                Wake::Stopping | Wake::Lost => return End::Close,
                Wake::End => return self.at_end(stream, input, &request).await,
                Wake::Late => {
                    let Some(reply) = request.late(input, &self.hosts) else {
                        return End::Close;
                    };
                    return self.send_last(stream, input, reply).await;
                }
            }
        }
    }

    /// Takes the complete requests that the input holds.
    fn collect(&self, input: &mut Input, request: &mut Request, answers: &mut Vec<Due>) -> Next {
        while answers.len() < PIPELINED_MAX {
            let (head, arrival) = match request.head.take() {
                Some(known) => known,
                None => {
                    input.skip_empty_lines();
                    if !input.head_may_be_complete() {
                        return Next::Bytes;
                    }
                    match look(input.bytes(), &self.hosts) {
                        Look::Partial => return Next::Bytes,
                        Look::Other(head_len, asks) => {
                            return Next::Foreign(input.arrival(head_len), asks);
                        }
                        Look::Refused(reply) => {
                            answers.push(self.refuse(input, reply));
                            return Next::Requests;
                        }
                        Look::Emission(head) => {
                            let arrival = input.arrival(head.body.start);
                            (head, arrival)
                        }
                    }
                }
            };
            if let Some(reply) = head.refused {
                let answer = self.ingest.refuse(reply);
                answers.push(Due { answer, keep: Keep::No, arrival });
                return Next::Requests;
            }
            let Some(body) = input.bytes().get(head.body.clone()) else {
                request.head = Some((head, arrival));
                return Next::Bytes;
            };
            let answer = self.ingest.post(body, arrival);
            let last = head.keep == Keep::No || answer.is_last();
            answers.push(Due { answer, keep: head.keep, arrival });
            input.consume(head.body.end);
            *request = Request::default();
            if last {
                return Next::Requests;
            }
        }
        Next::Requests
    }

    /// The client has shut its sending side: what it left unfinished is bad, if
    /// it is readable as anything.
    async fn at_end<S>(&self, stream: &mut S, input: &Input, request: &Request) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if request.head.is_some() {
            return self.send_last(stream, input, Reply::error(400, "body: ended early")).await;
        }
        if input.bytes().is_empty() {
            return End::Close;
        }
        let reply = match look(input.bytes(), &self.hosts) {
            Look::Refused(reply) => reply,
            _ => Reply::error(400, "request head: ended early"),
        };
        self.send_last(stream, input, reply).await
    }

    /// Refuses the request that the input begins with.
    fn refuse(&self, input: &Input, reply: Reply) -> Due {
        let arrival = input.arrival(0);
        let answer = if is_emission(input.bytes()) {
            self.ingest.refuse(reply)
        } else {
            self.router.requests.refused(reply.status, arrival.at);
            Answer::NoEmission(reply)
        };
        Due { answer, keep: Keep::No, arrival }
    }

    /// Refuses it, and ends the connection.
    async fn send_last<S>(&self, stream: &mut S, input: &Input, reply: Reply) -> End
    where
        S: AsyncWrite + Unpin,
    {
        let Due { answer, arrival, .. } = self.refuse(input, reply);
        let reply = self.ingest.reply(answer, arrival).await;
        let mut out = Vec::new();
        reply.write_to(&mut out, Some("close"));
        match tokio::time::timeout(WRITE_MAX, stream.write_all(&out)).await {
            Ok(Ok(())) => End::Linger,
            Ok(Err(_)) | Err(_) => End::Close,
        }
    }
}

/// An answer that is owed.
struct Due {
    answer: Answer,
    keep: Keep,
    /// When the request's head did.
    arrival: Arrival,
}

/// What the input holds after the complete requests were taken.
enum Next {
    /// There may be more of them, or the last answer ends the connection.
    Requests,
    /// Only a part of one, or nothing.
    Bytes,
    /// A request of another door, when its head arrived, and what it asks for.
    Foreign(Arrival, Asks),
}

/// The request that is being received.
#[derive(Default)]
struct Request {
    /// Since when, if its first byte is there.
    began: Option<Instant>,
    /// Its head, once complete, and when that was.
    head: Option<(Head, Arrival)>,
    head_at: Option<Instant>,
}

impl Request {
    fn note_bytes(&mut self) {
        self.began.get_or_insert_with(Instant::now);
    }

    /// Until when the next bytes must come.
    fn deadline(&mut self, input: &Input) -> Instant {
        if self.head.is_some() {
            return *self.head_at.get_or_insert_with(Instant::now) + BODY_MAX;
        }
        if input.bytes().is_empty() {
            self.began = None;
            return Instant::now() + IDLE_MAX;
        }
        *self.began.get_or_insert_with(Instant::now) + HEAD_MAX
    }

    /// What is answered when they did not; nothing on an idle connection.
    fn late(&self, input: &Input, hosts: &HostRule) -> Option<Reply> {
        let late = |what: &str, limit: Duration| {
            Reply::error(408, format!("{what}: expected within {} s", limit.as_secs()))
        };
        if self.head.is_some() {
            return Some(late("body", BODY_MAX));
        }
        if input.bytes().is_empty() {
            return None;
        }
        // What was wrong with it all along is not looked for at each piece.
        match look(input.bytes(), hosts) {
            Look::Refused(reply) => Some(reply),
            _ => Some(late("request head", HEAD_MAX)),
        }
    }
}

/// Ends once the collector drains and whoever only looks should have seen it.
async fn overdue(mut stopping: watch::Receiver<bool>) {
    // A lost sender means that the collector ends, too.
    drop(stopping.wait_for(|stopping| *stopping).await);
    tokio::time::sleep(LOOK_END_MAX).await;
}

fn connection_header(keep: Keep, last: bool) -> Option<&'static str> {
    match keep {
        _ if last => Some("close"),
        Keep::AndSay => Some("keep-alive"),
        Keep::Silently | Keep::No => None,
    }
}
