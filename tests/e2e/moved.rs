//! A store that was moved away: nothing is acknowledged that would not be
//! found again.

use super::support::houseful::Setup;
use super::support::{PATIENCE, distinct, temp_dir};

#[test]
fn a_store_moved_under_its_collector_takes_nothing_more() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let mut houseful = setup.start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(1)).unwrap().status, 201);
    std::fs::rename(setup.store_path(), dir.path().join("moved.db")).unwrap();
    let answer = client.post(&distinct(2)).unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.json.to_string().contains("moved or removed"), "{}", answer.json);
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(1));

    // Under the old name a new store would take the other's WAL for its own.
    let failure = setup.start_expecting_failure();
    assert_eq!(failure.status.code(), Some(2));
    assert!(failure.stderr.contains("houseful.db-wal"), "{}", failure.stderr);

    assert!(!setup.store_path().exists(), "a refusal leaves nothing");
    std::fs::rename(dir.path().join("moved.db"), setup.store_path()).unwrap();
    let houseful = setup.start();
    // What was acknowledged is in it, and what was not is taken now.
    assert_eq!(setup.export()[0]["badge_id"], distinct(1)["badge_id"]);
    assert_eq!(houseful.client().post(&distinct(2)).unwrap().status, 201);
}
