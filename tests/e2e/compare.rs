//! `houseful load compare`: results of known distributions, in files and directories, and one real run.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use houseful_load::results::{Encoding, Record, Writer};
use jiff::Timestamp;
use serde_json::Value;

use super::load::server::{Reply, Server};
use super::support::schema::assert_valid;
use super::support::{program, temp_dir};

/// A run of 4,000 results at 400 a second: latencies of 1 to 3 ms, times `times`, by a chance of its
/// own. Failures have a tenth of that.
#[derive(Clone, Copy)]
struct Run {
    times: f64,
    chance: u64,
    slip: Option<Duration>,
    code: u16,
    rate: u64,
    /// From this result on they have no answer.
    gone_from: Option<u64>,
    /// So many of ten are refused.
    refused: u64,
}

impl Run {
    fn new(times: f64, chance: u64) -> Run {
        let slip = Some(Duration::from_micros(40));
        Run { times, chance, slip, code: 201, rate: 400, gone_from: None, refused: 0 }
    }

    fn write(self, path: &Path, encoding: Encoding) {
        let file = BufWriter::new(File::create(path).unwrap());
        let mut writer = Writer::new(file, encoding);
        for seq in 0..4_000u64 {
            let spread = (seq + self.chance * 7_919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let is_refused = seq % 10 < self.refused;
            let times = if is_refused { self.times / 10.0 } else { self.times };
            let latency_ns = 1e6 * times * (1.0 + spread as f64 / f64::from(1u32 << 31));
            let at_ns = (self.chance * 60_000_000_000 + seq * 1_000_000_000 / self.rate) as i128;
            let record = Record {
                seq,
                code: match self.gone_from {
                    Some(gone) if seq >= gone => 0,
                    _ if is_refused => 503,
                    _ => self.code,
                },
                timestamp: Timestamp::from_nanosecond(at_ns).unwrap(),
                latency: Duration::from_nanos(latency_ns as u64),
                method: "POST".into(),
                url: "http://127.0.0.1:6540/rssi_readings".into(),
                slip: self.slip,
                ..Record::default()
            };
            writer.write(&record).unwrap();
        }
        writer.flush().unwrap();
    }
}

/// A directory of runs, each this times as slow as the first, each in another encoding; by turns with
/// those of another directory if its `turn` is another.
fn write_runs(dir: &Path, turn: u64, times: &[f64]) {
    std::fs::create_dir(dir).unwrap();
    let encodings = [(Encoding::Gob, "gob"), (Encoding::Json, "json"), (Encoding::Csv, "csv")];
    for (n, times) in times.iter().enumerate() {
        let (encoding, extension) = encodings[n % 3];
        let run = Run::new(*times, 2 * n as u64 + turn);
        run.write(&dir.join(format!("{n}.{extension}")), encoding);
    }
}

fn compare(dir: &Path, flags: &[&str]) -> Output {
    program().args(["load", "compare"]).args(flags).current_dir(dir).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What it says as JSON, which is as its schema says.
fn json(dir: &Path, flags: &[&str]) -> (Value, i32) {
    let output = compare(dir, &[flags, &["--json"]].concat());
    let code = output.status.code().unwrap();
    assert!(code < 2, "{}", stderr(&output));
    assert_valid("compare", &stdout(&output));
    (serde_json::from_slice(&output.stdout).unwrap(), code)
}

fn figure<'a>(said: &'a Value, name: &str) -> &'a Value {
    said["figures"].as_array().unwrap().iter().find(|figure| figure["figure"] == name).unwrap()
}

