//! HTTP/2: which flag leads to it, seen at our own server, at nginx, and beside
//! what vegeta sends.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::http2_server::{Http2Server, Reply, Seen, Setup};
use super::server;
use super::tls::{config, file, server_with};
use super::{OK, attack, results, run, write_targets};
use crate::support::houseful;
use crate::support::nginx::{Nginx, PROGRAM};
use crate::support::{require, temp_dir};
use crate::vegeta::has_vegeta;

fn over_tls() -> Http2Server {
    let tls = Some(config(false, &["h2", "http/1.1"]));
    Http2Server::start(Setup { tls, ..Setup::default() }, |_| Reply::status(200))
}

fn in_clear(setup: Setup, delay_ms: u64) -> Http2Server {
    Http2Server::start(setup, move |_| Reply::after(delay_ms))
}

/// The errors of the results, each once.
fn errors(dir: &Path) -> Vec<String> {
    let results = results(dir);
    let mut errors: Vec<_> =
        results.iter().map(|result| result["error"].as_str().unwrap().to_owned()).collect();
    errors.sort_unstable();
    errors.dedup();
    errors
}

#[test]
fn https_servers_are_offered_http_2_and_http_servers_spoken_to_in_it_when_told() {
    let dir = temp_dir();
    let paced = ["-rate=100", "-duration=100ms", "-insecure"];
    for flags in [&[][..], &["-http2"], &["-http2=true", "-h2c"]] {
        let server = over_tls();
        write_targets(dir.path(), &format!("GET https://localhost:{}/\n", server.port()));
        run(dir.path(), &[&paced, flags].concat());
        assert_eq!(
            (errors(dir.path()), server.seen().len()),
            (vec![String::new()], 10),
            "{flags:?}"
        );
        assert_eq!(server.connections(), 1, "{flags:?}");
        assert_eq!(server.seen()[0].line, format!("GET https://localhost:{}/", server.port()));
    }
    for flags in [&["-h2c"][..], &["-h2c", "-http2=false"]] {
        let server = in_clear(Setup::default(), 0);
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        run(dir.path(), &[&paced, flags].concat());
        assert_eq!(
            (errors(dir.path()), server.seen().len()),
            (vec![String::new()], 10),
            "{flags:?}"
        );
        assert_eq!(server.connections(), 1, "{flags:?}");
    }
}

