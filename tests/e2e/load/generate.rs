//! `houseful load generate`: the files are those that were asked for, the same for
//! the same seed, and in their folder.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::stderr;
use crate::support::schema::assert_valid;
use crate::support::{program, temp_dir};

fn generate(dir: &Path, flags: &[&str]) -> Output {
    program().args(["load", "generate"]).args(flags).current_dir(dir).output().unwrap()
}

/// Every file below, by its path.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = self::files(&entry.path());
            files.extend(below.into_iter().map(|(path, text)| (format!("{name}/{path}"), text)));
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    files
}

#[test]
fn each_flag_is_seen_in_the_files_with_one_dash_or_two() {
    for dashes in ["-", "--"] {
        let dir = temp_dir();
        let flags = [
            "badges=21",
            "pis=2",
            "seconds=12",
            "update-window=4s",
            "advertising-interval=2s",
            "beacons=5",
            "url=http://127.0.0.1:1/a?b",
            "directory=made/here",
        ];
        let flags = flags.map(|flag| format!("{dashes}{flag}"));
        let output = generate(dir.path(), &flags.each_ref().map(String::as_str));
        assert!(output.status.success(), "{}", stderr(&output));
        let printed = String::from_utf8(output.stdout).unwrap();
        // Six advertisements of 21 badges, by two Pis each.
        assert!(printed.starts_with("252 emissions generated in targets.txt\n  21 badges\n"));
        assert!(printed.contains("\ncd made/here\n"), "{printed}");

        let files = files(&dir.path().join("made/here"));
        let targets = &files["targets.txt"];
        assert_eq!(targets.matches("POST http://127.0.0.1:1/a?b\n").count(), 252);
        // Three windows of 21 badges.
        let bodies: Vec<Value> = files
            .iter()
            .filter(|(path, _)| path.starts_with("vegeta_data/"))
            .map(|(_, text)| serde_json::from_str(text).unwrap())
            .collect();
        assert_eq!((bodies.len(), files.len()), (63, 64));
        for body in &bodies {
            assert_eq!(body["beacons"].as_object().unwrap().len(), 5, "{body}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_one_others() {
    let dir = temp_dir();
    let of = |name: &str, seed: &str| {
        for format in ["http", "json"] {
            let flags = ["-houses=1", "-seconds=6", "-directory", name, "-format", format];
            let output = generate(dir.path(), &[&flags[..], &["-seed", seed]].concat());
            assert!(output.status.success(), "{}", stderr(&output));
        }
        files(&dir.path().join(name))
    };
    let (a, b, other) = (of("a", "7"), of("b", "7"), of("c", "8"));
    assert_eq!(a, b);
    assert_eq!(a["targets.txt"], other["targets.txt"]);
    assert_ne!(a["targets.json"], other["targets.json"]);
    assert_ne!(a["vegeta_data/badge_0_0.json"], other["vegeta_data/badge_0_0.json"]);
    assert_valid("target", &a["targets.json"]);
}

#[test]
fn what_is_there_stays_unless_forced_and_nothing_else_is_touched() {
    let dir = temp_dir();
    let here = dir.path().join("here");
    std::fs::create_dir(&here).unwrap();
    std::fs::write(dir.path().join("precious"), "mine").unwrap();
    std::fs::write(here.join("notes"), "mine").unwrap();
    let output = generate(&here, &["-badges=2", "-seconds=6"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let before = files(dir.path());

    let output = generate(&here, &["-badges=1", "-seconds=6"]);
    let refused = "houseful: `./targets.txt` exists: replace it with --force, or choose another --directory\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), refused));
    assert_eq!(files(dir.path()), before);

    let output = generate(&here, &["-badges=1", "-seconds=6", "-force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let after = files(dir.path());
    assert!(!after.contains_key("here/vegeta_data/badge_1_0.json"), "of the first run");
    assert_eq!((&after["precious"], &after["here/notes"]), (&"mine".into(), &"mine".into()));
    assert_eq!(after.len(), 2 + 1 + 2, "{after:?}");
}

#[test]
fn what_cannot_be_planned_is_refused_by_the_flag_that_says_it() {
    let dir = temp_dir();
    for (flag, error) in [
        ("--houses=0", "--houses: expected at least 1, found 0"),
        ("--badges=0", "--badges: expected at least 1, found 0"),
        ("--houses=214748365", "--houses: expected at most 214748364, found 214748365"),
        (
            "--houses=50000",
            "expected at most 100000000 emissions, found 240000000: 1000000 badges × 4 Pis × 60 advertising intervals",
        ),
    ] {
        let output = generate(dir.path(), &[flag]);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(2), format!("houseful: {error}\n"))
        );
        assert_eq!(files(dir.path()), BTreeMap::new(), "{flag}");
    }
}

#[test]
fn a_stream_goes_on_until_nobody_reads_and_touches_no_file() {
    let dir = temp_dir();
    let mut stream = program()
        .args(["load", "generate", "-stream", "-badges=1", "-pis=1"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    // More than the minute that a plan has.
    let targets: String = lines.take(100).map(|line| line.unwrap() + "\n").collect();
    assert_valid("target", &targets);
    for line in targets.lines() {
        let target: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&target["method"], target["body"].is_string()), (&"POST".into(), true));
    }
    assert!(stream.wait().unwrap().success());
    assert_eq!(files(dir.path()), BTreeMap::new());
}
