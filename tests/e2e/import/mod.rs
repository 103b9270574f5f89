//! `houseful import`: what was collected elsewhere comes in, once, exactly, and
//! what is wrong with it is told line by line.

mod ends;
mod faults;
mod guide;
mod round_trip;
pub(crate) mod stethoscope;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use super::support::houseful::Setup;

/// 2026-01-15T08:00:00Z, in Unix milliseconds: the past, so that no clock minds.
const BASE: i64 = 1_800_000_000_000 - 365 * 86_400_000;

/// What an import came to.
#[derive(Debug)]
struct Imported {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Imported {
    fn of(output: Output) -> Imported {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Imported {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The counts of its summary in JSON: stored, copies, refused.
    fn counts(&self) -> [u64; 3] {
        let summary: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        ["stored", "copies", "refused"].map(|key| summary[key].as_u64().unwrap())
    }
}

/// `houseful import … --json`.
fn import_command(setup: &Setup, args: &[&str]) -> Command {
    let mut command = setup.command("import");
    command.args(args).arg("--json");
    command
}

fn import(setup: &Setup, args: &[&str]) -> Imported {
    Imported::of(import_command(setup, args).output().unwrap())
}

/// Starts an import from stdin.
fn start_import(setup: &Setup, args: &[&str]) -> Child {
    let mut command = import_command(setup, args);
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Imports `text` from stdin.
fn import_text(setup: &Setup, text: &str, args: &[&str]) -> Imported {
    let mut child = start_import(setup, args);
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Imported::of(output)
}

/// As `houseful export` writes it.
fn export(setup: &Setup, format: &str) -> String {
    let output = setup.command("export").args(["--format", format]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An export without ids, in which a copy of a store may differ.
fn without_ids(ndjson: &str) -> Vec<Value> {
    let reading = |line: &str| {
        let mut reading: Value = serde_json::from_str(line).unwrap();
        reading.as_object_mut().unwrap().remove("id").unwrap();
        reading
    };
    ndjson.lines().map(reading).collect()
}

/// A line of NDJSON that is a copy of no other `n`.
fn line(n: i64) -> String {
    let badge = format!("badge_{}", n % 100);
    json!({
        "badge_id": badge, "pi_id": "32", "beacons": {"beacon_1": -57, "beacon_2": -90},
        "heard_at": BASE + n / 100 * 5_000,
    })
    .to_string()
        + "\n"
}

fn lines(count: i64) -> String {
    (0..count).map(line).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
