//! Where results come from: what cannot be read is refused with its reason, and what can be is one run.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use super::stderr;
use crate::support::{program, temp_dir};

/// Ten results as JSON, one each 100 ms from this second of a minute on.
fn results(second: u64) -> String {
    let line = |n: u64| {
        let result = json!({
            "attack": "", "seq": n, "code": 200,
            "timestamp": format!("2026-11-24T20:29:{second:02}.{n}Z"),
            "latency": 1_000_000, "bytes_out": 1, "bytes_in": 2, "error": "", "body": null,
            "method": "GET", "url": "http://a/", "headers": null,
        });
        format!("{result}\n")
    };
    (0..10).map(line).collect()
}

/// Of these words in `dir`, with this on stdin.
fn load(dir: &Path, words: &[&str], stdin: &str) -> Output {
    let mut child = program()
        .arg("load")
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have gone without reading.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    child.wait_with_output().unwrap()
}

#[test]
fn stdin_is_read_once() {
    let dir = temp_dir();
    fs::write(dir.path().join("a.json"), results(0)).unwrap();
    let plan = ["generate", "--badges=1", "--pis=1", "--seconds=1"];
    assert!(load(dir.path(), &plan, "").status.success());
    for command in [
        &["report"][..],
        &["report", "--every=1s"],
        &["encode"],
        &["plot", "--format=svg"],
        &["verify", "--stored=a.json"],
    ] {
        let output = load(dir.path(), &[command, &["-", "a.json", "-"]].concat(), &results(0));
        assert_eq!(output.status.code(), Some(2), "{command:?}: {output:?}");
        let says = "expected stdin once, found `-` twice; name the other results by their file";
        assert!(stderr(&output).contains(says), "{command:?}: {output:?}");
        assert_eq!(output.stdout, b"", "{command:?}");
    }
    // A file on stdin is not called one that is given twice.
    let mut report = program();
    report
        .args(["load", "report", "-", "-"])
        .stdin(fs::File::open(dir.path().join("a.json")).unwrap());
    let output = report.output().unwrap();
    assert!(stderr(&output).starts_with("houseful: expected stdin once"), "{output:?}");
}

#[test]
fn files_that_are_not_of_one_run_are_told() {
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name);
    for (name, second) in [("a.json", 0), ("at-once.json", 0), ("later.json", 40)] {
        fs::write(path(name), results(second)).unwrap();
    }
    fs::write(path("empty.json"), "").unwrap();
    fs::hard_link(path("a.json"), path("hard.json")).unwrap();
    std::os::unix::fs::symlink("a.json", path("link.json")).unwrap();
    let apart = |one, other| {
        format!(
            "warning: {one} and {other} do not overlap in time, 39.099s lie between them; they are taken for one run\n"
        )
    };
    let same = |one, other| {
        format!(
            "warning: `{one}` and `{other}` are the same file, and each of its results counts twice\n"
        )
    };
    let twice =
        "warning: `a.json` is given twice, and each of its results counts twice\n".to_owned();
    for (files, says) in [
        (&["a.json"][..], String::new()),
        (&["a.json", "at-once.json", "empty.json"], String::new()),
        (&["a.json", "at-once.json", "later.json"], apart("`a.json`", "`later.json`")),
        (&["later.json", "empty.json", "a.json"], apart("`a.json`", "`later.json`")),
        (&["-", "later.json"], apart("stdin", "`later.json`")),
        (&["a.json", "./a.json"], same("a.json", "./a.json")),
        (&["a.json", "link.json"], same("a.json", "link.json")),
        (&["at-once.json", "hard.json", "a.json"], same("hard.json", "a.json")),
        (&["a.json", "a.json"], twice.clone()),
        (&["a.json", "later.json", "a.json"], twice + &apart("`a.json`", "`later.json`")),
        (&["/dev/null", "/dev/null", "a.json"], String::new()),
    ] {
        let commands = [&["report"][..], &["report", "--every=1h"], &["encode"], &["plot"]];
        for command in commands {
            let output = load(dir.path(), &[command, files].concat(), &results(0));
            let found = (output.status.code(), stderr(&output));
            assert_eq!(found, (Some(0), says.clone()), "{command:?} {files:?}");
        }
    }
}
