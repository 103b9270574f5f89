//! Listening sockets, and the limit on what they accept.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::descriptors::{self, Limit};

/// Connections that the kernel keeps until we accept them.
const BACKLOG: u32 = 4_096;

/// Descriptors that connections never get, beside the listeners': the store's
/// files, the log, and some air.
const DESCRIPTORS_RESERVED: u64 = 31;

/// Connections at once, whatever the limit on descriptors: four times the Pis of
/// 1,000 houses. While they send, each may hold some 48 KiB.
const CONNECTIONS_MAX: usize = 16_384;

/// What the kernel keeps for a client that does not read; Linux takes twice that,
/// for its own needs. It would keep megabytes, and a client that has stalled
/// would look like one that reads.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;

/// How long to wait when accepting fails for want of something.
const BACKOFF: Duration = Duration::from_millis(50);

/// Takes `address`, without listening yet.
pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let bind = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        socket.set_reuseaddr(true)?;
        // Those that it accepts take it over.
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        Ok::<_, std::io::Error>(socket)
    };
    bind().with_context(|| format!("cannot listen on {address}"))
}

/// Lets clients in.
pub(crate) fn listen(socket: TcpSocket) -> anyhow::Result<TcpListener> {
    let address = socket.local_addr();
    socket.listen(BACKLOG).with_context(|| match address {
        Ok(address) => format!("cannot listen on {address}"),
        Err(_) => "cannot listen".to_owned(),
    })
}

/// Raises the soft limit on descriptors to the hard one, and says how many
/// connections fit below it, beside so many listeners.
///
/// The usual soft limit of 1,024 is what stopped the predecessor at ten houses.
pub(crate) fn raise_connection_limit(listeners: usize) -> usize {
    let Limit { descriptors, error } = descriptors::raise_limit();
    if let Some(error) = error {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    let reserved = DESCRIPTORS_RESERVED.saturating_add(listeners as u64);
    let fit = usize::try_from(descriptors.saturating_sub(reserved)).unwrap_or(usize::MAX);
    fit.clamp(1, CONNECTIONS_MAX)
}

/// Accepts until `stopping` ends. Each connection holds its permit while it
/// lives; without a free one, clients wait in the kernel's queue, and lose
/// nothing.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections_max: usize,
    mut stopping: impl Future<Output = ()> + Unpin,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut trouble = Trouble { lasts: false, connections_max };
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &permits, &mut trouble) => accepted,
            () = &mut stopping => return,
        };
        if let Some((stream, peer, permit)) = accepted {
            let connection = serve(stream, peer);
            tokio::spawn(async move {
                connection.await;
                drop(permit);
            });
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    trouble: &mut Trouble,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    if permits.available_permits() == 0 {
        trouble.begins("every connection is taken; new ones wait for one to close");
    }
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Not at the first free one, or it would begin and end all the time.
            if permits.available_permits() > trouble.connections_max / 8 {
                trouble.ends();
            }
            // Answers are written whole, so waiting for more never helps.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection went before it came");
            }
            Some((stream, peer, permit))
        }
        Err(error) if is_connections_own(&error) => None,
        Err(error) => {
            trouble.begins(&format!("cannot accept connections, new ones wait: {error}"));
            tokio::time::sleep(BACKOFF).await;
            None
        }
    }
}

/// The client was gone before we took it.
fn is_connections_own(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Said once when it begins and once when it is over.
struct Trouble {
    lasts: bool,
    connections_max: usize,
}

impl Trouble {
    fn begins(&mut self, what: &str) {
        if !std::mem::replace(&mut self.lasts, true) {
            tracing::warn!("{what}");
        }
    }

    fn ends(&mut self) {
        if std::mem::replace(&mut self.lasts, false) {
            tracing::info!("connections are accepted again");
        }
    }
}
