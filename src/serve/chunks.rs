//! A body that comes chunk by chunk, as fast as its client takes it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use houseful_store::ReadError;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Where the chunks go in. A body that is cut by an error ends without its end,
/// so that the client sees it.
pub(crate) type Sender = mpsc::Sender<Result<Bytes, ReadError>>;

/// The body. One chunk waits for the client, no more.
pub(crate) struct Chunks {
    chunks: mpsc::Receiver<Result<Bytes, ReadError>>,
    /// Given back when the client has all, or is gone.
    _permit: OwnedSemaphorePermit,
}

impl Chunks {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> (Sender, Chunks) {
        let (sender, chunks) = mpsc::channel(1);
        (sender, Chunks { chunks, _permit: permit })
    }
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        self.chunks.poll_recv(cx).map(|chunk| chunk.map(|bytes| bytes.map(Frame::data)))
    }
}
