//! `/activity`: the last minutes, second by second, and adding up.

use serde_json::{Value, json};

use super::clock;
use super::support::faultfs::FaultFs;
use super::support::houseful::{Houseful, Setup};
use super::support::{PATIENCE, by_pi, distinct, temp_dir, wait_until};

const LISTS: [&str; 4] = ["emissions", "stored", "duplicates", "refused"];

fn activity(houseful: &Houseful) -> Value {
    let response = houseful.client().get("/activity").unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// The sum of a list of 300 seconds.
fn sum(activity: &Value, list: &str) -> u64 {
    let seconds = activity[list].as_array().unwrap_or_else(|| panic!("{list}: {activity}"));
    assert_eq!(seconds.len(), 300, "{list}");
    seconds.iter().map(|count| count.as_u64().unwrap()).sum()
}

fn unix_ms(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

#[test]
fn every_emission_is_in_one_second_and_in_the_totals() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut client = houseful.client();
    for n in 0..5 {
        assert_eq!(client.post(&distinct(n)).unwrap().status, 201);
        assert_eq!(client.post(&by_pi(distinct(n), "33")).unwrap().status, 409);
        assert_eq!(client.post(&by_pi(distinct(n), "34")).unwrap().status, 409);
    }
    for _ in 0..3 {
        assert_eq!(client.post(&json!({"pi_id": "32"})).unwrap().status, 400);
    }
    let want = [("emissions", 18), ("stored", 5), ("duplicates", 10), ("refused", 3)];
    let at_once = activity(&houseful);
    for (name, count) in want {
        assert_eq!(at_once["total"][name], count, "{name}");
    }
    let mut seen = Value::Null;
    wait_until(PATIENCE, "the second is over", || {
        seen = activity(&houseful);
        sum(&seen, "emissions") == 18
    });
    for (name, count) in want {
        assert_eq!(sum(&seen, name), count, "{name}");
        assert_eq!(seen["minute"][name], count, "{name}");
        assert_eq!(seen["total"][name], count, "{name}");
    }
    assert_eq!(seen["refused_by_reason"]["invalid"], 3);
    assert_eq!(seen["refused_by_reason"].as_object().unwrap().len(), 13);
    let store = &seen["store"];
    assert_eq!((&store["state"], &store["reason"]), (&json!("ready"), &Value::Null));
    assert_eq!((&store["readings_newest_id"], &store["cache_entries"]), (&json!(5), &json!(5)));
    assert_eq!((&store["queue_len"], &store["queue_len_max"]), (&json!(0), &json!(8_192)));
    assert!(store["wal_bytes"].as_u64() > Some(0) && store["cache_bytes"].as_u64() > Some(0));
    let file = std::fs::metadata(dir.path().join("houseful.db")).unwrap();
    assert_eq!(store["file_bytes"], file.len());
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));

    // Answer times where something was answered, and nowhere else; an answer may
    // fall into the second after that of its emission.
    let emissions: Vec<u64> =
        seen["emissions"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    for list in ["answer_p50_ms", "answer_p99_ms"] {
        let times = seen[list].as_array().unwrap();
        assert_eq!(times.len(), 300);
        assert!(times.iter().any(|time| !time.is_null()), "{list}");
        for (n, time) in times.iter().enumerate().filter(|(_, time)| !time.is_null()) {
            let ms = time.as_f64().unwrap();
            assert!(ms > 0.0 && ms < 30_000.0, "{list}: {ms}");
            assert!(emissions[n.saturating_sub(1)..=n].iter().any(|count| *count > 0), "{list}");
        }
    }
    let minute = &seen["minute"];
    assert!(minute["answer_p50_ms"].as_f64() <= minute["answer_p99_ms"].as_f64(), "{minute}");
}

#[test]
fn the_newest_second_is_the_last_whole_one() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut last = 0;
    let mut looks = 0;
    wait_until(PATIENCE, "three seconds are over", || {
        let seen = activity(&houseful);
        let end = unix_ms(&seen["from"]) + 300_000;
        let behind = unix_ms(&seen["now"]) - end;
        // A look may come late on a machine under load, never early.
        assert!((-2..20_000).contains(&behind), "{behind} ms: {seen}");
        let whole = end - unix_ms(&seen["started_at"]);
        assert_eq!(whole % 1_000, 0, "whole seconds since the start: {seen}");
        assert!(whole >= last, "{whole} after {last}");
        looks += u32::from(whole > last);
        last = whole;
        looks >= 3
    });
}

#[test]
fn the_state_of_a_store_that_refuses_is_told_with_its_reason() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let mut client = houseful.client();
    disk.set_full(true);
    let mut n = 0;
    wait_until(PATIENCE, "the disk is full", || {
        n += 1;
        client.post(&distinct(n)).unwrap().status == 503
    });
    let seen = activity(&houseful);
    assert_eq!(seen["store"]["state"], "refusing");
    assert!(seen["store"]["reason"].as_str().unwrap().contains("space"), "{}", seen["store"]);
    assert_eq!(seen["refused_by_reason"]["unavailable"], 1);
    assert_eq!(seen["total"]["refused"], 1);
}

#[test]
fn a_step_of_the_clock_tears_nothing_apart() {
    let Some(library) = clock::faketime() else { return };
    let dir = temp_dir();
    let file = dir.path().join("clock");
    let houseful = clock::with_moving_clock(Setup::new(dir.path()), &library, &file).start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    clock::set_clock(&file, "-3600");
    wait_until(PATIENCE, "the second is over", || sum(&activity(&houseful), "stored") == 1);
    let seen = activity(&houseful);
    for time in ["from", "started_at"] {
        let ago = unix_ms(&seen["now"]) - unix_ms(&seen[time]);
        assert!((0..600_000).contains(&ago), "{time}: {ago} ms ago");
    }
    for list in LISTS {
        assert!(sum(&seen, list) <= 1);
    }
}
