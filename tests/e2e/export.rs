//! `houseful export`: all of what is wanted, whole or not at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::support::houseful::Setup;
use super::support::posters::Posters;
use super::support::{PATIENCE, distinct, emission, heard_at, temp_dir, wait_until};

/// 2027-01-15T08:00:00Z, in Unix milliseconds.
const BASE: i64 = 1_800_000_000_000;

fn export(setup: &Setup, args: &[&str]) -> (bool, String, String) {
    let output = setup.command("export").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn ids(ndjson: &str) -> Vec<i64> {
    ndjson
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap()
        })
        .collect()
}

#[test]
fn what_is_wanted_oldest_first_while_a_collector_runs() {
    let dir = temp_dir();
    // The past, so that no clock minds.
    let base = BASE - 365 * 86_400_000;
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    for (badge, offset) in [("a", 120_000), ("b", 60_000), ("a", 0), ("b", 5_000)] {
        let emission = heard_at(emission(badge, &[("b1", -57)]), base + offset);
        assert_eq!(client.post(&emission).unwrap().status, 201);
    }
    let from = (base + 5_000).to_string();
    let rows: [(&[&str], &[i64]); 6] = [
        (&[], &[3, 4, 2, 1]),
        (&["--badge", "a"], &[3, 1]),
        (&["--from", &from], &[4, 2, 1]),
        (&["--to", &from], &[3]),
        (
            &[
                "--from",
                "2026-01-15T08:00:05Z",
                "--to",
                "2026-01-15T09:01:00+01:00",
                "--badge",
                "b",
            ],
            &[4],
        ),
        (&["--badge", "nobody"], &[]),
    ];
    for (args, want) in rows {
        let (done, stdout, stderr) = export(&setup, args);
        assert!(done, "{args:?}: {stderr}");
        assert_eq!(ids(&stdout), want, "{args:?}");
    }
}

#[test]
fn a_csv_cell_is_never_a_formula() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut emission =
        heard_at(emission("=1+1", &[("a,\"b\"", -57), ("@x", -58)]), BASE - 86_400_000 * 365);
    emission["opposite_badge_id"] = json!("'quoted");
    emission["badge_strength"] = json!(-3);
    assert_eq!(houseful.client().post(&emission).unwrap().status, 201);
    let (_, csv, _) = export(&setup, &["--format", "csv"]);
    let want = "id,badge_id,pi_id,heard_at,beacons,badge_strength,position,motion,opposite_badge_id\r\n\
        1,'=1+1,32,2026-01-15T08:00:00.000Z,\"{\"\"a,\\\"\"b\\\"\"\"\":-57,\"\"@x\"\":-58}\",-3,,,''quoted\r\n";
    assert_eq!(csv, want);
}

#[test]
fn a_file_appears_when_it_is_whole() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&emission("a", &[])).unwrap().status, 201);
    let file = dir.path().join("out.ndjson");
    std::fs::write(&file, "older").unwrap();
    let name = file.to_str().unwrap();

    // What cannot be done leaves the older file alone, and nothing beside it.
    let wrong: [&[&str]; 3] =
        [&["--from", "yesterday"], &["--badge", ""], &["--from", "2000", "--to", "1999"]];
    for args in wrong {
        let (done, _, stderr) = export(&setup, &[args, &["--output", name]].concat());
        assert!(!done && stderr.contains(args[0]), "{stderr}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "older");
    }
    let (done, stdout, _) = export(&setup, &["--output", name]);
    assert!(done && stdout.is_empty());
    assert_eq!(ids(&std::fs::read_to_string(&file).unwrap()), [1]);
    assert_eq!(beside_the_store(dir.path()), ["out.ndjson"]);
}

fn beside_the_store(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("houseful.db")).collect();
    names.sort();
    names
}

