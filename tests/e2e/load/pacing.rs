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

/// How many moments lie in each of so many intervals of this length.
fn counts<const N: usize>(moments_ms: impl Iterator<Item = f64>, interval_ms: f64) -> [usize; N] {
    let mut counts = [0; N];
    for moment_ms in moments_ms {
        counts[((moment_ms / interval_ms) as usize).min(N - 1)] += 1;
    }
    counts
}

/// Whether each is at most so far from the other.
fn is_near<const N: usize>(found: [usize; N], wanted: [usize; N], by: usize) -> bool {
    found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) <= by)
}

#[test]
fn the_server_sees_a_sine() {
    // 50 requests in half a second, and 90/π of them more in the first half and fewer in the second.
    let mut seen = Vec::new();
    let is_as_asked = (0..20).any(|_| {
        let arrivals = arrivals(&["-rate=sine(100, 90, 1s)", "-duration=1s"]);
        assert_eq!(arrivals.len(), 100);
        let quarters = counts(arrivals.iter().map(|(_, arrived_ms)| *arrived_ms), 250.0);
        seen.push(quarters);
        is_near(quarters, [39, 39, 11, 11], 4)
    });
    assert!(is_as_asked, "{seen:?}");
}

#[test]
fn the_server_sees_a_poisson_process_that_its_seed_repeats() {
    let due_ms = |arrivals: &[(f64, f64)]| -> Vec<f64> {
        arrivals.iter().map(|(due_ms, _)| *due_ms).collect()
    };
    let mut seen = Vec::new();
    let mut runs = Vec::new();
    let is_as_asked = (0..20).any(|_| {
        let arrivals = arrivals(&["-rate=poisson(200)", "-duration=1s"]);
        let due: [usize; 10] = counts(due_ms(&arrivals).into_iter(), 100.0);
        // By chance: about 20 in each tenth, and as many more or fewer as that leaves to expect.
        let variance = due.iter().map(|count| (*count as f64 - 20.0).powi(2)).sum::<f64>() / 10.0;
        assert!((140..260).contains(&arrivals.len()) && (5.0..60.0).contains(&variance), "{due:?}");
        let arrived = counts(arrivals.iter().map(|(_, arrived_ms)| *arrived_ms), 100.0);
        runs.push(due_ms(&arrivals));
        seen.push((due, arrived));
        is_near(arrived, due, 3)
    });
    assert!(is_as_asked, "due and arrived: {seen:?}");
    // By the same chance each time, unless it is another.
    runs.push(due_ms(&arrivals(&["-rate=poisson(200)", "-duration=1s"])));
    assert!(runs.windows(2).all(|runs| runs[0] == runs[1]), "{runs:?}");
    assert_ne!(runs[0], due_ms(&arrivals(&["-rate=poisson(200, 2)", "-duration=1s"])));
}
