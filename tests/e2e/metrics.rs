//! `/metrics`: exact after known emissions, and in order for Prometheus.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::clock;
use super::support::faultfs::FaultFs;
use super::support::houseful::Setup;
use super::support::posters::Posters;
use super::support::prometheus::Scrape;
use super::support::{PATIENCE, by_pi, distinct, heard_at, now_ms, require, temp_dir, wait_until};

#[test]
fn what_was_posted_is_counted_exactly() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut client = houseful.client();
    let status = |client: &mut super::support::http::Client, emission| {
        client.post(&emission).unwrap().status
    };
    for n in 0..7 {
        assert_eq!(status(&mut client, distinct(n)), 201);
        for pi in ["33", "34", "35"] {
            assert_eq!(status(&mut client, by_pi(distinct(n), pi)), 409);
        }
    }
    for _ in 0..2 {
        assert_eq!(status(&mut client, json!({"badge_id": 7})), 400);
    }
    let ahead = heard_at(distinct(0), now_ms() + 3_600_000);
    assert_eq!(status(&mut client, ahead), 400);
    let ancient = heard_at(distinct(0), 0);
    assert_eq!(status(&mut client, ancient), 400);
    assert_eq!(houseful.client().get("/rssi_readings?limit=0").unwrap().status, 400);
    assert_eq!(houseful.client().get("/nowhere").unwrap().status, 404);
    // Chunked, so that the other door takes it.
    let body = distinct(0).to_string();
    let chunked = format!(
        "POST /rssi_readings HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let mut other = houseful.client();
    other.send(chunked.as_bytes()).unwrap();
    assert_eq!(other.read_response().unwrap().status, 409);

    let scrape = Scrape::of(&houseful);
    let want = [
        ("houseful_build_info{version=\"0.1.0\"}", 1.0),
        ("houseful_readings_stored_total", 7.0),
        ("houseful_duplicates_total{known_by=\"cache\"}", 22.0),
        ("houseful_duplicates_total{known_by=\"writer\"}", 0.0),
        ("houseful_emissions_refused_total{reason=\"invalid\"}", 2.0),
        ("houseful_emissions_refused_total{reason=\"ahead\"}", 1.0),
        ("houseful_emissions_refused_total{reason=\"too_old\"}", 1.0),
        ("houseful_answer_seconds_count{status=\"201\"}", 7.0),
        ("houseful_answer_seconds_count{status=\"409\"}", 22.0),
        ("houseful_answer_seconds_count{status=\"4xx\"}", 4.0),
        ("houseful_answer_seconds_count{status=\"5xx\"}", 0.0),
        ("houseful_request_seconds_count{route=\"/rssi_readings\",status=\"400\"}", 1.0),
        ("houseful_request_seconds_count{route=\"/rssi_readings\",status=\"409\"}", 1.0),
        ("houseful_request_seconds_count{route=\"other\",status=\"404\"}", 1.0),
        ("houseful_commit_seconds_count", 7.0),
        ("houseful_commit_emissions_sum", 7.0),
        ("houseful_commits_failed_total", 0.0),
        ("houseful_cache_entries", 7.0),
        ("houseful_feeds", 0.0),
        ("houseful_feeds_max", 256.0),
        ("houseful_feeds_dropped_total{reason=\"stalled\"}", 0.0),
        ("houseful_queue_length", 0.0),
        ("houseful_queue_length_max", 8_192.0),
        ("houseful_store_state{state=\"ready\"}", 1.0),
        ("houseful_store_state{state=\"failed\"}", 0.0),
    ];
    for (name, value) in want {
        assert_eq!(scrape.get(name), value, "{name}");
    }
    assert_eq!(scrape.sum("houseful_emissions_refused_total"), 4.0);
    assert!(scrape.get("houseful_cache_bytes") > 0.0);
    assert!(scrape.get("houseful_wal_bytes") > 0.0);
    let file = std::fs::metadata(dir.path().join("houseful.db")).unwrap();
    assert_eq!(scrape.get("houseful_store_file_bytes"), file.len() as f64);
    let newest_ms = scrape.get("houseful_newest_reading_timestamp_seconds") * 1e3;
    assert!((newest_ms - now_ms() as f64).abs() < 60_000.0, "{newest_ms}");
    let connections = scrape.get("houseful_connections");
    // This one asks, that one waits; others may not have gone yet.
    assert!((2.0..=5.0).contains(&connections), "{connections}");
    assert!(scrape.get("houseful_connections_max") > 100.0);
    assert!(scrape.get("process_resident_memory_bytes") > 1e6);
    assert!((scrape.get("process_start_time_seconds") * 1e3 - now_ms() as f64).abs() < 60_000.0);
}

