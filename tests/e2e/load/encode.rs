//! `houseful load encode`: several files as one, by whatever means they were
//! joined, and one that was cut off.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use serde_json::Value;

use super::server::{Reply, Server};
use super::{OK, stderr, write_targets};
use crate::support::{PATIENCE, program, temp_dir, wait_until};

/// `a.gob` and `b.gob` in `dir`, of two attacks at the same time, with ten results each.
fn play(dir: &Path) {
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir, &format!("GET {}/\n", server.url()));
    let attacks = ["a", "b"].map(|name| {
        let output = format!("-output={name}.gob");
        let mut attack = program();
        attack.args(["load", "attack", "-targets=targets.txt", "-rate=20", "-duration=500ms"]);
        attack.args(["-name", name, &output]).current_dir(dir).spawn().unwrap()
    });
    for attack in attacks {
        let output = attack.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }
}

fn load(dir: &Path, words: &[&str]) -> Output {
    program().arg("load").args(words).current_dir(dir).output().unwrap()
}

/// What `encode` printed: names of attacks, and when the answers came, in nanoseconds.
fn encoded(output: &Output) -> Vec<(String, i128)> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let result = |line: &str| {
        let result: Value = serde_json::from_str(line).unwrap();
        let due: Timestamp = text(&result["timestamp"]).parse().unwrap();
        let latency_ns = i128::from(result["latency"].as_i64().unwrap());
        (text(&result["attack"]), due.as_nanosecond() + latency_ns)
    };
    std::str::from_utf8(&output.stdout).unwrap().lines().map(result).collect()
}

#[test]
fn several_files_are_merged_in_time_order_and_a_joined_one_is_read_through() {
    let dir = temp_dir();
    play(dir.path());
    // By its name of today, and by vegeta's old one.
    for command in ["encode", "dump"] {
        let both = encoded(&load(dir.path(), &[command, "b.gob", "a.gob"]));
        assert_eq!(both.len(), 20);
        assert!(both.is_sorted_by_key(|(_, came_ns)| *came_ns), "{both:?}");
        assert!(both[..10].iter().any(|(name, _)| name == "a"), "{both:?}");
        assert!(both[..10].iter().any(|(name, _)| name == "b"), "{both:?}");
    }

    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    // As `cat` does; Go refuses the second stream's types.
    std::fs::write(dir.path().join("both.gob"), [read("b.gob"), read("a.gob")].concat()).unwrap();
    let joined = encoded(&load(dir.path(), &["encode", "both.gob"]));
    let names: Vec<&str> = joined.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [["b"; 10], ["a"; 10]].concat());
}

#[test]
fn one_that_was_cut_off_says_where_and_gives_what_came_before() {
    let dir = temp_dir();
    play(dir.path());
    let whole = std::fs::read(dir.path().join("a.gob")).unwrap();
    std::fs::write(dir.path().join("cut.gob"), &whole[..whole.len() - 1]).unwrap();
    let output = load(dir.path(), &["encode", "cut.gob"]);
    assert_eq!(encoded(&output).len(), 9);
    let said = stderr(&output);
    let offset = said
        .strip_prefix("warning: cut.gob:byte ")
        .and_then(|rest| {
            rest.strip_suffix(": the last result is cut off and is left out, after 9 whole ones\n")
        })
        .and_then(|offset| offset.parse::<usize>().ok());
    // It is where the last one begins: what came before is a whole file.
    let offset = offset.unwrap_or_else(|| panic!("{said}"));
    std::fs::write(dir.path().join("before.gob"), &whole[..offset]).unwrap();
    let output = load(dir.path(), &["encode", "before.gob"]);
    assert_eq!((encoded(&output).len(), stderr(&output).as_str()), (9, ""));
}

/// How many files there are.
fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_file_keeps_what_it_had_if_what_is_to_be_encoded_is_broken() {
    let dir = temp_dir();
    play(dir.path());
    let path = |name: &str| dir.path().join(name);
    for (to, garbage) in [("gob", &b"\x02\x70\x00"[..]), ("json", b"{]\n"), ("csv", b"1,2\n")] {
        let made = load(dir.path(), &["encode", "-to", to, "a.gob"]).stdout;
        // What follows the garbage is whole again.
        fs::write(path("broken"), [&made, garbage, &made].concat()).unwrap();
        fs::write(path("old"), "before").unwrap();
        let before = files(dir.path());
        for name in ["old", "new"] {
            let output = load(dir.path(), &["encode", "-output", name, "b.gob", "broken"]);
            assert_eq!(output.status.code(), Some(2), "{to}: {output:?}");
            assert!(stderr(&output).contains("expected a result as "), "{to}: {output:?}");
            assert_eq!(
                (fs::read(path("old")).unwrap(), files(dir.path())),
                (b"before".into(), before)
            );
        }
    }
}

#[test]
fn a_file_that_has_another_name_or_is_yet_to_come_has_what_was_encoded() {
    let dir = temp_dir();
    play(dir.path());
    let expected = load(dir.path(), &["encode", "a.gob"]).stdout;
    let path = |name: &str| dir.path().join(name);
    fs::write(path("old"), vec![b'x'; 1 << 20]).unwrap();
    fs::hard_link(path("old"), path("other")).unwrap();
    std::os::unix::fs::symlink("new", path("link")).unwrap();
    for (output, names) in [("old", ["old", "other"]), ("link", ["link", "new"])] {
        assert!(load(dir.path(), &["encode", "-output", output, "a.gob"]).status.success());
        for name in names {
            assert_eq!(fs::read(path(name)).unwrap(), expected, "{name}");
        }
    }
    assert!(path("link").is_symlink());
}

#[test]
fn an_interrupt_leaves_nothing_half_encoded() {
    let dir = temp_dir();
    play(dir.path());
    let results = load(dir.path(), &["encode", "a.gob"]).stdout;
    fs::write(dir.path().join("old"), "before").unwrap();
    let before = files(dir.path());
    // From the keyboard it is meant for the attack, whose last results are still to come.
    for (signal, code, name) in [("-TERM", 143, "old"), ("-TERM", 143, "new"), ("-INT", 0, "old")] {
        let mut encode = program()
            .args(["load", "encode", "-output", name])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = encode.stdin.take().unwrap();
        stdin.write_all(&results[..results.len() / 2]).unwrap();
        wait_until(PATIENCE, "it is written beside", || files(dir.path()) > before);
        assert_eq!(fs::read(dir.path().join("old")).unwrap(), b"before");
        let kill = Command::new("kill").args([signal, &encode.id().to_string()]).status().unwrap();
        assert!(kill.success());
        if code == 0 {
            stdin.write_all(&results[results.len() / 2..]).unwrap();
            drop(stdin);
        }
        assert_eq!(encode.wait().unwrap().code(), Some(code));
        assert_eq!(files(dir.path()), before);
    }
    assert_eq!(fs::read(dir.path().join("old")).unwrap(), results);
}
