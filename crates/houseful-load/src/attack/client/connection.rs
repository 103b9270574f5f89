//! One connection, and one request with its answer on it.

use std::io;

use tokio::io::Interest;

use super::response::{Decoder, HEAD_LEN_MAX};
use super::stream::Stream;
use super::{Failure, tls_error};

const BUFFER_LEN_FIRST: usize = 4 * 1024;

/// An open connection with no request under way.
#[derive(Debug)]
pub(in crate::attack) struct Connection {
    stream: Stream,
    /// Bytes of an answer that are not decoded yet: the first `filled` of the buffer.
    buffer: Vec<u8>,
    filled: usize,
    /// How many bytes had been written before the last request.
    written_before: u64,
    /// How many requests it has carried to the end, up to two: then it is known to be kept open.
    carried: u8,
}

impl Connection {
    pub(in crate::attack) fn new(stream: Stream) -> Connection {
        Connection {
            stream,
            buffer: vec![0; BUFFER_LEN_FIRST],
            filled: 0,
            written_before: 0,
            carried: 0,
        }
    }

    /// Whether the server has closed the connection, or sent what nobody asked for (a 408, say):
    /// either way it cannot carry another request. Costs a system call only if something came.
    pub(in crate::attack) fn is_stale(&mut self) -> bool {
        !would_block(self.stream.try_read(&mut [0]))
    }

    /// As [`Connection::is_stale`] before another request. For a close look, which costs a system
    /// call and also sees what came since the last turn of the event loop, it takes a server known to
    /// hang up, or the first request after the first one: a server that keeps no connection may not
    /// say so.
    pub(in crate::attack) fn is_stale_for_another(&mut self, may_hang_up: bool) -> bool {
        if may_hang_up || self.carried == 1 {
            !would_block(self.stream.try_read_directly(&mut [0]))
        } else {
            self.is_stale()
        }
    }

