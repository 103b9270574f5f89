//! Order and time: a copy is what lies less than the dedup window from a stored reading.

use crate::support::houseful::Setup;
use crate::support::{by_pi, distinct, emission, heard_at, now_ms, temp_dir};

#[test]
fn both_edges_of_the_window_by_heard_at() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let base = now_ms() - 3_600_000;
    let offsets = [(4000, 201), (0, 409), (8499, 409), (8500, 201), (-499, 409), (-500, 201)];
    let mut client = houseful.client();
    for (offset, expected) in offsets {
        let answer = client.post(&heard_at(distinct(1), base + offset)).unwrap();
        assert_eq!(answer.status, expected, "base{offset:+}: {answer:?}");
    }
    let others = [
        by_pi(heard_at(distinct(1), base), "another Pi"),
        heard_at(distinct(2), base),
        heard_at(emission("badge_1", &[("beacon_1", -58), ("beacon_2", -90)]), base),
    ];
    for (emission, expected) in others.iter().zip([409, 201, 201]) {
        assert_eq!(client.post(emission).unwrap().status, expected, "{emission}");
    }
    assert!(houseful.term().success());

    let houseful = setup.start();
    let mut client = houseful.client();
    for (offset, _) in offsets {
        let answer = client.post(&heard_at(distinct(1), base + offset)).unwrap();
        assert_eq!(answer.status, 409, "after a restart, base{offset:+}: {answer:?}");
    }
    assert_eq!(setup.export().len(), 5);
}

#[test]
fn an_age_counts_back_from_the_arrival() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(1)).unwrap().status, 201);
    for (age_ms, expected) in [(3000, 409), (6000, 201)] {
        let mut emission = distinct(1);
        emission["age_ms"] = age_ms.into();
        let answer = client.post(&emission).unwrap();
        assert_eq!(answer.status, expected, "{age_ms} ms old: {answer:?}");
    }
}

#[test]
fn a_line_of_the_export_can_be_posted_back() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let created = houseful.client().post(&distinct(1)).unwrap();
    let export = setup.export();
    assert_eq!(export, [created.json]);
    assert_eq!(houseful.client().post(&export[0]).unwrap().status, 409);

    let elsewhere = temp_dir();
    let houseful = Setup::new(elsewhere.path()).start();
    assert_eq!(houseful.client().post(&export[0]).unwrap().json, export[0]);
}