#[test]
fn a_file_is_neither_faster_nor_slower_than_itself() {
    let dir = temp_dir();
    Run::new(1.0, 1).write(&dir.path().join("a.gob"), Encoding::Gob);
    let (said, code) = json(dir.path(), &["a.gob", "a.gob", "--fail-if-slower", "5%"]);
    assert_eq!(code, 0);
    assert!(matches!(said["verdict"].as_str(), Some("same" | "cannot tell")), "{said}");
    for name in ["mean", "p50", "p90", "p95", "p99"] {
        assert_eq!(figure(&said, name)["ratio"]["estimate"], 1.0, "{said}");
    }
    assert_eq!(figure(&said, "p99.9")["verdict"], "too few results");
    assert_eq!(figure(&said, "p99.9")["why"], "4 beyond it in a run, not 20");
    // Which is not to pass.
    assert_eq!(said["gate"]["cannot_tell"], serde_json::json!(["p99.9"]));
    // The seed decides what is drawn, and nothing else does.
    let drawn = |seed| json(dir.path(), &["a.gob", "a.gob", "--seed", seed]).0["figures"].clone();
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    let text = stdout(&compare(dir.path(), &["a.gob", "a.gob"]));
    assert!(text.contains("\nnote: one run each: "), "{text}");
    // And it is told that there is nothing to compare, whatever it is called.
    let same = "A and B are the same results, so no difference can be found";
    assert!(text.contains(&format!("\nnote: {same}\n")), "{text}");
    for side in ["x", "y"] {
        std::fs::create_dir(dir.path().join(side)).unwrap();
    }
    std::os::unix::fs::symlink("../a.gob", dir.path().join("x/1")).unwrap();
    let copy = ["load", "encode", "-to=csv", "-output=y/1", "a.gob"];
    assert!(program().args(copy).current_dir(dir.path()).status().unwrap().success());
    assert_eq!(json(dir.path(), &["x", "y"]).0["notes"][0], same);
}

#[test]
fn a_build_half_as_fast_is_slower_and_does_not_pass() {
    let dir = temp_dir();
    write_runs(&dir.path().join("old"), 0, &[1.0, 1.02, 0.98]);
    write_runs(&dir.path().join("new"), 1, &[2.0, 2.02, 1.98]);
    let gate = ["--fail-if-slower", "5%", "--percentiles", "50,99"];
    let (said, code) = json(dir.path(), &[&["old", "new"], &gate[..]].concat());
    assert_eq!(
        (code, &said["verdict"], &said["gate"]["outcome"]),
        (1, &"slower".into(), &"failed".into())
    );
    assert_eq!(said["gate"]["failed"], serde_json::json!(["p50", "p99"]));
    let ratio = &figure(&said, "p50")["ratio"];
    let end = |name: &str| ratio[name].as_f64().unwrap();
    assert!(end("low") < 2.0 && end("low") > 1.8 && end("high") > 2.0, "{ratio}");

    // The other way round it is faster, by the inverse.
    let (back, code) = json(dir.path(), &[&["new", "old"], &gate[..]].concat());
    assert_eq!(
        (code, &back["verdict"], &back["gate"]["outcome"]),
        (0, &"faster".into(), &"passed".into())
    );
    let inverse = &figure(&back, "p50")["ratio"];
    assert!(
        (inverse["low"].as_f64().unwrap() * end("high") - 1.0).abs() < 1e-9,
        "{ratio} {inverse}"
    );

    let output = compare(dir.path(), &[&["old", "new"], &gate[..]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("\nB is slower: mean by "), "{text}");
    assert!(text.contains("\nslower by more than 5%: failed at p50, p99\n"), "{text}");
    // Without a gate it is no failure to be slower.
    assert_eq!(compare(dir.path(), &["old", "new"]).status.code(), Some(0));
    // A programme that reads JSON is told on stderr, too.
    let output = compare(dir.path(), &[&["old", "new", "--json"], &gate[..]].concat());
    assert_eq!(stderr(&output), "slower by more than 5%: failed at p50, p99\n");
    // So is whoever closes the pipe.
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let mut unread = program();
    unread.args(["load", "compare", "old", "new"]).args(gate).current_dir(dir.path());
    let output = unread.stdout(closed).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "slower by more than 5%: failed at p50, p99\n");
}

