//! The front against itself, however a stream is cut, and against hyper.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::super::ingest::Peer;
use super::oracle::{Bench, Seen, Then, exchange, parse};

/// Longer than any conversation takes: its pauses and time limits cost nothing,
/// since the clock stands still while there is work and jumps when there is none.
const HANG: Duration = Duration::from_secs(60);

/// One request of a stream, and what it gets.
#[derive(Clone)]
struct Told {
    bytes: Vec<u8>,
    /// With a copy's 409 for a new reading's 201; see [`Seen::normalised`].
    status: u16,
    /// Whether the connection ends with its answer.
    ends: bool,
    /// Whether hyper takes what we refuse.
    hyper_differs: bool,
}

impl Told {
    fn keeps(status: u16, bytes: impl Into<Vec<u8>>) -> Told {
        Told { bytes: bytes.into(), status, ends: false, hyper_differs: false }
    }

    fn ends(status: u16, bytes: impl Into<Vec<u8>>) -> Told {
        Told { ends: true, ..Told::keeps(status, bytes) }
    }

    fn only_ours(status: u16, bytes: impl Into<Vec<u8>>) -> Told {
        Told { hyper_differs: true, ..Told::ends(status, bytes) }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.status, String::from_utf8_lossy(&self.bytes))
    }
}

/// Numbers badges, so that no emission is a copy by chance.
static BADGES: AtomicUsize = AtomicUsize::new(0);

fn emission() -> impl Strategy<Value = String> {
    (Just(()), 0..30_usize).prop_map(|((), spaces)| {
        let badge = BADGES.fetch_add(1, Ordering::Relaxed);
        let spaces = " ".repeat(spaces);
        format!(r#"{{"badge_id":{spaces}"badge {badge}","pi_id":"32","beacons":{{"b1":-57}}}}"#)
    })
}

/// A POST with `head` after its request line, and the length of `body`.
fn post(version: &str, head: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("POST /rssi_readings {version}\r\n{head}Content-Length: {len}\r\n\r\n{body}").into()
}

fn chunked(body: &str, len: usize, trailer: &str) -> String {
    let mut out = String::new();
    for chunk in body.as_bytes().chunks(len) {
        let text = std::str::from_utf8(chunk).unwrap();
        out.push_str(&format!("{:x}\r\n{text}\r\n", chunk.len()));
    }
    out + "0\r\n" + trailer + "\r\n"
}

/// Heads that change nothing.
fn plain_head() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "Host: localhost\r\n",
        "HOST:127.0.0.1:6540\r\nUser-Agent: x\r\n",
        "Host: [::1]:80\r\nContent-Type: application/json\r\n",
        "content-type:\tApplication/JSON; charset=\"utf-8\" \r\n",
        "Content-Type: application/vnd.x+json\r\nContent-Encoding: identity\r\n",
        "Connection: keep-alive\r\nAccept: */*\r\n",
        "ORIGIN: http://localhost:80\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n",
        "Connection: TE, upgrade\r\nX: \r\nX: \x7e\r\n",
        "Content-Type: application/json\nHost: localhost\n",
    ])
}

fn emissions() -> impl Strategy<Value = Told> {
    (plain_head(), emission(), 0..12_u8, 1..40_usize).prop_map(|(head, body, kind, len)| match kind
    {
        0 => Told::ends(409, post("HTTP/1.0", head_without_connection(head), &body)),
        1 => {
            let head = format!("{}Connection: Keep-Alive\r\n", head_without_connection(head));
            Told::keeps(409, post("HTTP/1.0", &head, &body))
        }
        2 => Told::ends(409, post("HTTP/1.1", &format!("{head}Connection: close\r\n"), &body)),
        3 => {
            let options = if len % 2 == 0 { "close, keep-alive" } else { "\u{e9}, keep-alive" };
            let head = format!("{}Connection: {options}\r\n", head_without_connection(head));
            Told::ends(409, post("HTTP/1.0", &head, &body))
        }
        4 => {
            let trailer = if len % 2 == 0 { "X: y\r\n" } else { "" };
            let body = chunked(&body, len, trailer);
            let head = format!("POST /rssi_readings HTTP/1.1\r\n{head}Transfer-Encoding: chunked");
            Told::ends(409, format!("{head}\r\n\r\n{body}"))
        }
        5 => {
            let head = format!("{head}Expect: 100-continue\r\n");
            Told::ends(409, post("HTTP/1.1", &head, &body))
        }
        6 => {
            let request = post("HTTP/1.1", head, &body);
            Told::keeps(409, [b"\r\n\n\r\n".to_vec(), request].concat())
        }
        _ => Told::keeps(409, post("HTTP/1.1", head, &body)),
    })
}

