//! How much, and how slowly.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{BATCH, EACH_LINE, NDJSON, chunk, chunked_head, counts, ndjson, post, timed};
use crate::support::houseful::Setup;
use crate::support::http::request;
use crate::support::{PATIENCE, distinct, now_ms, temp_dir, wait_until};

#[test]
fn more_than_64_mib_is_refused_before_it_is_read() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut client = houseful.client();
    let len = ((64 << 20) + 1).to_string();
    client
        .send(format!("POST {BATCH} HTTP/1.1\r\nContent-Length: {len}\r\n\r\n").as_bytes())
        .unwrap();
    let response = client.read_response().unwrap();
    let error = "body: expected at most 67108864 bytes";
    assert_eq!((response.status, response.json()), (413, json!({"errors": [error]})));
}

#[test]
fn more_than_64_mib_in_chunks_keeps_what_came_before() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&timed(0..3, now_ms())).as_bytes())).unwrap();
    let blank = chunk(&vec![b'\n'; 1 << 20]);
    for _ in 0..64 {
        client.send(&blank).unwrap();
    }
    let response = client.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (413, [3, 0, 0]), "{}", response.text());
    let json = response.json();
    let error = json["errors"][0].as_str().unwrap();
    assert!(error.ends_with(": body: expected at most 67108864 bytes"), "{error}");
    assert!(json["unavailable"]["from"].as_u64().unwrap() > 3);
    assert!(json["unavailable"]["to"].is_null(), "nobody knows how many");
    assert_eq!(setup.export().len(), 3);
}

#[test]
fn a_client_that_stops_sending_is_told_what_was_stored() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&timed(0..3, now_ms())).as_bytes())).unwrap();
    let response = client.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (408, [3, 0, 0]), "{}", response.text());
    assert_eq!(response.json()["errors"], json!(["line 4: body: expected more within 10 s"]));
    assert_eq!(response.json()["unavailable"], json!({"from": 4, "to": null}));
    assert_eq!(setup.export().len(), 3);
}

#[test]
fn a_client_that_takes_its_time_is_waited_for() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let text = ndjson(&timed(0..40, now_ms()));
    let whole = request("POST", BATCH, &[NDJSON], text.as_bytes());
    let mut client = houseful.client();
    for piece in whole.chunks(whole.len().div_ceil(50)) {
        client.send(piece).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    let response = client.read_response().unwrap();
    assert_eq!((response.status, counts(&response)), (200, [40, 0, 0]));
}

#[test]
fn many_batches_at_once_wait_for_their_turn() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    // More than are read at once, none of them whole.
    let begun: Vec<_> = (0..40)
        .map(|n| {
            let text = ndjson(&timed(n * 10..n * 10 + 10, at));
            let mut client = houseful.client();
            let whole = request("POST", BATCH, &[NDJSON], text.as_bytes());
            let (begin, rest) = whole.split_at(whole.len() / 2);
            client.send(begin).unwrap();
            (client, rest.to_vec())
        })
        .collect();
    assert_eq!(houseful.client().post(&distinct(9_999)).unwrap().status, 201);
    // Which of them have their turn is not told: each ends before one is waited for.
    let ended: Vec<_> = begun
        .into_iter()
        .map(|(mut client, rest)| {
            client.send(&rest).unwrap();
            client
        })
        .collect();
    for mut client in ended {
        let response = client.read_response().unwrap();
        assert_eq!((response.status, counts(&response)), (200, [10, 0, 0]));
    }
    assert_eq!(setup.export().len(), 401);
}

#[test]
fn slow_ones_give_up_their_turn_to_those_who_wait() {
    const TURNS: usize = 16;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    let mut slow_ones: Vec<_> = (0..TURNS)
        .map(|n| {
            let mut client = houseful.client();
            client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
            client.send(&chunk(ndjson(&timed(n..n + 1, at)).as_bytes())).unwrap();
            client
        })
        .collect();
    wait_until(PATIENCE, "all have their turn", || setup.export().len() == TURNS);
    let response = thread::scope(|scope| {
        let waits = scope.spawn(|| post(houseful.client(), &[NDJSON], ndjson(&timed(90..93, at))));
        // They go on, much faster than the least that one alone must.
        let blank = chunk(&vec![b'\n'; 2_000]);
        while !waits.is_finished() {
            for client in &mut slow_ones {
                // It may have been answered.
                drop(client.send(&blank));
            }
            thread::sleep(Duration::from_millis(100));
        }
        waits.join().unwrap()
    });
    assert_eq!((response.status, counts(&response)), (200, [3, 0, 0]), "{}", response.text());
    // Only as many as it takes: the others have their turn for as long as nobody waits.
    let slow = "body: expected at least 64 KiB/s over 10 s while other batches wait";
    let ended = slow_ones.into_iter().filter_map(|mut client| {
        let response = client.read_response().unwrap();
        assert_eq!((response.status, counts(&response)), (408, [1, 0, 0]), "{}", response.text());
        assert!(response.json()["unavailable"]["from"].as_u64().unwrap() > 2_000);
        response.json()["errors"][0].as_str().unwrap().ends_with(slow).then_some(())
    });
    assert!(ended.count() > 0);
}

#[test]
fn an_answer_that_nobody_reads_gives_up_its_turn() {
    const TURNS: usize = 16;
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    // So long an answer does not fit into what the kernel keeps for each.
    let body = "1\n".repeat(99_000);
    let mut slow: Vec<_> = (0..TURNS)
        .map(|_| {
            let mut client = houseful.client();
            client.send(&request("POST", BATCH, &[NDJSON, EACH_LINE], body.as_bytes())).unwrap();
            client.read_head().unwrap();
            client
        })
        .collect();
    let response = thread::scope(|scope| {
        let waits =
            scope.spawn(|| post(houseful.client(), &[NDJSON], ndjson(&timed(0..3, now_ms()))));
        while !waits.is_finished() {
            for client in &mut slow {
                drop(client.read_chunk());
            }
            thread::sleep(Duration::from_secs(1));
        }
        waits.join().unwrap()
    });
    assert_eq!(response.status, 200, "{}", response.text());
    // Those have no end, and are not taken for whole.
    let cut = slow.iter_mut().filter_map(|client| {
        loop {
            match client.read_chunk() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    });
    assert!(cut.count() > 0);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let text = ndjson(&timed(0..3, now_ms()));
    let whole = request("POST", BATCH, &[NDJSON, ("Expect", "100-continue")], text.as_bytes());
    let (head, body) = whole.split_at(whole.len() - text.len());
    let mut client = houseful.client();
    client.send(head).unwrap();
    assert_eq!(client.read_response().unwrap().status, 100);
    client.send(body).unwrap();
    assert_eq!(counts(&client.read_response().unwrap()), [3, 0, 0]);
    // What is refused is refused before that.
    let response =
        post(houseful.client(), &[("Content-Type", "text/plain"), ("Expect", "100-continue")], "x");
    assert_eq!(response.status, 415);
}
