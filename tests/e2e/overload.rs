//! Overload: what the queue has no room for is refused at once, and what it took is kept.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;

use crate::support::faultfs::FaultFs;
use crate::support::houseful::Setup;
use crate::support::http::{Client, post};
use crate::support::posters::{Ledger, Posters};
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

/// As many requests as are taken from a connection at once.
const PIPELINED: usize = 64;
/// A quarter more than the queue's bound.
const EMISSIONS: usize = 160 * PIPELINED;
/// Time to fill the queue on a machine under load.
const SYNC: Duration = Duration::from_secs(10);

#[test]
fn a_full_queue_refuses_at_once_and_keeps_what_it_took() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let heard = now_ms();
    let mut next = (0..).map(|n| heard_at(distinct(n), heard));
    let mut ledger = Ledger::default();

    // One sync takes its time, and behind it the queue fills.
    let (first, mut original) = (next.next().unwrap(), houseful.client());
    let begun = disk.wal_syncs_begun();
    disk.slow_syncs(SYNC);
    original.send(&post(&first)).unwrap();
    wait_until(PATIENCE, "its sync begins", || disk.wal_syncs_begun() > begun);
    let synced = disk.wal_syncs();
    disk.slow_syncs(Duration::ZERO);
    let emissions: Vec<Value> = next.by_ref().take(EMISSIONS).collect();
    let pipeline = |emissions: &[Value]| {
        let mut client = houseful.client();
        client.send(&emissions.iter().flat_map(post).collect::<Vec<u8>>()).unwrap();
        client
    };
    let mut pipelines: Vec<Client> = emissions.chunks(PIPELINED).map(pipeline).collect();

    // While it goes on, who comes last need not wait to be told.
    let mut hung_up = Vec::new();
    wait_until(SYNC, "one is refused", || {
        let (emission, mut client) = (next.next().unwrap(), houseful.client());
        client.set_patience(Duration::from_millis(200)).unwrap();
        client.send(&post(&emission)).unwrap();
        match client.read_response() {
            Ok(response) => {
                assert_eq!(response.status, 503, "{}", response.text());
                assert!(response.header("retry-after").is_some(), "{:?}", response.headers);
                true
            }
            Err(error) => {
                // There was still room for this one.
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                hung_up.push(emission);
                false
            }
        }
    });
    assert_eq!(disk.wal_syncs(), synced, "it was refused after the sync");

    let mut refused = Vec::new();
    ledger.book(vec![(first, Some(original.read_answer().unwrap()))]);
    for (client, emissions) in pipelines.iter_mut().zip(emissions.chunks(PIPELINED)) {
        for emission in emissions {
            let answer = client.read_answer().unwrap();
            match answer.status {
                503 => refused.push(emission.clone()),
                _ => drop(ledger.book(vec![(emission.clone(), Some(answer))])),
            }
        }
    }
    // Refused means that nothing was stored: none of these may be a copy.
    assert!(!refused.is_empty());
    let created = ledger.created() + refused.len();
    let mut resend = |emissions| {
        let rest = ledger.book(Posters::start(houseful.port(), 16, emissions).finish());
        assert_eq!(rest, [] as [Value; 0]);
        ledger.created()
    };
    assert_eq!(resend(refused), created);
    resend(hung_up);
    ledger.check_all(&setup.export(), "after the overload");
}
