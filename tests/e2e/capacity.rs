//! `houseful load capacity`: the answer is what the server holds, and never what only the generator could not
//! send.

use std::collections::HashMap;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::load::server::{Reply, Request, Server};
use super::support::houseful::Setup;
use super::support::schema::assert_valid;
use super::support::{PATIENCE, program, temp_dir, wait_until};

/// Houses of two badges and a Pi that send 40 requests a second each: ten in a step of 250 ms, in which
/// each badge has one payload. On a busy machine nothing is late.
const SMALL: [&str; 10] = [
    "--badges=2",
    "--pis=1",
    "--advertising-interval=50ms",
    "--update-window=250ms",
    "--step=250ms",
    "--skip=0",
    "--pause=10ms",
    "--p99=10s",
    "--timeout=20s",
    "--resolution=1",
];

/// How often a search is made anew because a busy machine got into its way.
const ATTEMPTS: usize = 10;

/// A search with small steps, except where these flags say otherwise.
fn capacity(url: &str, flags: &[&str]) -> Command {
    fn name(flag: &str) -> &str {
        flag.split('=').next().unwrap_or_default()
    }
    let small = SMALL.iter().filter(|small| flags.iter().all(|flag| name(flag) != name(small)));
    let mut command = program();
    command.args(["load", "capacity", "--url", url]).args(small).args(flags).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The answer as JSON, of a search in which the generator was never the limit.
fn answer(search: impl Fn(usize) -> Command) -> (Value, Option<i32>) {
    for attempt in 0..ATTEMPTS {
        let Output { stdout, stderr, status } = search(attempt).output().unwrap();
        let said = text(&stdout);
        let answer: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}\n{}", text(&stderr)));
        assert_valid("capacity", &said);
        let mut steps = answer["steps"].as_array().unwrap().iter();
        if steps.all(|step| step["verdict"] != "void") {
            return (answer, status.code());
        }
    }
    panic!("a few requests a second were too many, {ATTEMPTS} times");
}

/// Which request of its step it is, from 0.
fn seq(request: &Request) -> u64 {
    request.header("X-Vegeta-Seq").unwrap().parse().unwrap()
}

