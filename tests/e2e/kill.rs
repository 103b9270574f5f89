//! Kill: whenever the process dies, what it acknowledged is there, and what it
//! did not can be sent again without harm.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::faultfs::{FaultFs, Moment, Which};
use crate::support::houseful::Setup;
use crate::support::posters::{Ledger, Posters};
use crate::support::rng::Rng;
use crate::support::{PATIENCE, by_pi, distinct, heard_at, now_ms, program, temp_dir, wait_until};

#[test]
fn killed_at_random_under_load() {
    const ROUNDS: usize = 10;
    const IDENTITIES: usize = 600;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let heard = now_ms();
    let mut rng = Rng::new(4);
    let mut ledger = Ledger::default();
    let mut unanswered = Vec::new();
    for round in 0..ROUNDS {
        // First what the last round left open, then new ones, each heard by two Pis.
        for n in 0..IDENTITIES {
            let emission = heard_at(distinct(round * IDENTITIES + n), heard);
            unanswered.extend([by_pi(emission.clone(), "33"), emission]);
        }
        let enough = usize::try_from(rng.below(2 * IDENTITIES as u64 - 100)).unwrap();
        let houseful = setup.start();
        let posters = Posters::start(houseful.port(), 8, unanswered);
        wait_until(PATIENCE, "enough is answered", || {
            posters.answered() >= enough || posters.are_done()
        });
        houseful.kill();
        unanswered = ledger.book(posters.finish());
    }
    let houseful = setup.start();
    let rest = ledger.book(Posters::start(houseful.port(), 8, unanswered).finish());
    assert_eq!(rest, [] as [Value; 0]);
    ledger.check_all(&setup.export(), "at the end");
    assert!(houseful.term().success());
}

#[test]
fn killed_under_an_attack_it_is_judged_by_verify() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let load = |words: &str| {
        let mut command = program();
        command.arg("load").args(words.split(' ')).current_dir(dir.path());
        command
    };
    // One new in two, at 800/s.
    let url = format!("{}/rssi_readings", houseful.url());
    let plan = format!("generate --badges=400 --pis=2 --seconds=2 --url={url}");
    assert!(load(&plan).output().unwrap().status.success());
    let attack =
        "attack --targets=targets.txt --rate=800 --duration=2s --max-body=1KB --output=r.gob";
    let attack = load(attack).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(PATIENCE, "some are stored", || {
        houseful.client().get("/activity").unwrap().json()["total"]["stored"].as_u64() >= Some(150)
    });
    houseful.kill();
    let output = attack.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");

    let houseful = setup.start();
    let verify = |stored: &str| {
        let output = load(&format!("verify r.gob --json --stored={stored}")).output().unwrap();
        let said: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), said)
    };
    let (code, said) = verify(&format!("{}/rssi_readings", houseful.url()));
    assert_eq!((code, &said["wrong_time"]["count"]), (Some(0), &0.into()), "{said}");
    assert!(said["created"].as_u64() >= Some(100), "{said}");
    assert_eq!((&said["emissions"], &said["refused"]), (&1_600.into(), &json!({})), "{said}");

    // A collector that forgets what it acknowledged would have been found out.
    let export = setup.export();
    let rest: String = export[1..].iter().map(|reading| format!("{reading}\n")).collect();
    std::fs::write(dir.path().join("rest.ndjson"), rest).unwrap();
    let (code, said) = verify("rest.ndjson");
    assert_eq!((code, &said["lost"]["count"]), (Some(1), &1.into()), "{said}");
}

/// Lets the process die at a moment of its work on an emission that carries its
/// time, starts it again on the same file, and sends the emission again.
fn dies_and_is_asked_again(moment: Moment, answer_to_resend: u16) {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let mut houseful = setup.start();
    let [first, second] = [1, 2].map(|n| heard_at(distinct(n), now_ms()));
    let mut client = houseful.client();
    assert_eq!(client.post(&first).unwrap().status, 201);
    disk.kill_at(moment, Which::Wal, 0);
    client.post(&second).expect_err("it dies instead of answering");
    houseful.wait_exit(PATIENCE);
    disk.disarm();

    let houseful = setup.start();
    let mut client = houseful.client();
    assert_eq!(
        client.post(&second).unwrap().status,
        answer_to_resend,
        "resent after dying {moment:?}"
    );
    for emission in [&first, &second] {
        assert_eq!(client.post(emission).unwrap().status, 409);
    }
    assert_eq!(setup.export().len(), 2);
}

#[test]
fn killed_before_the_log_is_written() {
    dies_and_is_asked_again(Moment::BeforeWrite, 201);
}

#[test]
fn killed_with_half_a_commit_in_the_log() {
    dies_and_is_asked_again(Moment::AfterWrite, 201);
}

#[test]
fn killed_between_the_log_and_its_sync() {
    dies_and_is_asked_again(Moment::BeforeSync, 409);
}

#[test]
fn killed_between_commit_and_reply() {
    dies_and_is_asked_again(Moment::AfterSync, 409);
}
