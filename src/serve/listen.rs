//! Listening sockets, and the limit on what they accept.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that the kernel keeps until we accept them.
const BACKLOG: u32 = 4_096;

/// Descriptors that connections never get: the store's files, the sockets that
/// listen, the log, and some air.
const DESCRIPTORS_RESERVED: u64 = 32;

/// How long to wait when accepting fails for want of something.
const BACKOFF: Duration = Duration::from_millis(50);

/// Opens a socket that listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Raises the soft limit on descriptors to the hard one, and says how many
/// connections fit below it.
///
/// The usual soft limit of 1,024 is what stopped the predecessor at ten houses.
pub(crate) fn raise_connection_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit on open files");
            limit.current
        }
    };
    let descriptors = current.unwrap_or(u64::MAX);
    let connections = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

/// Accepts until `stopping` ends. Each connection holds its permit while it
/// lives; without a free one, clients wait in the kernel's queue, and lose
/// nothing.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections_max: usize,
    mut stopping: impl Future<Output = ()> + Unpin,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut trouble = Trouble { lasts: false, connections_max };
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &permits, &mut trouble) => accepted,
            () = &mut stopping => return,
        };
        if let Some((stream, permit)) = accepted {
            let connection = serve(stream);
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
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    if permits.available_permits() == 0 {
        trouble.begins("every connection is taken; new ones wait for one to close");
    }
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Not at the first free one, or it would begin and end all the time.
            if permits.available_permits() > trouble.connections_max / 8 {
                trouble.ends();
            }
            // Answers are written whole, so waiting for more never helps.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection went before it came");
            }
            Some((stream, permit))
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
