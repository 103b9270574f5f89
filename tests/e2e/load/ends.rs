//! How an attack ends, and what it says meanwhile.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::server::{Reply, Server};
use super::{OK, attack, report, results, stderr, write_targets};
use crate::support::{PATIENCE, program, require, temp_dir, wait_until};

#[test]
fn a_rate_that_is_held_is_success_without_a_word() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    // On a busy machine it may not be held every time; then it must say so.
    for attempt in 1..=20 {
        let output = attack(dir.path(), &["-rate=50", "-duration=1s"]).output().unwrap();
        assert_eq!((results(dir.path()).len(), server.requests().len()), (50, 50 * attempt));
        let who = report(dir.path())["limit"]["who"].as_str().unwrap().to_owned();
        if output.status.success() {
            assert_eq!((stderr(&output).as_str(), who.as_str()), ("", "none"));
            return;
        }
        assert_eq!((output.status.code(), who.as_str()), (Some(1), "generator"));
    }
    panic!("50 requests a second were too many, 20 times");
}

#[test]
fn a_rate_that_is_not_held_is_told_with_its_limit_and_by_the_exit_code() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(150));
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let flags = ["-rate=100", "-duration=1s", "-max-connections=1", "-timeout=400ms"];
    let output = attack(dir.path(), &flags).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    let unsent = 100 - server.requests().len();
    assert!(
        said.contains(&format!("the rate was not held: of 100 requests {unsent} were not sent")),
        "{said}"
    );
    assert!(said.contains("limit: server: "), "{said}");
    let report = report(dir.path());
    assert_eq!((&report["requests"], &report["unsent"]), (&100.into(), &unsent.into()));
    assert_eq!(
        (&report["limit"]["who"], &report["no_answer"]["unsent"]),
        (&"server".into(), &unsent.into())
    );
}

