//! The predecessor's database, as its versions left it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::super::support::houseful::Setup;
use super::super::support::{require, temp_dir};
use super::{Imported, import, read};

/// The table as newer versions made it; also for the examples of the help.
pub(crate) const TABLE: &str = "CREATE TABLE rssi_readings (id INTEGER NOT NULL PRIMARY KEY, badge_id VARCHAR,
 beacon_1_id VARCHAR, beacon_2_id VARCHAR, beacon_3_id VARCHAR, beacon_4_id VARCHAR, beacon_5_id VARCHAR,
 beacon_1_strength INTEGER, beacon_2_strength INTEGER, beacon_3_strength INTEGER, beacon_4_strength INTEGER,
 beacon_5_strength INTEGER, badge_strength INTEGER, opposite_badge_id VARCHAR, position INTEGER,
 motion INTEGER, pi_id VARCHAR, timestamp DATETIME);";

/// Runs SQL on the database `rssi.db` beside the store; `false` without sqlite3.
pub(super) fn make(setup: &Setup, sql: &str) -> bool {
    if !require("/usr/bin/sqlite3", "sqlite3") {
        return false;
    }
    let database = setup.store_path().with_file_name("rssi.db");
    drop(std::fs::remove_file(&database));
    let output = Command::new("sqlite3").arg("-bail").arg(database).arg(sql).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// An insert of one row; `timestamp` and what else is not NULL.
pub(super) fn row(timestamp: &str, columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO rssi_readings(badge_id, pi_id, timestamp{columns}) VALUES ('badge_0', '32', '{timestamp}'{values});\n"
    )
}

fn import_it(setup: &Setup, zone: &str) -> Imported {
    import(setup, &["rssi.db", "--format", "stethoscope", "--timezone", zone])
}

#[test]
fn rows_become_readings() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let beacons = ", beacon_1_id, beacon_1_strength, beacon_2_id, beacon_2_strength, beacon_3_id, beacon_3_strength";
    let heard = ", 'beacon_1', -90, 'beacon_2', -57, 'beacon_3', -128";
    let t = "2018-10-09 15:12:5";
    let sql = TABLE.to_owned()
        + &row(&format!("{t}0.735489"), &format!("{beacons}, motion"), &format!("{heard}, 3"))
        // The same from another Pi's row, 2 s later: a copy.
        + &row(&format!("{t}2.735489"), &format!("{beacons}, badge_strength"), &format!("{heard}, -60"))
        + &row(&format!("{t}5.235488"), beacons, heard)
        + &row(&format!("{t}5.235489"), &format!("{beacons}, opposite_badge_id, badge_strength, position"),
               &format!("{heard}, 'badge_1', -60, 0"))
        + "DELETE FROM rssi_readings WHERE id = 3;\n"
        + &row("2018-12-09 15:12:50", "", "");
    if !make(&setup, &sql) {
        return;
    }
    let database = dir.path().join("rssi.db");
    let before = read(&database);
    let imported = import_it(&setup, "Europe/Berlin");
    assert_eq!((imported.code, imported.counts()), (0, [3, 1, 0]), "{}", imported.stderr);
    assert!(read(&database) == before, "the old database was written to");
    let beacons = json!({"beacon_2": -57, "beacon_1": -90});
    let reading = |id: i64, heard_at: &str| {
        json!({"id": id, "badge_id": "badge_0", "pi_id": "32", "heard_at": heard_at, "beacons": beacons,
               "badge_strength": null, "position": null, "motion": null, "opposite_badge_id": null})
    };
    let mut want = [
        reading(1, "2018-10-09T13:12:50.735Z"),
        reading(2, "2018-10-09T13:12:55.235Z"),
        reading(3, "2018-12-09T14:12:50.000Z"),
    ];
    want[0]["motion"] = json!(3);
    want[1]["opposite_badge_id"] = json!("badge_1");
    want[1]["badge_strength"] = json!(-60);
    want[1]["position"] = json!(0);
    want[2]["beacons"] = json!({});
    assert_eq!(setup.export(), want);
    let again = import_it(&setup, "Europe/Berlin");
    assert_eq!((again.code, again.counts()), (0, [0, 4, 0]));
}

#[test]
fn an_older_database_has_no_badge_strength() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let older = TABLE.replace(" badge_strength INTEGER,", "");
    // Untyped columns keep numbers as numbers; the old ones were also written by hand.
    let older = older
        .replace(" VARCHAR", "")
        .replace("DATETIME", "TEXT")
        .replace("motion INTEGER", "motion REAL");
    let columns = ", beacon_1_id, beacon_1_strength, motion";
    let sql = older + &row("2018-10-09 15:12:50", columns, ", 7, '-57', 3");
    if !make(&setup, &sql) {
        return;
    }
    let imported = import_it(&setup, "+02:00");
    assert_eq!((imported.code, imported.counts()), (0, [1, 0, 0]), "{}", imported.stderr);
    let reading = &setup.export()[0];
    assert_eq!(reading["heard_at"], "2018-10-09T13:12:50.000Z");
    assert_eq!(reading["beacons"], json!({"7": -57}));
    assert_eq!((&reading["motion"], &reading["badge_strength"]), (&json!(3), &json!(null)));
}

