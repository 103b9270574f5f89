//! Attacks a small HTTP/2 server and looks at what the server saw.

mod faults;
#[path = "../server/http2.rs"]
mod http2_server;
mod streams;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use houseful_load::attack::{self, Options, Outcome, Stop};
use houseful_load::pacer::Pacer;
use houseful_load::results::Record;
use houseful_load::targets::{self, Defaults, Target};
use http2_server::{Http2Server, Reply, Setup};

/// One attack at a time: they look at the clock, and machines have few cores.
static TURN: Mutex<()> = Mutex::new(());

fn targets(text: &str) -> Vec<Target> {
    targets::http::read(text.as_bytes(), "targets", &Defaults::default()).unwrap()
}

fn h2c() -> Options {
    Options { h2c: true, ..Options::default() }
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// So many requests a second, for so long.
fn attack(
    targets: Vec<Target>,
    rate: &str,
    duration_ms: u64,
    options: &Options,
) -> (Vec<Record>, Outcome) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Steps have theirs.
    let duration = (duration_ms > 0).then(|| Duration::from_millis(duration_ms));
    let pacer = Pacer::new(rate.parse().unwrap(), duration);
    let mut records = Vec::new();
    let outcome = attack::run(targets, pacer.unwrap(), options, &Stop::new(), |record| {
        records.push(record.clone());
    });
    (records, outcome.unwrap())
}

fn get(server: &Http2Server) -> Vec<Target> {
    targets(&format!("GET {}/", server.url()))
}

/// Each distinct error once, sorted.
fn errors(records: &[Record]) -> Vec<&str> {
    let mut errors: Vec<_> = records.iter().map(|record| record.error.as_str()).collect();
    errors.sort_unstable();
    errors.dedup();
    errors
}

