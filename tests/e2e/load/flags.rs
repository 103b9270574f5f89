//! Each flag of `attack` does what it says, seen at the server.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use super::server::{Reply, Request, Server};
use super::{OK, attack, results, run, stderr, write_targets};
use crate::support::{require, temp_dir};

fn server() -> Server {
    Server::start(|_| Reply::bytes(OK))
}

fn slow_server() -> Server {
    Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Reply::bytes(OK)
    })
}

fn lines(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.line().to_owned()).collect()
}

/// The connections that the requests came on.
fn connections(requests: &[Request]) -> BTreeSet<usize> {
    requests.iter().map(|request| request.connection).collect()
}

#[test]
fn name_header_body_and_chunked_are_seen_with_one_dash_or_two() {
    let dir = temp_dir();
    std::fs::write(dir.path().join("body"), "the body").unwrap();
    std::fs::write(dir.path().join("own"), "its own").unwrap();
    for dashes in ["-", "--"] {
        for chunked in ["", "=true", "=false"] {
            let server = server();
            let targets = format!("PUT {0}/a\nX-A: 2\n\nPUT {0}/b\n@own\n", server.url());
            write_targets(dir.path(), &targets);
            let flags = [
                "rate=2",
                "duration=1s",
                "name=run 1",
                "header=X-A: 1",
                "header=x-b: 3",
                "body=body",
            ];
            let mut flags: Vec<_> = flags.iter().map(|flag| format!("{dashes}{flag}")).collect();
            flags.push(format!("{dashes}chunked{chunked}"));
            run(dir.path(), &flags.iter().map(String::as_str).collect::<Vec<_>>());
            let seen = server.requests();
            assert_eq!(lines(&server), ["PUT /a HTTP/1.1", "PUT /b HTTP/1.1"]);
            assert_eq!((seen[0].body.as_str(), seen[1].body.as_str()), ("the body", "its own"));
            for (request, length) in seen.iter().zip(["8", "7"]) {
                assert_eq!(request.header("X-Vegeta-Attack"), Some("run 1"));
                assert_eq!((request.header("X-A"), request.header("x-b")), (Some("1"), Some("3")));
                let framing =
                    (request.header("Transfer-Encoding"), request.header("Content-Length"));
                let want = if chunked == "=false" {
                    (None, Some(length))
                } else {
                    (Some("chunked"), None)
                };
                assert_eq!(framing, want, "{flags:?}");
            }
        }
    }
}

#[test]
fn workers_are_connections_that_are_there_before_the_first_request() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    run(dir.path(), &["-rate=2", "-duration=1s", "-workers=5"]);
    assert_eq!((server.connections(), server.requests().len()), (5, 2));
    run(dir.path(), &["-rate=2", "-duration=1s", "-workers=5", "-max-workers=3"]);
    assert_eq!(server.connections(), 5 + 3);
}

#[test]
fn max_workers_and_max_connections_bound_what_is_under_way() {
    let dir = temp_dir();
    for (flags, want) in [
        (&["-max-workers=2"][..], 2),
        (&["-max-connections=3"], 3),
        (&["-max-workers=4", "-max-connections=2"], 2),
        // 50/s of 100 ms each.
        (&["-max-workers=1001"], 5),
    ] {
        let server = slow_server();
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        let paced = ["-rate=50", "-duration=500ms", "-timeout=0"];
        run(dir.path(), &[&paced[..], flags].concat());
        assert_eq!(server.requests().len(), 25, "{flags:?}");
        let opened = server.connections();
        assert!(
            if want == 5 { (5..=25).contains(&opened) } else { opened == want },
            "{flags:?}: {opened}"
        );
    }
}

#[test]
fn connections_is_how_many_idle_ones_are_kept() {
    let dir = temp_dir();
    // Ten at once, one when they are idle, and ten again.
    let rate = "-rate=10/1ms for 1ms, 1/s for 1s, 10/1ms for 1ms";
    for (flags, want) in [(&[rate][..], 10..=14), (&[rate, "-connections=1"], 19..=21)] {
        let server = slow_server();
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        run(dir.path(), flags);
        assert_eq!(server.requests().len(), 21);
        assert!(want.contains(&server.connections()), "{flags:?}: {}", server.connections());
    }
}