fn head_without_connection(head: &str) -> &str {
    if head.contains("Connection") { "" } else { head }
}

fn bad_bodies() -> impl Strategy<Value = Told> {
    let broken =
        select(vec!["", "{", "{}}", "[]", "7", "{\"badge_id\":\"a\",}", "\u{feff}\u{feff}{}"]);
    let invalid = select(vec!["{}", "{\"badge_id\":7}", "{\"beacons\":{\"a\":1}}"]);
    prop_oneof![
        (plain_head(), invalid)
            .prop_map(|(head, body)| { Told::keeps(400, post("HTTP/1.1", head, body)) }),
        // hyper's door answers the same, and goes on.
        (plain_head(), broken)
            .prop_map(|(head, body)| { Told::ends(400, post("HTTP/1.1", head, body)) }),
        (17_000..40_000_usize, any::<bool>()).prop_map(|(len, by_chunks)| {
            let body = "x".repeat(len);
            if by_chunks {
                let head = "POST /rssi_readings HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
                Told::ends(413, head.to_owned() + &chunked(&body, 5_000, ""))
            } else {
                Told::ends(413, post("HTTP/1.1", "", &body))
            }
        }),
    ]
}

fn refused_media() -> impl Strategy<Value = Told> {
    let fields = select(vec![
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: application/json; charset=latin1",
        "Content-Encoding: gzip",
    ]);
    (fields, emission())
        .prop_map(|(field, body)| Told::ends(415, post("HTTP/1.1", &format!("{field}\r\n"), &body)))
}

fn other_doors() -> impl Strategy<Value = Told> {
    select(vec![
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/rssi_readings?limit=2", 200),
        ("GET", "/rssi_readings?limit=x", 400),
        ("GET", "/rssi_readings/1", 200),
        ("GET", "/rssi_readings/x", 400),
        ("GET", "/nothing", 404),
        ("GET", "http://localhost/livez", 200),
        ("POST", "http://localhost/", 405),
        ("POST", "http://localhost/nothing", 404),
        ("OPTIONS", "*", 404),
        ("DELETE", "/rssi_readings", 405),
        ("HEAD", "/livez", 200),
        ("BREW", "/livez", 405),
        ("GET", "/rssi_readings/%ff", 400),
        ("GET", "/rssi_readings?limit=%ff", 400),
        ("GET", "/rssi_readings?badge_id=%00", 400),
        ("GET", "/%ff?%", 404),
        ("CONNECT", "localhost:80", 404),
        ("CONNECT", "/livez", 405),
    ])
    .prop_map(|(method, target, status)| {
        Told::ends(status, format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    })
}

/// What hyper would take, or refuse without a word.
fn refused_heads() -> impl Strategy<Value = Told> {
    let post = |fields: &str| format!("POST /rssi_readings HTTP/1.1\r\n{fields}\r\n\r\n{{}}");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n\r\n");
    // Good emissions, if the doubt is not seen.
    let body = chunked(r#"{"badge_id":"doubtful","pi_id":"32"}"#, 9, "");
    let len = body.len();
    let doubtful = |fields: &str| format!("POST /rssi_readings HTTP/1.1\r\n{fields}\r\n\r\n{body}");
    let fields = |n: usize| "A: b\r\n".repeat(n);
    select(vec![
        (400, doubtful(&format!("Content-Length: {len}\r\nTransfer-Encoding: chunked"))),
        (400, doubtful(&format!("Transfer-Encoding: chunked\r\nContent-Length: {len}"))),
        (400, post("Content-Length: 2\r\ncontent-length: 2")),
        (400, post("Content-Length: +2")),
        (400, post("Content-Length: 0x2")),
        (400, post("Content-Length: 2, 2")),
        (400, post("Content-Length: ")),
        (400, post("Content-Length: 18446744073709551615")),
        (400, post("Content-Length : 2")),
        (400, post("Content-Length: 2\r\n folded")),
        (400, post("Host: localhost\r\nHost: localhost")),
        (403, post("Host: evil.example")),
        (403, get("http://evil.example/livez")),
        (403, post("Sec-Fetch-Site: cross-site")),
        (403, post("Host: localhost\r\nOrigin: https://evil.example")),
        (403, "POST /rssi_readings/batch HTTP/1.1\r\nOrigin: null\r\n\r\n".to_owned()),
        (400, post("Origin: http://localhost\r\nOrigin: http://localhost\r\nHost: localhost")),
        (400, get("livez/x")),
        (400, get("/a|\u{7f}")),
        (400, get("/\u{1}")),
        (501, post("Transfer-Encoding: gzip, chunked")),
        (501, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
        (400, "POST /rssi_readings HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (431, post(&fields(65))),
        (431, post(&format!("A: {}", "b".repeat(16_400)))),
        (431, post(&format!("A: {}\r\n\u{1}", "b".repeat(16_400)))),
        (414, get(&format!("/{}", "b".repeat(16_400)))),
        (400, "\u{16}\u{3}\u{1} hello".to_owned()),
    ])
    .prop_map(|(status, bytes)| Told::only_ours(status, bytes))
}

fn requests() -> impl Strategy<Value = Vec<Told>> {
    let one = prop_oneof![
        12 => emissions(),
        4 => bad_bodies(),
        1 => refused_media(),
        2 => other_doors(),
        2 => refused_heads(),
    ];
    vec(one, 1..8)
}

fn splits() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..60), vec(0..12_u8, 0..600)]
}

fn then() -> impl Strategy<Value = Then> {
    select(vec![Then::HalfCloses, Then::Waits])
}

/// What is left of a stream after some bytes were cut out, put in or changed.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let pieces = select(
        [
            "",
            "\r",
            "\n",
            "\r\n",
            "\r\n\r\n",
            " ",
            ":",
            "0",
            "9",
            "x",
            "\0",
            "\u{7f}",
            ",",
            "{",
            "}",
            "chunked",
            "close",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "HTTP/1.0",
            "HEAD /livez HTTP/1.1\r\n\r\n",
            "Expect: 100-continue\r\n",
            "/",
            "?",
            "#",
            "Connection: close\r\n",
            "ffffffffffffffff\r\n",
            "\u{ff}",
            ";",
        ]
        .map(str::as_bytes)
        .to_vec(),
    );
    let change = (any::<prop::sample::Index>(), 0..4_usize, pieces);
    (requests(), vec(change, 1..4)).prop_map(|(requests, changes)| {
        let mut bytes: Vec<u8> = requests.into_iter().flat_map(|told| told.bytes).collect();
        for (at, cut, piece) in changes {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, piece.iter().copied());
        }
        bytes
    })
}

