//! An export that is imported and exported again is the same but for its ids.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::super::support::houseful::Setup;
use super::super::support::{by_pi, emission, heard_at, temp_dir};
use super::{BASE, export, import, import_text, lines, read, without_ids};

/// An id that looks like what CSV and spreadsheets trip over.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        // At most 64 bytes of UTF-8, no control characters.
        "[ -~]{1,64}",
        "[=+@'\\-;,\"][=+@'\\-;,\" a1é]{0,12}",
        "[a-zé🏠 \u{a0}\u{2028}\u{feff}]{1,16}",
        "(true|NULL|1\\.0E\\+05|007|25\\.11\\.2026|badge_[0-9])",
    ]
}

fn reading() -> impl Strategy<Value = Value> {
    let beacons = proptest::collection::btree_map(id(), -127_i64..=-1, 0..=5);
    let optional = proptest::option::of(any::<i32>());
    let strength = proptest::option::of(-127_i64..=20);
    let ids = (id(), id(), proptest::option::of(id()));
    (ids, beacons, strength, optional.clone(), optional, 0_i64..400_000_000).prop_map(
        |((badge, pi, opposite), beacons, strength, position, motion, later)| {
            let beacons: serde_json::Map<_, _> =
                beacons.into_iter().map(|(id, rssi)| (id, json!(rssi))).collect();
            json!({
                "badge_id": badge, "pi_id": pi, "heard_at": BASE + later, "beacons": beacons,
                "badge_strength": strength, "position": position, "motion": motion,
                "opposite_badge_id": opposite,
            })
        },
    )
}

fn equal<T: PartialEq + Debug>(got: T, want: T) -> Result<(), TestCaseError> {
    prop_assert_eq!(got, want);
    Ok(())
}

#[test]
fn any_readings_come_back_from_csv_and_from_ndjson() {
    // A case starts nine programs, so there are few, and each has many readings.
    let mut runner = TestRunner::new(Config { cases: 8, ..Config::default() });
    let readings = proptest::collection::vec(reading(), 1..200);
    let result = runner.run(&readings, |readings| {
        let dir = temp_dir();
        let posted: String = readings.iter().map(|reading| format!("{reading}\n")).collect();
        let first = Setup::new(dir.path());
        let imported = import_text(&first, &posted, &["--format", "ndjson"]);
        // Chance makes a copy now and then; nothing is wrong.
        equal(imported.code, 0)?;
        let original = export(&first, "ndjson");
        for format in ["ndjson", "csv"] {
            let other = first.clone().store_name(&format!("{format}.db"));
            let file = dir.path().join("export");
            std::fs::write(&file, export(&first, format)).unwrap();
            let file = file.to_str().unwrap();
            let imported = import(&other, &[file, "--format", format]);
            equal(imported.counts(), [original.lines().count() as u64, 0, 0])?;
            equal(without_ids(&export(&other, "ndjson")), without_ids(&original))?;
            // Again: all of it is there.
            let again = import(&other, &[file, "--format", format]);
            equal((again.code, again.counts()), (0, [0, original.lines().count() as u64, 0]))?;
            equal(without_ids(&export(&other, "ndjson")), without_ids(&original))?;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_a_collector_stored_moves_and_ids_follow_time() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    for offset in [60_000, 0, 5_000, 4_500] {
        let emission = heard_at(emission("a", &[("b1", -57)]), BASE + offset);
        let status = client.post(&emission).unwrap().status;
        assert_eq!(status, if offset == 4_500 { 409 } else { 201 });
    }
    let other = setup.clone().store_name("other.db");
    // An export, and so its import, works while the collector runs.
    let imported = import_text(&other, &export(&setup, "csv"), &["--format", "csv"]);
    assert_eq!((imported.code, imported.counts()), (0, [3, 0, 0]));
    assert_eq!(without_ids(&export(&other, "ndjson")), without_ids(&export(&setup, "ndjson")));
    let ids: Vec<_> = other.export().iter().map(|reading| reading["id"].as_i64()).collect();
    assert_eq!(ids, [Some(1), Some(2), Some(3)]);
    assert_eq!(setup.export()[0]["id"], 2, "ids were in the order of storing");
}

#[test]
fn a_wider_window_makes_copies_of_a_former_stores_readings() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let text: String = [0, 4_500, 9_000]
        .map(|offset| heard_at(emission("a", &[("b1", -57)]), BASE + offset).to_string() + "\n")
        .concat();
    let wide = ["--format", "ndjson", "--update-window", "10s"];
    assert_eq!(import_text(&setup, &text, &wide).counts(), [1, 2, 0]);
    assert_eq!(import_text(&setup, &text, &["--format", "ndjson"]).counts(), [2, 1, 0]);
    let by_variable = setup.store_name("other.db").env("HOUSEFUL_UPDATE_WINDOW", "10s");
    assert_eq!(import_text(&by_variable, &text, &["--format", "ndjson"]).counts(), [1, 2, 0]);
}

#[test]
fn a_dry_run_says_what_would_be_and_touches_nothing() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let dry = ["--format", "ndjson", "--dry-run"];

    // No store: none is made.
    let nothing = import_text(&setup, &lines(500), &dry);
    assert_eq!((nothing.code, nothing.counts()), (0, [500, 0, 0]));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    assert_eq!(import_text(&setup, &lines(300), &["--format", "ndjson"]).counts(), [300, 0, 0]);
    let before = read(&setup.store_path());
    // Half of what is there, something new, copies of both, and what is wrong.
    let all = lines(600);
    let text: String = all.lines().skip(150).map(|line| format!("{line}\n")).collect();
    let copies: String = text
        .lines()
        .map(|line| by_pi(serde_json::from_str(line).unwrap(), "7").to_string() + "\n")
        .collect();
    let text = text + &copies + "{}\n";
    let dry_run = import_text(&setup, &text, &dry);
    assert_eq!((dry_run.code, dry_run.counts()), (1, [300, 600, 1]));
    assert!(read(&setup.store_path()) == before, "a dry run wrote to the store");

    // While a collector runs, too.
    let houseful = setup.start();
    assert_eq!(import_text(&setup, &text, &dry).counts(), dry_run.counts());
    drop(houseful);
    let summary = setup.command("import").args(["-", "--format", "ndjson", "--dry-run"]).output();
    let summary = String::from_utf8(summary.unwrap().stdout).unwrap();
    assert_eq!(
        summary,
        "to store  0\ncopies    0\nrefused   0\nread      0 lines in 0.0 s\nnothing was stored: this was a dry run\n"
    );
    let wet = import_text(&setup, &text, &["--format", "ndjson"]);
    assert_eq!((wet.code, wet.counts(), &wet.stderr), (1, dry_run.counts(), &dry_run.stderr));
    assert_eq!(setup.export().len(), 600);
}
