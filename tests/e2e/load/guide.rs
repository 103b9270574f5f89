//! docs/load.md shows only what really happens: each of its commands is run, in order.

use crate::readme::settled;
use crate::support::guide::shown;
use crate::support::{in_repository, shell, temp_dir};
use crate::vegeta::has_vegeta;

/// Without what differs from run to run.
fn settled_here(output: &str) -> String {
    // How much the commands before it have stored.
    let is_known = |line: &&str| !line.ends_with(" of other emissions or other times");
    settled(output).lines().filter(is_known).collect::<Vec<_>>().join("\n")
}

/// A command as it is shown, with what a script has to do for it.
fn run(command: &str) -> String {
    // A minute is for people.
    let command = command.replace("-duration=60s", "-duration=2s");
    match command.strip_suffix('&') {
        // The collector says where it listens on stderr. Its log has times and this machine's paths.
        Some(serve) => format!(
            "{serve} 2>said & serve=$!; until grep -qs 'listening on' said; do sleep 0.1; done; \
             grep -v ' INFO ' said"
        ),
        None => command,
    }
}

#[test]
fn every_command_of_the_guide_does_what_it_shows() {
    if !shell::has_own_network() || !has_vegeta() {
        return;
    }
    let guide = std::fs::read_to_string(in_repository("docs/load.md")).unwrap();
    let shown = shown(&guide);
    assert!(shown.len() >= 20, "found {} commands", shown.len());
    let dir = temp_dir();
    let stderr = dir.path().join("stderr");
    let mut script = String::new();
    for (command, _) in &shown {
        let run = run(command);
        script += &format!("echo @@@\n{{ {run}\n}} 2>>'{}'\necho \"===$?\"\n", stderr.display());
    }
    let output = shell::run(&(script + "kill $serve; wait $serve\n"), dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let said = std::fs::read_to_string(&stderr).unwrap_or_default();
    assert!(output.status.success(), "{stdout}{said}");
    let ended: Vec<&str> = stdout.split("@@@\n").skip(1).collect();
    assert_eq!(ended.len(), shown.len(), "{stdout}{said}");
    for ((command, want), ended) in shown.iter().zip(ended) {
        let (printed, code) = ended.rsplit_once("===").unwrap();
        // On a busy machine a rate may not be held, which `attack` says by 1, or not even one house be
        // answered in time, which `capacity` does.
        let is_timed = command.contains("load attack") || command.contains("load capacity");
        let or_late = is_timed && code.trim_end() == "1";
        assert!(code == "0\n" || or_late, "$ {command}\nexit code {code}{printed}{said}");
        // What is shown in another block differs from run to run.
        if !want.is_empty() {
            assert_eq!(settled_here(printed), settled_here(want), "$ {command}\n{printed}{said}");
        }
    }
}