#[test]
fn requests_come_as_they_are_sent_over_http_1_with_names_in_lower_case() {
    let server = Http2Server::start(Setup::default(), |_| Reply {
        headers: vec![("x-a", "1".into()), ("content-type", "a/b".into()), ("x-a", "2".into())],
        body: Bytes::from_static(b"hello"),
        ..Reply::status(409)
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("body"), "the body").unwrap();
    let targets = targets(&format!(
        "POST {0}/a?b=<c>\nX-Case: Kept\nConnection: close\nKeep-Alive: 5\n@{1}\n\nPUT {0}\nHost: other:1\nUser-Agent: me\n",
        server.url(),
        dir.path().join("body").display()
    ));
    let options = Options { name: "run 1".into(), body_max: Some(3), ..h2c() };
    let (records, outcome) = attack(targets, "100", 100, &options);

    let mut seen = server.seen();
    assert_eq!((seen.len(), records.len(), outcome.requests), (10, 10, 10));
    seen.sort_by_key(http2_server::Seen::seq);
    for (n, request) in (0..).zip(&seen) {
        assert_eq!(request.seq(), n);
        assert_eq!(request.header("x-vegeta-attack"), Some("run 1"));
        if n % 2 == 0 {
            assert_eq!(request.line, format!("POST {}/a?b=%3Cc%3E", server.url()));
            assert_eq!(
                (request.body.as_slice(), request.header("x-case")),
                (&b"the body"[..], Some("Kept"))
            );
            assert_eq!(request.header("content-length"), Some("8"));
            let names =
                ["content-length", "user-agent", "x-case", "x-vegeta-attack", "x-vegeta-seq"];
            assert_eq!(request.names(), names);
        } else {
            assert_eq!(request.line, "PUT http://other:1/");
            assert_eq!((request.header("user-agent"), request.body.len()), (Some("me"), 0));
            assert_eq!(request.header("content-length"), Some("0"));
        }
    }
    for record in &records {
        assert_eq!((record.code, record.error.as_str()), (409, "409 Conflict"));
        assert_eq!((record.bytes_in, record.body.as_deref()), (5, Some(&b"hel"[..])));
        assert_eq!(record.bytes_out, if record.seq % 2 == 0 { 8 } else { 0 });
        let headers = record.headers.as_ref().unwrap();
        let kept: Vec<_> =
            headers.iter().map(|(name, values)| (name.as_str(), values.join("|"))).collect();
        assert_eq!(kept, [("Content-Type", "a/b".to_owned()), ("X-A", "1|2".to_owned())]);
    }
    assert_eq!(
        (server.connections(), outcome.connections_opened, outcome.connections_peak),
        (1, 1, 1)
    );
}

#[test]
fn without_chunks_a_body_of_unknown_length_has_no_length() {
    let server = Http2Server::start(Setup::default(), |_| Reply::status(200));
    let mut targets = targets(&format!("POST {}/\n", server.url()));
    targets[0].body = (*b"x").into();
    attack(targets, "20", 100, &Options { is_chunked: true, ..h2c() });
    for request in server.seen() {
        assert_eq!((request.body.as_slice(), request.header("content-length")), (&b"x"[..], None));
        assert_eq!(request.header("transfer-encoding"), None);
    }
}

#[test]
fn what_surrounds_an_answer_is_left_out_of_it() {
    let server = Http2Server::start(Setup::default(), |_| Reply {
        is_hinted: true,
        has_trailers: true,
        body: Bytes::from_static(b"hello"),
        ..Reply::status(200)
    });
    let options = Options { body_max: Some(100), ..h2c() };
    let (records, outcome) = attack(get(&server), "100", 100, &options);
    for record in &records {
        assert_eq!((record.code, record.body.as_deref()), (200, Some(&b"hello"[..])));
        assert_eq!(record.headers.as_ref().map(|headers| headers.len()), Some(0), "{record:?}");
    }
    assert_eq!((records.len(), outcome.connections_opened), (10, 1));
    assert_eq!(server.resets().len(), 0);
}

#[test]
fn long_bodies_pass_both_ways_through_small_windows() {
    let setup = Setup { window_len: Some(20_000), ..Setup::default() };
    let server = Http2Server::start(setup, |_| Reply {
        body: Bytes::from(vec![b'y'; 3_000_000]),
        ..Reply::status(200)
    });
    let mut targets = targets(&format!("PUT {}/\n", server.url()));
    targets[0].body = vec![b'x'; 2_000_000].into();
    let (records, outcome) = attack(targets, "20", 500, &h2c());
    assert_eq!((errors(&records), records.len()), (vec![""], 10));
    assert!(
        records.iter().all(|record| (record.bytes_in, record.bytes_out) == (3_000_000, 2_000_000))
    );
    assert!(server.seen().iter().all(|request| request.body == [b'x'; 2_000_000]));
    assert_eq!(outcome.connections_opened, 1);
}

#[test]
fn an_answer_may_come_before_the_body_was_taken() {
    let setup = Setup { window_len: Some(20_000), ..Setup::default() };
    let server = Http2Server::start(setup, |_| Reply { is_early: true, ..Reply::status(413) });
    let mut targets = targets(&format!("PUT {}/\n", server.url()));
    targets[0].body = vec![b'x'; 1_000_000].into();
    let (records, outcome) = attack(targets, "100", 100, &h2c());
    assert_eq!((errors(&records), records.len()), (vec!["413 Payload Too Large"], 10));
    assert_eq!(outcome.connections_opened, 1);
}

#[test]
fn redirects_are_followed_and_carry_what_they_should() {
    let server = Http2Server::start(Setup::default(), |seen| match seen.line.ends_with("/from") {
        true => Reply { headers: vec![("location", "/to?a".into())], ..Reply::status(302) },
        false => Reply::status(200),
    });
    let mut targets = targets(&format!("POST {}/from\nContent-Type: a/b\n", server.url()));
    targets[0].body = (*b"x").into();
    let (records, _) = attack(targets.clone(), "10", 100, &h2c());
    assert_eq!((records[0].code, records[0].url.as_str()), (200, targets[0].url.as_str()));
    let seen = server.seen();
    assert_eq!(seen[1].line, format!("GET {}/to?a", server.url()));
    assert_eq!((seen[1].body.len(), seen[1].header("content-type"), seen[1].seq()), (0, None, 0));
    let (records, _) = attack(targets, "10", 100, &Options { redirects_max: None, ..h2c() });
    assert_eq!((records[0].code, server.seen().len()), (302, 3));
}