/// The same routes behind hyper alone.
async fn hyper_alone(bench: &Bench, bytes: &[u8]) -> Vec<Seen> {
    let routes = TowerToHyperService::new(bench.front.router.routes.clone());
    let serve = |stream: DuplexStream| async move {
        let served = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), routes)
            .await;
        // Broken requests are among those it is given.
        drop(served);
    };
    let out = exchange(serve, bytes, &[], Then::HalfCloses).await;
    answers_only(parse(&out).into_iter().map(Seen::normalised).collect())
}

/// Without the invitations to send a body.
fn answers_only(mut answers: Vec<Seen>) -> Vec<Seen> {
    answers.retain(|answer| answer.status != 100);
    answers
}

/// Runs `test` on a clock that jumps, and panics if it does not end.
fn within_time<F, T>(test: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let (done, outcome) = mpsc::channel();
    let running = std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        done.send(runtime.block_on(test())).unwrap();
    });
    match outcome.recv_timeout(HANG) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the front hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(running.join().unwrap_err())
        }
    }
}

fn statuses(answers: &[Seen]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

#[test]
fn every_request_gets_its_answer_in_order_through_both_doors() {
    let bench = Arc::new(Bench::new());
    proptest!(cases(600), |(requests in requests(), splits in splits(), then in then())| {
        let bytes: Vec<u8> = requests.iter().flat_map(|told| told.bytes.clone()).collect();
        let last = requests.iter().position(|told| told.ends);
        let told = &requests[..last.map_or(requests.len(), |last| last + 1)];
        let expected: Vec<u16> = told.iter().map(|told| told.status).collect();
        let bench = bench.clone();
        let (ours, hypers) = within_time(move || async move {
            let ours = answers_only(bench.check(&bytes, &splits, then).await);
            (ours, hyper_alone(&bench, &bytes).await)
        });
        prop_assert_eq!(statuses(&ours), expected);
        let same = told.len() - usize::from(told.last().is_some_and(|told| told.hyper_differs));
        let texts = |answers: &[Seen]| -> Vec<_> {
            answers.iter().take(same).map(|seen| (seen.status, seen.body.clone())).collect()
        };
        prop_assert_eq!(texts(&ours), texts(&hypers));
        let closing = ours.iter().position(|seen| seen.connection.as_deref() == Some("close"));
        prop_assert!(closing.is_none_or(|closing| closing + 1 == ours.len()));
    });
}

#[test]
fn a_spoilt_stream_is_answered_as_hyper_does_or_refused() {
    let bench = Arc::new(Bench::new());
    proptest!(cases(1_500), |(bytes in spoilt(), splits in splits(), then in then())| {
        let bench = bench.clone();
        let (ours, hypers) = within_time(move || async move {
            let ours = answers_only(bench.check(&bytes, &splits, then).await);
            (ours, hyper_alone(&bench, &bytes).await)
        });
        for (at, seen) in ours.iter().enumerate() {
            let same = hypers.get(at).is_some_and(|hypers| {
                (seen.status, &seen.body) == (hypers.status, &hypers.body)
            });
            let refused = matches!(seen.status, 400 | 403 | 408 | 413 | 414 | 415 | 431 | 501 | 505)
                && at + 1 == ours.len();
            prop_assert!(same || refused, "answer {at}: {seen:?}, hyper: {hypers:?}");
        }
        prop_assert!(!ours.is_empty() || hypers.is_empty(), "no answer, hyper: {hypers:?}");
    });
}

#[test]
fn any_bytes_end() {
    let bench = Arc::new(Bench::new());
    let byte = prop_oneof![any::<u8>(), select(b"POST / HTTP/1.1\r\n: \r\n".to_vec())];
    proptest!(cases(300), |(bytes in vec(byte, 0..300), splits in splits(), then in then())| {
        let bench = bench.clone();
        within_time(move || async move { bench.check(&bytes, &splits, then).await });
    });
}

#[test]
fn what_follows_a_broken_body_is_not_stored() {
    let follower = r#"{"badge_id":"a","pi_id":"1"}"#;
    let stream = [post("HTTP/1.1", "", "{"), post("HTTP/1.1", "", follower)].concat();
    let answers =
        within_time(|| async move { Bench::new().check(&stream, &[], Then::Waits).await });
    assert_eq!(statuses(&answers), [400]);
}

#[test]
fn the_seeds_of_the_fuzz_target_pass() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/front");
    let mut passed = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        let input = std::fs::read(seed.unwrap().path()).unwrap();
        let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (splits, bytes) = input.split_at(line);
        crate::fuzzing::front(bytes.get(1..).unwrap_or_default(), splits);
        passed += 1;
    }
    assert!(passed >= 5, "{passed} seeds");
}

