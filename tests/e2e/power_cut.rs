//! Power cut: what was answered with 201 is there, whatever the disk had not
//! yet been made to write.

use serde_json::Value;

use crate::support::faultfs::{FaultFs, Loss, Moment, Which};
use crate::support::houseful::Setup;
use crate::support::posters::{Ledger, Posters};
use crate::support::rng::Rng;
use crate::support::{PATIENCE, by_pi, distinct, heard_at, now_ms, temp_dir, wait_until};

const ROUNDS: u64 = 16;

/// Many rounds on one store, so that each start finds what the last cut left.
fn cut_again_and_again(seed: u64, loss: impl Fn(u64) -> Loss) {
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let heard = now_ms();
    let mut rng = Rng::new(seed);
    let mut ledger = Ledger::default();
    let mut unanswered: Vec<Value> = Vec::new();
    let mut next = 0;
    for round in 0..ROUNDS {
        for _ in 0..400 {
            let emission = heard_at(distinct(next), heard);
            unanswered.extend([by_pi(emission.clone(), "33"), emission]);
            next += 1;
        }
        let enough = 100 + usize::try_from(rng.below(300)).unwrap();
        let mut houseful = setup.start();
        let posters = Posters::start(houseful.port(), 8, unanswered);
        wait_until(PATIENCE, "enough is answered", || posters.answered() >= enough);
        // Half the time between two answers, half the time at a moment that hurts.
        let moments =
            [Moment::BeforeWrite, Moment::AfterWrite, Moment::BeforeSync, Moment::AfterSync];
        match moments.get(usize::try_from(rng.below(8)).unwrap()) {
            Some(&moment) => {
                disk.kill_at(moment, Which::Any, rng.below(6));
                houseful.wait_exit(PATIENCE);
                disk.disarm();
            }
            None => houseful.kill(),
        }
        unanswered = ledger.book(posters.finish());
        let cut = disk.power_cut(loss(round));

        // Reading must not repair, so a plain export sees what the next start will.
        let houseful = setup.start();
        ledger.check(&setup.export(), &format!("seed {seed}, round {round}, {cut:?}"));
        houseful.kill();
    }
    let houseful = setup.start();
    let rest = ledger.book(Posters::start(houseful.port(), 8, unanswered).finish());
    assert_eq!(rest, [] as [Value; 0]);
    ledger.check_all(&setup.export(), "at the end");
}

#[test]
fn when_nothing_unsynced_survives() {
    cut_again_and_again(1, |_| Loss::All);
}

#[test]
fn when_chance_decides_what_survives() {
    cut_again_and_again(2, |round| Loss::Some(1000 + round));
}

/// The start itself writes and syncs: it may be interrupted as often as one likes.
#[test]
fn while_the_next_start_makes_durable_what_it_found() {
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let emissions = (0..200).map(|n| heard_at(distinct(n), now_ms())).collect();
    let mut ledger = Ledger::default();
    ledger.book(Posters::start(houseful.port(), 8, emissions).finish());
    assert_eq!(ledger.created(), 200);
    houseful.kill();
    let mut interrupted = 0;
    for round in 0..24 {
        let moment = [Moment::AfterWrite, Moment::BeforeSync, Moment::AfterSync][round % 3];
        disk.kill_at(moment, Which::Any, round as u64 / 3);
        match setup.start_or_end() {
            Ok(houseful) => houseful.kill(),
            Err(_) => interrupted += 1,
        }
        disk.disarm();
        disk.power_cut(Loss::Some(round as u64));
        let calm = setup.start();
        ledger.check_all(&setup.export(), &format!("round {round}, {moment:?}"));
        // Something for the next start to find.
        let more = (0..10).map(|n| heard_at(distinct(1000 + round * 10 + n), now_ms())).collect();
        ledger.book(Posters::start(calm.port(), 2, more).finish());
        calm.kill();
    }
    assert!(interrupted >= 3, "only {interrupted} starts were interrupted");
}
