//! README shows only what really happens: each of its commands is run, in
//! order, and its output compared.

use super::support::shell;
use super::support::{in_repository, temp_dir};

/// A command of README, and what README says that it prints.
#[derive(Debug, Default)]
struct Shown {
    command: String,
    output: String,
}

/// The ```console blocks. The output of `demo` follows in a ```text block.
fn shown(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut block = None;
    for line in readme.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (Some("console"), None) => match line.strip_prefix("$ ") {
                Some(command) => {
                    all.push(Shown { command: command.to_owned(), output: String::new() });
                }
                None => all.last_mut().unwrap().output += &format!("{line}\n"),
            },
            (Some("text"), None) => all.last_mut().unwrap().output += &format!("{line}\n"),
            (_, None) => {}
        }
    }
    all
}

/// What differs from run to run is taken out: durations, and in a report's
/// line about them all numbers; times of day; ports.
pub(crate) fn settled(output: &str) -> String {
    let measured = ["Requests", "Duration", "Latencies", "Bytes", "Slip"];
    let digits_out = |line: &str| {
        let mut settled = String::new();
        for c in line.chars() {
            match c {
                '0'..='9' | '.' if settled.ends_with('#') => {}
                '0'..='9' => settled.push('#'),
                c => settled.push(c),
            }
        }
        for unit in ["µs", "ms", "ns"] {
            settled = settled.replace(&format!("#{unit}"), "#s");
        }
        settled.split_whitespace().collect::<Vec<_>>().join(" ").replace("#m#s", "#s")
    };
    let lines = output.lines().map(|line| {
        let is_measured = measured.iter().any(|word| line.starts_with(word));
        let has_time = line.contains("T") && line.contains("Z") || line.contains("127.0.0.1:");
        if line.starts_with("Limit") {
            // Who it was depends on what else the machine does.
            "Limit".to_owned()
        } else if is_measured || has_time {
            digits_out(line)
        } else {
            line.trim_end().to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn every_command_prints_what_readme_shows() {
    if !shell::has_own_network() {
        return;
    }
    let readme = std::fs::read_to_string(in_repository("README.md")).unwrap();
    let shown = shown(&readme);
    assert!(shown.len() >= 10, "found {} commands", shown.len());
    let mut script = String::new();
    for Shown { command, .. } in &shown {
        script += "echo @@@\n";
        if command == "./test" {
            // This is it.
            continue;
        }
        let command = command.replace("cargo run --release --", "houseful");
        if command.ends_with('&') {
            // The collector says where it listens on stderr, and that is shown.
            script += &format!(
                "{} 2>said &\nserve=$!\nuntil curl -sf 127.0.0.1:6540/livez >ready; do sleep 0.1; done\ncat said\n",
                command.trim_end_matches('&')
            );
        } else {
            script += &format!("{command} 2>>stderr\n");
        }
    }
    let dir = temp_dir();
    // README has stopped it by then, and it ended as it must.
    script += "for try in {1..100}; do kill -0 $serve 2>>stderr || break; sleep 0.1; done\n\
               kill -0 $serve 2>>stderr && echo '@@@serves' || { wait $serve; echo @@@$?; }\n";
    let output = shell::run(&script, dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stdout = stdout.strip_suffix("@@@0\n").unwrap_or_else(|| panic!("{stdout}"));
    let parts: Vec<&str> = stdout.split("@@@\n").skip(1).collect();
    let said = std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
    assert_eq!(parts.len(), shown.len(), "{stdout}{said}");
    // Where README's reader is.
    let here = dir.path().canonicalize().unwrap();
    for (Shown { command, output }, printed) in shown.iter().zip(parts) {
        if command == "./test" {
            continue;
        }
        let printed = &printed.replace(here.to_str().unwrap(), "/home/you/houseful");
        assert_eq!(
            settled(printed),
            settled(output.trim_end_matches('\n')),
            "$ {command}\n{printed}{said}"
        );
    }
}
