//! `/healthz`: each part's state, with its reason.

use std::time::Duration;

use serde_json::Value;

use super::clock;
use super::support::faultfs::{FaultFs, Which};
use super::support::houseful::{Houseful, Setup};
use super::support::http::post;
use super::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

fn healthz(houseful: &Houseful) -> (u16, Value) {
    let response = houseful.client().get("/healthz").unwrap();
    let health = response.json();
    assert_eq!(response.status == 503, health["status"] == "failed", "{health}");
    for (name, part) in health["parts"].as_object().unwrap() {
        assert_eq!(part["status"] == "ok", part["reason"].is_null(), "{name}: {part}");
    }
    (response.status, health)
}

/// Everything is well, but perhaps for the disk that the tests are run on.
fn check_well(houseful: &Houseful) {
    let (status, health) = healthz(houseful);
    assert_eq!(status, 200, "{health}");
    for part in ["store", "queue", "clock", "connections"] {
        assert_eq!(health["parts"][part]["status"], "ok", "{health}");
    }
    assert!(health["parts"]["disk"]["free_bytes"].as_u64().unwrap() > 0, "{health}");
}

#[test]
fn a_full_disk_is_told_and_forgotten_when_it_is_over() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    check_well(&houseful);
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    disk.set_full(true);
    let mut n = 0;
    wait_until(PATIENCE, "the disk is full", || {
        n += 1;
        client.post(&distinct(n)).unwrap().status == 503
    });
    let (status, health) = healthz(&houseful);
    assert_eq!((status, &health["status"]), (503, &"failed".into()), "{health}");
    let store = &health["parts"]["store"];
    assert_eq!((&store["status"], &store["state"]), (&"failed".into(), &"refusing".into()));
    assert!(store["reason"].as_str().unwrap().contains("space"), "{store}");
    disk.set_full(false);
    wait_until(PATIENCE, "it stores again", || client.post(&distinct(n)).unwrap().status == 201);
    check_well(&houseful);
}

#[test]
fn a_store_that_has_failed_is_told() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let mut houseful = Setup::new(dir.path()).on(&disk).start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    disk.fail_syncs(Which::Wal, 0, u64::MAX);
    assert_eq!(client.post(&distinct(1)).unwrap().status, 503);
    let (_, health) = healthz(&houseful);
    let store = &health["parts"]["store"];
    assert_eq!((&store["status"], &store["state"]), (&"failed".into(), &"failed".into()));
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(1));
}

#[test]
fn a_clock_that_cannot_be_right_is_told() {
    let Some(library) = clock::faketime() else { return };
    let dir = temp_dir();
    let file = dir.path().join("clock");
    let houseful = clock::with_moving_clock(Setup::new(dir.path()), &library, &file).start();
    assert_eq!(houseful.client().post(&heard_at(distinct(0), now_ms())).unwrap().status, 201);
    for (offset, reason) in
        [("-2h", "behind the newest stored reading"), ("-20y", "before this version")]
    {
        clock::set_clock(&file, offset);
        let (status, health) = healthz(&houseful);
        assert_eq!((status, &health["status"]), (200, &"degraded".into()), "{health}");
        let clock = &health["parts"]["clock"];
        assert_eq!(clock["status"], "degraded");
        assert!(clock["reason"].as_str().unwrap().contains(reason), "{clock}");
    }
    clock::set_clock(&file, "+0");
    check_well(&houseful);
}

#[test]
fn a_queue_that_fills_is_told_before_it_is_full() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    disk.slow_syncs(Duration::from_secs(60));
    // As many as are taken from a connection at once, and more than the queue has room for.
    let pipelines: Vec<_> = (0..160)
        .map(|pipeline| {
            let mut client = houseful.client();
            let emissions = (0..64).map(|n| distinct(64 * pipeline + n));
            client
                .send(&emissions.flat_map(|emission| post(&emission)).collect::<Vec<u8>>())
                .unwrap();
            client
        })
        .collect();
    wait_until(PATIENCE, "they wait", || {
        healthz(&houseful).1["parts"]["queue"]["len"].as_u64() >= Some(6_144)
    });
    let (status, health) = healthz(&houseful);
    assert_eq!((status, &health["status"]), (200, &"degraded".into()), "{health}");
    let queue = &health["parts"]["queue"];
    assert_eq!((&queue["status"], &queue["len_max"]), (&"degraded".into(), &8_192.into()));
    assert!(queue["reason"].as_str().unwrap().contains("past 8192 they are refused"), "{queue}");
    drop(pipelines);
    houseful.kill();
}
