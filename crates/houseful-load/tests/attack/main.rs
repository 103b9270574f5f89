//! Attacks a small real server and looks at what the server saw.

mod bodies;
mod lazy;
#[path = "../server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use houseful_load::attack::{self, AttackError, Options, Outcome, Stop};
use houseful_load::metrics::{Limit, Metrics, Sending};
use houseful_load::pacer::Pacer;
use houseful_load::results::Record;
use houseful_load::targets::{self, Defaults, Target};
use server::{Reply, Server};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// One attack at a time: they look at the clock, and machines have few cores.
static TURN: Mutex<()> = Mutex::new(());

fn targets(text: &str) -> Vec<Target> {
    targets::http::read(text.as_bytes(), "targets", &Defaults::default()).unwrap()
}

fn get(url: &str) -> Vec<Target> {
    targets(&format!("GET {url}/"))
}

fn pacer(rate: &str, duration_ms: u64) -> Pacer {
    Pacer::new(rate.parse().unwrap(), Some(Duration::from_millis(duration_ms))).unwrap()
}

fn attack(targets: Vec<Target>, pacer: Pacer, options: &Options) -> (Vec<Record>, Outcome) {
    attack_until(&Stop::new(), targets, pacer, options)
}

fn attack_until(
    stop: &Stop,
    targets: Vec<Target>,
    pacer: Pacer,
    options: &Options,
) -> (Vec<Record>, Outcome) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut records = Vec::new();
    let outcome =
        attack::run(targets, pacer, options, stop, |record| records.push(record.clone())).unwrap();
    (records, outcome)
}

fn at_most(connections: usize) -> Options {
    Options { connections_max: NonZeroUsize::new(connections).unwrap(), ..Options::default() }
}

/// How often each error came.
fn errors(records: &[Record]) -> BTreeMap<&str, usize> {
    let mut errors = BTreeMap::new();
    for record in records {
        assert_eq!(record.code == 0, !record.error.is_empty(), "{:?}", record);
        *errors.entry(record.error.as_str()).or_default() += 1;
    }
    errors
}

fn sending(records: &[Record]) -> Sending {
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    metrics.summary().sending.unwrap()
}

fn slower_than(records: &[Record], ms: u64) -> usize {
    records.iter().filter(|record| record.latency > Duration::from_millis(ms)).count()
}

/// A server that answers nothing for one second, from half a second after its first request.
fn stalling_server() -> Server {
    let begin = Mutex::new(None);
    Server::start(move |_| {
        let now = Instant::now();
        let begin = *begin.lock().unwrap().get_or_insert(now + Duration::from_millis(500));
        let end = begin + Duration::from_secs(1);
        if (begin..end).contains(&now) {
            thread::sleep(end - now);
        }
        Reply::bytes(OK)
    })
}

