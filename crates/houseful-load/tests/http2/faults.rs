//! What goes wrong, and what becomes of the requests.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use houseful_load::attack::Options;

use super::http2_server::{Close, Http2Server, Reply, Setup};
use super::{attack, errors, get, h2c, targets};

#[test]
fn a_timeout_resets_the_stream_and_leaves_the_connection() {
    let server = Http2Server::start(Setup::default(), |seen| match seen.seq() % 2 {
        0 => Reply::after(30_000),
        _ => Reply::status(200),
    });
    let timeout = Some(Duration::from_millis(200));
    let (records, outcome) = attack(get(&server), "100", 200, &Options { timeout, ..h2c() });
    assert_eq!(errors(&records), ["", "timeout: no answer within 200ms"]);
    let late: Vec<_> = records.iter().filter(|record| record.code == 0).collect();
    assert!(late.iter().all(|record| record.latency >= Duration::from_millis(200)), "{late:?}");
    assert_eq!((server.connections(), outcome.connections_opened), (1, 1));
    // The last one's may still have been on its way when the attack ended.
    let begin = Instant::now();
    while server.resets().get("CANCEL").is_none_or(|resets| resets + 1 < late.len()) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", server.resets());
        thread::sleep(Duration::from_millis(10));
    }
    assert!(late.len() >= 10);
}

#[test]
fn a_refused_stream_is_sent_again_once() {
    let refused = Mutex::new(HashSet::new());
    let refuse = Reply { reset: Some((Reason::REFUSED_STREAM, false)), ..Reply::default() };
    let once = refuse.clone();
    let server = Http2Server::start(Setup::default(), move |seen| {
        let is_first = refused.lock().unwrap().insert(seen.seq());
        if is_first { once.clone() } else { Reply::status(200) }
    });
    let (records, outcome) = attack(get(&server), "100", 100, &h2c());
    assert_eq!((errors(&records), records.len(), server.seen().len()), (vec![""], 10, 20));
    assert_eq!((outcome.resent, server.connections()), (10, 1));

    let server = Http2Server::start(Setup::default(), move |_| refuse.clone());
    let (records, outcome) = attack(get(&server), "100", 100, &h2c());
    assert_eq!(errors(&records), ["reset: the server reset the stream: REFUSED_STREAM"]);
    assert_eq!((records.len(), server.seen().len(), outcome.resent), (10, 20, 10));
}

#[test]
fn a_stream_that_was_reset_is_named_with_its_code_and_not_sent_again() {
    for is_midway in [false, true] {
        let server = Http2Server::start(Setup::default(), move |_| Reply {
            body: Bytes::from_static(b"half"),
            reset: Some((Reason::ENHANCE_YOUR_CALM, is_midway)),
            ..Reply::status(200)
        });
        let (records, outcome) = attack(get(&server), "100", 100, &h2c());
        assert_eq!(errors(&records), ["reset: the server reset the stream: ENHANCE_YOUR_CALM"]);
        assert_eq!((server.seen().len(), outcome.resent, server.connections()), (10, 0, 1));
    }
}

#[test]
fn a_server_that_goes_away_finishes_and_is_connected_to_again() {
    let server = Http2Server::start(Setup::default(), |seen| Reply {
        goes_away: seen.seq() % 10 == 5,
        ..Reply::after(30)
    });
    let (records, outcome) = attack(get(&server), "200", 500, &h2c());
    assert_eq!((errors(&records), records.len(), server.seen().len()), (vec![""], 100, 100));
    // Ten times, but on a busy machine perhaps several times on one.
    assert!((3..=11).contains(&server.connections()), "{}", server.connections());
    assert_eq!(outcome.connections_opened as usize, server.connections());
}

#[test]
fn an_idle_connection_that_was_closed_is_no_error() {
    let server = Http2Server::start(Setup::default(), |_| Reply {
        closes: Some(Close::After),
        ..Reply::status(200)
    });
    // On a busy machine a request may come before the server has closed, and is lost then.
    for _ in 0..10 {
        let (records, outcome) = attack(get(&server), "10", 500, &h2c());
        if errors(&records) == [""] {
            assert_eq!(
                (records.len(), outcome.connections_opened, outcome.connections_peak),
                (5, 5, 1)
            );
            assert_eq!(outcome.resent, 0);
            return;
        }
    }
    panic!("it was lost ten times");
}

#[test]
fn a_connection_that_closes_in_the_middle_is_closed_early() {
    let server = Http2Server::start(Setup::default(), |_| Reply {
        closes: Some(Close::Before),
        ..Reply::after(30)
    });
    let (records, outcome) = attack(get(&server), "20", 250, &h2c());
    assert_eq!(
        errors(&records),
        ["closed early: the server closed the connection without an answer"]
    );
    assert_eq!((server.seen().len(), outcome.resent), (5, 0), "it may have acted on them");
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const HEADERS: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

/// Reads frames until one of this type; its stream and payload.
fn read_until(tcp: &mut TcpStream, kind: u8) -> Option<(u32, Vec<u8>)> {
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; len];
        tcp.read_exact(&mut payload).ok()?;
        if head[3] == kind {
            return Some((u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload));
        }
    }
}

