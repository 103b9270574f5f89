//! However an import ends, what it acknowledged stays, and the same command
//! finishes it.

use std::fs;
use std::io::Write;
use std::process::{Child, ChildStdin};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::support::faultfs::FaultFs;
use super::super::support::houseful::Setup;
use super::super::support::{PATIENCE, temp_dir, wait_until};
use super::{Imported, export, import_text, lines, start_import, without_ids};

const NDJSON: [&str; 2] = ["--format", "ndjson"];

/// An import that was given so many lines, and waits for more.
fn waiting_import(setup: &Setup, text: &str) -> (Child, ChildStdin) {
    let mut child = start_import(setup, &NDJSON);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    (child, stdin)
}

/// How many readings there are; an import does not hinder the export.
fn stored(setup: &Setup) -> usize {
    if fs::metadata(setup.store_path()).map_or(0, |metadata| metadata.len()) == 0 {
        return 0;
    }
    let output = setup.command("export").output().unwrap();
    // It may be seen while its tables are made.
    if output.status.success() { output.stdout.iter().filter(|b| **b == b'\n').count() } else { 0 }
}

#[test]
fn killed_midway_and_run_again_it_ends_exact() {
    let dir = temp_dir();
    let whole = Setup::new(dir.path()).store_name("whole.db");
    let text = lines(20_000);
    assert_eq!(import_text(&whole, &text, &NDJSON).counts(), [20_000, 0, 0]);

    let setup = Setup::new(dir.path());
    let half: String = text.lines().take(10_000).map(|line| format!("{line}\n")).collect();
    let (mut child, stdin) = waiting_import(&setup, &half);
    wait_until(PATIENCE, "some are stored", || stored(&setup) > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    let before = stored(&setup) as u64;
    assert!(before > 0 && before <= 10_000);

    let again = import_text(&setup, &text, &NDJSON);
    assert_eq!((again.code, again.counts()), (0, [20_000 - before, before, 0]));
    assert_eq!(without_ids(&export(&setup, "ndjson")), without_ids(&export(&whole, "ndjson")));
}

#[test]
fn interrupted_it_says_how_far_it_came() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = temp_dir();
        let setup = Setup::new(dir.path());
        let text = lines(10_000);
        // The end of a line is not there yet, and the pipe is silent.
        let (child, _stdin) = waiting_import(&setup, text.trim_end());
        wait_until(PATIENCE, "some are stored", || stored(&setup) > 0);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let imported = Imported::of(child.wait_with_output().unwrap());
        let summary: Value = serde_json::from_str(&imported.stdout).unwrap();
        let [stored, copies, refused] = imported.counts();
        assert_eq!((imported.code, copies, refused), (1, 0, 0), "{imported:#?}");
        assert_eq!(summary["interrupted"], true);
        assert_eq!(summary["last_line"].as_u64(), Some(stored));
        assert_eq!(
            imported.stderr,
            format!(
                "houseful: interrupted after line {stored}; what was stored stays, and the same command finishes it\n"
            )
        );
        assert_eq!(setup.export().len() as u64, stored);
        let again = import_text(&setup, &text, &NDJSON);
        assert_eq!((again.code, again.counts()), (0, [10_000 - stored, stored, 0]));
    }
}

#[test]
fn a_full_disk_stops_it_and_space_lets_it_finish() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let text = lines(20_000);
    let first: String = text.lines().take(2_000).map(|line| format!("{line}\n")).collect();
    let (child, mut stdin) = waiting_import(&setup, &first);
    wait_until(PATIENCE, "some are stored", || stored(&setup) > 0);
    disk.set_full(true);
    // It ends before it has taken all.
    let rest = text[first.len()..].to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(rest.as_bytes())));
    let stopped = Imported::of(child.wait_with_output().unwrap());
    writer.join().unwrap();
    assert_eq!((stopped.code, &*stopped.stdout), (2, ""), "{stopped:#?}");
    for part in ["the store cannot write now: no space left", "were not acknowledged", "goes on"] {
        assert!(stopped.stderr.contains(part), "{}", stopped.stderr);
    }
    disk.set_full(false);
    let before = stored(&setup) as u64;
    assert!(before < 20_000);
    let again = import_text(&setup, &text, &NDJSON);
    assert_eq!((again.code, again.counts()), (0, [20_000 - before, before, 0]));
}

#[test]
fn a_store_has_one_writer() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let refused = import_text(&setup, &lines(1), &NDJSON);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    for part in ["is in use", "stop the `houseful serve`", "POST /rssi_readings/batch"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert!(houseful.client().get("/readyz").unwrap().status == 200);
    drop(houseful);

    let (mut child, stdin) = waiting_import(&setup, &lines(1_000));
    wait_until(PATIENCE, "some are stored", || stored(&setup) > 0);
    let failure = setup.start_expecting_failure();
    assert!(failure.stderr.contains("`houseful serve` or `import` holds it"), "{failure:?}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
