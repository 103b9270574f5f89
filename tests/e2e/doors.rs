//! The doors for single POSTs: what they refuse, how they close, how long they wait.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use houseful_model::Millis;
use serde_json::{Value, json};

use crate::support::faultfs::FaultFs;
use crate::support::houseful::{Houseful, Setup};
use crate::support::http::{Answer, Client, READINGS, Response, post, request};
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

/// A collector on a store of its own, for as long as `test` runs.
fn with_houseful(test: impl FnOnce(&Setup, &Houseful)) {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    test(&setup, &houseful);
}

/// A POST with these lines in its head, and nothing else.
fn post_with(lines: &str, body: &str) -> Vec<u8> {
    format!("POST {READINGS} HTTP/1.1\r\n{lines}\r\n\r\n{body}").into_bytes()
}

/// Checks a refusal with this status: our body, then the end of the connection, in order.
fn check_refused(client: &mut Client, status: u16, what: &str) {
    let refusal = client.read_response().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(refusal.status, status, "{what}: {}", refusal.text());
    check_errors(&refusal, what);
    assert_eq!(refusal.header("connection"), Some("close"), "{what}");
    assert_eq!(client.read_to_close().unwrap(), b"", "{what}");
}

fn check_errors(response: &Response, what: &str) {
    assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
    let body = response.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{what}: {body}"));
    assert!(!errors.is_empty() && errors.iter().all(Value::is_string), "{what}: {body}");
}

#[test]
fn content_types_and_encodings() {
    let taken: [&[(&str, &str)]; 9] = [
        &[],
        &[("Content-Type", "application/json")],
        &[("content-type", "APPLICATION/Json")],
        &[("Content-Type", "application/json; charset=utf-8")],
        &[("Content-Type", "application/json;charset=\"UTF-8\"")],
        &[("Content-Type", "application/vnd.houseful+json")],
        &[("Content-Type", "application/json; profile=x")],
        &[("Content-Encoding", "identity")],
        &[("Content-Type", "application/json"), ("Accept-Encoding", "gzip")],
    ];
    let refused: [&[(&str, &str)]; 8] = [
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "multipart/form-data; boundary=x")],
        &[("Content-Type", "application/x-ndjson")],
        &[("Content-Type", "application/json; charset=latin1")],
        &[("Content-Type", "")],
        &[("Content-Encoding", "gzip")],
        &[("Content-Encoding", "zstd"), ("Content-Type", "application/json")],
    ];
    with_houseful(|setup, houseful| {
        let mut client = houseful.client();
        for (n, headers) in taken.iter().enumerate() {
            let body = distinct(n).to_string();
            let answer = client.request("POST", READINGS, headers, body.as_bytes()).unwrap();
            assert_eq!(answer.status, 201, "{headers:?}: {}", answer.text());
        }
        for headers in refused {
            let mut client = houseful.client();
            let body = distinct(100).to_string();
            client.send(&request("POST", READINGS, headers, body.as_bytes())).unwrap();
            check_refused(&mut client, 415, &format!("{headers:?}"));
        }
        assert_eq!(setup.export().len(), taken.len());
    });
}

#[test]
fn hosts_are_loopback_names_or_allowed_ones() {
    let dir = temp_dir();
    let status = |houseful: &Houseful, target: &str, host: Option<&str>| {
        let mut client = houseful.client();
        let host = host.map_or(String::new(), |host| format!("Host: {host}\r\n"));
        client.send(format!("GET {target} HTTP/1.1\r\n{host}\r\n").as_bytes()).unwrap();
        let get = client.read_response().unwrap();
        let mut client = houseful.client();
        client.send(&post_with(&format!("{host}Content-Length: 2"), "{}")).unwrap();
        let post = client.read_response().unwrap();
        // Only a good host gets as far as its body.
        let taken = get.status == 200;
        if target == "/livez" {
            assert_eq!(post.status, if taken { 400 } else { 403 }, "{host}");
        }
        if !taken {
            check_errors(&get, &host);
        }
        get.status
    };
    let plain = Setup::new(dir.path());
    let houseful = plain.start();
    let own = format!("127.0.0.1:{}", houseful.port());
    for host in ["localhost", "LocalHost:6540", "[::1]", "127.0.0.1", &own] {
        assert_eq!(status(&houseful, "/livez", Some(host)), 200, "{host}");
    }
    assert_eq!(status(&houseful, "/livez", None), 200);
    for host in ["evil.example", "127.0.0.1.evil.example", "collector.example", "10.0.0.1"] {
        assert_eq!(status(&houseful, "/livez", Some(host)), 403, "{host}");
    }
    assert_eq!(status(&houseful, "http://localhost/livez", Some("localhost")), 200);
    assert_eq!(status(&houseful, "http://evil.example/livez", Some("localhost")), 403);
    houseful.kill();

    let houseful = plain.args(&["--allowed-host", "Collector.example"]).start();
    for host in ["collector.example", "COLLECTOR.example:80", "localhost"] {
        assert_eq!(status(&houseful, "/livez", Some(host)), 200, "{host}");
    }
    assert_eq!(status(&houseful, "/livez", Some("evil.example")), 403);
}