/// A server that speaks frames by hand, and its URL. `serve` gets each connection and its number,
/// from 0, once both sides have said their settings.
fn by_hand(serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> String {
    by_hand_but_for(0, serve)
}

/// The same, but says nothing on this many connections.
fn by_hand_but_for(
    mute: usize,
    serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for (number, tcp) in listener.incoming().enumerate() {
            let (mut tcp, serve) = (tcp.unwrap(), std::sync::Arc::clone(&serve));
            thread::spawn(move || {
                if number < mute {
                    drop(tcp.read_to_end(&mut Vec::new()));
                    return;
                }
                tcp.read_exact(&mut [0; 24]).unwrap();
                let (_, settings) = read_until(&mut tcp, SETTINGS).unwrap();
                // ENABLE_PUSH is 0.
                assert!(settings.chunks(6).any(|setting| setting == [0, 2, 0, 0, 0, 0]));
                tcp.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
                tcp.write_all(&frame(SETTINGS, 1, 0, &[])).unwrap();
                serve(number, &mut tcp);
            });
        }
    });
    url
}

fn answer(tcp: &mut TcpStream, stream: u32) {
    // 0x88 is `:status: 200`.
    tcp.write_all(&frame(HEADERS, END_STREAM_AND_HEADERS, stream, &[0x88])).unwrap();
}

#[test]
fn answers_that_come_too_late_do_no_harm_however_many() {
    // It answers every request 100 ms after it came, whether or not somebody waits for that.
    let url = by_hand(|_, tcp| {
        let (came, answers) = mpsc::channel::<(Instant, u32)>();
        let mut writer = tcp.try_clone().unwrap();
        let answers = thread::spawn(move || {
            for (at, stream) in answers {
                thread::sleep(
                    (at + Duration::from_millis(100)).saturating_duration_since(Instant::now()),
                );
                // 0x88 is `:status: 200`; the body is one byte.
                let answer = [frame(HEADERS, 4, stream, &[0x88]), frame(DATA, 1, stream, b"x")];
                if writer.write_all(&answer.concat()).is_err() {
                    return;
                }
            }
        });
        while let Some((stream, _)) = read_until(tcp, HEADERS) {
            came.send((Instant::now(), stream)).unwrap();
        }
        drop(came);
        answers.join().unwrap();
    });
    let options = Options { timeout: Some(Duration::from_millis(30)), ..h2c() };
    let (records, outcome) = attack(targets(&format!("GET {url}/")), "3000", 500, &options);
    let late = "timeout: no answer within 30ms";
    let late = records.iter().filter(|record| record.error == late).count();
    assert!(late > 1_400, "{late}: {:?}", errors(&records));
    assert_eq!((records.len(), outcome.connections_opened), (1_500, 1));
}

#[test]
fn what_goaway_says_was_not_looked_at_is_sent_again() {
    let url = by_hand(|number, tcp| {
        let mut streams = Vec::new();
        while let Some((stream, _)) = read_until(tcp, HEADERS) {
            streams.push(stream);
            if number > 0 {
                answer(tcp, stream);
            } else if streams.len() == 3 {
                // The first was looked at, and is answered still.
                let last = streams[0].to_be_bytes();
                tcp.write_all(&frame(GOAWAY, 0, 0, &[last, [0; 4]].concat())).unwrap();
                answer(tcp, streams[0]);
                // To close before all is read would reset the connection and lose the answer.
                drop(tcp.read_to_end(&mut Vec::new()));
                return;
            }
        }
    });
    let (records, outcome) = attack(targets(&format!("GET {url}/")), "100", 100, &h2c());
    assert_eq!((errors(&records), records.len()), (vec![""], 10));
    assert_eq!((outcome.resent, outcome.connections_opened), (2, 2), "{outcome:?}");
}

#[test]
fn a_server_that_always_goes_away_is_not_asked_for_ever() {
    let url = by_hand(|_, tcp| {
        read_until(tcp, HEADERS);
        tcp.write_all(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])).unwrap();
    });
    let (records, outcome) = attack(targets(&format!("GET {url}/")), "10", 100, &h2c());
    assert_eq!(errors(&records), ["reset: the server ended the connection: ENHANCE_YOUR_CALM"]);
    assert_eq!((outcome.connections_opened, outcome.resent), (17, 1));
}

