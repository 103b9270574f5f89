//! `houseful load report`: each flag changes what it says it changes, and what must hold is judged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::load::server::{Reply, Server};
use super::support::schema::assert_valid;
use super::support::{program, temp_dir};

/// One result: `n` tenths of a second after the start.
fn result(n: u64, code: u16, latency_ms: u64, url: &str) -> String {
    let error = match code {
        409 => "409 Conflict",
        0 => "reset: connection reset by peer",
        _ => "",
    };
    let result = json!({
        "attack": "", "seq": n, "code": code,
        "timestamp": format!("2026-11-24T20:29:{:02}.{}Z", n / 10, n % 10),
        "latency": latency_ms * 1_000_000, "bytes_out": 1, "bytes_in": 2, "error": error,
        "body": null, "method": "POST", "url": url, "headers": null, "slip": 2_000_000,
    });
    format!("{result}\n")
}

/// `results.json`: ten seconds of 201 and 409 by turns, 100 ms each in the first second and 1 to 90 ms
/// after it, on two URLs.
fn write_results(dir: &Path) {
    let line = |n: u64| {
        let (code, url) =
            if n.is_multiple_of(2) { (201, "http://a/even") } else { (409, "http://a/odd") };
        result(n, code, if n < 10 { 100 } else { n - 9 }, url)
    };
    std::fs::write(dir.join("results.json"), (0..100).map(line).collect::<String>()).unwrap();
}

fn report(dir: &Path, flags: &[&str]) -> Output {
    program().args(["load", "report"]).args(flags).current_dir(dir).output().unwrap()
}