#[test]
fn http_1_is_spoken_where_it_is_chosen_and_where_nobody_asks() {
    let dir = temp_dir();
    let paced = ["-rate=100", "-duration=100ms", "-insecure"];
    // A server that chooses HTTP/1.1, and one that chooses nothing.
    for protocols in [&["http/1.1"][..], &[]] {
        let server = server_with(config(false, protocols));
        write_targets(dir.path(), &format!("GET https://{}/\n", server.authority()));
        run(dir.path(), &[&paced[..], &["-max-workers=1"]].concat());
        assert_eq!((errors(dir.path()), server.requests().len()), (vec![String::new()], 10));
        assert_eq!(server.requests()[0].line(), "GET / HTTP/1.1");
        // The connection that was opened to find out is used.
        assert_eq!(server.connections(), 1);
    }
    let server = server::Server::start(|_| server::Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    for flags in [&["-http2"][..], &["-h2c=false"]] {
        run(dir.path(), &[&paced, flags].concat());
        assert_eq!(errors(dir.path()), [""]);
    }
    assert!(server.requests().iter().all(|request| request.line() == "GET / HTTP/1.1"));
}

#[test]
fn hosts_of_both_kinds_share_the_bound_on_connections() {
    let dir = temp_dir();
    let (one, two) = (server::Server::start(|_| server::Reply::bytes(OK)), over_tls());
    let targets = format!("GET {}/\n\nGET https://localhost:{}/\n", one.url(), two.port());
    write_targets(dir.path(), &targets);
    run(dir.path(), &["-rate=20", "-duration=500ms", "-insecure", "-max-connections=1"]);
    assert_eq!((errors(dir.path()), results(dir.path()).len()), (vec![String::new()], 10));
    assert_eq!((one.requests().len(), two.seen().len()), (5, 5));
    // Each takes the other's place.
    assert_eq!((one.connections(), two.connections(), two.open_peak()), (5, 5, 1));
}

#[test]
fn a_bound_on_connections_holds_while_hosts_of_both_kinds_want_more() {
    let dir = temp_dir();
    let one = in_clear(Setup::default(), 20);
    let two = server_with(config(false, &["http/1.1"]));
    // All workers have a stream of the first when the second is to tell what it speaks.
    let targets = format!("GET {}/\n\n", one.url()).repeat(10)
        + &format!("GET https://{}/\n\n", two.authority()).repeat(10);
    write_targets(dir.path(), &targets);
    for bound in ["1", "2"] {
        let bounded = ["-max-workers=9", "-max-connections", bound, "-timeout=20s"];
        let flags = [&["-h2c", "-insecure", "-rate=0", "-duration=500ms"], &bounded[..]].concat();
        let said = super::stderr(&attack(dir.path(), &flags).output().unwrap());
        let (_, most) = said.split_once("connections at most ").unwrap_or_else(|| panic!("{said}"));
        assert_eq!(most.split(',').next(), Some(bound), "{said}");
        assert_eq!(errors(dir.path()), [""]);
    }
}

#[test]
fn a_collector_does_not_speak_it_in_clear_text_and_the_results_say_so() {
    let dir = temp_dir();
    let houseful = houseful::Setup::new(dir.path()).start();
    write_targets(dir.path(), &format!("GET {}/livez\n", houseful.url()));
    run(dir.path(), &["-rate=50", "-duration=100ms", "-h2c"]);
    let said = "it said `HTTP/1.1 505 HTTP Version Not Supported`";
    let address = houseful.url().replace("http://", "");
    let error = format!("protocol: `{address}` does not speak HTTP/2 in clear text: {said}");
    assert_eq!(errors(dir.path()), [error]);
}

#[test]
fn max_workers_bounds_requests_and_max_connections_connections() {
    let dir = temp_dir();
    for (streams_max, flags, under_way, connections) in [
        (None, &["-max-workers=2"][..], 2, 1),
        (Some(1), &["-max-connections=3"], 1, 3),
        (Some(2), &["-max-workers=3", "-max-connections=9", "-workers=2"], 2, 2),
        (None, &["-keepalive=false", "-max-workers=1"], 1, 25),
    ] {
        let server = in_clear(Setup { streams_max, ..Setup::default() }, 100);
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        let paced = ["-h2c", "-rate=100", "-duration=250ms", "-timeout=0"];
        run(dir.path(), &[&paced[..], flags].concat());
        assert_eq!((errors(dir.path()), server.seen().len()), (vec![String::new()], 25));
        let found = (server.under_way_peak(), server.connections());
        assert_eq!(found, (under_way, connections), "{flags:?}");
    }
}

#[test]
fn as_fast_as_possible_names_requests_and_connections() {
    let dir = temp_dir();
    let server = in_clear(Setup::default(), 20);
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let flags = ["-h2c", "-rate=0", "-duration=300ms", "-max-workers=3"];
    let output = attack(dir.path(), &flags).output().unwrap();
    let said = "limit: server: it kept 3 requests under way, connections at most 1, and the generator had rest\n";
    assert_eq!(super::stderr(&output), said);
    assert_eq!((server.under_way_peak(), server.connections()), (3, 1));
}

/// nginx as the judge: what it notes of each request over HTTP/2, with TLS and without.
#[test]
fn nginx_sees_every_request_on_the_connections_that_it_allows() {
    if !require(PROGRAM, "nginx-light") {
        return;
    }
    let dir = temp_dir();
    let log = dir.path().join("access.log");
    let clear_port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // Both addresses are replaced; the second is not one that nginx goes to here.
    let conf = format!(
        "worker_processes 1;
        events {{ worker_connections 256; }}
        http {{
            log_format seen '$server_protocol $request_method $uri $http_x_vegeta_seq $content_length $connection';
            access_log {log} seen;
            keepalive_requests 20;
            ssl_certificate {certificate};
            ssl_certificate_key {key};
            server {{
                listen 127.0.0.1:8080 ssl http2;
                listen 127.0.0.1:6540 http2;
                location / {{ return 409 '{{\"errors\":[\"duplicate\"]}}'; }}
            }}
        }}",
        log = log.display(),
        certificate = file("server.pem"),
        key = file("server.key"),
    );
    let nginx = Nginx::with_conf(&conf, clear_port);
    std::fs::write(dir.path().join("body"), "the body").unwrap();
    for (url, flag) in [
        (format!("https://localhost:{}", nginx.port()), "-insecure"),
        (format!("http://127.0.0.1:{clear_port}"), "-h2c"),
    ] {
        std::fs::write(&log, "").unwrap();
        write_targets(dir.path(), &format!("POST {url}/a\n@body\n"));
        run(dir.path(), &["-rate=200", "-duration=500ms", flag, "-max-body=-1"]);
        let results = results(dir.path());
        for result in &results {
            assert_eq!((&result["code"], &result["error"]), (&409.into(), &"409 Conflict".into()));
            assert_eq!(result["bytes_in"], 24);
            assert_eq!(result["body"], "eyJlcnJvcnMiOlsiZHVwbGljYXRlIl19");
        }
        let seen = std::fs::read_to_string(&log).unwrap();
        let mut seqs = Vec::new();
        let mut connections = std::collections::BTreeSet::new();
        for line in seen.lines() {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(words[..3], ["HTTP/2.0", "POST", "/a"], "{line}");
            assert_eq!(words[4], "8", "{line}");
            seqs.push(words[3].parse::<u32>().unwrap());
            connections.insert(words[5].to_owned());
        }
        seqs.sort_unstable();
        assert_eq!(seqs, Vec::from_iter(0..100), "each once");
        // After 20 requests it says GOAWAY.
        assert!((5..=20).contains(&connections.len()), "{connections:?}");
        assert_eq!(results.len(), 100);
    }
    assert_eq!(nginx.error_log(), "");
}

/// All that a server saw of a request but what tells the client.
fn without_client(seen: &Seen) -> (String, Vec<(String, String)>, Vec<u8>) {
    let headers = seen
        .names()
        .into_iter()
        .filter(|name| !["accept-encoding", "user-agent"].contains(name))
        .map(|name| (name.to_owned(), seen.header(name).unwrap().to_owned()));
    (seen.line.clone(), headers.collect(), seen.body.clone())
}

#[test]
fn a_server_sees_the_same_of_vegeta() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    std::fs::write(dir.path().join("body"), "the body").unwrap();
    for flag in ["-h2c", "-insecure"] {
        let server = if flag == "-h2c" { in_clear(Setup::default(), 0) } else { over_tls() };
        let url = match flag {
            "-h2c" => server.url(),
            _ => format!("https://localhost:{}", server.port()),
        };
        write_targets(
            dir.path(),
            &format!(
                "POST {url}/a?b=c%20d\nX-Case: Kept\nX-Two: 1\nX-Two: 2\n@body\n\n\
                 GET {url}\nHost: other:1\nConnection: close\nKeep-Alive: 5\n\nPUT {url}/e\n"
            ),
        );
        // One at a time, so that the order is the same.
        let flags = ["-rate=100", "-duration=300ms", "-max-workers=1", "-name=n", flag];
        run(dir.path(), &flags);
        let ours = server.seen();
        let output = Command::new("vegeta")
            .args(["attack", "-targets=targets.txt", "-output=theirs.gob"])
            .args(flags)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", super::stderr(&output));
        let theirs = server.seen().split_off(ours.len());
        assert_eq!((ours.len(), theirs.len()), (30, 30), "{flag}");
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(without_client(our), without_client(their), "{flag}");
        }
    }
}
