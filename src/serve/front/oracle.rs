//! What holds for every byte stream, however it arrives. Shared by the property
//! tests and the fuzz target `front`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use houseful_store::{Options, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;

use super::Front;
use crate::serve::connections::Connections;
use crate::serve::host::HostRule;
use crate::serve::ingest::{Ingest, Peer};
use crate::serve::router::{Doors, Router};

/// What lies between client and server; small, so that both must wait.
const PIPE_BYTES: usize = 4096;

/// A front on a store of its own.
pub(crate) struct Bench {
    pub(super) front: Front,
    store: Arc<Store>,
    sentinels: AtomicU64,
    /// Said never to become true.
    _stop: watch::Sender<bool>,
    _dir: TempDir,
}

/// What a client does when it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It shuts its sending side.
    HalfCloses,
    /// It waits for whatever comes.
    Waits,
}

/// One answer, without what changes from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) connection: Option<String>,
    pub(crate) body: String,
}

impl Bench {
    /// With a dedup window that outlasts the test.
    ///
    /// # Panics
    /// If there is no place for the store.
    pub(crate) fn new() -> Bench {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options { window: Duration::from_secs(600) };
        let store = Store::open(&dir.path().join("houseful.db"), options).expect("a new store");
        let store = Arc::new(store);
        let ingest = Ingest::new(store.clone());
        let (stop, stopping) = watch::channel(false);
        let connections = Connections::new(1);
        let doors = Doors::new(store.clone(), ingest.clone(), stopping.clone(), connections);
        let hosts = Arc::new(HostRule::Loopback { allowed: Vec::new() });
        let front = Front { ingest, hosts, router: Router::new(doors), stopping };
        Bench { front, store, sentinels: AtomicU64::new(0), _stop: stop, _dir: dir }
    }

    #[cfg(test)]
    pub(crate) fn router(&self) -> &Router {
        &self.front.router
    }

    /// Sends `bytes` in pieces, then in one piece, and gives back the answers.
    ///
    /// # Panics
    /// If the two differ, if an answer is malformed or has no body of ours, or
    /// if anything was stored without a 201.
    pub(crate) async fn check(&self, bytes: &[u8], splits: &[u8], then: Then) -> Vec<Seen> {
        let in_pieces = self.run(bytes, splits, then).await;
        let in_one = self.run(bytes, &[], then).await;
        assert_eq!(in_pieces, in_one, "in pieces, and in one");
        in_one
    }

    async fn run(&self, bytes: &[u8], splits: &[u8], then: Then) -> Vec<Seen> {
        let before = self.newest_id().await;
        let serve = |stream| self.front.clone().serve(stream, Peer::default());
        let out = exchange(serve, bytes, splits, then).await;
        let after = self.newest_id().await;
        let answers = parse(&out);
        for (status, body) in answers.iter().map(|answer| (answer.status, &answer.body)) {
            // An answer to HEAD has none.
            let silent = body.is_empty() && contains(bytes, b"HEAD");
            assert!(silent || (100..300).contains(&status) || has_errors(body), "{status} {body}");
        }
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        // The first sentinel is stored between the two looks.
        assert_eq!(after - before - 1, i64::try_from(created).expect("few"), "stored, and told");
        answers.into_iter().map(Seen::normalised).collect()
    }

    /// The newest row's id, after everything that was submitted before.
    pub(super) async fn newest_id(&self) -> i64 {
        let number = self.sentinels.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"badge_id":"sentinel {number}","pi_id":"0"}}"#);
        let ingest = &self.front.ingest;
        let arrival = ingest.arrival();
        let reply = ingest.reply(ingest.post(body.as_bytes(), arrival), arrival).await;
        assert_eq!(reply.status, 201);
        self.store.read(|reader| reader.newest_id()).expect("a readable store")
    }
}

