//! When requests come, as the server sees it: never before their time, and at the
//! gaps that were asked for.

use std::time::UNIX_EPOCH;

use jiff::Timestamp;

use super::server::{Reply, Server};
use super::{OK, results, run, write_targets};
use crate::support::temp_dir;

/// Attacks at this rate, and returns when each request was due and when it came, in milliseconds
/// since the first was due.
fn arrivals(flags: &[&str]) -> Vec<(f64, f64)> {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    write_targets(dir.path(), &format!("GET {}/\n", server.url()));
    // One at a time: the order of arrival is that of sending.
    run(dir.path(), &[&["-max-workers=1"], flags].concat());
    let mut results = results(dir.path());
    results.sort_by_key(|result| result["seq"].as_u64());
    let due_ns: Vec<i128> = results
        .iter()
        .map(|result| result["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap())
        .map(Timestamp::as_nanosecond)
        .collect();
    let seen = server.requests();
    assert_eq!(seen.len(), due_ns.len(), "{flags:?}");
    let ms = |ns: i128| (ns - due_ns[0]) as f64 / 1e6;
    seen.iter()
        .zip(&due_ns)
        .enumerate()
        .map(|(seq, (request, due_ns))| {
            let sent_as = request.header("X-Vegeta-Seq");
            assert_eq!(sent_as, Some(seq.to_string().as_str()), "{flags:?}: in order");
            let arrived = request.arrived.duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128;
            (ms(*due_ns), ms(arrived))
        })
        .collect()
}

/// The median of the gaps between two arrivals that were due at or after one moment and before another.
fn median_gap_ms(arrivals: &[(f64, f64)], from_ms: f64, to_ms: f64) -> f64 {
    let mut gaps: Vec<f64> = arrivals
        .windows(2)
        .filter(|pair| pair[0].0 >= from_ms && pair[1].0 < to_ms)
        .map(|pair| pair[1].1 - pair[0].1)
        .collect();
    gaps.sort_by(f64::total_cmp);
    gaps[gaps.len() / 2]
}

#[test]
fn the_server_sees_the_gaps_that_were_asked_for() {
    // How many come, and the gaps in the middle of the first half second and of the second.
    for (rate, total, [first_ms, last_ms]) in [
        (&["-rate=100", "-duration=1s"][..], 100, [10.0, 10.0]),
        (&["-rate=6000/1m", "-duration=1s"], 100, [10.0, 10.0]),
        (&["-rate=50/s for 500ms, 250/s for 500ms"], 150, [20.0, 4.0]),
        // The 38th request comes 1 - √(1 - 0.38) s after the start, the 88th 1 - √(1 - 0.88) s.
        (&["-rate=linear(200, 0)", "-duration=1s"], 100, [6.3, 14.8]),
    ] {
        let mut seen = Vec::new();
        // A busy machine may send late and in bursts, and says so; it will not do so every time.
        let is_as_asked = (0..20).any(|_| {
            let arrivals = arrivals(rate);
            assert_eq!(arrivals.len(), total, "{rate:?}");
            for (due_ms, arrived_ms) in &arrivals {
                assert!(arrived_ms >= due_ms, "{rate:?}: due at {due_ms} ms, came at {arrived_ms}");
            }
            let halves = [(0.0, 490.0), (500.0, 1_000.0)];
            let gaps = halves.map(|(from, to)| median_gap_ms(&arrivals, from, to));
            seen.push(gaps);
            gaps.iter().zip([first_ms, last_ms]).all(|(gap, want)| (gap / want - 1.0).abs() < 0.15)
        });
        assert!(is_as_asked, "{rate:?}: gaps of {first_ms} and {last_ms} ms, found {seen:?}");
    }
}
