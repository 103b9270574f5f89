//! Where the toolkit's output goes: a closed pipe does not change a verdict, and no file loses what it
//! had to something that was wrong.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use super::server::{Reply, Server};
use super::{OK, stderr, write_targets};
use crate::support::{program, temp_dir};

const BEFORE: &str = "what was there before\n";

/// Ten results of one second, as JSON, in `results.json`.
fn write_results(dir: &Path, code: u16) {
    let line = |n: u64| {
        let result = json!({
            "attack": "", "seq": n, "code": code, "timestamp": format!("2026-11-24T20:29:00.{n}Z"),
            "latency": 1_000_000, "bytes_out": 1, "bytes_in": 2, "error": "", "body": null,
            "method": "GET", "url": "http://a/", "headers": null,
        });
        format!("{result}\n")
    };
    fs::write(dir.join("results.json"), (0..10).map(line).collect::<String>()).unwrap();
}

fn load(dir: &Path, words: &[&str]) -> Output {
    program().arg("load").args(words).current_dir(dir).output().unwrap()
}

/// Into a pipe that nobody reads any more.
fn into_closed_pipe(dir: &Path, words: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    program().arg("load").args(words).current_dir(dir).stdout(writer).output().unwrap()
}

#[test]
fn a_closed_pipe_does_not_turn_a_no_into_a_yes() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("POST {}/\n", server.url()));
    write_results(dir.path(), 200);
    let words = ["report", "--assert", "p50<1us", "results.json"];
    let said = into_closed_pipe(dir.path(), &words);
    assert_eq!(
        (said.status.code(), stderr(&said).contains("p50<1us")),
        (Some(1), true),
        "{said:?}"
    );
    let words = ["report", "--assert", "p50<1us", "--every=1ms", "results.json"];
    assert_eq!(into_closed_pipe(dir.path(), &words).status.code(), Some(1));
    // Whoever asked nothing has seen enough.
    assert_eq!(into_closed_pipe(dir.path(), &["report", "results.json"]).status.code(), Some(0));

    let code = |words: &[&str]| into_closed_pipe(dir.path(), words).status.code();
    let words = ["--step=100ms", "--skip=0", "--pause=0", "--repeats=1", "--to=20", "--p99=1ns"];
    let capacity = ["capacity", "--targets=targets.txt", "--expect=200"];
    assert_eq!(code(&[&capacity[..], &words[..]].concat()), Some(1));
}

#[test]
fn a_closed_pipe_does_not_make_a_promise_kept() {
    let dir = temp_dir();
    let flags = ["generate", "--badges=1", "--pis=1", "--seconds=1"];
    assert!(load(dir.path(), &flags).status.success());
    let body = fs::read_to_string(dir.path().join("vegeta_data/badge_0_0.json")).unwrap();
    let result = json!({
        "attack": "", "seq": 0, "code": 201, "timestamp": "2026-11-24T20:29:00Z",
        "latency": 1_000_000, "bytes_out": body.len(), "bytes_in": 2, "error": "", "body": null,
        "method": "POST", "url": "http://127.0.0.1:6540/rssi_readings", "headers": null,
    });
    fs::write(dir.path().join("results.json"), format!("{result}\n")).unwrap();
    fs::write(dir.path().join("stored.ndjson"), "").unwrap();
    let words = ["verify", "results.json", "--stored", "stored.ndjson"];
    assert_eq!(load(dir.path(), &words).status.code(), Some(1));
    let said = into_closed_pipe(dir.path(), &words);
    assert_eq!(
        (said.status.code(), stderr(&said).as_str()),
        (Some(1), "lost 1: 201, but not stored\n")
    );
}

#[test]
fn results_are_not_written_over_while_they_are_read() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    let before = fs::read(dir.path().join("results.json")).unwrap();
    std::os::unix::fs::symlink("results.json", dir.path().join("link.json")).unwrap();
    for words in [
        &["encode", "-to=gob", "-output=results.json", "results.json"][..],
        &["encode", "-output=link.json", "results.json"],
        &["report", "-output=results.json", "link.json"],
        &["report", "--every=1s", "-output=results.json", "results.json"],
        &["plot", "--format=html", "-output=results.json", "results.json"],
    ] {
        let output = load(dir.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains("is what is to be read"), "{output:?}");
        assert_eq!(fs::read(dir.path().join("results.json")).unwrap(), before, "{words:?}");
    }
    write_targets(dir.path(), "GET http://127.0.0.1:9/\n");
    let words = ["attack", "-targets=targets.txt", "-output=targets.txt", "-duration=20ms"];
    let output = load(dir.path(), &words);
    assert!(stderr(&output).contains("is what is to be read"), "{output:?}");
}