#[test]
fn a_page_of_another_site_stores_nothing() {
    const BATCH: &str = "/rssi_readings/batch";
    with_houseful(|setup, houseful| {
        let port = houseful.port();
        let (own, other) =
            (format!("http://localhost:{port}"), format!("http://localhost:{}", port ^ 1));
        // With the Host `localhost:PORT`, as a browser sends it.
        let foreign = [
            "Sec-Fetch-Site: cross-site".to_owned(),
            "sec-fetch-site: same-site".to_owned(),
            "Origin: null".to_owned(),
            "Origin: https://evil.example".to_owned(),
            "Origin: http://localhost".to_owned(),
            format!("Origin: {other}"),
            format!("Origin: {own}\r\nSec-Fetch-Site: cross-site"),
            format!("Origin: {other}\r\nSec-Fetch-Site: same-origin"),
        ];
        let native = [
            format!("Origin: {own}"),
            format!("ORIGIN: {}\r\nSec-Fetch-Site: same-origin", own.to_uppercase()),
            "Sec-Fetch-Site: none".to_owned(),
            "Referer: https://evil.example/".to_owned(),
        ];
        let body = distinct(1).to_string();
        let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let framings = [length, format!("Transfer-Encoding: chunked\r\n\r\n{chunk}")];
        let absolute = format!("{own}{READINGS}");
        let send = |target: &str, lines: &str, framed: &str| {
            let head = format!("POST {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{lines}\r\n");
            let mut client = houseful.client();
            client.send((head + framed).as_bytes()).unwrap();
            client
        };
        let mut refused = 0;
        for lines in &foreign {
            for target in [READINGS, BATCH, &absolute] {
                for framed in &framings {
                    let mut client = send(target, lines, framed);
                    check_refused(&mut client, 403, &format!("{target} {lines}"));
                }
            }
            refused += framings.len();
        }
        assert_eq!(setup.export(), [] as [Value; 0]);
        let activity = houseful.client().get("/activity").unwrap().json();
        assert_eq!(activity["refused_by_reason"]["host"], refused, "of single POSTs");

        for lines in &native {
            for target in [READINGS, BATCH, &absolute] {
                let status = send(target, lines, &framings[0]).read_response().unwrap().status;
                assert!([200, 201, 409].contains(&status), "{target} {lines}: {status}");
            }
        }
        // A proxy may pass on the name alone; reading is not a page's affair.
        let behind = "Host: house.localhost\r\nOrigin: https://house.localhost:8443";
        let mut client = houseful.client();
        client.send(&post_with(&format!("{behind}\r\nContent-Length: 2"), "{}")).unwrap();
        assert_eq!(client.read_response().unwrap().status, 400);
        let from_afar = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
        let get = houseful.client().request("GET", READINGS, &from_afar, b"").unwrap();
        assert_eq!((get.status, get.header("access-control-allow-origin")), (200, None));
    });
}

#[test]
fn no_answer_stays_in_a_browser_or_goes_to_other_sites() {
    with_houseful(|_, houseful| {
        for path in ["/", READINGS, "/badges", "/pis", "/activity", "/metrics", "/nothing"] {
            let response = houseful.client().get(path).unwrap();
            for (name, value) in [
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                let values = response.headers.iter().filter(|(key, _)| key == name);
                assert!(values.map(|(_, value)| value).eq([value]), "{path}: {name}");
            }
        }
    });
}