#[test]
fn sends_every_request_once_in_order_with_its_headers_and_body() {
    let dir = tempfile::tempdir().unwrap();
    let body = dir.path().join("body");
    std::fs::write(&body, r#"{"badge_id": "badge_0"}"#).unwrap();
    let server = Server::start(|_| {
        Reply::bytes("HTTP/1.1 409 Conflict\r\nX-a: b\r\nContent-Length: 2\r\n\r\n{}")
    });
    let text =
        format!("POST {0}/a\nX-Case: kept\n@{1}\n\nGET {0}/b?c=d\n", server.url(), body.display());
    // One at a time, so that the order of arrival is the order of sending.
    let options = Options { name: "n".into(), body_max: Some(1), ..at_most(1) };
    let (records, outcome) = attack(targets(&text), pacer("200", 500), &options);

    let seen = server.requests();
    assert_eq!((seen.len(), records.len(), outcome.requests), (100, 100, 100));
    for (seq, request) in seen.iter().enumerate() {
        let (line, body, length) = match seq % 2 {
            0 => ("POST /a HTTP/1.1", r#"{"badge_id": "badge_0"}"#, Some("23")),
            _ => ("GET /b?c=d HTTP/1.1", "", None),
        };
        assert_eq!((request.line(), request.body.as_str()), (line, body), "{seq}");
        assert_eq!(request.header("X-Vegeta-Seq"), Some(seq.to_string().as_str()));
        assert_eq!(request.header("X-Vegeta-Attack"), Some("n"));
        assert_eq!(request.header("Host"), Some(server.authority()));
        assert_eq!(request.header("X-Case"), (seq % 2 == 0).then_some("kept"));
        assert_eq!(request.header("Content-Length"), length);
    }
    let first_ns = records[0].timestamp.as_nanosecond();
    for (seq, record) in records.iter().enumerate() {
        assert_eq!(
            (record.seq, record.code, record.error.as_str()),
            (seq as u64, 409, "409 Conflict")
        );
        assert_eq!((record.bytes_in, record.body.as_deref()), (2, Some(&b"{"[..])));
        assert_eq!(record.bytes_out, [23, 0][seq % 2]);
        assert_eq!(record.headers.as_ref().unwrap()["X-A"], ["b"]);
        assert_eq!(record.attack, "n");
        let intended_ns = record.timestamp.as_nanosecond() - first_ns;
        assert_eq!(intended_ns, seq as i128 * 5_000_000, "a record carries the intended time");
    }
    assert_eq!((outcome.connections_opened, server.connections()), (1, 1));
}

#[test]
fn each_record_has_the_headers_of_its_own_answer() {
    // Three kinds of answer in turn; the buffers of a record, and what is known of them, go from
    // one to the other.
    let server = Server::start(|request| {
        let kind: u64 = request.header("X-Vegeta-Seq").unwrap().parse::<u64>().unwrap() % 3;
        let (status, more) =
            [("201 Created", "A: 1\r\n"), ("409 Conflict", ""), ("201 Created", "")][kind as usize];
        Reply::bytes(&format!(
            "HTTP/1.1 {status}\r\nX-Kind: {kind}\r\n{more}Content-Length: 0\r\n\r\n"
        ))
    });
    let (records, _) = attack(get(&server.url()), pacer("1000", 1_000), &at_most(4));
    assert_eq!(records.len(), 1_000);
    for record in &records {
        let (kind, headers) = (record.seq % 3, record.headers.as_ref().unwrap());
        assert_eq!(headers["X-Kind"], [kind.to_string()], "{record:?}");
        assert_eq!(headers.contains_key("A"), kind == 0, "{record:?}");
        let (code, error) = if kind == 1 { (409, "409 Conflict") } else { (201, "") };
        assert_eq!((record.code, record.error.as_str()), (code, error));
    }
}

#[test]
fn keeps_the_schedule() {
    let server = Server::start(|_| Reply::bytes(OK));
    let (records, outcome) = attack(get(&server.url()), pacer("400", 1_000), &Options::default());
    assert_eq!((records.len(), server.requests().len()), (400, 400));
    // The last one is due at exactly 1 s.
    assert!(outcome.elapsed >= Duration::from_secs(1), "{outcome:?}");
    let mut slips: Vec<_> = records.iter().map(|record| record.slip.unwrap()).collect();
    slips.sort_unstable();
    // On a busy machine only the best tell what the timer can do; one of whole milliseconds has a
    // median of 1.3 ms.
    assert!(slips[40] < Duration::from_micros(400), "{:?} at 10 %", slips[40]);
    assert_eq!(slips.last(), Some(&outcome.slip_max));
    assert!(server.connections() <= 200, "{} for a quick server", server.connections());
}

#[test]
fn stall_shows_in_every_request_that_was_due_in_it() {
    let server = stalling_server();
    let (records, outcome) = attack(get(&server.url()), pacer("400", 2_000), &Options::default());
    assert_eq!((records.len(), server.requests().len()), (800, 800));
    assert_eq!(errors(&records), BTreeMap::from([("", 800)]));
    // Each is late by what was left of the stall: 2.5 ms less than the one before.
    assert!(slower_than(&records, 25) >= 380, "{} of 390 show it", slower_than(&records, 25));
    assert!(
        slower_than(&records, 500) >= 190,
        "{} of 200 show half of it",
        slower_than(&records, 500)
    );
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    let total = metrics.summary().latencies.total;
    assert!((190..400).contains(&total.as_secs()), "400 × 0.5 s = 200 s of waiting, not {total:?}");
    assert_eq!(outcome.waited, 0, "there were connections enough");
    assert_ne!(sending(&records).limit, Limit::Server);
    assert!(outcome.connections_peak > 300, "{outcome:?}");
}

#[test]
fn stall_shows_just_as_much_when_connections_run_out() {
    let server = stalling_server();
    let (records, outcome) = attack(get(&server.url()), pacer("400", 2_000), &at_most(8));
    assert_eq!((records.len(), server.requests().len()), (800, 800));
    assert!(slower_than(&records, 25) >= 380, "{} of 390 show it", slower_than(&records, 25));
    assert!(outcome.waited >= 380, "{outcome:?}");
    assert!(outcome.slip_max > Duration::from_millis(900), "{outcome:?}");
    assert_eq!((outcome.connections_peak, server.connections()), (8, 8));
    assert!(!outcome.is_rate_held(), "{outcome:?}");
    let sending = sending(&records);
    assert_eq!((sending.limit, sending.unsent), (Limit::Server, 0), "{sending:?}");
}

#[test]
fn a_pause_of_the_generator_is_caught_up_with_for_five_seconds_and_named() {
    let server = Server::start(|_| Reply::bytes(OK));
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut records = Vec::new();
    let (pacer, options) = (pacer("100", 8_000), Options::default());
    let outcome = attack::run(get(&server.url()), pacer, &options, &Stop::new(), |record| {
        records.push(record.clone());
        if records.len() == 50 {
            // The engine's own thread: it neither sends nor reads.
            thread::sleep(Duration::from_millis(6_500));
        }
    })
    .unwrap();
    assert_eq!((records.len(), outcome.requests), (800, 800), "each has its record");
    let unsent = "unsent: the generator was more than 5s late";
    let count = errors(&records).get(unsent).copied().unwrap_or_default();
    // 650 were due in the pause, the last 500 of them within its last five seconds.
    assert!((130..=250).contains(&count), "{count} unsent");
    assert_eq!((outcome.unsent, server.requests().len()), (count as u64, 800 - count));
    assert!(!outcome.is_rate_held(), "{outcome:?}");
    let sending = sending(&records);
    assert_eq!((sending.limit, sending.unsent), (Limit::Generator, count as u64), "{sending:?}");
    let mut seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
    seqs.sort_unstable();
    assert!(seqs.into_iter().eq(0..800), "each once");
}

#[test]
fn server_that_closes_after_each_answer_costs_no_request() {
    // 50 ms between two, so that the end of a connection is seen before its next request is due.
    for (text, how) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "announced"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "unannounced"),
        ("HTTP/1.1 200 OK\r\n\r\nok", "to end the body"),
    ] {
        let server = Server::start(move |_| Reply::last(text));
        let (records, outcome) = attack(get(&server.url()), pacer("20", 500), &Options::default());
        assert_eq!(errors(&records), BTreeMap::from([("", 10)]), "{how}");
        assert!(records.iter().all(|record| record.bytes_in == 2), "{how}");
        assert_eq!((server.requests().len(), server.connections()), (10, 10), "{how}");
        assert_eq!(outcome.connections_opened, 10, "{how}");
    }
}