#[test]
fn a_gate_that_cannot_tell_says_so_and_lets_pass() {
    let dir = temp_dir();
    write_runs(&dir.path().join("old"), 0, &[1.0, 1.1, 0.9]);
    write_runs(&dir.path().join("new"), 1, &[1.3, 0.9, 1.0]);
    let output = compare(dir.path(), &["old", "new", "--fail-if-slower=5%", "--percentiles=50"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("slower by more than 5%: not shown, but cannot tell at p50\n"), "{text}");
}

#[test]
fn who_answers_otherwise_than_expected_does_not_pass() {
    let dir = temp_dir();
    Run::new(1.0, 1).write(&dir.path().join("a"), Encoding::Gob);
    Run { code: 409, ..Run::new(0.5, 2) }.write(&dir.path().join("b"), Encoding::Gob);
    let gate = ["a", "b", "--fail-if-slower=5%", "--percentiles=50"];
    let (said, code) = json(dir.path(), &gate);
    assert_eq!((code, &figure(&said, "unexpected")["verdict"]), (1, &"more".into()));
    assert_eq!(said["gate"]["failed"], serde_json::json!(["unexpected"]));
    let (said, code) = json(dir.path(), &[&gate[..], &["--expect=201,409"]].concat());
    assert_eq!((code, &said["verdict"]), (0, &"faster".into()));
    assert!(said["notes"].to_string().contains("other answers"), "{said}");
}

#[test]
fn a_build_that_may_fail_more_often_does_not_pass() {
    let dir = temp_dir();
    let gate = ["--fail-if-slower=5%", "--percentiles=50,95", "--resamples=1000"];
    let times = [1.0, 1.001, 0.999, 1.0, 1.001];
    write_runs(&dir.path().join("old"), 0, &times);
    for (name, gone_from) in [("half", 2_000), ("hardly", 3_984)] {
        write_runs(&dir.path().join(name), 1, &times);
        let run = Run { gone_from: Some(gone_from), ..Run::new(1.0, 3) };
        run.write(&dir.path().join(name).join("1.json"), Encoding::Json);

        let (said, code) = json(dir.path(), &[&["old", name], &gate[..]].concat());
        assert_eq!((code, &said["verdict"]), (0, &"cannot tell".into()), "{name}: {said}");
        assert_eq!(said["gate"]["outcome"], "cannot tell");
        assert_eq!(said["gate"]["cannot_tell"], serde_json::json!(["unexpected"]));
        let unexpected = figure(&said, "unexpected");
        assert_eq!(unexpected["verdict"], "cannot tell");
        assert_eq!(unexpected["difference"]["low"], 0.0, "{unexpected}");

        let output = compare(dir.path(), &[&["old", name], &gate[..]].concat());
        let text = stdout(&output);
        let blind = "\nslower by more than 5%: not shown, but cannot tell at unexpected\n";
        assert!(text.contains(blind) && !text.contains("as fast"), "{text}");
        let says = text.lines().find(|line| line.starts_with("cannot tell at ")).unwrap();
        assert!(says.contains("unexpected: chance alone may make such differences"), "{says}");

        // Mended, it has none, which is no more than before.
        let (said, code) = json(dir.path(), &[&[name, "old"], &gate[..]].concat());
        assert_eq!((code, &said["gate"]["outcome"]), (0, &"passed".into()), "{name}: {said}");
    }
}

#[test]
fn a_build_that_mends_quick_failures_does_not_fail() {
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name);
    write_runs(&path("mended"), 1, &[1.0, 1.02, 0.98]);
    let gate = ["--fail-if-slower=5%", "--percentiles=50,95", "--resamples=1000"];
    for (name, refused, verdict, says) in [
        ("most", 6, "faster", "B is faster: throughput by "),
        ("all", 10, "cannot tell", "cannot tell: one of them fails more often"),
    ] {
        std::fs::create_dir(path(name)).unwrap();
        for (n, times) in [1.0, 1.02, 0.98].into_iter().enumerate() {
            let run = Run { refused, ..Run::new(times, 2 * n as u64) };
            run.write(&path(name).join(format!("{n}.gob")), Encoding::Gob);
        }
        let (said, code) = json(dir.path(), &[&[name, "mended"], &gate[..]].concat());
        assert_eq!((code, &said["verdict"]), (0, &verdict.into()), "{said}");
        assert!(said["says"].as_str().unwrap().starts_with(says), "{said}");
        assert_eq!(figure(&said, "p50")["verdict"], "slower");
        let blind = &said["gate"]["cannot_tell"];
        assert!(blind.as_array().unwrap().contains(&"p50".into()), "{said}");
        assert_eq!(
            (&said["gate"]["outcome"], &said["gate"]["failed"]),
            (&"cannot tell".into(), &serde_json::json!([]))
        );

        let output = compare(dir.path(), &[&[name, "mended"], &gate[..]].concat());
        let text = stdout(&output);
        assert!(
            text.contains("\nslower by more than 5%: not shown, but cannot tell at p50"),
            "{text}"
        );
        let note = "\nnote: more answers of A are unexpected, and those may be the quick ones\n";
        assert!(text.contains(note), "{text}");

        // The other way round it fails, for what it does not answer.
        let (said, code) = json(dir.path(), &[&["mended", name], &gate[..]].concat());
        assert_eq!((code, &said["gate"]["failed"]), (1, &serde_json::json!(["unexpected"])));
    }
}