#[test]
fn paths_and_methods() {
    with_houseful(|_, houseful| {
        let rows = [
            ("GET", "/nothing", 404, None),
            ("POST", "/", 405, Some("GET,HEAD")),
            ("GET", "/rssi_readings/7", 404, None),
            // No redirects.
            ("GET", "/rssi_readings/", 404, None),
            ("POST", "/rssi_readings/", 404, None),
            ("POST", "//rssi_readings", 404, None),
            ("DELETE", READINGS, 405, Some("GET,HEAD,POST")),
            ("PUT", READINGS, 405, Some("GET,HEAD,POST")),
            ("POST", "/livez", 405, Some("GET,HEAD")),
            ("BREW", "/readyz", 405, Some("GET,HEAD")),
        ];
        for (method, path, status, allow) in rows {
            let what = format!("{method} {path}");
            let response = houseful.client().request(method, path, &[], b"").unwrap();
            assert_eq!(response.status, status, "{what}");
            check_errors(&response, &what);
            assert_eq!(response.header("location"), None, "{what}");
            let sorted = response.header("allow").map(|allow| {
                let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
                methods.sort_unstable();
                methods.join(",")
            });
            assert_eq!(sorted.as_deref(), allow, "{what}");
        }
        for (path, status) in
            [("/livez", 200), ("/readyz", 200), (READINGS, 200), ("/nothing", 404)]
        {
            let mut client = houseful.client();
            assert_eq!(client.request("HEAD", path, &[], b"").unwrap().status, status, "{path}");
            assert_eq!(client.read_to_close().unwrap(), b"", "{path}");
        }
    });
}

#[test]
fn a_refusal_is_read_by_a_client_that_was_still_sending() {
    const BODY_BYTES: usize = 5 << 20;
    let body = " ".repeat(BODY_BYTES);
    let chunked: String = body
        .as_bytes()
        .chunks(50_000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), " ".repeat(chunk.len())))
        .collect();
    let length = format!("Content-Length: {BODY_BYTES}");
    let chunks = "Transfer-Encoding: chunked";
    let requests = [
        (413, "by length", post_with(&length, &body)),
        (413, "by chunks", post_with(chunks, &format!("{chunked}0\r\n\r\n"))),
        (415, "another type", post_with(&format!("{length}\r\nContent-Type: a/b"), &body)),
        (415, "another type", post_with(&format!("{chunks}\r\nContent-Type: a/b"), &chunked)),
        (400, "no chunk", post_with(chunks, &body)),
        (404, "elsewhere", request("PUT", "/nothing", &[], body.as_bytes())),
    ];
    with_houseful(|_, houseful| {
        for (status, what, bytes) in requests {
            let mut client = houseful.client();
            // All of it is sent before anything is read, as a simple client does.
            client.send(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_refused(&mut client, status, what);
        }
        let limit = 16 * 1024;
        for (len, status) in [(limit, 201), (limit + 1, 413)] {
            let mut body = distinct(1).to_string();
            body.push_str(&" ".repeat(len - body.len()));
            let mut client = houseful.client();
            let answer = client.request("POST", READINGS, &[], body.as_bytes()).unwrap();
            assert_eq!(answer.status, status, "{len} bytes");
        }
    });
}

#[test]
fn what_follows_a_broken_request_is_no_request() {
    let follower = post(&distinct(1));
    let broken = [
        (400, post_with("Content-Length: 1", "{")),
        (400, post_with("Content-Length: two", "{}")),
        (400, b"\x16\x03\x01 tls\r\n\r\n".to_vec()),
        (413, post_with("Content-Length: 100000", "")),
        (415, post_with("Content-Type: text/plain\r\nContent-Length: 2", "{}")),
        (400, post_with("Transfer-Encoding: chunked", "x\r\n")),
    ];
    with_houseful(|setup, houseful| {
        for (status, bytes) in broken {
            let mut client = houseful.client();
            client.send(&[bytes.clone(), follower.clone()].concat()).unwrap();
            check_refused(&mut client, status, &String::from_utf8_lossy(&bytes));
        }
        // What was answered before it stays answered.
        let mut client = houseful.client();
        let first = post(&distinct(2));
        client.send(&[first, post_with("Content-Length: 1", "{"), follower].concat()).unwrap();
        assert_eq!(client.read_answer().unwrap().status, 201);
        check_refused(&mut client, 400, "the second");
        assert_eq!(setup.export().len(), 1);
    });
}