#[test]
fn server_that_closes_without_a_word_costs_no_safe_request_and_sees_each_once() {
    // As fast as possible, so that a connection is used again in the moment in which it is closed.
    let server = Server::start(|_| Reply::last(OK));
    for method in ["GET", "POST"] {
        let (text, before) = (format!("{method} {}/", server.url()), server.requests().len());
        let (records, outcome) = attack(targets(&text), pacer("infinity", 700), &at_most(2));
        let seen = &server.requests()[before..];
        if method == "GET" {
            assert_eq!(errors(&records), BTreeMap::from([("", records.len())]));
            assert_eq!(seen.len(), records.len(), "{outcome:?}");
        }
        // It closes without a look at what comes, but of a POST nobody can know that.
        let mut seqs: Vec<_> = seen.iter().map(|request| request.header("X-Vegeta-Seq")).collect();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs.len(), seen.len(), "{method}");
    }
}

#[test]
fn sends_only_a_safe_request_again_when_a_kept_connection_ends_without_an_answer() {
    for (method, code, seen) in [("GET", 200, 3), ("HEAD", 200, 3), ("POST", 0, 2), ("PUT", 0, 2)] {
        // The second request on a connection is read, and not answered.
        let used = Mutex::new(BTreeMap::<usize, usize>::new());
        let server = Server::start(move |request| {
            let mut used = used.lock().unwrap();
            let times = used.entry(request.connection).or_default();
            *times += 1;
            if *times == 2 { Reply::last("") } else { Reply::bytes(OK) }
        });
        let text = format!("{method} {}/", server.url());
        let (records, outcome) = attack(targets(&text), pacer("20", 100), &at_most(1));
        let codes: Vec<_> = records.iter().map(|record| record.code).collect();
        assert_eq!((codes, server.requests().len()), (vec![200, code], seen), "{method}");
        assert_eq!(outcome.resent, seen as u64 - 2, "{method}");
    }
}