#[test]
fn every_kind_of_wrong_row_is_named_by_its_id() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let t = "2018-10-09 15:12:50";
    let insert = |values: &str| {
        format!("INSERT INTO rssi_readings(badge_id, pi_id, timestamp) VALUES ({values});\n")
    };
    let sql = TABLE.to_owned()
        + &insert(&format!("NULL, '32', '{t}'"))
        + &insert(&format!("'', ' ', '{t}'"))
        + &insert(&format!("x'00ff', 'a' || char(10), '{t}'"))
        + &insert("'badge_0', '32', NULL")
        + &insert("'badge_0', '32', 1539083570")
        + &insert("'badge_0', '32', '2018-10-09T15:12:50+02:00'")
        + &insert("'badge_0', '32', '1999-12-31 23:59:59'")
        + &row("2018-03-25 01:59:59", "", "")
        + &row("2018-03-25 02:30:00", "", "")
        + &row("2018-03-25 03:00:10", "", "")
        + &row("2018-10-28 01:59:59", "", "")
        + &row("2018-10-28 02:30:00.5", "", "")
        + &row("2018-10-28 03:00:10", "", "")
        + &row(t, ", beacon_1_strength, beacon_2_id, beacon_2_strength", ", -57, 'b', 5")
        + &row(
            t,
            ", beacon_1_id, beacon_1_strength, beacon_2_id, beacon_2_strength, badge_strength, motion",
            ", 'b', -57, 'b', -58, -200, 1.5",
        );
    if !make(&setup, &sql) {
        return;
    }
    let imported = import_it(&setup, "Europe/Berlin");
    insta::assert_snapshot!("import_stethoscope", imported.stderr);
    assert_eq!((imported.code, imported.counts()), (1, [4, 0, 11]), "{}", imported.stderr);
    let times: Vec<_> = setup.export().iter().map(|reading| reading["heard_at"].clone()).collect();
    assert_eq!(
        times,
        [
            "2018-03-25T00:59:59.000Z",
            "2018-03-25T01:00:10.000Z",
            "2018-10-27T23:59:59.000Z",
            "2018-10-28T02:00:10.000Z"
        ]
    );
    // With the offset that it was, a repeated hour is no riddle.
    let other = setup.clone().store_name("other.db");
    let imported = import_it(&other, "+01:00");
    assert_eq!(imported.counts(), [6, 0, 9], "{}", imported.stderr);
}

#[test]
fn many_rows_are_read_page_by_page_while_the_old_program_writes() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    // Ids with holes, and more than one page of them.
    let sql = format!(
        "PRAGMA journal_mode = wal; {TABLE}
         WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 4999)
         INSERT INTO rssi_readings(id, badge_id, pi_id, timestamp)
         SELECT n * 3 - 100, 'badge_' || (n % 50), 32, datetime(1539083570 + n / 50 * 5, 'unixepoch') FROM n;"
    );
    if !make(&setup, &sql) {
        return;
    }
    let imported = import_it(&setup, "UTC");
    assert_eq!((imported.code, imported.counts()), (0, [5_000, 0, 0]), "{}", imported.stderr);
    assert_eq!(setup.export().len(), 5_000);
}

#[test]
fn another_database_is_named_and_nothing_is_made() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let refused = |want: &str| {
        let imported = import_it(&setup, "UTC");
        assert!(imported.code == 2 && imported.stderr.contains(want), "{imported:#?}");
        assert!(!setup.store_path().exists());
    };
    refused("cannot read `rssi.db`: No such file");
    let database = dir.path().join("rssi.db");
    std::fs::write(&database, "id,badge_id\r\n and more, so that it is longer than a header of SQLite's, which has one hundred bytes").unwrap();
    refused("`rssi.db` is not a database of stethoscope: it is not an SQLite database");
    std::fs::write(&database, "").unwrap();
    refused("it has no table `rssi_readings`");
    if !make(&setup, &TABLE.replace("beacon_4_id", "beacon_four").replace("pi_id", "gateway")) {
        return;
    }
    refused("its table `rssi_readings` has no column `pi_id`, `beacon_4_id`");
    let wrong_zone = import_it(&setup, "Berlin");
    assert!(
        wrong_zone.stderr.contains("--timezone: expected a time zone such as"),
        "{wrong_zone:?}"
    );

    // A store of ours is exported instead.
    let other = setup.clone().store_name("other.db");
    other.start().term();
    let imported = import(&setup, &["other.db", "--format", "stethoscope", "--timezone", "UTC"]);
    assert!(imported.stderr.contains("it is a Houseful store"), "{imported:#?}");
    assert_eq!(imported.code, 2);
    assert!(Path::new(&database).exists());
}