#[test]
fn two_ways_to_frame_a_body_are_refused() {
    // Each would be a good emission to a server that is not in doubt.
    let plain = distinct(1_000).to_string();
    let chunked = format!("{:x}\r\n{plain}\r\n0\r\n\r\n", plain.len());
    let (len, chunked_len) = (plain.len(), chunked.len());
    let doubtful = [
        (400, format!("Content-Length: {chunked_len}\r\nTransfer-Encoding: chunked"), &chunked),
        (400, format!("Transfer-Encoding: chunked\r\nContent-Length: {chunked_len}"), &chunked),
        (400, format!("Content-Length: {len}\r\nTransfer-Encoding: chunked"), &plain),
        (400, format!("Content-Length: {len}\r\nContent-Length: {len}"), &plain),
        (400, format!("Content-Length: {len}\r\nContent-Length: 6"), &plain),
        (400, format!("Content-Length: 6\r\nContent-Length: {len}"), &plain),
        (400, format!("Content-Length: {len}, {len}"), &plain),
        (400, format!("Content-Length: +{len}"), &plain),
        (501, "Transfer-Encoding: gzip, chunked".to_owned(), &chunked),
        (501, "Transfer-Encoding: identity".to_owned(), &plain),
        (501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned(), &chunked),
    ]
    .map(|(status, lines, body)| (status, post_with(&lines, body), lines));
    with_houseful(|setup, houseful| {
        for (n, (status, bytes, lines)) in doubtful.iter().enumerate() {
            let mut client = houseful.client();
            client.send(bytes).unwrap();
            check_refused(&mut client, *status, &format!("first: {lines}"));

            let mut client = houseful.client();
            assert_eq!(client.post(&distinct(n)).unwrap().status, 201);
            client.send(bytes).unwrap();
            check_refused(&mut client, *status, &format!("later: {lines}"));

            // A GET is answered elsewhere, and nothing is read after it.
            let mut client = houseful.client();
            client.send(&[request("GET", "/livez", &[], b""), bytes.clone()].concat()).unwrap();
            let answer = client.read_response().unwrap();
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
            assert_eq!(client.read_to_close().unwrap(), b"");
        }
        assert_eq!(setup.export().len(), doubtful.len());
    });
}

#[test]
fn heads_are_bounded() {
    let lines = |n: usize| {
        let fields = "A: b\r\n".repeat(n - 1);
        post_with(&format!("{fields}Content-Length: 2"), "{}")
    };
    let field =
        |len: usize| post_with(&format!("Content-Length: 2\r\nA: {}", "b".repeat(len)), "{}");
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "b".repeat(len)).into_bytes();
    let rows = [
        ("65 fields", 431, lines(65)),
        ("17,000 fields", 431, lines(17_000)),
        ("a long field", 431, field(16 * 1024)),
        ("a field without end", 431, field(1 << 20)),
        ("a long target", 414, target(16 * 1024)),
        ("a target without end", 414, target(1 << 20)),
        ("HTTP/2", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/1.2", 505, b"GET /livez HTTP/1.2\r\n\r\n".to_vec()),
        ("HTTP/0.9", 400, b"GET /livez\r\n\r\n".to_vec()),
    ];
    with_houseful(|_, houseful| {
        for (what, status, bytes) in rows {
            let mut client = houseful.client();
            client.send(&bytes).unwrap();
            check_refused(&mut client, status, what);
        }
        let mut client = houseful.client();
        for bytes in [lines(64), field(16_000)] {
            client.send(&bytes).unwrap();
            assert_eq!(client.read_answer().unwrap().json["errors"][0], missing("badge_id"));
        }
    });
}