#[test]
fn connection_with_bytes_nobody_asked_for_is_not_used_again() {
    // As servers do that time out an idle connection.
    let server =
        Server::start(|_| Reply::bytes(&format!("{OK}HTTP/1.1 408 Request Timeout\r\n\r\n")));
    let (records, _) = attack(get(&server.url()), pacer("100", 200), &Options::default());
    assert_eq!(errors(&records), BTreeMap::from([("", 20)]));
    assert!(records.iter().all(|record| record.code == 200));
    assert_eq!(server.connections(), 20);
}

#[test]
fn without_keep_alive_each_request_has_its_own_connection() {
    let server = Server::start(|_| Reply::bytes(OK));
    let options = Options { keep_alive: false, ..Options::default() };
    let (records, _) = attack(get(&server.url()), pacer("100", 200), &options);
    assert_eq!((records.len(), server.connections()), (20, 20));
    assert!(server.requests().iter().all(|request| request.header("Connection") == Some("close")));
}

#[test]
fn reads_chunked_answers_and_goes_on() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let server = Server::start(move |_| Reply::bytes(answer));
    let options = Options { body_max: Some(100), keep_headers: false, ..at_most(1) };
    let (records, _) = attack(get(&server.url()), pacer("100", 200), &options);
    assert_eq!((records.len(), server.connections()), (20, 1));
    for record in &records {
        assert_eq!(
            (record.body.as_deref(), record.bytes_in, &record.headers),
            (Some(&b"hello"[..]), 5, &None)
        );
    }
}

#[test]
fn long_bodies_pass_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let body = dir.path().join("body");
    let long = "x".repeat(3_000_000);
    std::fs::write(&body, &long).unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    let server = Server::start(move |_| Reply::bytes(&answer));
    let text = format!("PUT {}/\n@{}\n", server.url(), body.display());
    let (records, _) = attack(targets(&text), pacer("10", 300), &Options::default());
    assert_eq!(errors(&records), BTreeMap::from([("", 3)]));
    assert!(
        records.iter().all(|record| (record.bytes_in, record.bytes_out) == (3_000_000, 3_000_000))
    );
    assert!(server.requests().iter().all(|request| request.body == long));
}

#[test]
fn failures_are_records_grouped_by_their_cause() {
    let closed_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { timeout: Some(Duration::from_millis(300)), ..Options::default() };
    let (records, _) = attack(get(&format!("http://{closed_port}")), pacer("100", 200), &options);
    let refused = format!("connect: cannot connect to `{closed_port}`: connection refused");
    assert_eq!(errors(&records), BTreeMap::from([(refused.as_str(), 20)]));

    for (reply, error) in [
        ("", "closed early: the server closed the connection without an answer"),
        (
            "HTTP/1.1 200 OK\r\nCont",
            "closed early: the server closed the connection in the middle of its answer",
        ),
        ("SSH-2.0-x\r\n", "protocol: malformed head of an answer: invalid HTTP version"),
    ] {
        let server = Server::start(move |_| Reply::last(reply));
        let (records, outcome) = attack(get(&server.url()), pacer("100", 200), &options);
        assert_eq!(errors(&records), BTreeMap::from([(error, 20)]));
        // What the server may have acted on is not sent again.
        assert_eq!((server.requests().len(), outcome.resent), (20, 0), "{error}");
    }
}

