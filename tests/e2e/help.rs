//! Each command's help ends in examples, and each example works.

use std::collections::HashSet;
use std::process::Command;

use super::support::shell;
use super::support::{emission, require, temp_dir};

/// Every command.
pub(crate) const COMMANDS: [&[&str]; 18] = [
    &[],
    &["serve"],
    &["export"],
    &["import"],
    &["config"],
    &["demo"],
    &["load"],
    &["load", "generate"],
    &["load", "attack"],
    &["load", "report"],
    &["load", "plot"],
    &["load", "encode"],
    &["load", "dump"],
    &["load", "verify"],
    &["load", "capacity"],
    &["load", "compare"],
    &["completions"],
    &["man"],
];

/// What it says of itself.
pub(crate) fn help(command: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_houseful");
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The command lines after `Examples:`, without what is said about them.
fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.rsplit_once("Examples:\n").expect("help ends in examples");
    examples
        .lines()
        .map(|line| line.trim().split("   ").next().unwrap_or_default().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// What one that goes on until it is told to stop says when it is ready.
fn ready(example: &str) -> Option<&'static str> {
    let says = [("houseful serve", "listening on"), ("--stay", "staying")];
    says.iter().find(|(words, _)| example.contains(words)).map(|(_, ready)| *ready)
}

#[test]
fn help_reads_as_reviewed() {
    for command in COMMANDS {
        let name = ["houseful"].iter().chain(command).copied().collect::<Vec<_>>().join("_");
        let help = help(command);
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(widest <= 98, "a line of {name} has {widest} columns");
        insta::assert_snapshot!(name, help);
    }
}

/// Text is broken where the terminal ends, and nowhere else.
#[test]
fn help_fills_the_terminal() {
    for (command, columns) in COMMANDS.iter().flat_map(|command| [(command, 80), (command, 98)]) {
        let output = Command::new(env!("CARGO_BIN_EXE_houseful"))
            .args(*command)
            .arg("--help")
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let (text, _) = help.rsplit_once("Examples:\n").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let is_text = |line: &str| line.starts_with(|c: char| !c.is_whitespace());
            if is_text(pair[0]) && is_text(pair[1]) {
                let next = pair[1].split(' ').next().unwrap_or_default().chars().count();
                let broken_at = pair[0].chars().count();
                assert!(broken_at + 1 + next > columns, "{command:?} at {columns}: {}", pair[0]);
            }
        }
    }
}

#[test]
fn every_example_of_every_help_works() {
    if !shell::has_own_network() || !require("/usr/bin/sqlite3", "sqlite3") {
        return;
    }
    let mut examples: Vec<String> =
        COMMANDS.iter().flat_map(|command| examples(&help(command))).collect();
    // The first command's come again in the others' help.
    let mut seen = HashSet::new();
    examples.retain(|example| seen.insert(example.clone()));
    assert!(examples.len() >= 12, "{examples:#?}");
    let (endless, others): (Vec<_>, Vec<_>) =
        examples.into_iter().partition(|example| ready(example).is_some());

    let mut script = "set -euo pipefail\n".to_owned();
    for example in &endless {
        let ready = ready(example).unwrap();
        script += &format!(
            "echo '$ {example}'\nrm -f said\n{example} &>said & until grep -qs '^{ready}' said; do sleep 0.1; done\n\
             kill %+; wait %+ || {{ cat said; exit 1; }}\n"
        );
    }
    script += "rm -f said\nhouseful serve 2>said & until grep -qs '^listening on' said; do sleep 0.1; done\n";
    let body = emission("badge_0", &[("b1", -57)]);
    script += &format!(
        "curl -sf 127.0.0.1:6540/rssi_readings -H 'Content-Type: application/json' -d '{body}'\n"
    );
    script += &format!("sqlite3 rssi.db '{}'\n", super::import::stethoscope::TABLE);
    for example in order(others) {
        // On a busy machine a rate may not be held, which `attack` says by 1.
        let or_late = if example.contains("load attack") { " || [ $? = 1 ]" } else { "" };
        // The first seconds of one that takes minutes; it says by 1 that it does not know yet.
        let (first, or_late) = match example.contains("load capacity") {
            true => ("timeout --preserve-status --signal=INT 2 ", " || [ $? = 1 ]"),
            false => ("", or_late),
        };
        if example.contains("load compare") {
            script += "mkdir -p old new && cp results.gob old/1.gob && cp results.gob new/1.gob\n";
        }
        let quoted = example.replace('\'', r"'\''");
        script += &format!("echo '$ {quoted}'\n{first}{example}{or_late}\n");
    }
    script += "echo all done\n";
    let dir = temp_dir();
    let output = shell::run(&script, dir.path());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stdout.ends_with("all done\n"), "{stdout}\n{stderr}");
}

/// A user generates before attacking, and attacks before reporting.
fn order(mut examples: Vec<String>) -> Vec<String> {
    let step = |example: &String| match example {
        e if e.contains("load report") && !e.contains("load attack") => 3,
        e if e.contains("load compare") || e.contains("load plot") => 3,
        e if e.contains("load encode") || e.contains("load dump") => 3,
        e if e.contains("load verify") => 3,
        e if e.contains("load attack") || e.contains("load capacity") => 2,
        e if e.contains("load generate") => 1,
        _ => 0,
    };
    examples.sort_by_key(step);
    examples
}
