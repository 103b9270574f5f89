//! A batch that lasts: its lines are as old as they are, not as its head.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{NDJSON, chunk, chunked_head, counts, ndjson};
use crate::clock::{faketime, set_clock, with_moving_clock};
use crate::support::houseful::Setup;
use crate::support::prometheus::Scrape;
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

#[test]
fn one_badge_heard_again_later_in_the_batch_is_heard_twice() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    let untimed = chunk(ndjson(&[distinct(1)]).as_bytes());
    client.send(&untimed.repeat(2)).unwrap();
    // Longer than copies of one emission may be apart.
    thread::sleep(Duration::from_secs(5));
    client.send(&untimed.repeat(2)).unwrap();
    client.send(b"0\r\n\r\n").unwrap();
    let response = client.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (200, [2, 2, 0]), "{}", response.text());
}

#[test]
fn a_line_is_ahead_of_the_clock_by_its_own_arrival_and_old_by_that_of_the_head() {
    let Some(library) = faketime() else { return };
    let dir = temp_dir();
    let clock = dir.path().join("clock");
    let setup = with_moving_clock(Setup::new(dir.path()), &library, &clock);
    let houseful = setup.start();
    let mut client = houseful.client();
    let head_ms = now_ms();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&[distinct(1)]).as_bytes())).unwrap();
    let stored = "houseful_readings_stored_total";
    wait_until(PATIENCE, "the first is stored", || Scrape::of(&houseful).get(stored) > 0.0);
    // Two minutes pass.
    set_clock(&clock, "+120");
    let mut aged = distinct(3);
    aged["age_ms"] = json!(1_000);
    let live = [heard_at(distinct(2), head_ms + 120_000), aged];
    client.send(&chunk(ndjson(&live).as_bytes())).unwrap();
    client.send(b"0\r\n\r\n").unwrap();
    let response = client.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (200, [3, 0, 0]), "{}", response.text());
    let of_badge = |emission: &Value| {
        let export = setup.export();
        let of_it = |reading: &&Value| reading["badge_id"] == emission["badge_id"];
        export.iter().find(of_it).unwrap()["heard_at"].as_str().unwrap().to_owned()
    };
    assert!(of_badge(&live[1]) < of_badge(&distinct(1)), "its age counts back from the head");
}