/// What is said when a required key is missing, as `{}` is told.
fn missing(key: &str) -> Value {
    let dir = crate::support::in_repository("tests/fixtures/wire/bad/no_keys.errors");
    let errors = std::fs::read_to_string(dir).unwrap();
    json!(errors.lines().find(|line| line.starts_with(key)).unwrap())
}

#[test]
fn a_client_that_shuts_its_sending_side_is_answered() {
    let emission = distinct(1);
    let cut = &post(&emission)[..post(&emission).len() - 1];
    let chunk = post_with("Transfer-Encoding: chunked", "5\r\n{");
    let rows = [
        (201, post(&emission)),
        (200, request("GET", "/livez", &[], b"")),
        (400, cut.to_vec()),
        (400, post_with("Content-Length: 5", "")),
        (400, b"POST /rssi_rea".to_vec()),
        (400, chunk),
    ];
    with_houseful(|setup, houseful| {
        for (status, bytes) in rows {
            let mut client = houseful.client();
            client.send(&bytes).unwrap();
            client.finish_sending().unwrap();
            let what = String::from_utf8_lossy(&bytes);
            assert_eq!(client.read_response().unwrap().status, status, "{what}");
            assert_eq!(client.read_to_close().unwrap(), b"", "{what}");
        }
        let silent = &mut houseful.client();
        silent.finish_sending().unwrap();
        assert_eq!(silent.read_to_close().unwrap(), b"");
        assert_eq!(setup.export().len(), 1);
    });
}

