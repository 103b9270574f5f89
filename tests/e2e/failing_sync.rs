//! Failing sync: nobody knows what is on disk, so nobody is told anything more.

use std::time::Duration;

use crate::support::faultfs::{FaultFs, Loss, Which};
use crate::support::houseful::Setup;
use crate::support::http::{post, post_once};
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

/// The sync of one transaction fails; then the process is started again, with or
/// without a power cut in between.
fn a_sync_fails(power_cut: bool) {
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let mut houseful = setup.start();
    let emissions: Vec<_> = (0..10).map(|n| heard_at(distinct(n), now_ms())).collect();

    // The first commit in a new log syncs its header too; the ones after it sync once.
    assert_eq!(post_once(houseful.port(), &emissions[9]).unwrap().status, 201);

    // While the first one's sync takes its time, the others gather for the next transaction.
    let mut first = houseful.client();
    let mut others: Vec<_> = emissions[1..8].iter().map(|_| houseful.client()).collect();
    let begun = disk.wal_syncs_begun();
    disk.slow_syncs(Duration::from_millis(400));
    first.send(&post(&emissions[0])).unwrap();
    wait_until(PATIENCE, "the first sync begins", || disk.wal_syncs_begun() > begun);
    // Only one fails: a later one would succeed again, as on Linux, and must not be believed.
    disk.fail_syncs(Which::Wal, 1, 1);
    for (client, emission) in others.iter_mut().zip(&emissions[1..]) {
        client.send(&post(emission)).unwrap();
    }
    assert_eq!(first.read_answer().unwrap().status, 201);
    disk.slow_syncs(Duration::ZERO);
    for client in &mut others {
        let response = client.read_response().unwrap();
        assert_eq!(response.status, 503, "{}", response.text());
        assert!(response.header("retry-after").is_some(), "{:?}", response.headers);
        assert!(response.json()["errors"][0].is_string(), "{}", response.text());
    }
    assert_eq!(disk.syncs_failed(), 1);

    // What comes later is refused, by an answer as long as it lives.
    let ready = houseful.client().get("/readyz").unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.json()["errors"][0].is_string(), "{}", ready.text());
    // Even a copy whose original is remembered: on which disk, nobody knows.
    assert_eq!(post_once(houseful.port(), &emissions[9]).unwrap().status, 503);
    let mut refused = 0;
    wait_until(PATIENCE, "it ends", || {
        match post_once(houseful.port(), &emissions[8]) {
            Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            Err(_) => refused += 1,
        }
        refused > 2
    });
    let status = houseful.wait_exit(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1), "{}", houseful.stderr());

    if power_cut {
        let cut = disk.power_cut(Loss::All);
        assert!(cut.lost > 0, "{cut:?}");
    }
    let houseful = setup.start();
    assert_eq!(houseful.client().get("/readyz").unwrap().status, 200);
    assert_eq!(post_once(houseful.port(), &emissions[0]).unwrap().status, 409);
    for emission in &emissions[1..9] {
        let status = post_once(houseful.port(), emission).unwrap().status;
        // Without a power cut the commit may have been found in the log.
        assert!(status == 201 || (status == 409 && !power_cut), "{status} to {emission}");
    }
    for emission in &emissions {
        assert_eq!(post_once(houseful.port(), emission).unwrap().status, 409);
    }
    assert_eq!(setup.export().len(), emissions.len());
}

#[test]
fn everyone_in_it_is_told_503_and_can_send_again() {
    a_sync_fails(false);
}

#[test]
fn what_it_should_have_covered_is_gone_after_a_power_cut() {
    a_sync_fails(true);
}
