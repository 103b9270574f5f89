//! How connections are opened: where to, from where, and whether through TLS.

use std::cell::{Cell, OnceCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::Options;
use super::client::Failure;
use super::client::stream::{Socket, Stream};
use super::endpoint::Endpoint;
use super::resolver::Resolver;
use super::tls::{Tls, TlsError, TlsFiles};

/// About as long as Linux goes on trying to connect, for those who set no limit.
const OS_TIMEOUT: Duration = Duration::from_secs(120);

/// Opens connections as the attack's options say.
pub(super) struct Dialer {
    /// How long a request has for all of it.
    timeout: Option<Duration>,
    resolver: Resolver,
    unix_socket: Option<PathBuf>,
    local_address: Option<IpAddr>,
    tls: OnceCell<Tls>,
    connections: Rc<Connections>,
}

/// What a server is offered when TLS is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, and HTTP/1.1 if it does not speak that.
    Http2,
}

/// How many connections are and were open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Cell<usize>,
    peak: Cell<usize>,
    opened: Cell<u64>,
}

impl Connections {
    /// How many were opened in all.
    pub(super) fn opened(&self) -> u64 {
        self.opened.get()
    }

    /// The most at once.
    pub(super) fn peak(&self) -> usize {
        self.peak.get()
    }
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Rc<Connections>);

impl Counted {
    fn new(connections: &Rc<Connections>) -> Counted {
        let open = connections.open.get() + 1;
        connections.open.set(open);
        connections.peak.set(connections.peak.get().max(open));
        connections.opened.set(connections.opened.get() + 1);
        Counted(Rc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

impl Dialer {
    pub(super) fn new(options: &Options) -> Dialer {
        Dialer {
            timeout: options.timeout,
            resolver: Resolver::new(&options.resolvers),
            unix_socket: options.unix_socket.clone(),
            local_address: options.local_address,
            tls: options.tls.clone().map_or_else(OnceCell::new, OnceCell::from),
            connections: Rc::default(),
        }
    }

    /// The attack's TLS, made when it is first needed.
    pub(super) fn tls(&self) -> Result<&Tls, TlsError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let made = Tls::new(&TlsFiles::default())?;
        Ok(self.tls.get_or_init(|| made))
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Looks the endpoint up, if that is needed to reach it.
    pub(super) async fn look_up(&self, to: &Endpoint) -> Result<(), Failure> {
        match &self.unix_socket {
            Some(_) => Ok(()),
            None => to.look_up(&self.resolver).await,
        }
    }

    /// Opens a connection to the endpoint.
    pub(super) async fn open(&self, to: &Endpoint, offer: Offer) -> Result<Stream, Failure> {
        let stream = self.agree(to, self.reach(to).await?, offer).await?;
        Ok(stream.counted(Counted::new(&self.connections)))
    }

    async fn reach(&self, to: &Endpoint) -> Result<Socket, Failure> {
        Ok(match &self.unix_socket {
            Some(path) => UnixStream::connect(path)
                .await
                .map(Socket::Unix)
                .map_err(|source| Failure::Connect { to: path.display().to_string(), source })?,
            None => {
                let place = to.next_place();
                let addresses = place.addresses(&self.resolver).await?;
                let tcp = self.connect(addresses).await;
                let name = || place.name().to_owned();
                Socket::Tcp(tcp.map_err(|source| Failure::Connect { to: name(), source })?)
            }
        })
    }

    /// Agrees on TLS, if the endpoint wants that.
    async fn agree(&self, to: &Endpoint, socket: Socket, offer: Offer) -> Result<Stream, Failure> {
        if !to.is_https() {
            return Ok(Stream::plain(socket));
        }
        let failed = |source| Failure::Tls { to: to.name().to_owned(), source };
        let name = ServerName::try_from(to.host().to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error)))?;
        let tls = self.tls().map_err(|error| failed(io::Error::other(error)))?;
        Stream::secure(socket, Arc::clone(tls.config(offer)), name).await.map_err(failed)
    }

    /// Connects to the first of `addresses` that lets us in. One that does not say anything has its
    /// share of the timeout, so that those after it are tried, too.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        // From an address of one kind there is no way to one of the other.
        let is_reached = |address: &&SocketAddr| {
            self.local_address.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
        };
        let mut reached = addresses.iter().filter(is_reached).peekable();
        let share = self.timeout.unwrap_or(OS_TIMEOUT) / reached.clone().count().max(1) as u32;
        while let Some(address) = reached.next() {
            let connecting = async {
                match self.local_address {
                    None => TcpStream::connect(address).await,
                    Some(local) => connect_from(local, *address).await,
                }
            };
            let connected = match reached.peek() {
                // What is left of the timeout, which is watched elsewhere, is its.
                None => connecting.await,
                Some(_) => tokio::time::timeout(share, connecting)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn connect_from(local: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::endpoint::Endpoints;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn opens_the_first_address_that_lets_it_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let dialer = Dialer::new(&Options::default());
        dialer.connect(&[closed, open]).await.unwrap();
        let error = dialer.connect(&[closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        // Its queue is full, so that what comes is dropped without an answer.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let mute = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let try_for = Duration::from_millis(200);
        while let Ok(stream) = tokio::time::timeout(try_for, TcpStream::connect(mute)).await {
            waiting.push(stream.unwrap());
        }
        let options = Options { timeout: Some(Duration::from_secs(1)), ..Options::default() };
        let connecting = Dialer::new(&options).connect(&[mute, open]).await;
        assert_eq!(connecting.unwrap().peer_addr().unwrap(), open);

        let endpoints = Endpoints::default();
        let number = endpoints.of(&format!("http://{closed}/").parse().unwrap());
        let error = dialer.open(&endpoints.get(number), Offer::Http1).await.unwrap_err();
        let text = format!("connect: cannot connect to `{closed}`: connection refused");
        assert_eq!(error.to_string(), text);
    }
}
