//! A store that refuses, fails or stops midway, and a process that dies.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{BATCH, EACH_LINE, NDJSON, chunk, chunked_head, counts, lines, ndjson, post, timed};
use crate::clock::{faketime, with_clock};
use crate::support::faultfs::{FaultFs, Moment, Which};
use crate::support::houseful::Setup;
use crate::support::http::{Response, request};
use crate::support::prometheus::Scrape;
use crate::support::{PATIENCE, now_ms, temp_dir, wait_until};

/// Fills the disk after 100 lines of a batch. Its answer, and what it takes to end
/// exact.
fn disk_fills_midway(headers: &[(&str, &str)], look: impl FnOnce(&Response, u64)) {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let emissions = timed(0..300, now_ms());
    let mut client = houseful.client();
    client.send(chunked_head(headers).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&emissions[..100]).as_bytes())).unwrap();
    let stored = "houseful_readings_stored_total";
    wait_until(PATIENCE, "the first are stored", || Scrape::of(&houseful).get(stored) > 99.0);
    disk.set_full(true);
    // What needs no store is answered all the same.
    client.send(&chunk(b"nope\n")).unwrap();
    client.send(&chunk(ndjson(&emissions[50..300]).as_bytes())).unwrap();
    client.send(b"0\r\n\r\n").unwrap();
    let response = client.read_response().unwrap();
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    look(&response, setup.export().len() as u64);

    disk.set_full(false);
    let mut last = [0; 3];
    wait_until(PATIENCE, "it stores again", || {
        let response = post(houseful.client(), &[NDJSON], ndjson(&emissions));
        last = counts(&response);
        response.status == 200
    });
    assert_eq!((last.iter().sum::<u64>(), last[2]), (300, 0));
    assert_eq!(setup.export().len(), 300);
}

#[test]
fn a_full_disk_midway_names_the_lines_to_send_again() {
    disk_fills_midway(&[NDJSON], |response, stored| {
        // Once one is refused some may still fit, for then the log starts over.
        assert!((100..300).contains(&stored), "{stored}");
        assert_eq!(counts(response), [stored, 50, 1], "{}", response.text());
        let json = response.json();
        assert!(json["errors"][0].as_str().unwrap().contains("space"), "{json}");
        let [from, to] = ["from", "to"].map(|end| json["unavailable"][end].as_u64().unwrap());
        assert!(152 <= from && from <= to && to <= 351, "{json}");
        assert!(to - from + 1 >= 300 - stored, "{json}");
    });
}

#[test]
fn a_full_disk_midway_answers_each_line() {
    disk_fills_midway(&[NDJSON, EACH_LINE], |response, stored| {
        let mut answers = lines(response);
        let last = answers.pop().unwrap();
        assert_eq!(answers.len(), 351);
        let with = |status: u16| {
            let of_status = answers.iter().filter(move |line| line["status"] == status);
            of_status.map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(with(201).len() as u64, stored);
        assert_eq!(with(400), [101]);
        assert_eq!(with(409), (102..=151).collect::<Vec<_>>());
        let refused = with(503);
        assert_eq!(
            (last["status"].as_u64(), &last["unavailable"]),
            (Some(503), &json!({"from": refused[0], "to": refused[refused.len() - 1]}))
        );
        let one = answers.iter().find(|line| line["status"] == 503).unwrap();
        assert!(one["errors"][0].as_str().unwrap().contains("space"), "{one}");
    });
}

#[test]
fn a_store_that_fails_midway_says_so_and_the_rest_is_not_read() {
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let mut houseful = setup.start();
    let at = now_ms();
    assert_eq!(counts(&post(houseful.client(), &[NDJSON], ndjson(&timed(0..10, at)))), [10, 0, 0]);
    disk.fail_syncs(Which::Wal, 0, 1);
    let mut client = houseful.client();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&timed(0..20, at)).as_bytes())).unwrap();
    // Its end never comes, and is not waited for.
    let response = client.read_response().unwrap();
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(response.json()["unavailable"]["to"], Value::Null);
    assert!(response.json()["unavailable"]["from"].as_u64().unwrap() <= 11, "{}", response.text());
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(1), "{}", houseful.stderr());

    let houseful = setup.start();
    let response = post(houseful.client(), &[NDJSON], ndjson(&timed(0..20, at)));
    assert_eq!(counts(&response).iter().sum::<u64>(), 20);
    assert_eq!(setup.export().len(), 20);
}

#[test]
fn a_batch_that_ends_while_the_collector_drains_is_taken_and_an_endless_one_is_told() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let mut houseful = setup.start();
    let at = now_ms();
    let text = ndjson(&timed(0..20, at));
    let whole = request("POST", BATCH, &[NDJSON], text.as_bytes());
    let (begin, rest) = whole.split_at(whole.len() / 2);
    let mut ending = houseful.client();
    ending.send(begin).unwrap();
    let mut endless = houseful.client();
    endless.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    endless.send(&chunk(ndjson(&timed(100..103, at)).as_bytes())).unwrap();
    let stored = "houseful_readings_stored_total";
    wait_until(PATIENCE, "both have begun", || Scrape::of(&houseful).get(stored) > 10.0);
    houseful.signal(Signal::TERM);
    wait_until(PATIENCE, "it accepts nobody", || {
        crate::support::http::Client::connect(houseful.port()).is_err()
    });
    ending.send(rest).unwrap();
    assert_eq!(counts(&ending.read_response().unwrap()), [20, 0, 0]);
    let response = endless.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (503, [3, 0, 0]), "{}", response.text());
    assert_eq!(response.json()["unavailable"], json!({"from": 4, "to": null}));
    assert_eq!(response.json()["errors"], json!(["the collector is stopping"]));
    drop(endless);
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(0), "{}", houseful.stderr());
    assert_eq!(setup.export().len(), 23);
}

