//! A start makes durable what it finds, before it says 409 about it.

use crate::support::faultfs::{FaultFs, Loss, Moment, Which};
use crate::support::houseful::Setup;
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir};

#[test]
fn a_409_after_a_crash_survives_a_power_cut() {
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let mut houseful = setup.start();
    let [first, second] = [1, 2].map(|n| heard_at(distinct(n), now_ms()));
    assert_eq!(houseful.client().post(&first).unwrap().status, 201);
    disk.kill_at(Moment::BeforeSync, Which::Wal, 0);
    houseful.client().post(&second).expect_err("it dies instead of answering");
    houseful.wait_exit(PATIENCE);
    disk.disarm();

    // The commit is whole in the file but was never synced, and nobody was told of it.
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&second).unwrap().status, 409);
    houseful.kill();
    let cut = disk.power_cut(Loss::All);

    let houseful = setup.start();
    let badges: Vec<_> = setup.export().iter().map(|reading| reading["badge_id"].clone()).collect();
    assert_eq!(badges, ["badge_1", "badge_2"], "after {cut:?}");
    assert_eq!(houseful.client().post(&second).unwrap().status, 409);
}
