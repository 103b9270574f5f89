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
}