/// The answer does not fit into what the client has room for, and its body has
/// ended early: neither is a reason to forget the rest.
#[test]
fn an_answer_to_a_broken_body_goes_out_whole() {
    within_time(|| async {
        let bench = Bench::new();
        for target in ["/rssi_readings", "/rssi_readings/batch"] {
            let head =
                "Host: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
            let bytes = format!("POST {target} HTTP/1.1\r\n{head}\r\n\r\n9\r\n[{{}}, ");
            let (mut client, server) = duplex(64);
            tokio::spawn(bench.front.clone().serve(server, Peer::default()));
            client.write_all(bytes.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            // Whatever wants to end has the time to.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut out = Vec::new();
            client.read_to_end(&mut out).await.unwrap();
            assert_eq!(statuses(&parse(&out)), [400], "{target}");
        }
    });
}

#[test]
fn a_feed_outlives_every_limit() {
    within_time(|| async {
        let bench = Bench::new();
        let (mut client, server) = duplex(4096);
        tokio::spawn(bench.front.clone().serve(server, Peer::default()));
        client.write_all(b"GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut seen = String::new();
        let mut read_until = async |what: &str, times: usize| {
            while seen.matches(what).count() < times {
                let mut bytes = [0; 4096];
                let len = client.read(&mut bytes).await.unwrap();
                assert_ne!(len, 0, "it ends after {seen}");
                seen.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
            }
        };
        // Ten minutes of nothing.
        read_until(": heartbeat\n", 40).await;
        tokio::join!(bench.newest_id(), read_until("event: reading\n", 1));
        assert!(!seen.contains("event: dropped"), "{seen}");
    });
}
