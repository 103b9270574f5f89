//! The doors: sockets in, the store behind.
//!
//! Start: limits, addresses, store (durable before anyone is answered), and only
//! then clients are let in. End: stop accepting, finish what was taken, sync,
//! close.

mod accept;
mod activity;
pub(crate) mod batch;
mod chunks;
mod connections;
mod cursor;
mod feed;
pub(crate) mod front;
mod healthz;
mod heard;
mod host;
mod ingest;
mod listen;
mod lists;
mod media;
mod metrics;
mod openapi;
mod origin;
mod pace;
mod page;
mod parameters;
mod pulse;
mod readings;
mod refused;
mod reply;
mod requests;
mod router;
mod state;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use houseful_load::duration::Go;
use houseful_store::{Health, Options, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, oneshot, watch};

use self::connections::Connections;
use self::front::Front;
use self::host::HostRule;
use self::ingest::{Ingest, Peer};
use self::router::{Doors, Router};
use crate::config::ServeConfig;
use crate::log;

/// After the store has failed: long enough for `/readyz` and the last answers
/// to say so, short enough for the service manager to start afresh soon.
const FAILED_LINGER: Duration = Duration::from_secs(2);

/// Runs a collector until it is told to stop.
///
/// # Errors
/// If it cannot start.
pub(crate) fn run(config: &ServeConfig) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // They only read the store, whose reading connections are two.
        .max_blocking_threads(4)
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(config))
}

async fn serve(config: &ServeConfig) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let connections_max = listen::raise_connection_limit(config.listen.len());
    // Taken first, so that a port in use leaves no store behind; opened last,
    // so that nobody is answered before what the last run left is durable.
    let sockets = config
        .listen
        .iter()
        .map(|address| listen::bind(*address))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let store = Arc::new(Store::open(&config.store, Options { window: config.window })?);

    let (stop, stopping) = watch::channel(false);
    let ingest = Ingest::new(store.clone());
    tokio::spawn(ingest.pulse().clone().beat());
    let connections = Connections::new(connections_max);
    let permits = connections.permits.clone();
    let doors = Doors::new(store.clone(), ingest.clone(), stopping.clone(), connections);
    let router = Router::new(doors);
    let mut listeners = Vec::new();
    for socket in sockets {
        let listener = listen::listen(socket)?;
        let address = listener.local_addr().context("cannot tell the address of a listener")?;
        listeners.push((listener, address));
    }
    say_start(config, &store, listeners.iter().map(|(_, address)| *address));
    for (listener, address) in listeners {
        let front = Front {
            ingest: ingest.clone(),
            hosts: Arc::new(config.host_rule(address)),
            router: router.clone(),
            stopping: stopping.clone(),
        };
        tokio::spawn(accept(listener, permits.clone(), connections_max, front));
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
    let finish = async {
        drain(&permits, connections_max, config.drain_timeout).await;
        close(store.clone()).await
    };
    tokio::select! {
        name = interrupts.next() => {
            tracing::warn!("{name}: ending at once");
            std::process::exit(1);
        }
        closed = finish => closed?,
    }
    tracing::info!(readings_stored = store.stored(), "stopped");
    Ok(match store.health() {
        Health::Failed(_) => ExitCode::FAILURE,
        Health::Ready | Health::Refusing(_) => ExitCode::SUCCESS,
    })
}

/// Where it listens, whatever the levels; and which collector this is, of which store.
fn say_start(config: &ServeConfig, store: &Store, addresses: impl Iterator<Item = SocketAddr>) {
    let mut listen = Vec::new();
    for address in addresses {
        log::say(tracing::Level::INFO, format_args!("listening on http://{address}"));
        listen.push(address.to_string());
    }
    tracing::info!(
        version = %env!("CARGO_PKG_VERSION"),
        store = %store.path().display(),
        window = %Go(config.window),
        listen = %listen.join(","),
        "started"
    );
}

/// Closes the store on a thread of its own, where it waits for no query.
async fn close(store: Arc<Store>) -> anyhow::Result<()> {
    let (done, closed) = oneshot::channel();
    std::thread::Builder::new()
        .name("close".to_owned())
        .spawn(move || {
            store.close();
            // Nobody waits any more after a second signal.
            done.send(()).unwrap_or_default();
        })
        .context("cannot close the store")?;
    closed.await.context("cannot close the store")
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
    let serve = |stream, peer: SocketAddr| {
        front.clone().serve(stream, Peer(Some(peer.ip().to_canonical())))
    };
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
    fn host_rule(&self, address: SocketAddr) -> HostRule {
        if address.ip().is_loopback() {
            HostRule::Loopback { allowed: self.allowed_hosts.clone() }
        } else {
            HostRule::Any
        }
    }
}