fn stdout(dir: &Path, flags: &[&str]) -> String {
    let output = report(dir, flags);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(dir: &Path, flags: &[&str]) -> Value {
    let flags = [&["-type=json", "results.json"], flags].concat();
    serde_json::from_str(&stdout(dir, &flags)).unwrap()
}

#[test]
fn expected_statuses_are_successes_and_no_errors() {
    let dir = temp_dir();
    write_results(dir.path());
    let plain = json_of(dir.path(), &[]);
    assert_eq!((&plain["success"], &plain["errors"]), (&json!(0.5), &json!(["409 Conflict"])));
    let expecting = json_of(dir.path(), &["--expect", "201,409"]);
    assert_eq!((&expecting["success"], &expecting["errors"]), (&json!(1), &json!([])));
    let throughputs = [&plain, &expecting].map(|report| report["throughput"].as_f64().unwrap());
    assert!((throughputs[1] / throughputs[0] - 2.0).abs() < 1e-9, "{throughputs:?}");
    let other = json_of(dir.path(), &["--expect", "409"]);
    assert_eq!(other["errors"], json!(["201: not an expected status"]));
}

#[test]
fn the_first_seconds_are_left_out() {
    let dir = temp_dir();
    write_results(dir.path());
    let report = json_of(dir.path(), &["--skip", "1s"]);
    assert_eq!(report["requests"], 90);
    assert_eq!(report["latencies"]["max"], 90_000_000);
    assert_eq!(report["earliest"], "2026-11-24T20:29:01Z");
}

#[test]
fn percentiles_are_those_asked_for() {
    let dir = temp_dir();
    write_results(dir.path());
    let text = stdout(dir.path(), &["--percentiles", "50,99.9", "results.json"]);
    assert!(text.contains("[min, mean, 50, 99.9, max]  1ms, "), "{text}");
    let report = json_of(dir.path(), &["--percentiles", "50,99.9"]);
    let latencies = report["latencies"].as_object().unwrap();
    // vegeta's stay in JSON, for whoever reads them.
    assert!(latencies.contains_key("99.9th") && latencies.contains_key("95th"), "{report}");
}

#[test]
fn of_a_flag_of_vegeta_that_is_there_twice_the_last_one_counts() {
    let dir = temp_dir();
    write_results(dir.path());
    let twice = ["-type=text", "-type=hist", "-buckets=[0,1ms]", "-buckets=[0,1s]"];
    let twice = [&twice[..], &["-every=0", "-every=0s", "-output=x", "-output=-"]].concat();
    let report = stdout(dir.path(), &[&twice[..], &["results.json"]].concat());
    assert!(report.contains("\n[1s,    +Inf]  0 "), "{report}");
    assert!(!dir.path().join("x").exists());
}

#[test]
fn each_target_is_reported_for_itself() {
    let dir = temp_dir();
    write_results(dir.path());
    let report = json_of(dir.path(), &["--per-target"]);
    let targets = report["targets"].as_array().unwrap();
    let found: Vec<_> = targets
        .iter()
        .map(|target| (target["target"].as_str().unwrap(), &target["report"]["status_codes"]))
        .collect();
    let (even, odd) = (json!({"201": 50}), json!({"409": 50}));
    assert_eq!(found, [("POST http://a/even", &even), ("POST http://a/odd", &odd)]);
    let text = stdout(dir.path(), &["--per-target", "results.json"]);
    assert!(text.contains("\n\nPOST http://a/odd\nRequests  "), "{text}");
    let markdown = stdout(dir.path(), &["--per-target", "-type=markdown", "results.json"]);
    assert!(markdown.contains("\n| `POST http://a/even` | "), "{markdown}");
}

#[test]
fn several_generators_are_one_run() {
    let dir = temp_dir();
    write_results(dir.path());
    let whole = std::fs::read_to_string(dir.path().join("results.json")).unwrap();
    let part = |odd: usize| {
        let lines = whole.split_inclusive('\n').enumerate();
        lines.filter(|(n, _)| n % 2 == odd).map(|(_, line)| line).collect::<String>()
    };
    std::fs::write(dir.path().join("a.json"), part(0)).unwrap();
    std::fs::write(dir.path().join("b.json"), part(1)).unwrap();
    program()
        .args(["load", "encode", "-to=gob", "-output=b.gob", "b.json"])
        .current_dir(dir.path())
        .status()
        .unwrap();
    for flags in [&["-type=text"][..], &["-type=json", "--skip=1s", "--per-target"]] {
        let merged = stdout(dir.path(), &[&["a.json", "b.gob"], flags].concat());
        assert_eq!(merged, stdout(dir.path(), &[&["results.json"], flags].concat()), "{flags:?}");
    }
}

#[test]
fn what_must_hold_decides_the_exit_code_and_is_named_when_it_does_not() {
    let dir = temp_dir();
    write_results(dir.path());
    let holding = ["--assert", "p99<=101ms", "--assert", "codes=201,409", "--assert=slip_p99<3ms"];
    let output = report(dir.path(), &[&holding[..], &["results.json"]].concat());
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));

    let failing = ["--assert=errors=0", "--assert=success>=99%", "--assert=codes=201"];
    let output =
        report(dir.path(), &[&holding[..], &failing, &["-type=json", "results.json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "failed errors=0: found 50\nfailed success>=99%: found 50%\nfailed codes=201: found 50 × 409\n"
    );
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let holds: Vec<_> =
        json["assertions"].as_array().unwrap().iter().map(|found| found["holds"].clone()).collect();
    assert_eq!(holds, [true, true, true, false, false, false]);

    // What was expected is no error, to them too.
    let expect = ["--expect=201,409", "--assert=errors=0", "results.json"];
    assert_eq!(report(dir.path(), &expect).status.code(), Some(0));
}

#[test]
fn what_cannot_be_reported_is_refused_before_anything_is_read() {
    let dir = temp_dir();
    for (flags, error) in [
        (
            &["--assert", "p99<20"][..],
            "`p99`: expected a duration with a unit, such as 5s or 100ms, found `20`",
        ),
        (&["-type=pie"], "expected text, json, markdown, hist, hdrplot or hgrm, found `pie`"),
        (
            &["-type=hist[5ms,1ms]"],
            "expected buckets that increase, found 1ms after 5ms in `[5ms,1ms]`",
        ),
        (
            &["-type=hist", "-buckets=[0,0]"],
            "expected buckets that increase, found 0s after 0s in `[0,0]`",
        ),
        (&["-type=hist"], "--type=hist: expected buckets, such as --type='hist[0,1ms,5ms]'"),
        (
            &["-type=hist[0]", "-buckets=[0]"],
            "--buckets: expected none, for --type has them already",
        ),
        (&["-buckets=[0]"], "--buckets: expected --type=hist or --type=json"),
        (&["--per-target", "-type=hgrm"], "--per-target: expected --type=text, json or markdown"),
        (
            &["--percentiles=9", "-type=hgrm"],
            "--percentiles: expected --type=text, json or markdown",
        ),
        (
            &["--percentiles=9", "-type=hdrplot"],
            "--percentiles: expected --type=text, json or markdown",
        ),
        (
            &["--expect=201", "-type=hist[0]"],
            "--expect: expected --type=text, json or markdown, or an --assert to judge by it",
        ),
        (
            &["--percentiles=101"],
            "expected percentiles from 0 to 100, such as 50 or 99.9, found `101`",
        ),
        (
            &["--expect=2xx"],
            "expected statuses such as 201,409, each from 100 to 999 or 0 for no answer, found `2xx`",
        ),
        (&["--skip=5"], "--skip: expected a duration with a unit, such as 5s or 100ms, found `5`"),
        (&["--every=-1s"], "--every: expected a duration of zero or more, found `-1s`"),
    ] {
        let output = report(dir.path(), &[flags, &["no-such-file"]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(error), "{flags:?}: {stderr}");
    }
}

#[test]
fn a_report_comes_again_and_again_while_results_come() {
    let dir = temp_dir();
    let mut report = program()
        .args(["load", "report", "-type=json", "--every=10ms"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut results = report.stdin.take().unwrap();
    let mut lines = BufReader::new(report.stdout.take().unwrap()).lines();
    let mut wait_for = |requests: u64| loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if line["requests"] == requests {
            return;
        }
    };
    // Though nothing comes.
    wait_for(0);
    for n in 0..2 {
        results.write_all(result(n, 201, 1, "http://a/").as_bytes()).unwrap();
        wait_for(n + 1);
    }
    // A reader that has gone ends it, and that is no failure.
    drop(lines);
    assert_eq!(report.wait().unwrap().code(), Some(0));
    drop(results);
}

#[test]
fn other_tools_read_the_file_of_percentiles() {
    let dir = temp_dir();
    write_results(dir.path());
    let hgrm = stdout(dir.path(), &["-type=hgrm", "-output=-", "results.json"]);
    let rows: Vec<Vec<f64>> = hgrm
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
    let last = rows.last().unwrap();
    assert_eq!((last[0], last[1], last[2], last.len()), (100.0, 1.0, 100.0, 3));
    report(dir.path(), &["-type=hgrm", "-output=r.hgrm", "results.json"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("r.hgrm")).unwrap(), hgrm);
}

#[test]
fn json_is_as_its_schema_says() {
    let dir = temp_dir();
    write_results(dir.path());
    std::fs::write(dir.path().join("none.json"), "").unwrap();
    // What vegeta wrote tells less, and what nobody answered more.
    let unanswered = result(0, 0, 1, "http://a/");
    let untold = result(1, 200, 1, "http://a/").replace(",\"slip\":2000000", "");
    assert!(!untold.contains("slip"), "{untold}");
    std::fs::write(dir.path().join("unanswered.json"), unanswered).unwrap();
    std::fs::write(dir.path().join("untold.json"), untold).unwrap();
    let mut reports = String::new();
    for results in ["results.json", "none.json", "unanswered.json", "untold.json"] {
        let more = [
            "--per-target",
            "--percentiles=0,99.999,100",
            "-buckets=[0,1ms]",
            "--assert=requests>=0",
        ];
        for flags in [&[][..], &more] {
            reports += &stdout(dir.path(), &[&["-type=json", results], flags].concat());
        }
    }
    assert_valid("report", &reports);
}

#[test]
fn results_are_as_their_schema_says() {
    let dir = temp_dir();
    write_results(dir.path());
    std::fs::write(dir.path().join("unanswered.json"), result(0, 0, 1, "http://a/")).unwrap();
    // One connection for requests that come in half the time that each takes.
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(20));
        Reply::bytes("HTTP/1.1 409 Conflict\r\nX-Bin: <&>\r\nContent-Length: 2\r\n\r\nhi")
    });
    std::fs::write(dir.path().join("targets.txt"), format!("GET {}/\n", server.url())).unwrap();
    let load = |words: &[&str]| {
        program().arg("load").args(words).current_dir(dir.path()).output().unwrap()
    };
    let flags = ["-targets=targets.txt", "-rate=100", "-duration=100ms", "-max-body=1KB"];
    let ends = ["-max-workers=1", "-output=queued.gob"];
    let attack = load(&[&["attack"], &flags[..], &ends].concat());
    assert!(matches!(attack.status.code(), Some(0 | 1)), "{attack:?}");
    let encoded = load(&["encode", "results.json", "unanswered.json", "queued.gob"]);
    let results = String::from_utf8(encoded.stdout).unwrap();
    let queued = results.lines().filter(|line| line.contains("\"queued\":")).count();
    assert!(queued > 0 && results.lines().count() == 111, "{results}");
    assert_valid("result", &results);
}