#[test]
fn gives_up_in_time_and_names_the_limit() {
    let server = Server::start(|_| {
        thread::sleep(Duration::from_secs(60));
        Reply::bytes(OK)
    });
    let options = Options { timeout: Some(Duration::from_millis(300)), ..at_most(2) };
    let (records, outcome) = attack(get(&server.url()), pacer("20", 1_000), &options);
    // 300 ms for a free connection after the last was due, and 300 for its answer.
    assert!(outcome.elapsed < Duration::from_millis(1_900), "{outcome:?}");
    let errors = errors(&records);
    assert_eq!(errors.values().sum::<usize>(), 20);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors["timeout: no answer within 300ms"] >= 6, "{errors:?}");
    assert!(errors["unsent: none of 2 connections became free within 300ms"] >= 6, "{errors:?}");
    for record in &records {
        assert!(record.latency >= Duration::from_millis(299), "{:?}", record.latency);
    }
}

#[test]
fn as_fast_as_possible_uses_each_connection_without_a_pause() {
    let server = Server::start(|_| {
        thread::sleep(Duration::from_millis(10));
        Reply::bytes(OK)
    });
    let (records, outcome) = attack(get(&server.url()), pacer("infinity", 500), &at_most(4));
    assert_eq!(records.len(), server.requests().len());
    assert!(
        (100..=200).contains(&records.len()),
        "{} requests of 10 ms on 4 connections in 500 ms",
        records.len()
    );
    assert_eq!((server.connections(), outcome.waited), (4, 0));
    assert!(records.iter().all(|record| record.slip.unwrap().is_zero()));
}

#[test]
fn several_hosts_share_the_connections() {
    let (a, b) = (Server::start(|_| Reply::bytes(OK)), Server::start(|_| Reply::bytes(OK)));
    let text = format!("GET {}/\nGET {}/\n", a.url(), b.url());
    let (records, outcome) = attack(targets(&text), pacer("200", 500), &at_most(1));
    assert_eq!(errors(&records), BTreeMap::from([("", 100)]));
    assert_eq!((a.requests().len(), b.requests().len()), (50, 50));
    assert_eq!(outcome.connections_peak, 1);
}

#[test]
fn stops_when_told() {
    let server = Server::start(|_| {
        thread::sleep(Duration::from_millis(200));
        Reply::bytes(OK)
    });
    for abandon in [false, true] {
        let stop = Stop::new();
        let for_ever = Pacer::new("100".parse().unwrap(), None).unwrap();
        let before = server.requests().len();
        let stopper = thread::spawn({
            let (stop, seen) = (stop.clone(), server.seen());
            move || {
                while seen.lock().unwrap().len() < before + 50 {
                    thread::sleep(Duration::from_millis(1));
                }
                if abandon { stop.abandon() } else { stop.drain() }
            }
        });
        let (records, outcome) =
            attack_until(&stop, get(&server.url()), for_ever, &Options::default());
        stopper.join().unwrap();
        assert_eq!(outcome.requests, records.len() as u64 + outcome.abandoned);
        if abandon {
            // 200 ms at 100 a second are under way at any time.
            assert!((5..1_000).contains(&outcome.abandoned), "{outcome:?}");
        } else {
            assert_eq!((outcome.abandoned, server.requests().len() - before), (0, records.len()));
            assert!((50..1_000).contains(&records.len()), "{outcome:?}");
        }
    }
}

#[test]
fn refuses_what_cannot_start() {
    let run = |targets, options: &Options| {
        attack::run(targets, pacer("1", 1_000), options, &Stop::new(), |_| ())
    };
    assert!(matches!(run(Vec::new(), &Options::default()), Err(AttackError::NoTargets)));
    let named = Options { name: "a\r\nX: 1".into(), ..Options::default() };
    assert!(matches!(run(get("http://127.0.0.1:1"), &named), Err(AttackError::Name(_))));
    let error = run(get("http://no-such-host.invalid"), &Options::default()).unwrap_err();
    let text = "dns: cannot resolve `no-such-host.invalid`: ";
    assert!(error.to_string().starts_with(text), "{error}");
}
