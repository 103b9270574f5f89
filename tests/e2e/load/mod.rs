//! `houseful load attack` against a small server: what the flags say is what
//! the server sees, and how it ends is what happened.

mod encode;
mod ends;
mod flags;
mod generate;
mod guide;
mod http2;
#[path = "../../../crates/houseful-load/tests/server/http2.rs"]
pub(crate) mod http2_server;
mod inputs;
mod memory;
mod outputs;
mod pacing;
#[path = "../../../crates/houseful-load/tests/server/mod.rs"]
pub(crate) mod server;
mod stall;
mod targets;
mod tls;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::program;

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// `houseful load attack` with these flags, in `dir`, where its targets are in
/// `targets.txt` and its results go to `results.gob`.
fn attack(dir: &Path, flags: &[&str]) -> Command {
    let mut command = program();
    let names_targets = flags.iter().any(|flag| flag.starts_with("-targets"));
    let targets = if names_targets { &[][..] } else { &["-targets=targets.txt"] };
    command
        .args(["load", "attack", "-output=results.gob"])
        .args(targets)
        .args(flags)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Attacks with these flags. On a busy machine a rate may not be held, which is
/// another test's matter; all else must go well.
fn run(dir: &Path, flags: &[&str]) -> Output {
    let output = attack(dir, flags).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{flags:?}: {}", stderr(&output));
    output
}

fn write_targets(dir: &Path, targets: &str) {
    std::fs::write(dir.join("targets.txt"), targets).unwrap();
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The results that the attack left behind.
fn results(dir: &Path) -> Vec<Value> {
    let output =
        program().args(["load", "encode", "results.gob"]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn report(dir: &Path) -> Value {
    let output = program()
        .args(["load", "report", "-type=json", "results.gob"])
        .current_dir(dir)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
