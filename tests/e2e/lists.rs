//! Stored readings over HTTP: newest first, whole, and within bounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::houseful::Setup;
use super::support::http::{Client, post, request};
use super::support::posters::Posters;
use super::support::{PATIENCE, distinct, emission, heard_at, now_ms, temp_dir};

#[test]
fn newest_first_by_time_then_id_over_many_pages() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    let now = now_ms();
    for n in 0..1_200 {
        // Several of one time, and not in the order of time.
        let at = now - 100_000 - i64::from(n * 7 % 40) * 1_000;
        let badge = if n % 3 == 0 { "third" } else { "other" };
        let emission = heard_at(emission(badge, &[(&format!("b{n}"), -57)]), at);
        client.send(&post(&emission)).unwrap();
        assert_eq!(client.read_answer().unwrap().status, 201);
    }
    let mut want = setup.export();
    want.reverse();
    for (query, expected) in [
        ("", &want[..50]),
        ("?limit=1", &want[..1]),
        ("?limit=10000", &want[..]),
        ("?limit=1100", &want[..1_100]),
    ] {
        let response = houseful.client().get(&format!("/rssi_readings{query}")).unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["readings"].as_array().unwrap(), expected, "{query}");
    }
    let of_badge: Vec<_> = want.iter().filter(|r| r["badge_id"] == "third").cloned().collect();
    let response = houseful.client().get("/rssi_readings?badge_id=third&limit=1000").unwrap();
    assert_eq!(response.json()["readings"].as_array().unwrap(), &of_badge);
    let id = want[7]["id"].as_i64().unwrap();
    let response = houseful.client().get(&format!("/rssi_readings/{id}")).unwrap();
    assert_eq!(response.json(), want[7]);
}

#[test]
fn slow_readers_are_few_and_hold_up_nobody() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    // Long ids, so that a list does not fit into the sockets' buffers.
    let long: serde_json::Map<_, _> = (0..5).map(|b| (format!("{b:060}"), json!(-57))).collect();
    let emissions = (0..10_000)
        .map(|n| {
            let mut emission = distinct(n);
            emission["beacons"] = json!(long);
            emission
        })
        .collect();
    let posted = Posters::start(houseful.port(), 64, emissions).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    let before = houseful.resident_bytes();
    let list = request("GET", "/rssi_readings?limit=10000", &[], b"");
    let slow: Vec<_> = (0..40)
        .map(|_| {
            let mut client = houseful.client();
            client.set_receive_buffer(64 * 1024).unwrap();
            client.send(&list).unwrap();
            client
        })
        .collect();
    // Short answers do not wait for them, and are not waited for.
    for path in ["/badges?badge_id=badge_1", "/pis", "/rssi_readings?limit=500"] {
        let answer = houseful.client().get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
    }
    let (mut served, refused): (Vec<_>, Vec<_>) = slow
        .into_iter()
        .map(|mut client| {
            let head = client.read_head().unwrap();
            (client, head)
        })
        .partition(|(_, head)| head.status == 200);
    assert!(served.len() >= 16, "{} of 40 are served", served.len());
    assert!(!refused.is_empty(), "all are served at once");
    assert!(
        refused.iter().all(|(_, head)| head.status == 503 && head.header("retry-after").is_some())
    );
    assert!(houseful.resident_bytes() < before + (32 << 20));
    assert_eq!(houseful.client().post(&distinct(9_999)).unwrap().status, 201);

    // Who reads, but less than 64 KiB a second, loses its place to one who waits.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (client, _) in &mut served {
            scope.spawn(|| {
                // Until it is cut.
                while !is_over.load(Ordering::Relaxed) && client.read_some(4096).is_ok() {
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        let end = Instant::now() + PATIENCE;
        let is_served = |client: &mut Client| {
            client.send(&list).unwrap();
            client.read_head().unwrap().status == 200
        };
        let mut got_a_place = false;
        while !got_a_place && Instant::now() < end {
            got_a_place = is_served(&mut houseful.client());
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(got_a_place, "nobody who waits gets a place");
    });
    // Each is watched from its own beginning, so which of them was cut is not told.
    let is_whole =
        |client: &mut Client| client.read_to_close().is_ok_and(|rest| rest.ends_with(b"0\r\n\r\n"));
    assert!(!served.iter_mut().all(|(client, _)| is_whole(client)), "all look whole");
    drop(served);
    assert_eq!(houseful.term().code(), Some(0));
}
