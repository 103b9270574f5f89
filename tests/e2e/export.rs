//! `houseful export`: all of what is wanted, whole or not at all.

use serde_json::json;

use super::support::houseful::Setup;
use super::support::{emission, heard_at, temp_dir};

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
    for args in [["--from", "yesterday"], ["--badge", ""]] {
        let (done, _, stderr) = export(&setup, &[&args[..], &["--output", name]].concat());
        assert!(!done && stderr.contains(args[0]), "{stderr}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "older");
    }
    let (done, stdout, _) = export(&setup, &["--output", name]);
    assert!(done && stdout.is_empty());
    assert_eq!(ids(&std::fs::read_to_string(&file).unwrap()), [1]);
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("houseful.db") && name != "out.ndjson")
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_missing_store_is_an_error_that_names_it_and_makes_nothing() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let (done, _, stderr) = export(&setup, &[]);
    assert!(!done && stderr.contains(setup.store_path().to_str().unwrap()), "{stderr}");
    assert!(!setup.store_path().exists());
}
