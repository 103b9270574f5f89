//! The race: of many copies at once exactly one is stored.

use crate::support::houseful::Setup;
use crate::support::posters::{Ledger, Posters};
use crate::support::{by_pi, distinct, heard_at, now_ms, temp_dir};

#[test]
fn many_copies_at_once_make_one_201() {
    const IDENTITIES: usize = 200;
    const COPIES: usize = 24;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let base = now_ms() - 60_000;
    let mut ledger = Ledger::default();
    // Neighbours in the queue are copies, so that they meet in the server; their
    // times differ by less than half the window.
    let copies = (0..IDENTITIES * COPIES).map(|i| {
        let (n, copy) = (i / COPIES, i % COPIES);
        let late = i64::try_from(copy).unwrap() * 90;
        by_pi(heard_at(distinct(n), base - late), &format!("pi {copy}"))
    });
    let rest = ledger.book(Posters::start(houseful.port(), 32, copies.collect()).finish());
    assert_eq!(rest, [] as [serde_json::Value; 0]);
    assert_eq!(ledger.created(), IDENTITIES);
    ledger.check_all(&setup.export(), "after the race");
}