#[test]
fn nothing_is_judged_where_the_generator_was_late() {
    let dir = temp_dir();
    Run::new(1.0, 1).write(&dir.path().join("a"), Encoding::Gob);
    let late = Run { slip: Some(Duration::from_secs(1)), ..Run::new(2.0, 2) };
    late.write(&dir.path().join("b"), Encoding::Gob);
    let (said, code) = json(dir.path(), &["a", "b", "--fail-if-slower=5%"]);
    assert_eq!((code, &said["verdict"]), (0, &"cannot tell".into()));
    let says = said["says"].as_str().unwrap();
    assert!(says.starts_with("cannot tell: the generator was the limit in `b`, "), "{says}");
}

#[test]
fn a_gate_does_not_judge_other_rates() {
    let dir = temp_dir();
    Run::new(1.0, 1).write(&dir.path().join("a"), Encoding::Gob);
    let slow = Run { rate: 100, ..Run::new(2.0, 2) };
    slow.write(&dir.path().join("b"), Encoding::Gob);
    let why = "cannot tell: not at the same rate (A 400/s, B 100/s)";
    let output = compare(dir.path(), &["a", "b", "--fail-if-slower=5%"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains(&format!("\n{why}\n")), "{}", stdout(&output));
    assert_eq!(stderr(&output), format!("houseful: --fail-if-slower: {why}\n"));
    let (said, code) = json(dir.path(), &["a", "b"]);
    assert_eq!((code, &said["verdict"], &said["says"]), (0, &"cannot tell".into(), &why.into()));
}

#[test]
fn a_real_run_has_the_figures_of_its_report() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::Bytes(super::load::OK.into()));
    std::fs::write(dir.path().join("targets.txt"), format!("GET {}/\n", server.url())).unwrap();
    let attack = ["attack", "-targets=targets.txt", "-rate=300", "-duration=1s", "-output=run.gob"];
    let output = program().arg("load").args(attack).current_dir(dir.path()).output().unwrap();
    // On a busy machine it may say that the rate was not held.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let report = program()
        .args(["load", "report", "-type=json", "--skip=100ms", "run.gob"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();

    let file = File::open(dir.path().join("run.gob")).unwrap();
    let output = program()
        .args(["load", "compare", "-", "run.gob", "--skip=100ms", "--json"])
        .current_dir(dir.path())
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["a"]["name"], &said["a"]["requests"]),
        (&"stdin".into(), &report["requests"])
    );
    for (name, latency) in [("p50", "50th"), ("p90", "90th"), ("p95", "95th"), ("p99", "99th")] {
        for side in ["a", "b"] {
            let found = figure(&said, name)[side].as_f64().unwrap();
            let reported = report["latencies"][latency].as_f64().unwrap();
            assert!((found / reported - 1.0).abs() < 1e-9, "{name}: {found} {reported}");
        }
    }
}