#[test]
fn a_batch_that_waits_for_its_turn_hears_that_the_collector_stops() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    let _holders: Vec<_> = (0..16)
        .map(|n| {
            let mut client = houseful.client();
            client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
            client.send(&chunk(ndjson(&timed(n..n + 1, at)).as_bytes())).unwrap();
            client
        })
        .collect();
    wait_until(PATIENCE, "all have their turn", || setup.export().len() == 16);
    let mut waiting = houseful.client();
    let whole = request("POST", BATCH, &[NDJSON], ndjson(&timed(90..91, at)).as_bytes());
    waiting.send(&whole).unwrap();
    let connections = "houseful_connections";
    wait_until(PATIENCE, "it has come", || Scrape::of(&houseful).get(connections) > 17.5);
    houseful.signal(Signal::TERM);
    let response = waiting.read_response().unwrap();
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(response.json(), json!({"errors": ["the collector is stopping"]}));
}

#[test]
fn a_clock_that_cannot_be_believed_makes_its_lines_unavailable() {
    let Some(library) = faketime() else { return };
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(
        counts(&post(houseful.client(), &[NDJSON], ndjson(&timed(0..1, now_ms())))),
        [1, 0, 0]
    );
    assert!(houseful.term().success());
    let houseful = with_clock(setup, &library).env("FAKETIME", "-2h").start();
    let at = now_ms();
    let past = at - 3 * 3_600_000;
    let emissions = [timed(1..2, past), timed(2..3, at), timed(3..4, past)];
    let response = post(houseful.client(), &[NDJSON], ndjson(&emissions.concat()));
    assert_eq!((response.status, counts(&response)), (503, [2, 0, 0]), "{}", response.text());
    assert_eq!(response.json()["unavailable"], json!({"from": 2, "to": 2}));
}

#[test]
fn killed_in_the_middle_what_was_answered_is_there_and_the_replay_ends_exact() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let at = now_ms();
    let batches: Vec<_> = (0..6).map(|n| ndjson(&timed(n * 2_000..(n + 1) * 2_000, at))).collect();
    for (killed, moment) in
        [Moment::BeforeWrite, Moment::AfterWrite, Moment::BeforeSync, Moment::AfterSync]
            .into_iter()
            .enumerate()
    {
        let mut houseful = setup.start();
        for (n, batch) in batches[..=killed].iter().enumerate() {
            let response = post(houseful.client(), &[NDJSON], batch);
            let [stored, duplicates, invalid] = counts(&response);
            assert_eq!((response.status, stored + duplicates, invalid), (200, 2_000, 0));
            if n < killed {
                // Those of the round before were answered or sent again.
                assert_eq!(stored, 0, "batch {n} after dying {moment:?}");
            }
        }
        let mut client = houseful.client();
        client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
        let (begin, rest) = batches[killed + 1].split_at(batches[killed + 1].len() / 2);
        client.send(&chunk(begin.as_bytes())).unwrap();
        disk.kill_at(moment, Which::Wal, 1);
        // It may be gone before all is sent.
        drop(client.send(&[&chunk(rest.as_bytes())[..], b"0\r\n\r\n"].concat()));
        client.read_response().expect_err("it dies instead of answering");
        houseful.wait_exit(PATIENCE);
        disk.disarm();
        let export = setup.export();
        assert!(export.len() >= (killed + 1) * 2_000, "what was answered is there, {moment:?}");
        let houseful = setup.start();
        let [stored, duplicates, _] =
            counts(&post(houseful.client(), &[NDJSON], &batches[killed + 1]));
        assert_eq!(stored + duplicates, 2_000);
        assert_eq!(setup.export().len(), (killed + 2) * 2_000, "exact after dying {moment:?}");
        assert!(houseful.term().success());
    }
}

#[test]
fn killed_at_random_the_replay_ends_exact() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let at = now_ms();
    let text = ndjson(&timed(0..12_000, at));
    let mut before = 0;
    for round in 1..=4_u16 {
        let houseful = setup.start();
        let mut client = houseful.client();
        client.send(&request("POST", BATCH, &[NDJSON], text.as_bytes())).unwrap();
        let enough = f64::from(round) * 500.0;
        wait_until(PATIENCE, "some of it is stored", || {
            Scrape::of(&houseful).get("houseful_readings_stored_total") >= enough
        });
        houseful.kill();
        let stored = setup.export().len();
        assert!(stored >= before + usize::from(round) * 500, "{stored} after {before}");
        before = stored;
    }
    let houseful = setup.start();
    let client = houseful.client();
    client.set_patience(Duration::from_secs(120)).unwrap();
    let [stored, duplicates, _] = counts(&post(client, &[NDJSON], &text));
    assert_eq!((stored, duplicates), (12_000 - before as u64, before as u64));
    assert_eq!(setup.export().len(), 12_000);
}
