//! The bytes below HTTP/2, and what they tell when it ends.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::attack::client::stream::Stream;
use crate::attack::client::tls_error;

/// A frame's type, the fourth byte of it; the first frame is one of settings.
const TYPE_AT: usize = 3;
const SETTINGS: u8 = 4;

/// So much is shown of what is not HTTP/2.
const SAID_CHARS_MAX: usize = 60;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    Closed,
    /// One side found fault with TLS.
    Tls(rustls::Error),
    Read(io::ErrorKind),
    Write(io::ErrorKind),
}

/// What the bytes told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    written: Cell<u64>,
    /// And how much had been written before.
    end: RefCell<Option<(End, u64)>>,
    /// The first line of what is not HTTP/2.
    said: RefCell<Option<String>>,
}

impl Told {
    /// How many bytes were written before the connection ended.
    pub(super) fn written(&self) -> u64 {
        self.end.borrow().as_ref().map_or(self.written.get(), |(_, written)| *written)
    }

    pub(super) fn end(&self) -> Option<End> {
        self.end.borrow().as_ref().map(|(end, _)| end.clone())
    }

    pub(super) fn said(&self) -> Option<String> {
        self.said.borrow().clone()
    }

    fn note(&self, end: End) {
        let mut known = self.end.borrow_mut();
        match &mut *known {
            // Writing may have failed before it was read why.
            Some((of, _)) if matches!(end, End::Tls(_)) => *of = end,
            Some(_) => {}
            None => *known = Some((end, self.written.get())),
        }
    }
}

/// A stream for the library.
pub(super) struct Io {
    stream: Stream,
    told: Rc<Told>,
    /// The first bytes of the first frame; `None` once it is known to be one of settings.
    first: Option<Vec<u8>>,
}

impl Io {
    pub(super) fn new(stream: Stream) -> (Io, Rc<Told>) {
        let told = Rc::new(Told::default());
        (Io { stream, told: Rc::clone(&told), first: Some(Vec::new()) }, told)
    }

    /// Whether it is HTTP/2 so far.
    fn is_http2(&mut self, bytes: &[u8]) -> bool {
        let Some(first) = &mut self.first else { return true };
        first.extend_from_slice(bytes);
        match first.get(TYPE_AT) {
            None => true,
            Some(&SETTINGS) => {
                self.first = None;
                true
            }
            Some(_) => {
                let text = String::from_utf8_lossy(first);
                let line = text.lines().next().unwrap_or_default();
                let line: String = line.chars().filter(|c| !c.is_control()).collect();
                *self.told.said.borrow_mut() = Some(line.chars().take(SAID_CHARS_MAX).collect());
                false
            }
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        loop {
            match io.stream.try_read(buf.initialize_unfilled()) {
                Ok(len) => {
                    if len == 0 {
                        io.told.note(End::Closed);
                    }
                    let before = buf.filled().len();
                    buf.advance(len);
                    if !io.is_http2(&buf.filled()[before..]) {
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(io.stream.poll_read_ready(cx))?;
                }
                Err(error) => {
                    let tls = tls_error(&error).map(|tls| End::Tls(tls.clone()));
                    io.told.note(tls.unwrap_or(End::Read(error.kind())));
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl Io {
    /// Does what writes until it need not wait.
    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Stream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match write(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                Err(error) => {
                    self.told.note(End::Write(error.kind()));
                    return Poll::Ready(Err(error));
                }
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let written = ready!(io.poll_writing(cx, |stream| stream.try_write(bytes)))?;
        io.told.written.set(io.told.written.get() + written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_writing(cx, Stream::try_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the stream closes it.
        self.poll_flush(cx)
    }
}
