//! Emissions that are refused before anybody looks at them, or after nobody
//! waits any more, are counted by reason like all others.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::faultfs::FaultFs;
use super::support::houseful::{Houseful, Setup};
use super::support::http::{Client, post};
use super::support::prometheus::Scrape;
use super::support::{PATIENCE, distinct, temp_dir, wait_until};

fn activity(houseful: &Houseful) -> Value {
    houseful.client().get("/activity").unwrap().json()
}

/// The answer to these bytes, after which the server closes.
fn answer(client: &mut Client, bytes: &[u8]) -> (u16, String) {
    client.send(bytes).unwrap();
    let response = client.read_response().unwrap();
    let error = response.json()["errors"][0].as_str().unwrap().to_owned();
    (response.status, error)
}

fn post_with(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /rssi_readings HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
}

#[test]
fn by_its_request_alone() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    // Each of these takes the 10 s that it may.
    let mut late: Vec<Client> =
        ["Content-Length: 9\r\n\r\n{", "Host: local", "Transfer-Encoding: chunked\r\n\r\n9\r\n{"]
            .iter()
            .map(|cut| {
                let mut client = houseful.client();
                client.send(format!("POST /rssi_readings HTTP/1.1\r\n{cut}").as_bytes()).unwrap();
                client
            })
            .collect();

    let long = "x".repeat(17_000);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let rows = [
        (post_with("Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"), 415, "media_type"),
        (post_with("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"), 415, "media_type"),
        (
            post_with(&format!("Content-Type: text/plain\r\n{chunked}"), "0\r\n\r\n"),
            415,
            "media_type",
        ),
        (post_with("Content-Length: 16385\r\n", ""), 413, "too_large"),
        (post_with(chunked, &format!("4268\r\n{long}\r\n0\r\n\r\n")), 413, "too_large"),
        (post_with(&format!("X: {long}\r\n"), ""), 431, "too_large"),
        (format!("POST /rssi_readings?{long} HTTP/1.1\r\n\r\n").into_bytes(), 414, "too_large"),
        (post_with("Host: evil.example\r\nContent-Length: 2\r\n", "{}"), 403, "host"),
        (post_with("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}"), 400, "broken"),
        (post_with("Content-Length: two\r\n", "{}"), 400, "broken"),
        (post_with("Transfer-Encoding: gzip\r\n", ""), 501, "broken"),
        (post_with(chunked, "zz\r\n"), 400, "broken"),
        (b"POST /rssi_readings HTTP/2.0\r\n\r\n".to_vec(), 505, "broken"),
        (b"POST /rssi_readings HTTP/1.1\r\nHost local\r\n\r\n".to_vec(), 400, "broken"),
    ];
    let mut counts = json!({});
    for (bytes, status, reason) in &rows {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned();
        let (found, error) = answer(&mut houseful.client(), bytes);
        assert_eq!(found, *status, "{shown}: {error}");
        counts[reason] = json!(counts[reason].as_u64().unwrap_or(0) + 1);
        let activity = activity(&houseful);
        let latest = &activity["refused_latest"][0];
        let want = json!({"at": latest["at"], "reason": reason, "badge_id": null, "pi_id": null,
            "from": "127.0.0.1", "errors": [error]});
        assert_eq!(*latest, want, "{shown}");
        assert_eq!(activity["refused_by_reason"][reason], counts[reason], "{shown}");
    }
    // A client that ends in the middle of its body.
    let mut cut = houseful.client();
    cut.send(&post_with("Content-Length: 9\r\n", "{")).unwrap();
    cut.finish_sending().unwrap();
    assert_eq!(cut.read_response().unwrap().status, 400);
    for client in &mut late {
        assert_eq!(client.read_response().unwrap().status, 408);
    }

    let scrape = Scrape::of(&houseful);
    for (reason, count) in
        [("media_type", 3.0), ("too_large", 4.0), ("host", 1.0), ("broken", 7.0), ("late", 3.0)]
    {
        let name = format!("houseful_emissions_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(scrape.get(&name), count, "{reason}");
    }
    let all = rows.len() as f64 + 1.0 + late.len() as f64;
    assert_eq!(scrape.sum("houseful_emissions_refused_total"), all);
    // 501 and 505 are the other two.
    assert_eq!(scrape.get("houseful_answer_seconds_count{status=\"4xx\"}"), all - 2.0);
    assert_eq!(scrape.get("houseful_answer_seconds_count{status=\"5xx\"}"), 2.0);
    assert_eq!(activity(&houseful)["total"]["refused"], all);
}

#[test]
fn what_is_no_emission_is_not_among_them() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let rows: [(&[u8], u16); 4] = [
        (b"GET /rssi_readings HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"POST /rssi_readings_not HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"POST /nowhere HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02 what speaks TLS\r\n\r\n", 400),
    ];
    for (bytes, status) in rows {
        assert_eq!(answer(&mut houseful.client(), bytes).0, status);
    }
    let scrape = Scrape::of(&houseful);
    assert_eq!(scrape.sum("houseful_emissions_refused_total"), 0.0);
    assert_eq!(scrape.sum("houseful_answer_seconds_count"), 0.0);
    let other = |status| {
        scrape
            .get(&format!("houseful_request_seconds_count{{route=\"other\",status=\"{status}\"}}"))
    };
    assert_eq!((other(400), other(403)), (2.0, 2.0));
}

#[test]
fn by_the_writer_after_the_client_hung_up() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let mut first = houseful.client();
    assert_eq!(first.post(&distinct(0)).unwrap().status, 201);

    // One holds the writer up, until two more wait for it.
    disk.slow_syncs(Duration::from_secs(3));
    let begun = disk.wal_syncs_begun();
    first.send(&post(&distinct(1))).unwrap();
    wait_until(PATIENCE, "the sync begins", || disk.wal_syncs_begun() > begun);
    let mut by_front = houseful.client();
    by_front.send(&post(&distinct(2))).unwrap();
    let mut by_hyper = TcpStream::connect(("127.0.0.1", houseful.port())).unwrap();
    let body = distinct(3).to_string();
    let length = format!("Content-Length: {}\r\n", body.len());
    by_hyper.write_all(&post_with(&format!("{length}Expect: 100-continue\r\n"), "")).unwrap();
    assert_eq!(by_hyper.peek(&mut [0]).unwrap(), 1);
    by_hyper.write_all(body.as_bytes()).unwrap();
    wait_until(PATIENCE, "both wait", || Scrape::of(&houseful).get("houseful_queue_length") == 2.0);
    // Closed with `100 Continue` unread, this connection is reset.
    drop((by_front, by_hyper));
    disk.set_full(true);
    disk.slow_syncs(Duration::ZERO);
    assert_eq!(first.read_answer().unwrap().status, 201);

    let unavailable = "houseful_emissions_refused_total{reason=\"unavailable\"}";
    wait_until(PATIENCE, "both are counted", || Scrape::of(&houseful).get(unavailable) == 2.0);
    let ids = ["badge_2", "badge_3"].map(|id| json!(id));
    let latest = activity(&houseful)["refused_latest"].as_array().unwrap().clone();
    assert!(latest.iter().all(|refusal| ids.contains(&refusal["badge_id"])), "{latest:?}");
    assert!(latest.iter().all(|refusal| refusal["from"] == "127.0.0.1"), "{latest:?}");
    assert_eq!(latest.len(), 2);
}
