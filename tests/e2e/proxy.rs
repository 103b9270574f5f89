//! Behind nginx with the repository's own configuration.

use crate::support::houseful::Setup;
use crate::support::nginx::{Nginx, PROGRAM};
use crate::support::posters::Posters;
use crate::support::{PATIENCE, by_pi, distinct, require, temp_dir, wait_until};

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
