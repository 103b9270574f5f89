//! Something between a Pi and the collector: it answers for it, swallows its
//! answers, or passes everything on.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// What becomes of one request.
#[derive(Debug)]
pub(crate) enum Fate {
    /// This is answered, and the collector never hears of it.
    Say(String),
    /// The collector gets it, and its answer is lost.
    Swallow,
    /// The connection is closed.
    Cut,
    /// It is passed on, and so is its answer.
    Pass,
}

impl Fate {
    /// An answer; `headers` end in a line's end.
    pub(crate) fn say(status: &str, headers: &str, body: &str) -> Fate {
        let length = body.len();
        Fate::Say(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"))
    }
}

/// Meets each request with the next fate; when there is none left, passes it on.
pub(crate) struct Between {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    fates: Mutex<VecDeque<Fate>>,
    heads: Mutex<Vec<String>>,
    upstream_port: u16,
}

impl Between {
    /// Before a collector. Its thread ends with the test's process.
    pub(crate) fn before(upstream_port: u16, fates: Vec<Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            fates: Mutex::new(fates.into()),
            heads: Mutex::default(),
            upstream_port,
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // Its client may be gone, or killed.
                drop(serving.serve(stream.expect("accept")));
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }
}

impl Shared {
    /// Serves one request, then closes.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some((head, request)) = read_request(&mut stream)? else {
            return Ok(());
        };
        self.heads.lock().unwrap().push(head);
        let fate = self.fates.lock().unwrap().pop_front();
        match fate {
            Some(Fate::Cut) => Ok(()),
            Some(Fate::Say(answer)) => stream.write_all(answer.as_bytes()),
            Some(Fate::Swallow) => self.ask(&request).map(drop),
            Some(Fate::Pass) | None => stream.write_all(&self.ask(&request)?),
        }
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(("127.0.0.1", self.upstream_port))?;
        upstream.set_read_timeout(Some(PATIENCE))?;
        upstream.write_all(request)?;
        upstream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The head as text, and all bytes. The body's length must be told.
pub(crate) fn read_request(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Ok(Some((head, bytes)));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    }
}