#[test]
fn what_is_wrong_leaves_the_output_as_it_was() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    fs::write(dir.path().join("empty"), "").unwrap();
    fs::write(dir.path().join("text"), "no results\n").unwrap();
    fs::write(dir.path().join("nowhere.txt"), "GET http://nowhere.invalid/\n").unwrap();
    std::os::unix::fs::symlink("yet-to-come", dir.path().join("link")).unwrap();
    for words in [
        &["report", "nope"][..],
        &["report", "text"],
        &["encode", "nope"],
        &["encode", "text"],
        &["encode", "-to=gob", "text"],
        &["plot", "--format=html", "nope"],
        &["plot", "--format=svg", "empty"],
        &["attack", "-targets=nowhere.txt", "-duration=1s"],
    ] {
        for (name, before) in [("old", Some(BEFORE)), ("new", None), ("link", None)] {
            let path = dir.path().join(name);
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let output = load(dir.path(), &[words, &["-output", name]].concat());
            assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before, "{words:?}");
        }
        assert!(dir.path().join("link").is_symlink(), "{words:?}");
        assert!(!dir.path().join("yet-to-come").exists(), "{words:?}");
    }
}

#[test]
fn an_output_is_replaced_as_if_it_were_written_over() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    let path = dir.path().join("old");
    std::os::unix::fs::symlink("old", dir.path().join("link")).unwrap();
    for command in [&["report"][..], &["encode"], &["plot", "--format=svg"]] {
        let expected = load(dir.path(), &[command, &["results.json"]].concat()).stdout;
        for name in ["old", "link"] {
            fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
            // Only root can.
            drop(std::os::unix::fs::chown(&path, Some(1_234), None));
            let uid = path.metadata().unwrap().uid();
            let words = [command, &["-output", name, "results.json"]].concat();
            assert_eq!(load(dir.path(), &words).status.code(), Some(0), "{words:?}");
            assert_eq!(fs::read(&path).unwrap(), expected, "{words:?}");
            let metadata = path.metadata().unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o604, uid), "{words:?}");
            assert!(dir.path().join("link").is_symlink());
        }
    }
    let left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_is_no_file_takes_its_output_as_it_comes() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    for command in [&["report"][..], &["encode"], &["plot", "--format=svg"]] {
        let expected = load(dir.path(), &[command, &["results.json"]].concat()).stdout;
        let words = |output| [command, &["results.json", "-output", output]].concat();
        let output = load(dir.path(), &words("/dev/null"));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(load(dir.path(), &words("/dev/stdout")).stdout, expected);

        // Redirected: what was there before, and whoever comes after, stay in the file.
        let file = dir.path().join("redirected");
        fs::write(&file, BEFORE).unwrap();
        let to = fs::OpenOptions::new().append(true).open(&file).unwrap();
        let mut program = program();
        program.arg("load").args(words("/dev/stdout")).current_dir(dir.path()).stdout(to);
        assert!(program.status().unwrap().success());
        assert_eq!(fs::read(&file).unwrap(), [BEFORE.as_bytes(), &expected].concat());

        let mut child = crate::support::program();
        child.arg("load").args(words("fifo")).current_dir(dir.path()).stdin(Stdio::null());
        let mut child = child.spawn().unwrap();
        let mut read = Vec::new();
        fs::File::open(&fifo).unwrap().read_to_end(&mut read).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(read, expected);
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    let long = fs::read_to_string(dir.path().join("results.json")).unwrap().repeat(20);
    fs::write(dir.path().join("results.json"), long).unwrap();
    fs::write(dir.path().join("old.html"), BEFORE).unwrap();
    for (command, name) in [
        (&["plot"][..], "old.html"),
        (&["plot"], "new.html"),
        (&["encode"], "old.html"),
        (&["encode"], "new.html"),
        (&["encode", "-to=csv"], "old.html"),
    ] {
        // No file may be longer than some blocks, which is told as a full disk is.
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_houseful"))
            .arg("load")
            .args(command)
            .args(["results.json", "--output", name])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = stderr(&output);
        assert!(said.contains("cannot write ") && said.contains(&format!("`{name}`")), "{said}");
        assert_eq!(fs::read_to_string(dir.path().join("old.html")).unwrap(), BEFORE);
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

#[test]
fn a_full_device_is_named_as_people_know_it() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    for (command, says) in [
        ("plot", "cannot write the plot to stdout: "),
        ("encode", "cannot write the results to stdout: "),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut program = program();
        program.args(["load", command, "results.json"]).current_dir(dir.path()).stdout(full);
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
    }
}

#[test]
fn no_result_at_all_is_told() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    fs::write(dir.path().join("empty"), "").unwrap();
    let all_skipped = "warning: --skip=1h leaves out all 10 results of `results.json`\n";
    for (words, says) in [
        (&["report", "empty"][..], "warning: there is no result in `empty`\n"),
        (
            &["report", "empty", "/dev/null"],
            "warning: there is no result in `empty`, `/dev/null`\n",
        ),
        (&["report", "--skip=1h", "results.json"], all_skipped),
        (&["report", "--skip=500ms", "results.json"], ""),
        (&["encode", "empty"], "warning: there is no result in `empty`\n"),
        (&["encode", "results.json"], ""),
    ] {
        let output = load(dir.path(), words);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), says), "{words:?}");
    }
    let mut stdin = program();
    stdin.args(["load", "encode"]).stdin(Stdio::null());
    assert_eq!(stderr(&stdin.output().unwrap()), "warning: there is no result in stdin\n");
}