#[test]
fn what_is_no_file_takes_the_readings_as_they_come_and_stays() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&emission("a", &[])).unwrap().status, 201);

    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = Command::new("cat").arg(&fifo).stdout(Stdio::piped()).spawn().unwrap();
    let (done, _, stderr) = export(&setup, &["--output", fifo.to_str().unwrap()]);
    assert!(done, "{stderr}");
    let read = reader.wait_with_output().unwrap().stdout;
    assert_eq!(ids(&String::from_utf8(read).unwrap()), [1]);
    assert!(!fs::symlink_metadata(&fifo).unwrap().is_file());

    // As /dev/stdout is one, but ours: a fault here must not replace the machine's.
    let link = dir.path().join("stdout");
    symlink("/proc/self/fd/1", &link).unwrap();
    let link = link.to_str().unwrap();
    for name in [link, "-"] {
        let (done, stdout, stderr) = export(&setup, &["--output", name]);
        assert!(done, "{stderr}");
        assert_eq!(ids(&stdout), [1]);
    }
    // Redirected to the end of a file, stdout is still that file.
    let log = dir.path().join("log");
    fs::write(&log, "").unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&log);
    for _ in 0..2 {
        let file = fs::OpenOptions::new().append(true).open(&log).unwrap();
        let mut command = setup.command("export");
        let status = command.args(["--output", link]).stdout(file).status().unwrap();
        assert!(status.success());
    }
    assert_eq!(ids(&fs::read_to_string(&log).unwrap()), [1, 1]);
    assert_eq!(inode(&log), before);
    assert_eq!(beside_the_store(dir.path()), ["fifo", "log", "stdout"]);
}

#[test]
fn a_link_stays_and_the_file_behind_it_is_replaced() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&emission("a", &[])).unwrap().status, 201);
    fs::create_dir(dir.path().join("far")).unwrap();
    symlink("far/second", dir.path().join("first")).unwrap();
    symlink("file", dir.path().join("far/second")).unwrap();
    // Not there yet, and there.
    for _ in 0..2 {
        let (done, _, stderr) =
            export(&setup, &["--output", dir.path().join("first").to_str().unwrap()]);
        assert!(done, "{stderr}");
        let file = dir.path().join("far/file");
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(ids(&fs::read_to_string(&file).unwrap()), [1]);
        for link in ["first", "far/second"] {
            assert!(fs::symlink_metadata(dir.path().join(link)).unwrap().is_symlink(), "{link}");
        }
    }
    assert_eq!(beside_the_store(&dir.path().join("far")), ["file", "second"]);
}

#[test]
fn the_store_is_never_written_over() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&emission("a", &[])).unwrap().status, 201);
    symlink("houseful.db", dir.path().join("soft")).unwrap();
    fs::hard_link(dir.path().join("houseful.db-wal"), dir.path().join("hard")).unwrap();
    let refused = |name: &str, part: &str| {
        let path = dir.path().join(name);
        let (done, _, stderr) = export(&setup, &["--output", path.to_str().unwrap()]);
        let want = format!("is the store's own `{}`", dir.path().join(part).display());
        assert!(!done && stderr.contains(&want), "{name}: {stderr}");
    };
    for (name, part) in [
        ("houseful.db", "houseful.db"),
        ("soft", "houseful.db"),
        ("houseful.db-wal", "houseful.db-wal"),
        ("hard", "houseful.db-wal"),
        ("houseful.db-shm", "houseful.db-shm"),
    ] {
        refused(name, part);
    }
    fs::remove_file(dir.path().join("hard")).unwrap();
    assert_eq!(setup.export().len(), 1);
    // Stopped, the two are gone; what is put in their place would be taken for them.
    drop(houseful);
    for part in ["houseful.db-wal", "houseful.db-shm"] {
        fs::rename(dir.path().join(part), dir.path().join("kept")).unwrap();
        refused(part, part);
        fs::rename(dir.path().join("kept"), dir.path().join(part)).unwrap();
    }
    assert_eq!(setup.export().len(), 1);
}

#[test]
fn interrupted_it_leaves_the_older_file_and_nothing_else() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let posted = Posters::start(houseful.port(), 16, (0..10_000).map(distinct).collect()).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    let file = dir.path().join("out.ndjson");
    // It may be done before the signal comes; then it is tried again.
    for _ in 0..100 {
        fs::write(&file, "older").unwrap();
        let mut command = setup.command("export");
        let mut child = command.arg("--output").arg(&file).stderr(Stdio::piped()).spawn().unwrap();
        wait_until(PATIENCE, "it writes, or is done", || {
            beside_the_store(dir.path()).len() == 2 || child.try_wait().unwrap().is_some()
        });
        // Until it is waited for it has its id, also when it has ended.
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(beside_the_store(dir.path()), ["out.ndjson"]);
        let is_older = fs::read_to_string(&file).unwrap() == "older";
        if output.status.success() {
            assert!(!is_older);
            continue;
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(2), "houseful: interrupted\n"));
        assert!(is_older);
        return;
    }
    panic!("no interrupt came between two pages");
}

#[test]
fn a_missing_store_is_an_error_that_names_it_and_makes_nothing() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let (done, _, stderr) = export(&setup, &[]);
    assert!(!done && stderr.contains(setup.store_path().to_str().unwrap()), "{stderr}");
    assert!(!setup.store_path().exists());
}