impl Seen {
    /// Whether something was stored before, and what else was, is another test's
    /// affair.
    pub(crate) fn normalised(self) -> Seen {
        let reading = |body: &str| body.contains(r#""badge_id":"#);
        let (status, body) = match (self.status, self.body) {
            (201, body) if reading(&body) => (409, r#"{"errors":["duplicate"]}"#.to_owned()),
            (200, body) if body.starts_with(r#"{"readings":["#) => (200, "readings".to_owned()),
            (200, body) if reading(&body) => (200, "a reading, or none".to_owned()),
            (404, body) if body.starts_with(r#"{"errors":["reading "#) => {
                (200, "a reading, or none".to_owned())
            }
            (status, body) => (status, body),
        };
        Seen { status, connection: self.connection, body }
    }
}

/// A client's whole conversation with `serve`: everything that came back.
///
/// Each of `splits` is the length of a piece, and in its two low bits how long
/// the client then pauses; what they leave over is one last piece.
pub(super) async fn exchange<F: Future<Output = ()>>(
    serve: impl FnOnce(DuplexStream) -> F,
    bytes: &[u8],
    splits: &[u8],
    then: Then,
) -> Vec<u8> {
    let (client, server) = duplex(PIPE_BYTES);
    let (mut reading, mut writing) = tokio::io::split(client);
    let send = async {
        let mut rest = bytes;
        for split in splits {
            let (piece, more) = rest.split_at(rest.len().min(usize::from(split >> 2) + 1));
            rest = more;
            if writing.write_all(piece).await.is_err() {
                break;
            }
            pause(split & 3).await;
        }
        // A server that has said its last may be gone.
        drop(writing.write_all(rest).await);
        if then == Then::HalfCloses {
            drop(writing.shutdown().await);
        }
        writing
    };
    let client = async {
        let mut out = Vec::new();
        let (writing, received) = tokio::join!(send, reading.read_to_end(&mut out));
        received.expect("a pipe cannot break");
        drop((reading, writing));
        out
    };
    let ((), out) = tokio::join!(serve(server), client);
    out
}

async fn pause(how_long: u8) {
    match how_long {
        0 => {}
        1 => tokio::task::yield_now().await,
        2 => {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        _ => tokio::time::sleep(Duration::from_millis(1)).await,
    }
}

/// The answers in what a server sent.
///
/// # Panics
/// If it is not a row of whole answers.
pub(super) fn parse(mut out: &[u8]) -> Vec<Seen> {
    let mut answers = Vec::new();
    while !out.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let shown = String::from_utf8_lossy(out);
        let head_len = match response.parse(out) {
            Ok(httparse::Status::Complete(len)) => len,
            other => panic!("expected an answer, found {other:?} in {shown:?}"),
        };
        let header = |name: &str| {
            let mut named = response.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
            named.next().map(|header| String::from_utf8_lossy(header.value).into_owned())
        };
        let status = response.code.expect("a whole answer has a status");
        out = &out[head_len..];
        // Our bodies do not begin like this; an answer to HEAD has none.
        let has_body = status != 100 && !out.is_empty() && !out.starts_with(b"HTTP/1.");
        let body = match (has_body, header("content-length")) {
            (false, _) => Vec::new(),
            (true, Some(len)) => {
                let len: usize = len.parse().expect("a length");
                assert!(len <= out.len(), "a cut body in {shown:?}");
                let (body, rest) = out.split_at(len);
                out = rest;
                body.to_vec()
            }
            (true, None) if header("transfer-encoding").is_some() => unchunked(&mut out),
            (true, None) => std::mem::take(&mut out).to_vec(),
        };
        answers.push(Seen {
            status,
            connection: header("connection"),
            body: String::from_utf8(body).expect("bodies are text"),
        });
    }
    answers
}

fn unchunked(out: &mut &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((at, len))) = httparse::parse_chunk_size(out) else {
            panic!("expected a chunk, found {:?}", String::from_utf8_lossy(out));
        };
        let len = usize::try_from(len).expect("a small chunk");
        body.extend_from_slice(&out[at..at + len]);
        *out = &out[at + len + 2..];
        if len == 0 {
            return body;
        }
    }
}

fn has_errors(body: &str) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_str(body) else {
        return false;
    };
    let errors = object.get("errors").and_then(Value::as_array);
    object.len() == 1
        && errors.is_some_and(|errors| !errors.is_empty() && errors.iter().all(Value::is_string))
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