fn status(line: &str) -> Reply {
    Reply::bytes(&format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"))
}

/// In each step it takes so many requests and refuses what comes after: a capacity that depends on no clock.
fn server_of(requests: u64) -> Server {
    Server::start(move |request| match seq(request) {
        seq if seq >= requests => status("503 Service Unavailable"),
        seq if seq.is_multiple_of(5) => status("201 Created"),
        _ => status("409 Conflict"),
    })
}

#[test]
fn the_answer_is_what_the_server_holds() {
    // Eleven houses.
    let server = server_of(110);
    let flags = ["--from=2", "--to=40", "--repeats=2", "--json"];
    let (answer, code) = answer(|_| capacity(&server.url(), &flags));
    assert_eq!(code, Some(0));
    let loads: Vec<_> =
        answer["steps"].as_array().unwrap().iter().map(|step| &step["load"]).collect();
    assert_eq!(loads, [2, 4, 8, 16, 16, 12, 12, 10, 11, 11]);
    let level =
        |load, held, failed| json!({"load": load, "held": held, "failed": failed, "void": 0});
    for (key, value) in [
        ("kind", json!("found")),
        ("unit", json!("houses")),
        ("load", json!(11)),
        ("held", level(11, 2, 0)),
        ("above", level(12, 0, 2)),
        ("doubtful", json!([])),
        ("limit", json!("server")),
        ("settled", json!(true)),
    ] {
        assert_eq!(answer[key], value, "{key}");
    }
    let of_12 = answer["steps"][6].clone();
    assert_eq!(of_12["why"], json!(["errors<=0: found 10, such as `503 Service Unavailable`"]));
    assert_eq!(of_12["status_codes"], json!({"201": 22, "409": 88, "503": 10}));
    assert_eq!((&of_12["requests"], &of_12["asked_per_s"]), (&json!(120), &json!(480.0)));
    // A reading for four copies.
    let (requests, readings) =
        (answer["requests_per_s"].as_f64().unwrap(), answer["readings_per_s"].as_f64().unwrap());
    assert!(requests <= 440.0 && (requests / readings - 5.0).abs() < 1e-9, "{requests} {readings}");
}

#[test]
fn houses_go_on_where_they_were_and_never_send_what_they_sent_before() {
    let server = server_of(u64::MAX);
    let output = capacity(&server.url(), &["--to=4", "--repeats=2"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut bodies: HashMap<String, usize> = HashMap::new();
    for request in server.requests() {
        assert!(request.body.starts_with(r#"{"badge_id": "badge_"#), "{}", request.body);
        *bodies.entry(request.body).or_default() += 1;
    }
    // 1, 2, 4 and 4 houses; a step is an update window, in which a badge advertises five times.
    assert!(bodies.len() >= 2 * (1 + 2 + 4 + 4), "{} payloads", bodies.len());
    for (body, count) in bodies {
        assert_eq!(count, 5, "{body}");
    }
}

#[test]
fn our_collector_holds_two_houses_and_stores_what_it_acknowledges() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let url = format!("{}/rssi_readings", houseful.url());
    let (answer, code) = answer(|attempt| {
        // What an attempt before has just sent would be copies.
        let seed = format!("--seed={attempt}");
        capacity(&url, &["--to=2", "--repeats=1", "--json", &seed])
    });
    assert_eq!((code, &answer["kind"], &answer["load"]), (Some(0), &json!("at_least"), &json!(2)));
    assert_eq!((&answer["limit"], &answer["above"]), (&json!("none"), &json!(null)));
    let created: u64 = answer["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["status_codes"]["201"].as_u64().unwrap())
        .sum();
    // Badges of two houses, and each has a payload a step.
    assert_eq!(created, 2 + 4, "{answer}");
    assert!(setup.export().len() as u64 >= created);
}

#[test]
fn a_step_that_the_generator_could_not_send_is_void_and_the_answer_at_least() {
    let pid = Arc::new(AtomicU32::new(0));
    let server = Server::start({
        let pid = Arc::clone(&pid);
        move |request| {
            // Five houses have a ninth badge. When it comes first, the generator stands still.
            if seq(request) == 8 && request.body.contains("badge_8\"") {
                let pid = i32::try_from(pid.load(Ordering::SeqCst)).unwrap();
                let pid = Pid::from_raw(pid).expect("the search runs");
                for signal in [Signal::STOP, Signal::CONT] {
                    kill_process(pid, signal).expect("the search runs");
                    std::thread::sleep(Duration::from_millis(300));
                }
            }
            status("409 Conflict")
        }
    });
    let flags = ["--from=4", "--to=5", "--repeats=1", "--step=500ms"];
    for _ in 0..ATTEMPTS {
        let mut search = capacity(&server.url(), &flags);
        let search = search.stdout(Stdio::piped()).spawn().unwrap();
        pid.store(search.id(), Ordering::SeqCst);
        let output = search.wait_with_output().unwrap();
        let said = text(&output.stdout);
        if !said.contains("\n   1        4 ") || said.contains("\n   2        4 ") {
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("  void: generator: it was late for ").count(), 3, "{said}");
        let (_, answer) =
            said.split_once("\nat least 4 houses: ").unwrap_or_else(|| panic!("{said}"));
        assert!(answer.contains("\n  at 4 houses held in 1 of 1 steps\n"), "{said}");
        let void = "\n  at 5 houses void 3 times, which says nothing of the server: generator: it was late";
        assert!(answer.contains(void), "{said}");
        return;
    }
    panic!("four houses were too many, {ATTEMPTS} times");
}

#[test]
fn a_server_that_keeps_every_connection_busy_is_the_limit_itself() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        status("409 Conflict")
    });
    let flags = ["--max-connections=1", "--repeats=1"];
    let output = capacity(&server.url(), &flags).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let words = "\nnot even 1 house\n  at 1 house failed in 1 of 1: server: ";
    assert!(said.contains(words), "{said}");
}

#[test]
fn an_interrupt_ends_it_with_what_is_known() {
    let server = server_of(u64::MAX);
    let mut search = capacity(&server.url(), &["--to=1000", "--json"]);
    let search = search.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, steps) = (Pid::from_child(&search), || {
        server.requests().iter().filter(|request| seq(request) == 0).count()
    });
    wait_until(PATIENCE, "the third step has begun", || steps() >= 3);
    kill_process(pid, Signal::INT).unwrap();
    let output = search.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_valid("capacity", &text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{answer}");
    assert_eq!(answer["settled"], false);
    assert!(text(&output.stderr).contains("\ninterrupted in step "), "{output:?}");
    let made = answer["steps"].as_array().unwrap().len();
    assert!(made >= 2 && steps() <= made + 1, "{made} of {}", steps());
}

#[test]
fn targets_of_any_service_are_counted_in_requests_a_second() {
    let dir = temp_dir();
    // 100 requests a second, in a step of 200 ms.
    let server = Server::start(|request| match seq(request) {
        20.. => status("429 Too Many Requests"),
        _ => status("201 Created"),
    });
    let paths = ["a", "b", "c"].map(|path| format!("GET {}/{path}\n\n", server.url()));
    std::fs::write(dir.path().join("targets.txt"), paths.concat()).unwrap();
    let search = |_| {
        let mut command = program();
        let flags = ["--targets=targets.txt", "--from=25", "--to=200", "--resolution=10"];
        let lengths = ["--step=200ms", "--skip=0", "--pause=0", "--repeats=1", "--p99=10s"];
        command
            .args(["load", "capacity", "--header=X-Key: 1", "--json"])
            .args(flags)
            .args(lengths)
            .current_dir(dir.path());
        command
    };
    let (answer, code) = answer(search);
    assert_eq!(
        (code, &answer["kind"], &answer["unit"]),
        (Some(0), &json!("found"), &json!("requests"))
    );
    assert_eq!((&answer["load"], &answer["above"]["load"]), (&json!(100), &json!(106)), "{answer}");
    // What it creates are no readings.
    let steps = answer["steps"].as_array().unwrap();
    assert!(steps.iter().chain([&answer]).all(|it| it["readings_per_s"].is_null()), "{answer}");
    let seen = server.requests();
    assert!(seen.iter().all(|request| request.header("X-Key") == Some("1")));
    // Five requests of the first step; the second goes on with the sixth.
    let first = |n: u64| seen.iter().filter(move |request| seq(request) == n);
    let begins: Vec<_> = first(0).take(2).map(|request| request.line().to_owned()).collect();
    assert_eq!(begins, ["GET /a HTTP/1.1", "GET /c HTTP/1.1"]);
}

#[test]
fn a_server_that_is_not_there_has_no_capacity_of_zero() {
    let nobody = "http://127.0.0.1:1/rssi_readings";
    let lost = Server::start(|_| status("404 Not Found"));
    for (url, error) in [
        (nobody, "houseful: nobody answers at http://127.0.0.1:1/rssi_readings: connect: "),
        (
            &*lost.url(),
            &*format!(
                "houseful: no answer of {} was an expected one, but such as `404 Not Found`: see --expect\n",
                lost.url()
            ),
        ),
    ] {
        let output = capacity(url, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).starts_with(error), "{output:?}");
    }
}

#[test]
fn a_server_that_goes_away_is_missed() {
    let is_gone = AtomicBool::new(false);
    let server = Server::start(move |request| {
        // Two houses are too much for it, for good.
        is_gone.fetch_or(request.body.contains("badge_2\""), Ordering::SeqCst);
        match is_gone.load(Ordering::SeqCst) {
            true => Reply::last(""),
            false => status("409 Conflict"),
        }
    });
    let output = capacity(&server.url(), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = format!("houseful: nobody answers any more at {}, after ", server.url());
    assert!(text(&output.stderr).contains(&error), "{output:?}");
}

#[test]
fn what_cannot_be_searched_is_refused_before_anything_is_sent() {
    let server = server_of(u64::MAX);
    let duration = "expected a duration with a unit, such as 5s or 100ms, found `5`";
    for (flags, error) in [
        (&["--p99=5"][..], format!("--p99: {duration}")),
        (&["--step=5"], format!("--step: {duration}")),
        (&["--skip=5"], format!("--skip: {duration}")),
        (&["--pause=5"], format!("--pause: {duration}")),
        (&["--timeout=5"], format!("--timeout: {duration}")),
        (
            &["--errors=few"],
            "expected a whole number, or a share from 0% to 100% such as 0.1%, found `few`".into(),
        ),
        (
            &["--resolution=0"],
            "expected a share such as 5%, up to 100%, or a whole number from 1, found `0`".into(),
        ),
        (
            &["--expect=2xx"],
            "expected statuses such as 201,409, each from 100 to 999 or 0 for no answer, found `2xx`"
                .into(),
        ),
        (&["--assert=p99"], "expected a figure, one of < <= > >= = !=, and a value".into()),
        (
            &["--from=9", "--to=8"],
            "--from: expected at most 8, which is the largest load, found 9".into(),
        ),
        (&["--from=0"], "invalid value '0' for '--from <N>'".into()),
        (&["--repeats=0"], "0 is not in 1..=20".into()),
        (&["--badges=0"], "--badges: expected at least 1, found 0".into()),
        (&["--beacons=6"], "--beacons: expected 1 to 5, found 6".into()),
        (
            &["--update-window=70ms"],
            "--update-window: expected a multiple of the advertising interval 50ms, found 70ms".into(),
        ),
        (
            &["--step=10ms"],
            "--step: expected at least 50ms, in which something is sent, found 10ms".into(),
        ),
        (
            &["--to=1000000000"],
            "--to: expected at most 200000, for a step holds its 2000000 requests at most in memory"
                .into(),
        ),
        (&["--targets=t", "--pis=2"], "cannot be used with '--targets <FILE>'".into()),
        (&["--format=json"], "--format: expected --targets, which are written so".into()),
        (&["--header=x"], "--header: expected a header such as `Key: value`, found `x`".into()),
    ] {
        let output = capacity(&server.url(), flags).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(&error), "{flags:?}: {stderr}");
    }
    assert_eq!(server.requests().len(), 0);
}