#[test]
fn a_push_is_against_the_rules() {
    let url = by_hand(|_, tcp| {
        let (stream, _) = read_until(tcp, HEADERS).unwrap();
        let promise = frame(PUSH_PROMISE, 4, stream, &[0, 0, 0, 2, 0x82, 0x84, 0x86]);
        tcp.write_all(&promise).unwrap();
        read_until(tcp, GOAWAY);
    });
    let (records, outcome) = attack(targets(&format!("GET {url}/")), "10", 100, &h2c());
    assert_eq!(outcome.resent, 0);
    assert_eq!(
        errors(&records),
        ["protocol: the server broke the rules of HTTP/2: PROTOCOL_ERROR"]
    );
}

#[test]
fn a_head_that_is_too_long_is_named() {
    let server = Http2Server::start(Setup::default(), |_| Reply {
        headers: vec![("x-long", "x".repeat(10_000)); 7],
        ..Reply::status(200)
    });
    let (records, outcome) = attack(get(&server), "50", 100, &h2c());
    let error = "protocol: the answer breaks the rules of HTTP/2, or its head is longer than 65536 bytes: PROTOCOL_ERROR";
    assert_eq!(errors(&records), [error]);
    assert_eq!(outcome.connections_opened, 1);
}

#[test]
fn a_server_without_http_2_is_told_apart_from_one_that_is_not_there() {
    for (answer, error) in [
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "protocol: `HOST` does not speak HTTP/2 in clear text: it said `HTTP/1.1 400 Bad Request`",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "protocol: `HOST` does not speak HTTP/2 in clear text: it said `SSH-2.0-OpenSSH_9.2`",
        ),
        ("", "closed early: `HOST` closed the connection before it spoke HTTP/2 in clear text"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let mut tcp = tcp.unwrap();
                tcp.read_exact(&mut [0; 24]).unwrap();
                tcp.write_all(answer.as_bytes()).unwrap();
                // All is read, or closing would reset the connection and lose what was written.
                tcp.shutdown(std::net::Shutdown::Write).unwrap();
                drop(tcp.read_to_end(&mut Vec::new()));
            }
        });
        let (records, outcome) =
            attack(targets(&format!("GET http://{authority}/")), "100", 100, &h2c());
        assert_eq!(errors(&records), [error.replace("HOST", &authority)]);
        assert_eq!((records.len(), outcome.resent), (10, 0));
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (records, _) = attack(targets(&format!("GET http://{nobody}/")), "100", 100, &h2c());
    let error = format!("connect: cannot connect to `{nobody}`: connection refused");
    assert_eq!(errors(&records), [error]);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_a_request_may_take() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Some(Duration::from_millis(200));
    let (records, outcome) =
        attack(targets(&format!("GET {url}/")), "100", 100, &Options { timeout, ..h2c() });
    assert_eq!(errors(&records), ["timeout: no answer within 200ms"]);
    assert!(records.iter().all(|record| record.latency >= Duration::from_millis(200)));
    assert!(outcome.elapsed < Duration::from_secs(5), "{outcome:?}");
}

#[test]
fn a_connection_that_is_not_answered_is_given_up_for_another() {
    let url = by_hand_but_for(1, |_, tcp| {
        while let Some((stream, _)) = read_until(tcp, HEADERS) {
            answer(tcp, stream);
        }
    });
    let timeout = Some(Duration::from_millis(200));
    let (records, outcome) =
        attack(targets(&format!("GET {url}/")), "20", 1_000, &Options { timeout, ..h2c() });
    assert_eq!(errors(&records), ["", "timeout: no answer within 200ms"]);
    assert_eq!((records[0].code, outcome.connections_opened), (0, 2));
}

#[test]
fn a_connection_that_cannot_be_closed_in_peace_still_makes_room() {
    // It takes long bodies, as it says, but reads none of them.
    let deaf = by_hand(|_, tcp| {
        tcp.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).unwrap();
        tcp.write_all(&frame(WINDOW_UPDATE, 0, 0, &[0x70, 0, 0, 0])).unwrap();
        thread::sleep(Duration::from_secs(60));
    });
    let server = Http2Server::start(Setup::default(), |_| Reply::status(200));
    let mut both = targets(&format!("PUT {deaf}/\n\nGET {}/\n", server.url()));
    both[0].body = vec![b'x'; 64 << 20].into();
    let options = Options {
        timeout: Some(Duration::from_secs(3)),
        connections_max: NonZeroUsize::MIN,
        ..h2c()
    };
    // The second comes when the first has been given up, and its connection has nothing to do.
    let (records, outcome) = attack(both, "1/4s for 8s", 0, &options);
    assert_eq!(errors(&records), ["", "timeout: no answer within 3s"]);
    assert_eq!((server.seen().len(), outcome.connections_peak), (1, 1), "{outcome:?}");
}
