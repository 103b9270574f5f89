//! How fast a client takes what it is sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::lists::{Places, WATCHED, WATCHED_BYTES_MIN};

/// Bytes that went out.
pub(super) type Sent = Arc<AtomicU64>;

/// Ends when the client of a list is too slow while others miss its place; never
/// for another answer. What waits for it in the kernel counts as taken.
pub(super) async fn too_slow(mut places: watch::Receiver<Option<Arc<Places>>>, sent: Sent) {
    let places = places.wait_for(Option::is_some).await.ok().and_then(|places| places.clone());
    let Some(places) = places else {
        // It is no list.
        return std::future::pending().await;
    };
    loop {
        let before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(WATCHED).await;
        let taken = sent.load(Ordering::Relaxed) - before;
        if taken < WATCHED_BYTES_MIN && places.are_missed() {
            return;
        }
    }
}

/// A stream that counts what goes out.
pub(super) struct Counted<S> {
    pub(super) stream: S,
    pub(super) sent: Sent,
}

impl<S> Counted<S> {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(len)) = written {
            self.sent.fetch_add(len as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::super::lists::Lists;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_who_is_slow_is_cut_and_only_while_others_wait() {
        let lists = Lists::new();
        let mut answers = Vec::new();
        while lists.open() < 16 {
            let short = lists.short().await.unwrap();
            answers.push(lists.long(short).await.unwrap().answer());
        }
        let places = answers[0].1.extensions().get::<Arc<Places>>().cloned();
        let sent = Sent::default();
        let is_cut = async |list: Option<Arc<Places>>, bytes_a_second: u64| {
            let (_list_of, places) = watch::channel(list);
            let sending = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    sent.fetch_add(bytes_a_second, Ordering::Relaxed);
                }
            };
            tokio::select! {
                cut = timeout(WATCHED * 3 / 2, too_slow(places, sent.clone())) => cut.is_ok(),
                () = sending => unreachable!(),
            }
        };
        assert!(!is_cut(places.clone(), 0).await, "nobody waits");
        let missed = async |lists: &Lists| {
            let short = lists.short().await.unwrap();
            assert!(lists.long(short).await.is_err());
        };
        missed(&lists).await;
        assert!(is_cut(places.clone(), 50 * 1024).await);
        missed(&lists).await;
        assert!(!is_cut(places, 80 * 1024).await, "it is fast enough");
        missed(&lists).await;
        assert!(!is_cut(None, 0).await, "it is no list");
    }

    #[tokio::test]
    async fn what_went_out_is_counted() {
        let (mut client, stream) = duplex(64);
        let sent = Sent::default();
        let mut counted = Counted { stream, sent: sent.clone() };
        counted.write_all(b"four").await.unwrap();
        counted.write_all_buf(&mut &b"and six"[..]).await.unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 11);
        client.write_all(b"back").await.unwrap();
        counted.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 11);
    }
}
