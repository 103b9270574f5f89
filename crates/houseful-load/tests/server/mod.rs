//! A small HTTP server on threads, and a note of each request that it saw.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    head: Vec<String>,
    pub(crate) body: String,
    /// The address that it came from, without the port; empty for a Unix socket.
    pub(crate) peer: String,
    /// Which connection it came on, from 1.
    pub(crate) connection: usize,
    /// When it was whole.
    pub(crate) arrived: SystemTime,
}

impl Request {
    /// `GET / HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        &self.head[0]
    }

    /// The value of a header, by its exact name.
    pub(crate) fn header(&self, key: &str) -> Option<&str> {
        self.head[1..].iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// Writes these bytes and waits for the next request.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Last(Vec<u8>),
}

impl Reply {
    pub(crate) fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.into())
    }

    pub(crate) fn last(text: &str) -> Reply {
        Reply::Last(text.into())
    }
}

/// A server on a free port; its threads end with the test's process.
pub(crate) struct Server {
    authority: String,
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request with what `reply` says.
    pub(crate) fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let accept = move || {
            let (stream, peer) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            (stream, peer.ip().to_string())
        };
        Server::start_with(authority, accept, reply)
    }

    /// The same on a Unix socket.
    pub(crate) fn start_at(
        path: &Path,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        let accept = move || (listener.accept().unwrap().0, String::new());
        Server::start_with("unix".to_owned(), accept, reply)
    }

    /// The same on whatever `accept` brings.
    pub(crate) fn start_with<S: Read + Write + Send + 'static>(
        authority: String,
        accept: impl Fn() -> (S, String) + Send + 'static,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let server =
            Server { authority, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        let reply = Arc::new(reply);
        thread::spawn(move || {
            loop {
                let (stream, peer) = accept();
                let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                thread::spawn(move || serve(stream, &peer, connection, &seen, &*reply));
            }
        });
        server
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// All requests so far, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Where requests are noted as they come.
    pub(crate) fn seen(&self) -> Arc<Mutex<Vec<Request>>> {
        Arc::clone(&self.seen)
    }

    /// How many connections it accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: impl Read + Write,
    peer: &str,
    connection: usize,
    seen: &Mutex<Vec<Request>>,
    reply: &(dyn Fn(&Request) -> Reply + Send + Sync),
) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = read_request(&mut stream) {
        let arrived = SystemTime::now();
        let request = Request { head, body, peer: peer.to_owned(), connection, arrived };
        seen.lock().unwrap().push(request.clone());
        let (bytes, is_last) = match reply(&request) {
            Reply::Bytes(bytes) => (bytes, false),
            Reply::Last(bytes) => (bytes, true),
        };
        // A client that has gone is no failure of the server's.
        let writer = stream.get_mut();
        if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() || is_last {
            return;
        }
    }
}

/// Head and body; `None` when the client has closed the connection.
fn read_request(stream: &mut impl BufRead) -> Option<(Vec<String>, String)> {
    let mut line = || {
        let mut line = String::new();
        (stream.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let mut head = Vec::new();
    loop {
        match line()? {
            line if line.is_empty() => break,
            line => head.push(line),
        }
    }
    let header =
        |key: &str| head.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let mut body = Vec::new();
    if header("Transfer-Encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends in a line end");
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body.resize(header("Content-Length").map_or(0, |length| length.parse().unwrap()), 0);
        stream.read_exact(&mut body).ok()?;
    }
    let body = String::from_utf8(body).unwrap();
    Some((head, body))
}