    /// Waits until [`Connection::is_stale`] is worth asking.
    pub(in crate::attack) async fn stirred(&self) {
        // An error here is one that `is_stale` sees.
        if self.stream.ready(Interest::READABLE).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends the parts of a request and decodes the answer into `decoder`, at the same time if the
    /// answer begins early. To go on sending to a server that has answered could block for ever, so what
    /// is left of the request then is not sent.
    ///
    /// `Ok(true)` if nothing of the request or the answer is left on the connection, so that it
    /// can carry another request as far as our side is concerned.
    pub(in crate::attack) async fn exchange(
        &mut self,
        mut parts: [&[u8]; 2],
        decoder: &mut Decoder,
    ) -> Result<bool, Failure> {
        self.written_before = self.stream.written();
        loop {
            match self.send(&mut parts) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return self.explain(error, decoder),
            }
            let either = Interest::READABLE | Interest::WRITABLE;
            let ready = self.stream.ready(either).await.map_err(Failure::Send)?;
            if !ready.is_readable() {
                continue;
            }
            self.make_room();
            match self.stream.try_read(&mut self.buffer[self.filled..]) {
                // It will say nothing more, whatever it is sent.
                Ok(0) => {
                    decoder.close().map_err(Failure::Answer)?;
                    return Ok(false);
                }
                Ok(received) => {
                    self.decode(received, decoder)?;
                    if decoder.is_done() {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Failure::Read(error)),
            }
        }
        while !decoder.is_done() {
            self.make_room();
            let received = self.stream.read(&mut self.buffer[self.filled..]).await;
            let received = received.map_err(Failure::Read)?;
            if received == 0 {
                decoder.close().map_err(Failure::Answer)?;
                return Ok(false);
            }
            self.decode(received, decoder)?;
        }
        self.carried = (self.carried + 1).min(2);
        Ok(self.filled == 0)
    }

    /// Whether the server can have seen anything of the last request.
    pub(in crate::attack) fn has_sent(&self) -> bool {
        self.stream.written() > self.written_before
    }

    /// Sends of `parts` what the connection takes, and leaves the rest there; whether that was all.
    fn send(&mut self, parts: &mut [&[u8]; 2]) -> io::Result<bool> {
        for part in parts {
            while !part.is_empty() {
                match self.stream.try_write(part) {
                    Ok(sent) => *part = &part[sent..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        }
        match self.stream.try_flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            flushed => flushed.map(|()| true),
        }
    }

    /// A request could not be sent. The server may have answered and closed; then its answer is the
    /// better explanation.
    fn explain(&mut self, error: io::Error, decoder: &mut Decoder) -> Result<bool, Failure> {
        // The event loop need not have seen yet what has come.
        loop {
            self.make_room();
            match self.stream.try_read_directly(&mut self.buffer[self.filled..]) {
                Ok(received @ 1..) => self.decode(received, decoder)?,
                Err(said) if tls_error(&said).is_some() => return Err(Failure::Read(said)),
                _ => break,
            }
            if decoder.is_done() {
                return Ok(false);
            }
        }
        if !decoder.has_begun() {
            return Err(Failure::Send(error));
        }
        decoder.close().map_err(Failure::Answer)?;
        Ok(false)
    }

    /// Sees that there is room for another byte.
    fn make_room(&mut self) {
        if self.filled == self.buffer.len() {
            // The decoder needs it in one piece and gives up at HEAD_LEN_MAX, so this ends.
            self.buffer.resize((self.buffer.len() * 2).min(HEAD_LEN_MAX * 2), 0);
        }
    }

    /// Decodes what there is, `received` bytes more than before.
    fn decode(&mut self, received: usize, decoder: &mut Decoder) -> Result<(), Failure> {
        self.filled += received;
        let used = decoder.feed(&self.buffer[..self.filled]).map_err(Failure::Answer)?;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(())
    }
}

fn would_block(read: io::Result<usize>) -> bool {
    matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::super::stream::Socket;
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn is_stale_when_looked_at_closely_before_the_event_loop_knows() {
        use std::io::{Read, Write};

        use crate::attack::client::response::Keep;

        const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = Connection::new(Stream::plain(Socket::Tcp(tcp)));
        let (mut server, _) = listener.accept().unwrap();
        let keep = Keep { headers: false, location: false, body_max: None };
        let mut decoder = Decoder::new(keep);
        for number in 0..3 {
            decoder.begin("POST");
            server.write_all(ANSWER).unwrap();
            assert!(connection.exchange([b"x", b""], &mut decoder).await.unwrap());
            server.read_exact(&mut [0]).unwrap();
            assert!(!connection.is_stale_for_another(true), "{number}");
        }
        // On loopback the end is there at once, but nothing has been awaited since.
        drop(server);
        assert!(
            !connection.is_stale_for_another(false),
            "used three times, so it is kept open as a rule"
        );
        assert!(connection.is_stale_for_another(true));
    }

    #[tokio::test]
    async fn tells_what_the_server_can_have_seen() {
        use rustix::net::sockopt::set_socket_linger;

        use crate::attack::client::response::Keep;

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for is_reset in [false, true] {
            let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let mut connection = Connection::new(Stream::plain(Socket::Tcp(tcp)));
            let (server, _) = listener.accept().unwrap();
            if is_reset {
                // So that the first write fails.
                set_socket_linger(&server, Some(std::time::Duration::ZERO)).unwrap();
            }
            drop(server);
            connection.stream.ready(Interest::READABLE).await.unwrap();
            let mut decoder =
                Decoder::new(Keep { headers: false, location: false, body_max: None });
            decoder.begin("POST");
            let failure = connection.exchange([b"x", b""], &mut decoder).await.unwrap_err();
            assert_eq!((connection.has_sent(), failure.is_end_of_connection()), (!is_reset, true));
        }
    }

    #[tokio::test]
    async fn is_stale_once_the_server_has_closed_or_spoken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for speaks in [false, true] {
            let tcp = TcpStream::connect(address).await.unwrap();
            let mut connection = Connection::new(Stream::plain(Socket::Tcp(tcp)));
            let (mut server, _) = listener.accept().await.unwrap();
            assert!(!connection.is_stale());
            if speaks {
                server.write_all(b"x").await.unwrap();
            } else {
                drop(server);
            }
            connection.stirred().await;
            assert!(connection.is_stale());
        }
    }
}
