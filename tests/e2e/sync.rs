//! The sync is real: an answer stands on what the kernel was made to write.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::support::faultfs::FaultFs;
use crate::support::houseful::Setup;
use crate::support::http::post;
use crate::support::posters::Posters;
use crate::support::{PATIENCE, by_pi, distinct, temp_dir, wait_until};

#[test]
fn each_201_follows_a_sync_of_its_own() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let mut client = houseful.client();
    for n in 0..50 {
        let before = disk.wal_syncs();
        let answer = client.post(&distinct(n)).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(disk.wal_syncs() > before, "201 number {n} came without a sync");
    }
}

#[test]
fn no_answer_overtakes_a_slow_sync() {
    const DELAY: Duration = Duration::from_millis(300);
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let (mut original, mut copy) = (houseful.client(), houseful.client());
    // Both connections are served before time counts.
    assert_eq!(original.post(&distinct(100)).unwrap().status, 201);
    assert_eq!(copy.post(&distinct(101)).unwrap().status, 201);
    disk.slow_syncs(DELAY);
    let (begun, done) = (disk.wal_syncs_begun(), disk.wal_syncs());

    let start = Instant::now();
    original.send(&post(&distinct(1))).unwrap();
    wait_until(PATIENCE, "the original's sync begins", || disk.wal_syncs_begun() > begun);
    copy.send(&post(&by_pi(distinct(1), "33"))).unwrap();
    copy.set_patience(DELAY / 2).unwrap();
    let early = copy.read_answer();
    // Looked at after the answer: if the sync has still not ended, nothing may have been said.
    if disk.wal_syncs() == done {
        assert_eq!(early.as_ref().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    copy.set_patience(PATIENCE).unwrap();

    assert_eq!(original.read_answer().unwrap().status, 201);
    assert!(start.elapsed() >= DELAY, "201 after {:?}", start.elapsed());
    assert!(disk.wal_syncs() > done, "201 before the sync ended");
    let answer = early.or_else(|_| copy.read_answer()).unwrap();
    assert_eq!(
        (answer.status, answer.json.to_string().as_str()),
        (409, r#"{"errors":["duplicate"]}"#)
    );
}

#[test]
fn concurrent_posters_share_their_syncs() {
    const READINGS: usize = 640;
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    disk.slow_syncs(Duration::from_millis(10));
    let before = disk.syncs();
    let posted =
        Posters::start(houseful.port(), 64, (0..READINGS).map(distinct).collect()).finish();
    assert!(
        posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|answer| answer.status == 201))
    );
    let syncs = usize::try_from(disk.syncs() - before).unwrap();
    assert!(syncs * 8 <= READINGS, "{syncs} syncs for {READINGS} readings");
}
