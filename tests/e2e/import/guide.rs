//! docs/import.md shows only what really happens.

use serde_json::json;

use super::super::support::guide::shown;
use super::super::support::houseful::Setup;
use super::super::support::{in_repository, require, shell, temp_dir};
use super::{BASE, import_text, stethoscope};

/// Without how long it took.
fn settled(output: &str) -> String {
    let line = |line: &str| match line.split_once(" in ") {
        Some((read, _)) if line.starts_with("read ") => read.to_owned(),
        _ => match line.split_once("\"seconds\":") {
            Some((before, after)) => before.to_owned() + after.split_once(',').unwrap().1,
            None => line.to_owned(),
        },
    };
    output.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_of_the_guide_prints_what_it_shows() {
    if !shell::has_own_network() || !require("/usr/bin/sqlite3", "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let reading = |n: i64| {
        let beacons = json!({"b1": -57 - n});
        json!({"badge_id": "badge_0", "pi_id": "32", "heard_at": BASE + n, "beacons": beacons})
    };
    let text: String = (0..3).map(|n| reading(n).to_string() + "\n").collect();
    assert_eq!(import_text(&setup, &text, &["--format", "ndjson"]).counts(), [3, 0, 0]);
    let rows =
        ["2018-10-09 15:12:50.735489", "2018-10-09 15:12:51.1", "2018-10-28 02:30:00.500000"]
            .map(|timestamp| stethoscope::row(timestamp, "", ""));
    assert!(stethoscope::make(&setup, &(stethoscope::TABLE.to_owned() + &rows.concat())));

    let guide = std::fs::read_to_string(in_repository("docs/import.md")).unwrap();
    let shown = shown(&guide);
    assert!(shown.len() >= 10, "found {} commands", shown.len());
    // What is refused is said on stderr, before the summary.
    let script: String =
        shown.iter().map(|(command, _)| format!("echo @@@\n{{ {command}\n}} 2>&1\n")).collect();
    let output = shell::run(&script, dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = stdout.split("@@@\n").skip(1).collect();
    assert_eq!(printed.len(), shown.len(), "{stdout}");
    for ((command, want), printed) in shown.iter().zip(printed) {
        assert_eq!(settled(printed), settled(want), "$ {command}");
    }
}
