//! How often a comparison is right, by simulated services of which the truth is known.
//!
//! Few pairs, so that it is quick; `benches/compare.rs` prints the figures of many.

mod simulation;

use houseful_load::compare::{Comparison, Figure, Options, Verdict, compare};
use simulation::{Chance, Service};

/// Requests a second.
const RATE: f64 = 400.0;

/// Runs differ, latencies hang together, and the service stops now and then.
const NOISY: Service = Service { times: 1.0, between_runs: 0.05, memory: 40.0, stops_per_s: 1.0 };

/// Compares pairs of sides, of so many runs of so many results each; B is `times` as slow.
fn pairs(
    pairs: u64,
    service: Service,
    runs: [usize; 2],
    results: u32,
    times: f64,
) -> impl Iterator<Item = Comparison> {
    (0..pairs).map(move |pair| {
        let mut chance = Chance::new(pair + 1);
        let a = service.side("a", runs[0], results, RATE, &mut chance);
        let slower = Service { times, ..service };
        let b = slower.side("b", runs[1], results, RATE, &mut chance);
        // What does not matter would hide what is wrong.
        let options = Options { resamples: 400, same_within: 0.0, ..Options::default() };
        compare(&a, &b, options)
    })
}

fn is_told_apart(comparison: &Comparison) -> bool {
    let is_verdict = |verdict: &Verdict| matches!(verdict, Verdict::Faster | Verdict::Slower);
    let mut latencies = comparison.rows.iter().filter(|row| row.figure.is_latency());
    latencies.any(|row| is_verdict(&row.verdict))
}

#[test]
fn sides_that_do_not_differ_are_told_apart_no_oftener_than_stated() {
    let alone = Service { between_runs: 0.0, ..NOISY };
    // Of 100, at 95 %, 5 are expected, and 11 or more come by chance once in a hundred times. The
    // numbers drawn are the same each time.
    for (service, runs, results) in
        [(alone, [1, 1], 2_000), (NOISY, [5, 5], 400), (NOISY, [1, 4], 400)]
    {
        let told_apart = pairs(100, service, runs, results, 1.0).filter(is_told_apart).count();
        assert!(told_apart <= 10, "{told_apart} of 100 with {runs:?} runs");
    }
}

#[test]
fn an_interval_holds_the_truth() {
    let holds = |comparison: &Comparison| {
        let latencies = comparison.rows.iter().filter(|row| row.figure.is_latency());
        latencies.filter_map(|row| row.change).all(|it| it.low <= 1.3 && 1.3 <= it.high)
    };
    let right = pairs(100, NOISY, [4, 4], 400, 1.3).filter(holds).count();
    assert!(right >= 90, "{right} of 100");
}

#[test]
fn a_fifth_slower_is_slower() {
    let service = Service { between_runs: 0.03, memory: 5.0, ..NOISY };
    let is_slower = |comparison: &Comparison| {
        let p50 = Figure::At("50".parse().unwrap());
        let row = comparison.rows.iter().find(|row| row.figure == p50).unwrap();
        row.verdict == Verdict::Slower && comparison.verdict == Verdict::Slower
    };
    let found = pairs(20, service, [5, 5], 800, 1.2).filter(is_slower).count();
    assert!(found >= 19, "{found} of 20");
}
