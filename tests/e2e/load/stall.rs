//! A server that stops for one second once. An open model tells it in each
//! request that was due meanwhile; a closed one in as many as it has connections,
//! and its p95 is that of a server that never stopped.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{Reply, Server};
use super::{OK, attack, report, results, write_targets};
use crate::support::temp_dir;

/// When it stops, after its first request, and for how long.
const STOPS_AFTER: Duration = Duration::from_secs(5);
const STOPS_FOR: Duration = Duration::from_secs(1);

fn stopping_server() -> Server {
    let stop = Mutex::new(None);
    Server::start(move |_| {
        let now = Instant::now();
        let at = *stop.lock().unwrap().get_or_insert(now + STOPS_AFTER);
        if (at..at + STOPS_FOR).contains(&now) {
            thread::sleep(at + STOPS_FOR - now);
        }
        Reply::bytes(OK)
    })
}

/// The lower bounds hold on any machine: what was due while the server stood still
/// was not answered before it went on. A busy one may add to the upper ones.
fn assert_tells_the_stop(name: &str, results: &[Value], report: &Value) {
    let ms = |ns: &Value| ns.as_f64().unwrap_or_default() / 1e6;
    assert_eq!(results.len(), 4_000, "{name}");
    let shown = results.iter().filter(|result| ms(&result["latency"]) >= 20.0).count();
    assert!(shown >= 380, "{name}: {shown} results show it");

    let of_all = |percentile: &str| ms(&report["latencies"][percentile]);
    // The generator's own lateness, and how much longer than a second the stop took.
    let late_ms = |result: &Value| ms(&result["slip"]) - ms(&result["queued"]);
    let late_ms = results.iter().map(late_ms).fold(0.0, f64::max);
    let busy_ms = late_ms + (of_all("max") - 1_000.0).max(0.0);
    for (percentile, at_least, at_most) in [("95th", 480.0, 750.0), ("99th", 880.0, 1_000.0)] {
        let found = of_all(percentile);
        assert!(
            at_least <= found && found <= at_most + busy_ms,
            "{name}: {percentile} is {found} ms, busy for {busy_ms} ms: {report}"
        );
    }
    assert!(of_all("max") >= 980.0, "{name}: {report}");
}

#[test]
fn a_stop_of_one_second_shows_in_every_request_that_was_due_in_it() {
    let server = stopping_server();
    // Both at the same time: with as many connections as it takes, and with ten.
    let running = [&[][..], &["-max-workers=10"]].map(|workers| {
        let dir = temp_dir();
        write_targets(dir.path(), &format!("GET {}/\n", server.url()));
        let flags = [&["-rate=400", "-duration=10s"], workers].concat();
        (workers, attack(dir.path(), &flags).spawn().unwrap(), dir)
    });
    for (workers, attack, dir) in running {
        let name = format!("{workers:?}");
        let output = attack.wait_with_output().unwrap();
        let report = report(dir.path());
        assert_tells_the_stop(&name, &results(dir.path()), &report);
        // With ten the rate was not held, and it says so; else only a busy machine is told.
        let is_held = report["limit"]["who"] == "none";
        assert_eq!(output.status.code(), Some(i32::from(!is_held)), "{name}: {output:?}");
        assert!(!is_held || workers.is_empty(), "{name}: {report}");
    }
    assert_eq!(server.requests().len(), 8_000);
}