#[test]
fn a_client_may_wait_for_its_invitation() {
    with_houseful(|_, houseful| {
        let body = distinct(1).to_string();
        let head = |more: &str| {
            let len = body.len();
            post_with(&format!("{more}Expect: 100-continue\r\nContent-Length: {len}"), "")
        };
        let mut client = houseful.client();
        client.send(&head("")).unwrap();
        assert_eq!(client.read_response().unwrap().status, 100);
        client.send(body.as_bytes()).unwrap();
        assert_eq!(client.read_answer().unwrap().status, 201);

        // Refused by its head, it is not invited.
        let mut client = houseful.client();
        client.send(&head("Content-Type: text/plain\r\n")).unwrap();
        check_refused(&mut client, 415, "no invitation");
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    const REQUESTS: usize = 200;
    with_houseful(|_, houseful| {
        let mut client = houseful.client();
        let bytes: Vec<u8> = (0..REQUESTS).flat_map(|n| post(&distinct(n))).collect();
        client.send(&bytes).unwrap();
        for n in 0..REQUESTS {
            let answer = client.read_answer().unwrap();
            assert_eq!(answer.status, 201);
            assert_eq!(answer.json["badge_id"], format!("badge_{n}"));
        }
        // The connection is still good.
        assert_eq!(client.post(&distinct(0)).unwrap().status, 409);
    });
}

#[test]
fn hanging_up_cancels_nothing() {
    with_houseful(|setup, houseful| {
        for n in 0..20 {
            houseful.client().send(&post(&distinct(n))).unwrap();
        }
        wait_until(PATIENCE, "all are stored", || setup.export().len() == 20);
    });
}

#[test]
fn a_time_ahead_of_our_clock_is_refused_for_good() {
    with_houseful(|_, houseful| {
        let mut client = houseful.client();
        for (ahead_ms, expected) in [(-1_000, 201), (50_000, 201), (70_000, 400)] {
            let answer = client.post(&heard_at(distinct(1), now_ms() + ahead_ms)).unwrap();
            assert_eq!(answer.status, expected, "{ahead_ms}: {answer:?}");
        }
        let Answer { status, json } =
            client.post(&heard_at(distinct(2), now_ms() + 3_600_000)).unwrap();
        assert_eq!(status, 400);
        assert!(json["errors"][0].as_str().unwrap().starts_with("heard_at: "), "{json}");
    });
}

#[test]
fn an_age_counts_from_the_arrival_of_the_head() {
    with_houseful(|_, houseful| {
        let mut emission = distinct(1);
        emission["age_ms"] = json!(0);
        let body = emission.to_string();
        let len = body.len();
        let framings = [
            (format!("Content-Length: {len}"), body.clone()),
            ("Transfer-Encoding: chunked".to_owned(), format!("{len:x}\r\n{body}\r\n0\r\n\r\n")),
        ];
        for (head, body) in framings {
            // Past what came before.
            thread::sleep(Duration::from_secs(5));
            let mut client = houseful.client();
            let before = now_ms();
            client.send(&post_with(&head, "")).unwrap();
            thread::sleep(Duration::from_millis(1_500));
            client.send(body.as_bytes()).unwrap();
            let answer = client.read_answer().unwrap();
            assert_eq!(answer.status, 201, "{head}: {answer:?}");
            let at = answer.json["heard_at"].as_str().unwrap();
            let [first, last] = [before, before + 1_000].map(|ms| Millis(ms).to_string());
            assert!((first.as_str()..last.as_str()).contains(&at), "{head}: {first} {at}");
        }
    });
}

#[test]
fn a_pipelined_emission_counts_from_its_own_arrival() {
    const STALL: Duration = Duration::from_secs(3);
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    disk.slow_syncs(STALL);
    let mut aged = distinct(2);
    aged["age_ms"] = json!(0);
    client.send(&post(&distinct(1))).unwrap();
    thread::sleep(Duration::from_millis(200));
    client.send(&post(&aged)).unwrap();
    client.send(&post(&distinct(3))).unwrap();
    let sent = now_ms();
    assert_eq!(client.read_answer().unwrap().status, 201);
    disk.slow_syncs(Duration::ZERO);
    for kind in ["aged", "untimed"] {
        let answer = client.read_answer().unwrap();
        assert_eq!(answer.status, 201);
        let at = Millis::parse_rfc3339(answer.json["heard_at"].as_str().unwrap()).unwrap();
        // Not when the first was answered, seconds later.
        assert!((sent - 500..sent + 2_000).contains(&at.0), "{kind}: {} {at}", Millis(sent));
    }
}

/// Sends a byte of `drip` each quarter of a second after `begin`, until an answer comes.
fn drip(port: u16, begin: &[u8], drip: &[u8]) -> (Response, Duration) {
    let mut client = Client::connect(port).unwrap();
    client.set_patience(Duration::from_millis(250)).unwrap();
    let start = Instant::now();
    client.send(begin).unwrap();
    for byte in drip.iter().cycle() {
        match client.read_response() {
            Ok(response) => {
                let took = start.elapsed();
                assert_eq!(client.read_to_close().unwrap(), b"");
                return (response, took);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("after {:?}: {error}", start.elapsed()),
        }
        assert!(start.elapsed() < PATIENCE, "it waits for ever");
        client.send(&[*byte]).unwrap();
    }
    unreachable!("the drip has no end")
}

#[test]
fn slow_clients_are_told_so_and_idle_ones_are_kept() {
    with_houseful(|_, houseful| {
        let port = houseful.port();
        let mut idle = houseful.client();
        assert_eq!(idle.post(&distinct(1)).unwrap().status, 201);
        let rows: [(&str, Vec<u8>, &[u8]); 5] = [
            ("request line", b"POST /".to_vec(), b"x"),
            ("head", b"POST /rssi_readings HTTP/1.1\r\n".to_vec(), b"X: y\r\n"),
            ("silent head", b"GET".to_vec(), b""),
            ("body", post_with("Content-Length: 1000", ""), b" "),
            ("chunked body", post_with("Transfer-Encoding: chunked", ""), b"1\r\n \r\n"),
        ];
        thread::scope(|scope| {
            for (what, begin, more) in rows {
                scope.spawn(move || {
                    let (response, took) = if more.is_empty() {
                        let mut client = Client::connect(port).unwrap();
                        let start = Instant::now();
                        client.send(&begin).unwrap();
                        (client.read_response().unwrap(), start.elapsed())
                    } else {
                        drip(port, &begin, more)
                    };
                    assert_eq!(response.status, 408, "{what}: {}", response.text());
                    check_errors(&response, what);
                    let expected = Duration::from_millis(9_500)..Duration::from_secs(14);
                    assert!(expected.contains(&took), "{what}: {took:?}");
                });
            }
        });
        // Past every limit but its own.
        assert_eq!(idle.post(&distinct(2)).unwrap().status, 201);
    });
}