#[test]
fn histograms_add_up_while_they_are_counted() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let emissions = (0..4_000).map(|n| distinct(n % 1_000)).collect();
    let posters = Posters::start(houseful.port(), 8, emissions);
    let mut answered = 0.0;
    wait_until(PATIENCE, "all are answered", || {
        let scrape = Scrape::of(&houseful);
        for ((family, labels), buckets) in scrape.histograms() {
            let sample = |kind: &str| match labels.as_str() {
                "" => scrape.get(&format!("{family}_{kind}")),
                labels => scrape.get(&format!("{family}_{kind}{{{labels}}}")),
            };
            let (last, count) = *buckets.last().unwrap();
            assert_eq!(last, f64::INFINITY, "{family}{labels}");
            assert_eq!(count, sample("count"), "{family}{labels}");
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{family} {buckets:?}");
            assert!(sample("sum") >= 0.0);
        }
        let now = scrape.sum("houseful_answer_seconds_count");
        assert!(now >= answered, "{now} after {answered}");
        answered = now;
        answered >= 4_000.0
    });
    posters.finish();
    let scrape = Scrape::of(&houseful);
    let known = scrape.sum("houseful_duplicates_total");
    assert_eq!((scrape.get("houseful_readings_stored_total"), known), (1_000.0, 3_000.0));
    assert_eq!(scrape.sum("houseful_answer_seconds_count"), 4_000.0);
    // Each passed through the writer, or was known to the cache.
    let by_writer = scrape.get("houseful_commit_emissions_sum");
    assert!((1_000.0..=4_000.0).contains(&by_writer), "{by_writer}");
    let seconds = scrape.sum("houseful_answer_seconds_sum");
    assert!(seconds > 0.0 && seconds < 8.0 * PATIENCE.as_secs_f64(), "{seconds} s in all");
}

#[test]
fn promtool_finds_nothing() {
    if !require("/usr/bin/promtool", "prometheus") {
        return;
    }
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    assert_eq!(houseful.client().post(&distinct(1)).unwrap().status, 201);
    houseful.client().get("/rssi_readings").unwrap();
    let mut promtool = Command::new("/usr/bin/promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let page = Scrape::of(&houseful).text;
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_is_counted_and_its_state_told() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let houseful = Setup::new(dir.path()).on(&disk).start();
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    disk.set_full(true);
    let mut refused = 0.0;
    let mut n = 0;
    wait_until(PATIENCE, "the disk is full", || {
        n += 1;
        let answer = client.post(&distinct(n)).unwrap();
        refused += f64::from(u8::from(answer.status == 503));
        refused >= 3.0
    });
    let scrape = Scrape::of(&houseful);
    assert_eq!(scrape.get("houseful_emissions_refused_total{reason=\"unavailable\"}"), refused);
    assert_eq!(scrape.get("houseful_commits_failed_total"), refused);
    assert_eq!(scrape.get("houseful_answer_seconds_count{status=\"5xx\"}"), refused);
    assert_eq!(scrape.get("houseful_store_state{state=\"refusing\"}"), 1.0);
    assert_eq!(scrape.get("houseful_store_state{state=\"ready\"}"), 0.0);
    disk.set_full(false);
    wait_until(PATIENCE, "it stores again", || client.post(&distinct(0)).unwrap().status == 201);
    assert_eq!(Scrape::of(&houseful).get("houseful_store_state{state=\"ready\"}"), 1.0);
}

#[test]
fn steps_of_the_clock_are_counted() {
    let Some(library) = clock::faketime() else { return };
    let dir = temp_dir();
    let file = dir.path().join("clock");
    let houseful = clock::with_moving_clock(Setup::new(dir.path()), &library, &file).start();
    let steps = |houseful| {
        let scrape = Scrape::of(houseful);
        let of = |to| scrape.get(&format!("houseful_clock_steps_total{{direction=\"{to}\"}}"));
        (of("forward"), of("back"))
    };
    let mut client = houseful.client();
    assert_eq!(client.post(&distinct(0)).unwrap().status, 201);
    assert_eq!(steps(&houseful), (0.0, 0.0));
    let rows = [(1, "+3600", (1.0, 0.0)), (2, "-7200", (1.0, 1.0)), (3, "-9000", (1.0, 2.0))];
    for (n, offset, want) in rows {
        clock::set_clock(&file, offset);
        assert_eq!(client.post(&distinct(n)).unwrap().status, 201);
        assert_eq!(steps(&houseful), want, "{offset}");
    }
}
