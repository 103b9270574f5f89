//! Stored readings over HTTP: newest first, whole, and within bounds.

use std::time::Duration;

use serde_json::json;

use super::support::houseful::Setup;
use super::support::http::{post, request};
use super::support::posters::Posters;
use super::support::{distinct, emission, heard_at, now_ms, temp_dir};

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
            client.send(&list).unwrap();
            client.set_patience(Duration::from_secs(5)).unwrap();
            let head = client.read_head().unwrap();
            (client, head)
        })
        .collect();
    let refused: Vec<_> = slow.iter().filter(|(_, head)| head.status == 503).collect();
    assert!(!refused.is_empty(), "all are served at once");
    assert!(refused.len() <= 40 - 16, "{} of 40 are refused", refused.len());
    assert!(refused.iter().all(|(_, head)| head.header("retry-after").is_some()));
    assert!(houseful.resident_bytes() < before + (32 << 20));
    assert_eq!(houseful.client().post(&distinct(9_999)).unwrap().status, 201);
    drop(slow);
    assert_eq!(houseful.term().code(), Some(0));
}
