//! The doors: sockets in, the store behind.
//!
//! Start: limits, store (durable before anyone is answered), sockets. End: stop
//! accepting, finish what was taken, sync, close.

pub(crate) mod front;
mod host;
mod ingest;
mod listen;
mod media;
mod readings;
mod reply;
mod router;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use houseful_store::{Health, Options, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use self::front::Front;
use self::host::HostRule;
use self::ingest::Ingest;
use self::router::{Doors, Router};
use crate::config::ServeConfig;

/// After the store has failed: long enough for `/readyz` and the last answers
/// to say so, short enough for the service manager to start afresh soon.
const FAILED_LINGER: Duration = Duration::from_secs(2);

/// Runs a collector until it is told to stop.
///
/// # Errors
/// If it cannot start.
pub(crate) fn run(config: &ServeConfig) -> anyhow::Result<ExitCode> {
    let connections_max = listen::raise_connection_limit();
    let options = Options { window: config.window };
    let store = Arc::new(Store::open(&config.store, options)?);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // They only read the store, whose reading connections are two.
        .max_blocking_threads(4)
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(config, store, connections_max))
}

async fn serve(
    config: &ServeConfig,
    store: Arc<Store>,
    connections_max: usize,
) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let (stop, stopping) = watch::channel(false);
    let ingest = Ingest::new(store.clone());
    let doors = Doors { store: store.clone(), ingest: ingest.clone(), stopping: stopping.clone() };
    let router = Router::new(doors);
    let permits = Arc::new(Semaphore::new(connections_max));

    let mut listeners = Vec::new();
    for address in &config.listen {
        listeners.push(listen::listen(*address)?);
    }
    for listener in listeners {
        let address = listener.local_addr().context("cannot tell the address of a listener")?;
        let hosts = Arc::new(config.host_rule(address));
        let front = Front {
            ingest: ingest.clone(),
            hosts,
            router: router.clone(),
            stopping: stopping.clone(),
        };
        tokio::spawn(accept(listener, permits.clone(), connections_max, front));
        eprintln!("listening on http://{address}");
    }

    let mut health = store.watch();
    let failed = async {
        match health.wait_for(|health| matches!(health, Health::Failed(_))).await {
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        name = interrupts.next() => tracing::info!("{name}: finishing what was taken"),
        () = failed => {
            // Whatever was not acknowledged is sent again; nothing is closed in
            // order, for no write may be trusted any more.
            tokio::time::sleep(FAILED_LINGER).await;
            std::process::exit(1);
        }
    }
    stop.send_replace(true);
    tokio::select! {
        name = interrupts.next() => {
            tracing::warn!("{name}: ending at once");
            std::process::exit(1);
        }
        () = drain(&permits, connections_max, config.drain_timeout) => {}
    }
    let closing = store.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.context("cannot close the store")?;
    Ok(match store.health() {
        Health::Failed(_) => ExitCode::FAILURE,
        Health::Ready | Health::Refusing(_) => ExitCode::SUCCESS,
    })
}

async fn accept(
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections_max: usize,
    front: Front,
) {
    let mut stopping = front.stopping.clone();
    let stopped = Box::pin(async move {
        // A lost sender means that the collector ends, too.
        drop(stopping.wait_for(|stopping| *stopping).await);
    });
    let serve = |stream| front.clone().serve(stream);
    listen::accept(listener, permits, connections_max, stopped, serve).await;
}

/// Waits until all connections have ended, but not for ever.
async fn drain(permits: &Semaphore, connections_max: usize, limit: Duration) {
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    if tokio::time::timeout(limit, permits.acquire_many(all)).await.is_err() {
        let left = connections_max - permits.available_permits();
        tracing::warn!(left, "connections are still open; what they sent last is not acknowledged");
    }
}

/// SIGTERM and SIGINT.
struct Interrupts {
    term: Signal,
    int: Signal,
}

impl Interrupts {
    fn new() -> anyhow::Result<Interrupts> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Interrupts {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

impl ServeConfig {
    fn host_rule(&self, address: std::net::SocketAddr) -> HostRule {
        if address.ip().is_loopback() {
            HostRule::Loopback { allowed: self.allowed_hosts.clone() }
        } else {
            HostRule::Any
        }
    }
}