#[test]
fn as_fast_as_possible_needs_a_bound_and_names_the_limit() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(20));
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    for rate in ["-rate=0", "-rate=infinity"] {
        let output = attack(dir.path(), &[rate, "-duration=1s"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{rate}");
        assert!(stderr(&output).contains("--max-workers"), "{}", stderr(&output));
    }
    let flags = ["-rate=0", "-duration=1s", "-max-workers=3"];
    let output = attack(dir.path(), &flags).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let limit = "limit: server: it kept 3 connections busy, and the generator had rest\n";
    assert_eq!(stderr(&output), limit);
    assert_eq!(server.connections(), 3);
}

#[test]
fn an_interrupt_waits_for_what_is_under_way_and_keeps_it() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(300));
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let mut attack = attack(dir.path(), &["-rate=100", "-duration=0"]).spawn().unwrap();
    wait_until(PATIENCE, "50 requests have come", || server.requests().len() >= 50);
    // The program is the process itself: `env` has become it.
    let kill = Command::new("kill").args(["-INT", &attack.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let status = attack.wait().unwrap();
    let mut said = String::new();
    attack.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    let results = results(dir.path());
    assert!(results.iter().all(|result| result["code"] == 200), "{results:?}");
    assert_eq!(results.len(), server.requests().len());
    let waits = "waiting at most 30s for what is under way; interrupt again to give it up\n";
    assert_eq!(said, format!("{waits}interrupted after {} requests\n", results.len()));
}

#[test]
fn an_interrupt_says_at_once_what_it_waits_for() {
    let dir = temp_dir();
    let (sender, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_| {
        // Ends when nobody is left to say so.
        held.lock().unwrap().recv().unwrap_or_default();
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    // Let go before the server is, also by a failure.
    let release = sender;
    for (timeout, waits) in [("20m", "at most 20m0s for"), ("0", "for")] {
        let before = server.requests().len();
        let flags = ["-rate=10", "-duration=0", "-timeout", timeout];
        let mut attack = attack(dir.path(), &flags).spawn().unwrap();
        wait_until(PATIENCE, "a request has come", || server.requests().len() > before);
        let interrupt = ["-INT".to_owned(), attack.id().to_string()];
        assert!(Command::new("kill").args(&interrupt).status().unwrap().success());
        let mut said = BufReader::new(attack.stderr.take().unwrap()).lines();
        let line = said.next().unwrap().unwrap();
        let rest = "what is under way; interrupt again to give it up";
        assert_eq!(line, format!("waiting {waits} {rest}"));
        assert!(Command::new("kill").args(&interrupt).status().unwrap().success());
        assert_eq!(attack.wait().unwrap().code(), Some(0));
        let said = said.map(Result::unwrap).collect::<Vec<_>>();
        assert!(said[1].ends_with(" requests were given up without a result"), "{said:?}");
    }
    drop(release);
}

#[test]
fn results_that_come_slowly_do_not_lie_about() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let mut attack = attack(dir.path(), &["-rate=5", "-duration=0"]).spawn().unwrap();
    // A buffer of 8 KiB would hold some forty.
    let output = dir.path().join("results.gob");
    let len = || output.metadata().map_or(0, |file| file.len());
    wait_until(PATIENCE, "a result is written", || len() > 0);
    let first_len = len();
    wait_until(PATIENCE, "and another one", || len() > first_len);
    let before = server.requests().len();
    let kill = Command::new("kill").args(["-INT", &attack.id().to_string()]).status().unwrap();
    assert!(kill.success() && attack.wait().unwrap().code().is_some());
    assert!(before < 20, "{before}");
}

#[test]
fn the_last_results_before_a_pause_are_written_all_the_way_down_the_pipe() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let mut attack = program()
        .args(["load", "attack", "-targets=targets.txt", "-rate=100/s for 300ms, 1/1h for 1h"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = dir.path().join("lines");
    let mut encode = program()
        .args(["load", "encode", "-to=csv"])
        .stdin(attack.stdout.take().unwrap())
        .stdout(std::fs::File::create(&lines).unwrap())
        .spawn()
        .unwrap();
    wait_until(PATIENCE, "all that were sent are encoded", || {
        std::fs::read_to_string(&lines).unwrap().lines().count() == 30
    });
    let kill = Command::new("kill").args(["-INT", &attack.id().to_string()]).status().unwrap();
    assert!(kill.success() && attack.wait().unwrap().code().is_some());
    assert!(encode.wait().unwrap().success());
}

#[test]
fn an_interrupt_ends_an_attack_that_has_not_begun() {
    let dir = temp_dir();
    // Nobody writes a target.
    let mut attack = attack(dir.path(), &["-targets=-", "-lazy"]);
    attack.stdin(Stdio::piped());
    let mut attack = attack.spawn().unwrap();
    let output = dir.path().join("results.gob");
    wait_until(PATIENCE, "the attack waits", || output.exists());
    let status = loop {
        // The first may come before it listens for signals.
        let kill = Command::new("kill").args(["-INT", &attack.id().to_string()]).status().unwrap();
        assert!(kill.success());
        std::thread::sleep(Duration::from_millis(50));
        if let Some(status) = attack.try_wait().unwrap() {
            break status;
        }
    };
    assert!(matches!(status.code(), Some(0) | None), "{status}");
}

#[test]
fn a_third_interrupt_ends_an_attack_whose_results_nobody_reads() {
    let dir = temp_dir();
    let body = "x".repeat(4_000);
    let server = Server::start(move |_| {
        Reply::bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let mut attack = program()
        .args(["load", "attack", "-targets=targets.txt", "-rate=1000", "-duration=60s"])
        .arg("-max-body=4KB")
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // More than a pipe holds, and the attack's thread waits for somebody to read.
    wait_until(PATIENCE, "the pipe is full", || {
        let before = server.requests().len();
        std::thread::sleep(Duration::from_millis(300));
        before > 20 && server.requests().len() == before
    });
    let pid = attack.id().to_string();
    let mut interrupts = 0;
    let mut status = None;
    wait_until(PATIENCE, "it ends", || {
        // Two that come at once may count as one.
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        interrupts += 1;
        std::thread::sleep(Duration::from_millis(200));
        status = attack.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    assert!(interrupts >= 3, "{interrupts}");
}

#[test]
fn targets_that_come_slowly_are_named_as_the_limit() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    let mut attack = attack(dir.path(), &["-targets=-", "-lazy", "-rate=100", "-duration=300ms"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut source = attack.stdin.take().unwrap();
    for _ in 0..10 {
        writeln!(source, "GET {}/\n", server.url()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(source);
    let output = attack.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!((output.status.code(), server.requests().len()), (Some(1), 10), "{said}");
    assert!(said.contains("limit: targets: for ") && !said.contains("generator"), "{said}");
}

#[test]
fn what_was_sent_again_and_that_nobody_answers_is_said() {
    let dir = temp_dir();
    // Each second request on a connection is read and not answered.
    let used = Mutex::new(BTreeMap::<usize, usize>::new());
    let server = Server::start(move |request| {
        let mut used = used.lock().unwrap();
        let times = used.entry(request.connection).or_default();
        *times += 1;
        if *times == 2 { Reply::last("") } else { Reply::bytes(OK) }
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let paced = ["-rate=20", "-duration=200ms", "-max-workers=1"];
    let output = attack(dir.path(), &paced).output().unwrap();
    let again = server.requests().len() - results(dir.path()).len();
    let said = "sent again: the server had closed the connection, or refused them\n";
    let requests = if again == 1 { "request was" } else { "requests were" };
    assert_eq!(stderr(&output), format!("{again} {requests} {said}"));
    assert!(again > 0);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    write_targets(dir.path(), &format!("GET http://{nobody}/\n"));
    let output = attack(dir.path(), &paced).output().unwrap();
    let why = format!("connect: cannot connect to `{nobody}`: connection refused");
    assert_eq!(stderr(&output), format!("no request had an answer: {why}\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn connections_that_the_system_does_not_allow_are_no_fault_of_the_servers() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Reply::bytes(OK)
    });
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    // What it may have open is lowered for good.
    let script = "ulimit -n 40; exec \"$0\" load attack -targets=targets.txt -rate=200 -duration=500ms -output=results.gob";
    let houseful = env!("CARGO_BIN_EXE_houseful");
    let run = Command::new("sh").args(["-c", script, houseful]).current_dir(dir.path()).output();
    let run = run.unwrap();
    let said = stderr(&run);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(
        said.contains("were not sent") && said.contains("limit: generator: it did not send "),
        "{said}"
    );
    let results = results(dir.path());
    let unsent: Vec<_> = results.iter().filter(|one| one["code"] == 0).collect();
    assert!(unsent.len() > 20, "{}", unsent.len());
    for one in unsent {
        let error = one["error"].as_str().unwrap();
        assert!(error.starts_with("unsent: cannot connect to"), "{error}");
        assert!(error.contains("open files"), "{error}");
    }
}

#[test]
fn a_line_every_ten_seconds_says_how_it_goes() {
    let dir = temp_dir();
    let server =
        Server::start(|_| Reply::bytes("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n"));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let output = attack(dir.path(), &["-rate=20", "-duration=11s"]).output().unwrap();
    let said = stderr(&output);
    let line = said.lines().next().unwrap_or_default();
    let (hits, rest) = line.split_once("/220  ").unwrap_or_else(|| panic!("{said}"));
    assert!((150..=201).contains(&hits.parse::<u32>().unwrap()), "{line}");
    let (_, rest) = rest.split_once("/s of 20/s  ").unwrap_or_else(|| panic!("{line}"));
    let (left, rest) = rest.split_once("s left  p50 ").unwrap_or_else(|| panic!("{line}"));
    assert!(["0", "1"].contains(&left), "{line}");
    assert!(rest.contains("  p99 ") && rest.contains("  slip p99 "), "{line}");
    assert!(rest.ends_with(&format!("  no answer:0  409:{hits}")), "{line}");
}

#[test]
fn a_terminal_shows_the_same_twice_a_second() {
    if !require("/usr/bin/script", "bsdutils") {
        return;
    }
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let line = format!(
        "stty cols 80; '{}' load attack -targets=targets.txt -rate=20 -duration=3s -output=results.gob",
        env!("CARGO_BIN_EXE_houseful")
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    // On a busy machine it may say that the rate was not held.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{shown}");
    assert!(shown.matches("/s of 20/s").count() >= 3, "{shown:?}");
    // What matters most has room in the narrowest terminal.
    for figure in ["s left  p50 ", "  p99 ", "s  slip p99 "] {
        assert!(shown.contains(figure), "{figure}: {shown:?}");
    }
    assert_eq!(results(dir.path()).len(), 60);
}

#[test]
fn results_that_nobody_reads_end_the_attack() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    let script = format!(
        "set -o pipefail; '{}' load attack -targets=targets.txt -rate=2000 -duration=60s | head -c 1 > /dev/null",
        env!("CARGO_BIN_EXE_houseful")
    );
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(server.requests().len() < 100_000);
}
