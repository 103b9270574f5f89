//! A small HTTP/2 server, and a note of all that it saw.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Response};
use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET http://127.0.0.1:1/`.
    pub(crate) line: String,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 1.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The names of its headers, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn seq(&self) -> u64 {
        self.header("x-vegeta-seq").unwrap().parse().unwrap()
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// It waits so long first.
    pub(crate) delay: Duration,
    /// It says 103 first.
    pub(crate) is_hinted: bool,
    /// It says something after the body.
    pub(crate) has_trailers: bool,
    /// It answers before it has read the body, and does not read it.
    pub(crate) is_early: bool,
    /// It resets the stream: before the answer, or in the middle of its body.
    pub(crate) reset: Option<(Reason, bool)>,
    /// It takes no more requests on this connection, and ends it with the last one.
    pub(crate) goes_away: bool,
    /// It closes the connection, before the answer or after it.
    pub(crate) closes: Option<Close>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    Before,
    After,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply { status, ..Reply::default() }
    }

    pub(crate) fn after(delay_ms: u64) -> Reply {
        Reply { delay: Duration::from_millis(delay_ms), ..Reply::status(200) }
    }
}

#[derive(Debug, Default)]
struct Notes {
    seen: Vec<Seen>,
    connections: usize,
    first_connected: Option<Timestamp>,
    open: usize,
    open_peak: usize,
    /// Streams that the client reset, by its reason.
    resets: BTreeMap<String, usize>,
    under_way: BTreeMap<usize, usize>,
    under_way_peak: usize,
}

/// How the server is set up.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// So many streams at once on a connection.
    pub(crate) streams_max: Option<u32>,
    /// The window of each stream.
    pub(crate) window_len: Option<u32>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// A server on a free port; its thread ends with the test's process.
pub(crate) struct Http2Server {
    address: SocketAddr,
    notes: Arc<Mutex<Notes>>,
}

impl Http2Server {
    /// Answers each request with what `reply` says.
    pub(crate) fn start(
        setup: Setup,
        reply: impl Fn(&Seen) -> Reply + Send + 'static,
    ) -> Http2Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Mutex::new(Notes::default()));
        let server = Http2Server { address, notes: Arc::clone(&notes) };
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let serve = serve(listener, setup, notes, Rc::new(reply));
            LocalSet::new().block_on(&runtime, serve);
        });
        server
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they were complete.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.notes.lock().unwrap().seen.clone()
    }

    /// How many connections it accepted.
    pub(crate) fn connections(&self) -> usize {
        self.notes.lock().unwrap().connections
    }

    /// When it accepted the first.
    pub(crate) fn first_connected(&self) -> Option<Timestamp> {
        self.notes.lock().unwrap().first_connected
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.notes.lock().unwrap().open
    }

    /// The most at once.
    pub(crate) fn open_peak(&self) -> usize {
        self.notes.lock().unwrap().open_peak
    }

    /// The most requests at once on one connection.
    pub(crate) fn under_way_peak(&self) -> usize {
        self.notes.lock().unwrap().under_way_peak
    }

    /// How many streams the client reset, by its reason.
    pub(crate) fn resets(&self) -> BTreeMap<String, usize> {
        self.notes.lock().unwrap().resets.clone()
    }
}

type Replier = Rc<dyn Fn(&Seen) -> Reply>;

async fn serve(
    listener: std::net::TcpListener,
    setup: Setup,
    notes: Arc<Mutex<Notes>>,
    reply: Replier,
) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (setup, reply, notes) = (setup.clone(), Rc::clone(&reply), Arc::clone(&notes));
        let number = {
            let mut notes = notes.lock().unwrap();
            notes.connections += 1;
            notes.first_connected.get_or_insert_with(Timestamp::now);
            notes.open += 1;
            notes.open_peak = notes.open_peak.max(notes.open);
            notes.connections
        };
        tokio::task::spawn_local(async move {
            match setup.tls.clone() {
                None => connection(tcp, number, &setup, &notes, reply).await,
                Some(tls) => {
                    // A client that does not trust us goes.
                    if let Ok(tls) = TlsAcceptor::from(tls).accept(tcp).await {
                        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                        connection(tls, number, &setup, &notes, reply).await;
                    }
                }
            }
            notes.lock().unwrap().open -= 1;
        });
    }
}

