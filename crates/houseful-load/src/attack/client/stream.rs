//! The bytes of a connection: TCP or a Unix socket, with or without TLS.
//!
//! TLS is rustls' state machine over the same sockets, so that a worker can look at a connection
//! without waiting, whatever is below.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::attack::dial::Counted;

/// What carries bytes.
#[derive(Debug)]
pub(in crate::attack) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn try_read(&self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => tcp.try_read(to),
            Socket::Unix(unix) => unix.try_read(to),
        }
    }

    fn try_write(&self, from: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => tcp.try_write(from),
            Socket::Unix(unix) => unix.try_write(from),
        }
    }

    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Socket::Tcp(tcp) => tcp.ready(interest).await,
            Socket::Unix(unix) => unix.ready(interest).await,
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(tcp) => tcp.poll_read_ready(cx),
            Socket::Unix(unix) => unix.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(tcp) => tcp.poll_write_ready(cx),
            Socket::Unix(unix) => unix.poll_write_ready(cx),
        }
    }

    async fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        // Not `try_read`: only this clears the readiness after a short read, which spares both a
        // look at an idle connection and the next wait a system call.
        match self {
            Socket::Tcp(tcp) => tcp.read(to).await,
            Socket::Unix(unix) => unix.read(to).await,
        }
    }
}

/// Reads past the event loop, which knows of what came only after its next turn.
#[cfg(target_os = "linux")]
struct Directly<'a>(&'a Socket);

#[cfg(target_os = "linux")]
impl Read for Directly<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        Ok(match self.0 {
            Socket::Tcp(tcp) => rustix::io::read(tcp, to),
            Socket::Unix(unix) => rustix::io::read(unix, to),
        }?)
    }
}

/// For rustls, which reads and writes what it can and is told to wait.
struct Now<'a>(&'a Socket);

impl Read for Now<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(to)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.try_write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket, or TLS over one.
#[derive(Debug)]
pub(in crate::attack) struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    written: u64,
    _counted: Option<Counted>,
}

impl Stream {
    pub(in crate::attack) fn plain(socket: Socket) -> Stream {
        Stream { socket, tls: None, written: 0, _counted: None }
    }

    /// The same, counted as long as it is open.
    pub(in crate::attack) fn counted(self, counted: Counted) -> Stream {
        Stream { _counted: Some(counted), ..self }
    }

    /// Whether the server chose HTTP/2.
    pub(in crate::attack) fn is_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|session| session.alpn_protocol() == Some(b"h2"))
    }

    /// Agrees on TLS with the server.
    pub(in crate::attack) async fn secure(
        socket: Socket,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Stream> {
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() || session.wants_write() {
            let interest =
                if session.wants_write() { Interest::WRITABLE } else { Interest::READABLE };
            socket.ready(interest).await?;
            let step = if session.wants_write() {
                session.write_tls(&mut Now(&socket))
            } else {
                let read = session.read_tls(&mut Now(&socket));
                if matches!(read, Ok(0)) {
                    return Err(io::Error::other("the server closed the connection"));
                }
                if read.is_ok()
                    && let Err(error) = session.process_new_packets()
                {
                    // The server is told why, as far as it still listens.
                    drop(session.write_tls(&mut Now(&socket)));
                    return Err(io::Error::other(error));
                }
                read
            };
            match step {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Stream { socket, tls: Some(Box::new(session)), written: 0, _counted: None })
    }

    /// Reads what is there; 0 at the end.
    pub(in crate::attack) fn try_read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        read_through(&mut self.tls, Now(&self.socket), to)
    }

    /// As [`Stream::try_read`], and asks the system even where the event loop has seen nothing come.
    #[cfg(target_os = "linux")]
    pub(in crate::attack) fn try_read_directly(&mut self, to: &mut [u8]) -> io::Result<usize> {
        read_through(&mut self.tls, Directly(&self.socket), to)
    }

    /// As [`Stream::try_read`], which has to do here.
    #[cfg(not(target_os = "linux"))]
    pub(in crate::attack) fn try_read_directly(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.try_read(to)
    }

    /// Takes what it can; some of that may be left for [`Stream::try_flush`] to write.
    pub(in crate::attack) fn try_write(&mut self, from: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            let written = self.socket.try_write(from)?;
            self.written += written as u64;
            return Ok(written);
        }
        self.try_flush()?;
        let Some(session) = &mut self.tls else { return Ok(0) };
        let taken = session.writer().write(from)?;
        match self.try_flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// How many bytes the system has taken, those of a handshake aside.
    pub(in crate::attack) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what is pending.
    pub(in crate::attack) fn try_flush(&mut self) -> io::Result<()> {
        let Stream { socket, tls, written, .. } = self;
        if let Some(session) = tls {
            while session.wants_write() {
                *written += session.write_tls(&mut Now(socket))? as u64;
            }
        }
        Ok(())
    }

    pub(in crate::attack) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.socket.ready(interest).await
    }

    /// Ready when [`Stream::try_read`] is worth trying again.
    pub(in crate::attack) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_read_ready(cx)
    }

    /// Ready when [`Stream::try_write`] is worth trying again.
    pub(in crate::attack) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    /// Waits for bytes; 0 at the end.
    pub(in crate::attack) async fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.socket.read(to).await;
        }
        loop {
            match self.try_read(to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.ready(Interest::READABLE).await?;
                }
                read => return read,
            }
        }
    }
}

/// Reads what `socket` has, through TLS if there is any.
fn read_through(
    tls: &mut Option<Box<ClientConnection>>,
    mut socket: impl Read,
    to: &mut [u8],
) -> io::Result<usize> {
    let Some(session) = tls else {
        return socket.read(to);
    };
    loop {
        match session.reader().read(to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Closed without a word, as many do: the decoder knows whether that is too early.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            read => return read,
        }
        if session.read_tls(&mut socket)? > 0 {
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