#[test]
fn without_keepalive_each_request_has_its_connection_and_says_so() {
    let dir = temp_dir();
    for (flag, connection, want) in [
        ("-keepalive=false", Some("close"), 10),
        ("-keepalive", None, 1),
        ("-keepalive=true", None, 1),
    ] {
        let server = server();
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        run(dir.path(), &["-rate=20", "-duration=500ms", "-max-workers=1", flag]);
        let seen = server.requests();
        assert!(seen.iter().all(|request| request.header("Connection") == connection), "{flag}");
        assert_eq!((seen.len(), connections(&seen).len()), (10, want), "{flag}");
    }
}

#[test]
fn timeout_ends_a_request_and_its_connection() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    run(dir.path(), &["-rate=5", "-duration=1s", "-timeout=100ms"]);
    for result in results(dir.path()) {
        assert_eq!(
            (&result["code"], &result["error"]),
            (&0.into(), &"timeout: no answer within 100ms".into())
        );
        assert!(result["latency"].as_u64() >= Some(100_000_000), "{result}");
    }
    assert_eq!(connections(&server.requests()).len(), 5);
}

#[test]
fn redirects_are_followed_counted_or_left_alone() {
    let dir = temp_dir();
    let server = Server::start(|request| {
        let path = request.line().split(' ').nth(1).unwrap();
        let to = |code: u16, to: &str| {
            Reply::bytes(&format!(
                "HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            ))
        };
        match path {
            "/found" => to(302, "end?q"),
            "/kept" => to(307, "/end"),
            "/loop" => to(301, "/loop"),
            "/nowhere" => to(301, "/a b"),
            _ => Reply::bytes(OK),
        }
    });
    std::fs::write(dir.path().join("body"), "x").unwrap();
    let once = |path: &str, flags: &[&str]| {
        let before = server.requests().len();
        write_targets(
            dir.path(),
            &format!("POST {}{path}\nContent-Type: a/b\n@body\n", server.url()),
        );
        run(dir.path(), &[&["-rate=1", "-duration=1s"], flags].concat());
        let result = results(dir.path()).remove(0);
        let error = result["error"].as_str().unwrap().to_owned();
        let seen = server.requests().split_off(before);
        assert!(seen.iter().all(|request| request.header("X-Vegeta-Seq") == Some("0")));
        (result["code"].as_u64().unwrap(), error, seen)
    };
    let lines =
        |seen: &[Request]| seen.iter().map(|request| request.line().to_owned()).collect::<Vec<_>>();

    let (code, error, seen) = once("/found", &[]);
    assert_eq!((code, error.as_str()), (200, ""));
    assert_eq!(lines(&seen), ["POST /found HTTP/1.1", "GET /end?q HTTP/1.1"]);
    assert_eq!((seen[1].body.as_str(), seen[1].header("Content-Type")), ("", None));

    let (code, _, seen) = once("/kept", &[]);
    assert_eq!(
        (code, lines(&seen)),
        (200, vec!["POST /kept HTTP/1.1".into(), "POST /end HTTP/1.1".into()])
    );
    assert_eq!((seen[1].body.as_str(), seen[1].header("Content-Type")), ("x", Some("a/b")));

    let (code, error, seen) = once("/loop", &[]);
    assert_eq!((code, error.as_str(), seen.len()), (0, "redirect: stopped after 10 redirects", 11));
    let (code, error, seen) = once("/loop", &["-redirects=0"]);
    assert_eq!((code, error.as_str(), seen.len()), (0, "redirect: stopped after 0 redirects", 1));
    let (code, error, seen) = once("/loop", &["-redirects", "-1"]);
    assert_eq!((code, error.as_str(), seen.len()), (301, "", 1));

    let (code, error, _) = once("/nowhere", &[]);
    assert!(
        code == 0 && error.starts_with("redirect: expected a URL in printable ASCII"),
        "{error}"
    );
}

#[test]
fn a_redirect_to_another_host_takes_no_secrets_along() {
    let dir = temp_dir();
    let there = server();
    // Another name for the same machine.
    let elsewhere = there.url().replace("127.0.0.1", "localhost");
    let here = Server::start(move |_| {
        Reply::bytes(&format!(
            "HTTP/1.1 307 X\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        ))
    });
    write_targets(
        dir.path(),
        &format!("GET {}/\nAuthorization: a\nCookie: b\nX-C: c\n", here.url()),
    );
    run(dir.path(), &["-rate=1", "-duration=1s"]);
    let seen = there.requests();
    assert_eq!(here.requests()[0].header("Authorization"), Some("a"));
    assert_eq!((seen[0].header("Authorization"), seen[0].header("Cookie")), (None, None));
    assert_eq!(seen[0].header("X-C"), Some("c"));
}

#[test]
fn max_body_is_how_much_of_an_answer_is_kept() {
    let dir = temp_dir();
    let server =
        Server::start(|_| Reply::bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    for (flags, body) in [
        (&[][..], None),
        (&["-max-body=0"], None),
        (&["-max-body=2"], Some("aGU=")),
        (&["-max-body=1KB"], Some("aGVsbG8=")),
        (&["-max-body", "-1"], Some("aGVsbG8=")),
    ] {
        run(dir.path(), &[&["-rate=1", "-duration=1s"], flags].concat());
        let result = results(dir.path()).remove(0);
        assert_eq!((result["body"].as_str(), &result["bytes_in"]), (body, &5.into()), "{flags:?}");
    }
}

#[test]
fn unix_socket_takes_every_connection() {
    let dir = temp_dir();
    let path = dir.path().join("socket");
    let server = Server::start_at(&path, |_| Reply::bytes(OK));
    write_targets(dir.path(), "GET http://no-such-host.invalid/a\n");
    run(dir.path(), &["-rate=10", "-duration=500ms", "-unix-socket=socket", "-max-connections=1"]);
    let seen = server.requests();
    assert_eq!((seen.len(), server.connections()), (5, 1));
    assert_eq!(
        (seen[0].line(), seen[0].header("Host")),
        ("GET /a HTTP/1.1", Some("no-such-host.invalid"))
    );
}

#[test]
fn connect_to_leads_elsewhere_in_turns() {
    let dir = temp_dir();
    let (a, b) = (server(), server());
    write_targets(dir.path(), "GET http://no-such-host.invalid/\n");
    let to =
        |server: &Server| format!("-connect-to=no-such-host.invalid:80:{}", server.authority());
    let flags = ["-rate=20", "-duration=500ms", "-keepalive=false", &to(&a), &to(&b)];
    run(dir.path(), &flags);
    assert_eq!((a.requests().len(), b.requests().len()), (5, 5));
    assert_eq!(a.requests()[0].header("Host"), Some("no-such-host.invalid"));
}

#[test]
fn laddr_is_where_connections_come_from() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    for (flag, peer) in [("-laddr=127.0.0.9", "127.0.0.9"), ("-laddr=0.0.0.0", "127.0.0.1")] {
        run(dir.path(), &["-rate=2", "-duration=1s", flag]);
        let seen = server.requests();
        assert!(seen[seen.len() - 2..].iter().all(|request| request.peer == peer), "{flag}");
    }
    run(dir.path(), &["-rate=1", "-duration=1s", "-laddr=::1"]);
    let error = results(dir.path()).remove(0)["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("connect: ") && error.ends_with("address not available"), "{error}");
}

/// A name server that knows one name with two addresses, at the first of which nobody listens; and
/// where it is asked.
fn name_server() -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (asked, questions) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            let question = query[..len].to_vec();
            let mut answer = question.clone();
            let is_known = question[12..].starts_with(b"\x07collect\x07example\0");
            (answer[2], answer[3]) = (0x81, if is_known { 0 } else { 3 });
            if is_known && question.ends_with(&[0, 1, 0, 1]) {
                answer[7] = 2;
                for last in [9, 1] {
                    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
                    answer.extend_from_slice(&[127, 0, 0, last]);
                }
            }
            socket.send_to(&answer, from).unwrap();
            // A test that is over asks no more.
            drop(asked.send(question));
        }
    });
    (address, questions)
}

#[test]
fn resolvers_are_asked_once_a_host_and_all_its_addresses_are_tried() {
    let dir = temp_dir();
    let server = server();
    let port = server.authority().rsplit_once(':').unwrap().1.to_owned();
    let (address, questions) = name_server();
    write_targets(dir.path(), &format!("GET http://collect.example:{port}/\n"));
    let flag = format!("-resolvers={address}");
    run(dir.path(), &["-rate=20", "-duration=500ms", "-keepalive=false", &flag]);
    assert_eq!((server.requests().len(), questions.try_iter().count()), (10, 2), "A and AAAA");

    write_targets(dir.path(), &format!("GET http://other.example:{port}/\n"));
    let output = attack(dir.path(), &["-duration=1s", &flag]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "houseful: dns: cannot resolve `other.example`: no such host\n");
    // Where targets are read as they are needed, only those of this host suffer.
    run(dir.path(), &["-rate=1", "-duration=1s", "-lazy", &flag]);
    let result = results(dir.path()).remove(0);
    let error = "dns: cannot resolve `other.example`: no such host";
    assert_eq!((&result["code"], &result["error"]), (&0.into(), &error.into()));
}

#[test]
fn lazy_sends_each_target_once() {
    let dir = temp_dir();
    let server = server();
    let targets: String = (0..5).map(|n| format!("GET {}/{n}\n", server.url())).collect();
    write_targets(dir.path(), &targets);
    let output = run(dir.path(), &["-rate=20", "-duration=1s", "-lazy"]);
    assert!(stderr(&output).starts_with("the targets ran out after 5 requests\n"));
    assert_eq!(server.requests().len(), 5);
    run(dir.path(), &["-rate=20", "-duration=1s", "-lazy=false"]);
    assert_eq!(server.requests().len(), 25);
}

#[test]
fn output_is_a_file_or_stdout_and_gob_spares_a_terminal() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    run(dir.path(), &["-rate=2", "-duration=1s"]);
    assert_eq!(results(dir.path()).len(), 2);
    let mut piped = crate::support::program();
    piped.args(["load", "attack", "-targets=targets.txt", "-rate=2", "-duration=1s"]);
    let output = piped.current_dir(dir.path()).output().unwrap();
    assert!(output.stdout.len() > 300, "{} bytes", output.stdout.len());

    if !require("/usr/bin/script", "bsdutils") {
        return;
    }
    for command in
        ["attack -targets=targets.txt -rate=2 -duration=1s", "encode -to=gob results.gob"]
    {
        let line = format!("'{}' load {command}", env!("CARGO_BIN_EXE_houseful"));
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("houseful: gob is not for terminals: pipe it to "), "{said:?}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn what_is_not_supported_is_refused_with_a_reason() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    for (flags, error) in [
        (
            &["-proxy-header=A: 1"][..],
            "--proxy-header: not supported: requests go to their servers, never to a proxy that would read it",
        ),
        (
            &["-dns-ttl=5s"],
            "--dns-ttl: cannot be chosen: each host is looked up once, and its addresses are kept",
        ),
        (
            &["-prometheus-addr=x"],
            "--prometheus-addr: not supported: pipe the results to `houseful load report -every=10s` to watch them",
        ),
        (&["-max-workers=0"], "--max-workers: expected a number from 1, found 0"),
        (
            &["-connect-to=a:80"],
            "--connect-to: expected `host:port:host:port`, such as example.org:80:localhost:8080, found `a:80`",
        ),
        (
            &["-resolvers=1.1.1.1,dns"],
            "--resolvers: expected addresses such as 1.1.1.1 or [::1]:5353, found `dns`",
        ),
        (
            &["-max-body=1.5K"],
            "--max-body: expected a number of bytes such as 512 or 4KB, or -1, found `1.5K`",
        ),
        (
            &["-rate=linear(1, 2)"],
            "--rate: linear(from, to) needs a duration: the time in which the rate goes from one to the other",
        ),
        (&["-key=k"], "a key needs a certificate"),
        (&["-root-certs=targets.txt"], "expected root certificates in `targets.txt`, found none"),
    ] {
        let output = attack(dir.path(), flags).output().unwrap();
        let text = format!("houseful: {error}\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(2), text), "{flags:?}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn flags_are_read_as_go_reads_them() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("POST {}/\n", server.url()));
    for (flags, connection, coding) in [
        (&["-keepalive=0", "-chunked=1"][..], Some("close"), Some("chunked")),
        (&["-keepalive=F", "-chunked=TRUE"], Some("close"), Some("chunked")),
        (&["-keepalive=t", "-chunked=False"], None, None),
        // The last one counts, but of a list all.
        (&["-keepalive=false", "-chunked", "-chunked=f", "-keepalive"], None, None),
    ] {
        let twice =
            ["-body=targets.txt", "-rate=9", "-rate=1", "-duration=1s", "-name=a", "-name=b"];
        run(dir.path(), &[&twice[..], &["-header=X-A: 1", "-header=X-B: 2"], flags].concat());
        let seen = server.requests().pop().unwrap();
        let headers = ["Connection", "Transfer-Encoding", "X-A", "X-B", "X-Vegeta-Attack"];
        let found = headers.map(|header| seen.header(header));
        assert_eq!(found, [connection, coding, Some("1"), Some("2"), Some("b")], "{flags:?}");
    }
    assert_eq!(server.requests().len(), 4);
    let output = attack(dir.path(), &["-keepalive=no"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: true, false]"), "{}", stderr(&output));
}

#[test]
fn what_another_flag_makes_pointless_is_refused() {
    let dir = temp_dir();
    let server = server();
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let socket = "cannot be used with --unix-socket, which takes every connection";
    let close = "cannot be used with --keepalive=false, where each request opens a connection when it is due";
    for (flags, error) in [
        (&["-unix-socket=s", "-connect-to=a:80:b:80"][..], format!("--connect-to: {socket}")),
        (&["-unix-socket=s", "-resolvers=1.1.1.1"], format!("--resolvers: {socket}")),
        (&["-unix-socket=s", "-laddr=127.0.0.1"], format!("--laddr: {socket}")),
        (&["-keepalive=false", "-workers=2"], format!("--workers: {close}")),
        (&["-keepalive=false", "-connections=2"], format!("--connections: {close}")),
        (
            &["-insecure", "-root-certs=nowhere"],
            "--root-certs: cannot be used with --insecure, which trusts any certificate".to_owned(),
        ),
    ] {
        let output = attack(dir.path(), &[&["-duration=1s"], flags].concat()).output().unwrap();
        let text = format!("houseful: {error}\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(2), text), "{flags:?}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn connect_to_names_a_place_of_the_targets() {
    let dir = temp_dir();
    let (here, there) = (server(), server());
    let many: String = (1..=4).map(|n| format!("GET http://h{n}.invalid/\n\n")).collect();
    let targets = format!("GET {}/\n\nGET http://[::1]:81/\n\n{many}", here.url());
    write_targets(dir.path(), &targets);
    let to = format!("-connect-to=127.0.0.1:1:{}", there.authority());
    let output = attack(dir.path(), &["-rate=1", "-duration=1s", &to]).output().unwrap();
    let text = format!(
        "houseful: --connect-to: expected a place that targets name, which are `{}`, `[::1]:81`, `h1.invalid:80`, `h2.invalid:80`, `h3.invalid:80` and 1 more, found `127.0.0.1:1`; if redirects lead there, say so by --redirects\n",
        here.authority()
    );
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), text));
    assert_eq!((here.requests().len(), there.requests().len()), (0, 0));

    // Where it may be named later, it is taken.
    let away = Server::start(|_| {
        let head = "HTTP/1.1 302 X\r\nLocation: http://no-such-host.invalid/\r\n";
        Reply::bytes(&format!("{head}Content-Length: 0\r\n\r\n"))
    });
    write_targets(dir.path(), &format!("GET {}/\n", away.url()));
    let to = format!("-connect-to=no-such-host.invalid:80:{}", there.authority());
    run(dir.path(), &["-rate=1", "-duration=1s", "-redirects=3", &to]);
    assert_eq!((away.requests().len(), there.requests().len()), (1, 1));
    run(dir.path(), &["-rate=1", "-duration=1s", "-lazy", &to]);
    assert_eq!((away.requests().len(), there.requests().len()), (2, 2));
}
