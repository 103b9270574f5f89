//! Behind nginx with the repository's own configuration.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::houseful::Setup;
use crate::support::http::{Client, READINGS, request};
use crate::support::nginx::{Nginx, PROGRAM};
use crate::support::posters::Posters;
use crate::support::{PATIENCE, by_pi, distinct, now_ms, require, temp_dir, wait_until};

const BATCH: &str = "/rssi_readings/batch";
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

#[test]
fn answers_pass_through_and_connections_are_kept() {
    if !require(PROGRAM, "nginx") {
        return;
    }
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let idle = houseful.descriptors();
    let nginx = Nginx::before(houseful.port());
    let originals = (0..400).map(distinct).collect();
    let posted = Posters::start(nginx.port(), 8, originals).finish();
    assert!(
        posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|answer| answer.status == 201))
    );
    let copies = (0..400).map(|n| by_pi(distinct(n), "33")).collect();
    let posted = Posters::start(nginx.port(), 8, copies).finish();
    assert!(
        posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|answer| answer.status == 409))
    );

    let kept = houseful.descriptors() - idle;
    assert!((1..=16).contains(&kept), "nginx holds {kept} connections to the collector");
    assert_eq!(nginx.error_log(), "");
    drop(nginx);
    wait_until(PATIENCE, "the connections are gone", || houseful.descriptors() <= idle);
}

/// A minute ago.
fn aged(n: usize) -> Value {
    let mut emission = distinct(n);
    emission["age_ms"] = json!(60_000);
    emission
}

/// When the head came in that an emission a minute old was stored with.
fn head_came_at_ms(setup: &Setup, n: usize) -> Option<i64> {
    let badge_id = json!(format!("badge_{n}"));
    let export = setup.export();
    let reading = export.iter().find(|reading| reading["badge_id"] == badge_id)?;
    let heard_at = reading["heard_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    Some(heard_at.as_millisecond() + 60_000)
}

#[test]
fn ages_count_from_the_head_however_slowly_the_body_comes() {
    if !require(PROGRAM, "nginx") {
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let nginx = Nginx::before(houseful.port());
    let body = format!("{}\n{}\n", aged(1), aged(2));
    let batch = request("POST", BATCH, &[NDJSON], body.as_bytes());
    // The first line, and a byte of the second.
    let (batch, batch_rest) = batch.split_at(batch.len() - aged(2).to_string().len());
    let single = request("POST", READINGS, &[], aged(3).to_string().as_bytes());
    let (single, single_rest) = single.split_at(single.len() - 20);

    let began = now_ms();
    let mut batch_client = Client::connect(nginx.port()).unwrap();
    batch_client.send(batch).unwrap();
    let mut single_client = Client::connect(nginx.port()).unwrap();
    single_client.send(single).unwrap();
    wait_until(PATIENCE, "the first line is stored", || head_came_at_ms(&setup, 1).is_some());
    // The uplink stands still.
    thread::sleep(Duration::from_secs(2));
    let resumed = now_ms();
    batch_client.send(batch_rest).unwrap();
    single_client.send(single_rest).unwrap();
    assert_eq!(batch_client.read_response().unwrap().json()["stored"], 2);
    assert_eq!(single_client.read_response().unwrap().status, 201);

    let came = [1, 2, 3].map(|n| head_came_at_ms(&setup, n).unwrap());
    assert_eq!(came[0], came[1], "lines came with their head");
    for (n, came) in (1..).zip(came) {
        assert!(began <= came && came < resumed, "{n}: {began} <= {came} < {resumed}");
    }
    assert_eq!(nginx.error_log(), "");
}

#[test]
fn what_is_too_large_is_told_so_by_the_collector() {
    if !require(PROGRAM, "nginx") {
        return;
    }
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let nginx = Nginx::before(houseful.port());
    for (path, body_len, limit) in
        [(BATCH, (64 << 20) + 1, 64 << 20), (READINGS, 1 << 20, 16 << 10)]
    {
        // All of it is sent before the answer is read.
        let mut client = Client::connect(nginx.port()).unwrap();
        let response = client.request("POST", path, &[], &vec![b'\n'; body_len]).unwrap();
        let error = format!("body: expected at most {limit} bytes");
        assert_eq!((response.status, response.json()), (413, json!({"errors": [error]})));
    }
    // In chunks nobody knows before.
    let mut client = Client::connect(nginx.port()).unwrap();
    let head =
        format!("POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(head.as_bytes()).unwrap();
    let chunk = [b"100000\r\n", &vec![b'\n'; 1 << 20][..], b"\r\n"].concat();
    for _ in 0..65 {
        client.send(&chunk).unwrap();
    }
    let response = client.read_response().unwrap();
    assert_eq!((response.status, &response.json()["stored"]), (413, &json!(0)));
}