async fn connection(
    io: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    setup: &Setup,
    notes: &Arc<Mutex<Notes>>,
    reply: Replier,
) {
    let mut builder = h2::server::Builder::new();
    if let Some(streams_max) = setup.streams_max {
        builder.max_concurrent_streams(streams_max);
    }
    if let Some(window_len) = setup.window_len {
        builder.initial_window_size(window_len);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
    let (go_away, close) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (notes, reply) = (Arc::clone(notes), Rc::clone(&reply));
                    let (go_away, close) = (Rc::clone(&go_away), Rc::clone(&close));
                    tokio::task::spawn_local(async move {
                        answer(request, respond, number, &notes, reply, &go_away, &close).await;
                    });
                }
                // After an error there may be no end to hear of.
                Some(Err(_)) | None => return,
            },
            () = go_away.notified() => connection.graceful_shutdown(),
            () = close.notified() => return,
        }
    }
}

async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: usize,
    notes: &Arc<Mutex<Notes>>,
    reply: Replier,
    go_away: &Notify,
    close: &Notify,
) {
    let change = |by: isize| {
        let mut notes = notes.lock().unwrap();
        let under_way = notes.under_way.entry(connection).or_default();
        *under_way = under_way.saturating_add_signed(by);
        notes.under_way_peak = notes.under_way_peak.max(notes.under_way[&connection]);
    };
    change(1);
    let (head, mut upload) = request.into_parts();
    assert_eq!(head.version, http::Version::HTTP_2);
    let line = format!("{} {}", head.method, head.uri);
    let mut seen = Seen { line, headers: head.headers, body: Vec::new(), connection };
    let planned = reply(&seen);
    if !planned.is_early {
        while let Some(Ok(data)) = upload.data().await {
            seen.body.extend_from_slice(&data);
            upload.flow_control().release_capacity(data.len()).unwrap();
        }
    }
    notes.lock().unwrap().seen.push(seen);
    tokio::select! {
        () = tokio::time::sleep(planned.delay) => {
            respond_with(&mut respond, &planned, go_away, close).await;
        }
        reset = poll_fn(|cx| respond.poll_reset(cx)) => {
            if let Ok(reason) = reset {
                *notes.lock().unwrap().resets.entry(format!("{reason:?}")).or_default() += 1;
            }
        }
    }
    change(-1);
}

async fn respond_with(
    respond: &mut SendResponse<Bytes>,
    planned: &Reply,
    go_away: &Notify,
    close: &Notify,
) {
    if planned.closes == Some(Close::Before) {
        close.notify_one();
        // To drop the stream now would reset it.
        return std::future::pending().await;
    }
    if planned.goes_away {
        go_away.notify_one();
    }
    if planned.is_hinted {
        let hint = Response::builder().status(103).header("x-hint", "1").body(()).unwrap();
        respond.send_informational(hint).unwrap();
    }
    if let Some((reason, false)) = planned.reset {
        return respond.send_reset(reason);
    }
    let mut head = Response::builder().status(planned.status);
    for (name, value) in &planned.headers {
        head = head.header(*name, value);
    }
    let is_bare = planned.body.is_empty() && !planned.has_trailers && planned.reset.is_none();
    let Ok(mut body) = respond.send_response(head.body(()).unwrap(), is_bare) else { return };
    if let Some((reason, true)) = planned.reset {
        drop(body.send_data(planned.body.clone(), false));
        tokio::time::sleep(Duration::from_millis(20)).await;
        return body.send_reset(reason);
    }
    if !is_bare {
        drop(body.send_data(planned.body.clone(), !planned.has_trailers));
        if planned.has_trailers {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-trailer", "1".parse().unwrap());
            drop(body.send_trailers(trailers));
        }
    }
    if planned.closes == Some(Close::After) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        close.notify_one();
    }
}
