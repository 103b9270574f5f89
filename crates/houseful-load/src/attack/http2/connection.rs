//! One connection, the task that keeps it going, and one request with its answer on one of its
//! streams.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use h2::Reason;
use h2::client::{Builder, SendRequest};
use http::Request;
use tokio::sync::Notify;

use super::io::{End, Io, Told};
use super::{Fault, answer};
use crate::attack::client::Failure;
use crate::attack::client::response::{self, Answer, HEAD_LEN_MAX, Keep};
use crate::attack::client::stream::Stream;

/// So much of a body may be under way to us before we have read it, on a stream and on all of a
/// connection's.
const WINDOW_LEN: u32 = 1 << 20;
const WINDOWS_LEN: u32 = 16 << 20;

/// So many streams that we gave up are remembered for a second, for what the server had sent by
/// then. On one that is forgotten h2 takes that for a fault, and after 1,024 faults it ends the
/// connection, which is turned off below.
const GIVEN_UP_MAX: usize = 16 * 1024;

/// A connection has so many numbers for the streams of a client. At 20,000/s that is 15 hours.
const STREAMS_MAX: u32 = 1 << 30;

/// So long may it take to close a connection that is to make room.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// A body for the library; shared by all requests of its target, so nothing is copied.
pub(super) struct Body {
    bytes: Arc<[u8]>,
    at: usize,
}

impl Buf for Body {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "advanced past the end of a body");
        self.at += count;
    }
}

/// A connection whose server has sent its settings.
pub(super) struct Connection {
    /// `None` once it takes no more requests.
    handle: RefCell<Option<SendRequest<Body>>>,
    in_use: Cell<usize>,
    /// As the server allows.
    in_use_max: Cell<usize>,
    /// How many requests it has taken, and takes.
    begun: Cell<u32>,
    begun_max: u32,
    told: Rc<Told>,
    /// Why the server ended it, if it said so.
    gone: Cell<Option<Reason>>,
    /// Whether it was closed to make room for another.
    makes_room: Cell<bool>,
    room: Notify,
}

/// What has to be polled for a connection to live.
pub(super) struct Driver(Box<h2::client::Connection<Io, Body>>);

/// A request without an answer, and what the server may have made of it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing: the connection had gone before the request could be handed to it.
    Gone(Failure),
    /// Nothing: it has not seen it, or said that it took no notice of it.
    Unseen(Failure),
    /// Nothing, but it has seen and refused it.
    Refused(Failure),
    Failed(Failure),
}

/// Agrees on HTTP/2 with a server that is to speak it; `to` and `how` are for the error.
pub(super) async fn begin(
    stream: Stream,
    keep_alive: bool,
    to: &str,
    how: &'static str,
) -> Result<(Connection, Driver), Failure> {
    let (io, told) = Io::new(stream);
    let begun = Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW_LEN)
        .initial_connection_window_size(WINDOWS_LEN)
        .max_header_list_size(HEAD_LEN_MAX as u32)
        // None before its settings have come.
        .initial_max_send_streams(0)
        .max_concurrent_reset_streams(GIVEN_UP_MAX)
        .max_local_error_reset_streams(None)
        .handshake::<_, Body>(io)
        .await;
    let broken = |error: h2::Error| match (told.said(), told.end()) {
        (Some(said), _) => Failure::Http2(Fault::OtherTongue { to: to.to_owned(), how, said }),
        (None, Some(End::Closed)) => Failure::Http2(Fault::Mute { to: to.to_owned(), how }),
        (None, end) => failure(&error, end, false),
    };
    let (handle, mut driver) = begun.map_err(broken)?;
    let settled = poll_fn(|cx| match Pin::new(&mut driver).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(None)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(Some(error))),
        Poll::Pending if driver.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    });
    match settled.await {
        Ok(()) => {}
        Err(Some(error)) => return Err(broken(error)),
        Err(None) => return Err(Failure::Http2(Fault::Mute { to: to.to_owned(), how })),
    }
    let connection = Connection {
        handle: RefCell::new(Some(handle)),
        in_use: Cell::new(0),
        in_use_max: Cell::new(driver.max_concurrent_send_streams()),
        begun: Cell::new(0),
        begun_max: if keep_alive { STREAMS_MAX } else { 1 },
        told,
        gone: Cell::new(None),
        makes_room: Cell::new(false),
        room: Notify::new(),
    };
    Ok((connection, Driver(Box::new(driver))))
}

impl Driver {
    /// Keeps the connection going until it ends. `on_change` hears when the server allows more
    /// streams, or fewer.
    pub(super) async fn drive(mut self, connection: &Connection, mut on_change: impl FnMut()) {
        let ended = poll_fn(|cx| {
            let polled = Pin::new(&mut *self.0).poll(cx);
            let in_use_max = self.0.max_concurrent_send_streams();
            if connection.in_use_max.replace(in_use_max) != in_use_max {
                on_change();
            }
            polled
        });
        if let Err(error) = ended.await
            && error.is_remote()
        {
            connection.gone.set(error.reason());
        }
        connection.retire();
    }
}

impl Connection {
    /// Whether it takes another request now.
    pub(super) fn is_free(&self) -> bool {
        self.in_use.get() < self.in_use_max.get() && self.handle.borrow().is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_use.get() == 0
    }

    /// How many requests it takes at once.
    pub(super) fn in_use_max(&self) -> usize {
        self.in_use_max.get()
    }

