//! How often a comparison is wrong, and what it costs.
//!
//! `cargo bench -p houseful-load --bench compare`; PAIRS=100 is quicker. Each line is of simulated pairs
//! of sides that do not differ: how many of a hundred get a verdict of faster or slower at a percentile,
//! and at any of them, which at 95 % should be 5 or fewer. One run of a service whose runs differ cannot
//! know that, and its line says so. The last two columns are of sides that do differ, by a tenth and by
//! a fifth: how many are called slower at p50.

#[path = "../tests/compare/simulation.rs"]
mod simulation;

use std::time::Instant;

use houseful_load::compare::{Comparison, Figure, Options, Verdict, compare};
use simulation::{Chance, Service};

const STEADY: Service = Service { times: 1.0, between_runs: 0.0, memory: 1.0, stops_per_s: 0.0 };

const RATE: f64 = 400.0;
const PERCENTILES: [&str; 5] = ["50", "90", "95", "99", "99.9"];

fn main() {
    let pairs = std::env::var("PAIRS").ok().and_then(|it| it.parse().ok()).unwrap_or(1_000);
    println!("of {pairs} pairs each, in %; results of a run, runs a side");
    println!(
        "{:44} {:>7} {:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8}",
        "service",
        "results",
        "runs",
        "mean",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "any",
        "p50+10%",
        "p50+20%"
    );
    let noisy = Service { between_runs: 0.05, memory: 40.0, stops_per_s: 0.0, ..STEADY };
    let stopping = Service { stops_per_s: 1.0, ..noisy };
    let alone = Service { between_runs: 0.0, ..stopping };
    for (name, service, results, runs) in [
        ("independent latencies", STEADY, 24_000, [1].as_slice()),
        ("latencies remembered for 0.1 s, stops", alone, 24_000, &[1]),
        ("the same for 1 s", Service { memory: 400.0, ..alone }, 24_000, &[1]),
        ("runs differ by 5 %", noisy, 4_000, &[2, 3, 5, 10]),
        ("runs differ by 5 %, stops", stopping, 4_000, &[1, 2, 3, 5, 10]),
        ("runs differ by 5 %, stops", stopping, 24_000, &[5]),
    ] {
        for runs in runs {
            line(name, service, results, *runs, pairs);
        }
    }
    cost();
}

fn line(name: &str, service: Service, results: u32, runs: usize, pairs: usize) {
    let mut wrong = [0; 6];
    let mut any = 0;
    let mut found = [0, 0];
    let options = || Options { resamples: 2_000, same_within: 0.0, ..Options::default() };
    for pair in 0..pairs {
        let mut chance = Chance::new(pair as u64 + 1);
        let a = service.side("a", runs, results, RATE, &mut chance);
        let b = service.side("b", runs, results, RATE, &mut chance);
        let comparison = compare(&a, &b, options());
        let differs: Vec<_> = comparison.rows[..6]
            .iter()
            .map(|row| matches!(row.verdict, Verdict::Faster | Verdict::Slower))
            .collect();
        any += usize::from(differs[1..].contains(&true));
        wrong.iter_mut().zip(&differs).for_each(|(wrong, differs)| *wrong += usize::from(*differs));
        for (found, times) in found.iter_mut().zip([1.1, 1.2]) {
            if pair % 4 == 0 {
                let c = Service { times, ..service }.side("c", runs, results, RATE, &mut chance);
                *found += 4 * usize::from(is_slower(&compare(&a, &c, options()), "50"));
            }
        }
    }
    print!("{name:44} {results:7} {runs:5}");
    for count in wrong.iter().chain([&any]) {
        print!(" {:6.1}", *count as f64 / pairs as f64 * 100.0);
    }
    for count in found {
        print!(" {:8.0}", count as f64 / pairs as f64 * 100.0);
    }
    println!();
}

fn is_slower(comparison: &Comparison, percentile: &str) -> bool {
    let at = Figure::At(percentile.parse().expect("it is a percentile"));
    comparison.rows.iter().any(|row| row.figure == at && row.verdict == Verdict::Slower)
}

fn cost() {
    let mut chance = Chance::new(1);
    let [a, b] = ["a", "b"].map(|name| STEADY.side(name, 1, 1_000_000, 20_000.0, &mut chance));
    let begun = Instant::now();
    let comparison = compare(&a, &b, Options::default());
    assert_eq!(comparison.rows.len(), PERCENTILES.len() + 3);
    println!("\n10,000 resamples of two runs of 1,000,000 results: {:.2?}", begun.elapsed());
}
