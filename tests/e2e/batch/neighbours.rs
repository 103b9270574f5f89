//! A batch beside single POSTs: it waits for room, they are never refused for it.

use std::thread;

use super::{NDJSON, counts, ndjson, post, timed};
use crate::support::houseful::Setup;
use crate::support::posters::Posters;
use crate::support::{distinct, now_ms, temp_dir};

#[test]
fn single_posts_are_never_refused_for_a_batch() {
    const BATCHES: usize = 12;
    const LINES: usize = 12_000;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    // All of them new, so that the writer is the one that is waited for; and so many
    // at once that they would fill the queue if nothing held them back.
    let batches: Vec<_> = (0..BATCHES)
        .map(|batch| {
            let text = ndjson(&timed(batch * LINES..(batch + 1) * LINES, at));
            let client = houseful.client();
            client.set_patience(std::time::Duration::from_secs(300)).unwrap();
            thread::spawn(move || counts(&post(client, &[NDJSON], &text)))
        })
        .collect();
    let mut singles = 0;
    let mut round = 0;
    while !batches.iter().all(thread::JoinHandle::is_finished) {
        let first = 1_000_000 + round * 400;
        let posters =
            Posters::start(houseful.port(), 16, (first..first + 400).map(distinct).collect());
        for (emission, answer) in posters.finish() {
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 201, "{answer:?} to {emission}");
            singles += 1;
        }
        round += 1;
    }
    for batch in batches {
        assert_eq!(batch.join().unwrap(), [LINES as u64, 0, 0]);
    }
    assert!(singles >= 800, "only {singles} single POSTs beside it");
    let stats = houseful.client().get("/activity").unwrap().json();
    assert_eq!(stats["refused_by_reason"]["queue_full"].as_u64().unwrap_or(0), 0);
    assert_eq!(setup.export().len(), BATCHES * LINES + singles);
}