    /// Whether it will take another request, now or later.
    pub(super) fn is_open(&self) -> bool {
        self.handle.borrow().is_some()
    }

    /// Takes no more requests, and closes when those under way are over.
    pub(super) fn retire(&self) {
        drop(self.handle.take());
    }

    /// Closes it, since it has nothing to do, to make room for another.
    pub(super) fn make_room(&self) {
        self.makes_room.set(true);
        self.room.notify_one();
        self.retire();
    }

    pub(super) fn makes_room(&self) -> bool {
        self.makes_room.get()
    }

    /// Returns when it was to make room and is still there: a server that reads nothing does not get
    /// to our farewell.
    pub(super) async fn is_out_of_time(&self) {
        self.room.notified().await;
        tokio::time::sleep(FAREWELL_MAX).await;
    }

    /// Takes up one request, if it is free.
    pub(super) fn take_up(&self) -> Option<SendRequest<Body>> {
        let handle = self.is_free().then(|| self.handle.borrow().clone()).flatten()?;
        self.in_use.set(self.in_use.get() + 1);
        self.begun.set(self.begun.get() + 1);
        if self.begun.get() == self.begun_max {
            self.retire();
        }
        Some(handle)
    }

    /// That request is over.
    pub(super) fn let_go(&self) {
        self.in_use.set(self.in_use.get() - 1);
    }

    /// Sends a request and puts the answer into `answer`. Dropped before its end, it cancels the
    /// stream and nothing else.
    pub(super) async fn exchange(
        &self,
        handle: &mut SendRequest<Body>,
        request: Request<()>,
        body: &Arc<[u8]>,
        keep: Keep,
        answer: &mut Answer,
    ) -> Result<(), Trouble> {
        if self.in_use.get() == 1 && self.begun.get() > 1 {
            // It had nothing to do. Should the server have closed it meanwhile, then the driver gets
            // to see that first.
            tokio::task::yield_now().await;
        }
        let written = self.told.written();
        let trouble = |error| self.trouble(error, written, false);
        let sent = handle.send_request(request, body.is_empty());
        let (response, mut upload) = match sent {
            Ok(sent) => sent,
            Err(error) if error.is_io() || error.is_go_away() => {
                self.retire();
                return Err(Trouble::Gone(self.failure(&error, false)));
            }
            Err(error) => return Err(Trouble::Failed(self.failure(&error, false))),
        };
        if !body.is_empty() {
            // All of it at once: the library sends it as the windows allow.
            let body = Body { bytes: Arc::clone(body), at: 0 };
            upload.send_data(body, true).map_err(trouble)?;
        }
        let (head, mut download) = response.await.map_err(trouble)?.into_parts();
        answer::begin(answer, &head, keep);
        while let Some(data) = download.data().await {
            let data = data.map_err(|error| self.trouble(error, written, true))?;
            answer::extend(answer, &data, keep);
            let released = download.flow_control().release_capacity(data.len());
            released.map_err(|error| self.trouble(error, written, true))?;
        }
        // Trailers are nobody's business. What is left of our body is not sent any more.
        Ok(())
    }

    /// What became of a request that had been taken up when `written` bytes were written.
    fn trouble(&self, error: h2::Error, written: u64, has_begun: bool) -> Trouble {
        if error.is_io() || error.is_go_away() {
            self.retire();
        }
        let failure = self.failure(&error, has_begun);
        let is_unsent = error.is_io() && self.told.written() == written;
        // Of streams that are under way, only those are ended by GOAWAY that it says were not
        // looked at.
        let is_ignored = error.is_go_away() && error.is_remote();
        if !has_begun && (is_unsent || is_ignored) {
            Trouble::Unseen(failure)
        } else if error.is_reset()
            && error.is_remote()
            && error.reason() == Some(Reason::REFUSED_STREAM)
        {
            Trouble::Refused(failure)
        } else {
            Trouble::Failed(failure)
        }
    }

    fn failure(&self, error: &h2::Error, has_begun: bool) -> Failure {
        match self.gone.get() {
            Some(reason) if error.is_io() && reason != Reason::NO_ERROR => {
                Failure::Http2(Fault::GoneAway(reason))
            }
            _ => failure(error, self.told.end(), has_begun),
        }
    }
}

/// What an error of the library means; `end` is how the connection ended, if it did.
fn failure(error: &h2::Error, end: Option<End>, has_begun: bool) -> Failure {
    if error.is_io() {
        return match end {
            Some(End::Closed) if has_begun => Failure::Answer(response::Fault::Cut),
            Some(End::Closed) => Failure::Answer(response::Fault::Missing),
            Some(End::Tls(error)) => Failure::Read(io::Error::other(error)),
            Some(End::Write(kind)) => Failure::Send(kind.into()),
            Some(End::Read(kind)) => Failure::Read(kind.into()),
            None => {
                Failure::Read(error.get_io().map_or(io::ErrorKind::Other, io::Error::kind).into())
            }
        };
    }
    Failure::Http2(match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => Fault::Reset(reason),
        Some(reason) if error.is_go_away() && error.is_remote() => Fault::GoneAway(reason),
        Some(reason) if error.is_reset() => Fault::Answer(reason),
        Some(reason) => Fault::Broken(reason),
        None => Fault::Library(error.to_string()),
    })
}