#[test]
fn a_full_disk_leaves_no_half_of_a_plan() {
    let dir = temp_dir();
    let generate = |limit: &str, flags: &[&str]| {
        std::process::Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_houseful"))
            .args(["load", "generate", "--badges=20", "--seconds=10"])
            .args(flags)
            .current_dir(dir.path())
            .output()
            .unwrap()
    };
    let names = |path: &Path| {
        let names = fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    for flags in [&[][..], &["--format=json"], &["--directory=some/where"]] {
        let output = generate("8", flags);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("cannot write `"), "{output:?}");
        assert_eq!(names(dir.path()).len(), 0, "{flags:?}");
    }
    // What was there before stays.
    fs::create_dir(dir.path().join("vegeta_data")).unwrap();
    fs::write(dir.path().join("vegeta_data/mine"), BEFORE).unwrap();
    assert_eq!(generate("8", &["--force"]).status.code(), Some(2));
    assert_eq!(names(dir.path()).len(), 1);
    assert_eq!(names(&dir.path().join("vegeta_data")).len(), 1);
    let output = generate("unlimited", &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn what_cannot_be_is_refused_with_what_was_expected() {
    let dir = temp_dir();
    write_results(dir.path(), 200);
    write_targets(dir.path(), "GET http://127.0.0.1:9/\n");
    let capacity = ["capacity", "--targets=targets.txt", "--step=10ms"];
    for (words, says) in [
        (
            &["attack", "-targets=targets.txt", "-duration=1s", "-laddr=192.0.2.1"][..],
            "--laddr: cannot connect from `192.0.2.1`: ",
        ),
        (
            &["attack", "-targets=targets.txt", "-workers=-1"],
            "expected a whole number from 0 to 18446744073709551615, found `-1`",
        ),
        (&["attack", "-targets=targets.txt", "--workers", "-1"], "expected a whole number from 0"),
        (
            &["attack", "-targets=targets.txt", "--max-connections", "x"],
            "expected a whole number from",
        ),
        (&[&capacity[..], &["--p99=0"]].concat(), "--p99: expected more than 0"),
        (&[&capacity[..], &["--from=0"]].concat(), "expected a whole number from 1"),
        (
            &[&capacity[..], &["--to", "99999999999999999999"]].concat(),
            "expected a whole number from 1",
        ),
        (&[&capacity[..], &["--max-connections", "-1"]].concat(), "expected a whole number from 1"),
        (&["report", "--every", "-1s", "results.json"], "--every: "),
        (&["report", "--skip", "-1s", "results.json"], "--skip: "),
        (
            &["compare", "results.json", "results.json", "--fail-if-slower", "-5%"],
            "expected a percentage such as 5%, found `-5%`",
        ),
        (
            &["generate", "--badges", "-1"],
            "expected a whole number from 0 to 4294967295, found `-1`",
        ),
        (&["generate", "--seed", "1.5"], "expected a whole number from 0"),
        (
            &["generate", "--url", "ftp://x/"],
            "expected a URL that begins with http:// or https://, found `ftp://x/`",
        ),
    ] {
        let output = load(dir.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(stderr(&output).contains(says), "{words:?}: {output:?}");
    }
}