#[test]
fn a_run_that_was_cut_off_is_named_and_used() {
    let dir = temp_dir();
    Run::new(1.0, 1).write(&dir.path().join("a.gob"), Encoding::Gob);
    let whole = std::fs::read(dir.path().join("a.gob")).unwrap();
    std::fs::write(dir.path().join("cut.gob"), &whole[..whole.len() / 2]).unwrap();
    let output = compare(dir.path(), &["a.gob", "cut.gob", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let whole = said["b"]["requests"].as_u64().unwrap();
    assert!((1_900..2_100).contains(&whole), "{said}");
    let warning = stderr(&output);
    assert!(warning.starts_with("warning: cut.gob:byte "), "{warning}");
    let end = format!("the last result is cut off and is left out, after {whole} whole ones\n");
    assert!(warning.ends_with(&end), "{warning}");
    assert!(said["notes"].to_string().contains("the runs of A last 9.998s, those of B"), "{said}");
}

#[test]
fn what_cannot_be_compared_is_refused_precisely() {
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name);
    Run::new(1.0, 1).write(&path("a.gob"), Encoding::Gob);
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("text"), "pears\n").unwrap();
    std::fs::write(path("wrong.json"), "{\"code\": true}\n").unwrap();
    std::fs::create_dir(path("nothing")).unwrap();
    std::fs::write(path("nothing/.hidden"), "pears\n").unwrap();
    std::fs::create_dir_all(path("nested/run")).unwrap();
    for (flags, error) in [
        (&["no-such-file", "a.gob"][..], "cannot open results `no-such-file`: No such file"),
        (&["a.gob", "empty"], "empty: expected results, found none"),
        (&["a.gob", "text"], "text: expected results as gob, JSON or CSV: they begin with `p`"),
        (&["a.gob", "wrong.json"], "wrong.json:1: expected a result as a JSON object"),
        (&["nothing", "a.gob"], "nothing: expected a file of results for each run, found none"),
        (
            &["nested", "a.gob"],
            "nested: expected a file of results for each run, found the directory `nested/run`",
        ),
        (
            &["a.gob", "a.gob", "--skip=10s"],
            "a.gob: expected results after the first seconds that are left out, found none",
        ),
        (&["-", "-"], "expected a file or a directory beside stdin, found `-` twice"),
        (&["a.gob"], "<B>"),
        (&["x", "y", "--fail-if-slower=5"], "expected a percentage such as 5%, found `5`"),
        (&["x", "y", "--same-within=-1%"], "expected a percentage such as 5%, found `-1%`"),
        (&["x", "y", "--confidence=100%"], "--confidence: expected a percentage from 50% to 99.9%"),
        (
            &["x", "y", "--confidence=99%", "--resamples=500"],
            "--resamples: expected at least 1000 for this confidence, found 500",
        ),
        (
            &["x", "y", "--percentiles=p50"],
            "expected percentiles from 0 to 100, such as 50 or 99.9",
        ),
        (
            &["x", "y", "--percentiles=50,100"],
            "--percentiles: expected percentiles below 100, found 100; the maximum is told besides",
        ),
        (&["x", "y", "--skip=5"], "--skip: expected a duration with a unit"),
    ] {
        let output = compare(dir.path(), flags);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(error), "{flags:?}: {stderr}");
        assert_eq!(stdout(&output), "", "{flags:?}");
    }
}
