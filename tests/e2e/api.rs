//! docs/api.md shows only what really happens.

use super::support::guide::shown;
use super::support::{in_repository, require, shell, temp_dir};

/// Bash for what a person at a terminal waits for.
const WAITS: &str = r#"
# The collector says where it listens on stderr.
begin() {
    "$@" 2>begun &
    serve=$!
    until grep -qs 'listening on' begun; do sleep 0.1; done
    # Its log has times and this machine's paths.
    grep -v ' INFO ' begun
}
until_away() {
    "$@" 2>away <&0 &
    until grep -qs 'away: ' away; do sleep 0.1; done
    kill $!
    wait $!
    cat away
}
"#;

/// A command as it is shown, so that it ends when what is shown has happened.
fn awaited(command: &str) -> String {
    let command =
        command.replace("examples/pi.py", in_repository("examples/pi.py").to_str().unwrap());
    match command.strip_suffix('&') {
        Some(serve) => format!("begin {serve}"),
        None if command == "kill %1" => "kill $serve; wait $serve".to_owned(),
        None => command.replace("timeout 3 ", "until_away "),
    }
}

/// Without times of day, and with lines that end as the guide's do.
fn settled(output: &str) -> String {
    let is_date = |text: &str| {
        let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
        text.chars().map(shape).eq("0000-00-00T00:00:00.000Z".chars())
    };
    let mut settled = String::new();
    let output = output.replace("\r\n", "\n");
    let mut rest = output.trim_end();
    while let Some(c) = rest.chars().next() {
        match rest.get(..24) {
            Some(date) if is_date(date) && !date.starts_with("2026-11-24") => {
                settled += "TIME";
                rest = &rest[24..];
            }
            _ => {
                settled.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    settled
}

#[test]
fn every_command_of_the_guide_prints_what_it_shows() {
    let needs = [("/usr/bin/curl", "curl"), ("/usr/bin/jq", "jq"), ("/usr/bin/python3", "python3")];
    if !shell::has_own_network() || !needs.iter().all(|(path, package)| require(path, package)) {
        return;
    }
    let guide = std::fs::read_to_string(in_repository("docs/api.md")).unwrap();
    let shown = shown(&guide);
    assert!(shown.len() >= 20, "found {} commands", shown.len());
    let mut script = WAITS.to_owned();
    for (command, _) in &shown {
        script += &format!("echo @@@\n{{ {}\n}} 2>&1\n", awaited(command));
    }
    let dir = temp_dir();
    let output = shell::run(&script, dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = stdout.split("@@@\n").skip(1).collect();
    assert_eq!(printed.len(), shown.len(), "{stdout}");
    for ((command, want), printed) in shown.iter().zip(printed) {
        assert_eq!(settled(printed), settled(want), "$ {command}\n{printed}");
    }
}
