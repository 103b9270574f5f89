//! SIGTERM and SIGINT: what was taken is finished, then it ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Map, json};

use crate::support::faultfs::FaultFs;
use crate::support::houseful::Setup;
use crate::support::http::{Client, post, request};
use crate::support::{PATIENCE, distinct, temp_dir, wait_until};

#[test]
fn what_was_taken_is_answered_and_stored() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = temp_dir();
        let disk = FaultFs::new(dir.path());
        let setup = Setup::new(dir.path()).on(&disk);
        let mut houseful = setup.start();
        disk.slow_syncs(Duration::from_millis(300));
        let mut client = houseful.client();
        let begun = disk.wal_syncs_begun();
        client.send(&post(&distinct(1))).unwrap();
        wait_until(PATIENCE, "the sync begins", || disk.wal_syncs_begun() > begun);
        houseful.signal(signal);
        assert_eq!(client.read_answer().unwrap().status, 201);
        let status = houseful.wait_exit(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", houseful.stderr());
        assert!(Client::connect(houseful.port()).is_err(), "it still accepts");
        assert_eq!(setup.export().len(), 1);
    }
}

#[test]
fn a_request_that_has_begun_is_taken() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let mut houseful = setup.start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(1)).unwrap().status, 201);
    let request = post(&distinct(2));
    let (begin, rest) = request.split_at(request.len() / 2);
    client.send(begin).unwrap();
    houseful.signal(Signal::TERM);
    wait_until(PATIENCE, "it accepts nobody", || Client::connect(houseful.port()).is_err());
    client.send(rest).unwrap();
    assert_eq!(client.read_answer().unwrap().status, 201);
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(0), "{}", houseful.stderr());
    assert_eq!(setup.export().len(), 2);
}

#[test]
fn afterwards_the_store_is_one_file() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    assert_eq!(houseful.client().post(&distinct(1)).unwrap().status, 201);
    assert!(houseful.term().success());
    let names: Vec<_> =
        dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["houseful.db"]);
}

#[test]
fn an_idle_connection_does_not_hold_it() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut idle = houseful.client();
    assert_eq!(idle.post(&distinct(1)).unwrap().status, 201);
    let start = Instant::now();
    assert!(houseful.term().success());
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    assert_eq!(idle.read_to_close().unwrap(), b"");
}

#[test]
fn who_only_looks_and_reads_nothing_does_not_hold_it() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let emissions = (0..2_000).map(|n| {
        let beacons: Map<_, _> = (0..50).map(|b| (format!("{b:060}"), json!(-57))).collect();
        json!({"badge_id": format!("badge {n}"), "pi_id": "1", "beacons": beacons}).to_string()
    });
    let batch = emissions.collect::<Vec<_>>().join("\n");
    let lines = [("Content-Type", "application/x-ndjson")];
    let stored =
        houseful.client().request("POST", "/rssi_readings/batch", &lines, batch.as_bytes());
    assert_eq!(stored.unwrap().json()["stored"], 2_000);
    let look = |target: &str| {
        let mut client = houseful.client();
        client.set_receive_buffer(4096).unwrap();
        client.send(&request("GET", target, &[("Last-Event-ID", "1")], b"")).unwrap();
        assert_eq!(client.read_head().unwrap().status, 200, "{target}");
        client
    };
    let mut list = look("/rssi_readings?limit=10000");
    let _feed = look("http://localhost/feed");
    let start = Instant::now();
    assert!(houseful.term().success());
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    assert!(list.read_to_close().map_or(true, |rest| !rest.ends_with(b"0\r\n\r\n")), "it is cut");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let mut houseful = Setup::new(dir.path()).on(&disk).start();
    disk.slow_syncs(Duration::from_secs(60));
    let mut client = houseful.client();
    let begun = disk.wal_syncs_begun();
    client.send(&post(&distinct(1))).unwrap();
    wait_until(PATIENCE, "the sync begins", || disk.wal_syncs_begun() > begun);
    houseful.signal(Signal::TERM);
    client.set_patience(Duration::from_millis(300)).unwrap();
    client.read_answer().expect_err("the sync is not over");
    houseful.signal(Signal::TERM);
    assert!(!houseful.wait_exit(Duration::from_secs(5)).success());
}
