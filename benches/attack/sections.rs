//! What is measured, and how it is printed.

use std::time::Duration;

use anyhow::Context;

use crate::run::{Bench, Run};
use crate::support::spread::Spread;
use crate::table::Table;
use crate::tools::{CONNECTIONS, Load, Tool};

/// What a plain service is asked for at its busiest.
const LOADED: u64 = 20_000;
/// The seed's rate: five houses.
const SEED: u64 = 400;
/// Shares of the time that passed, from which on something is worth a warning.
const OTHERS_MAX: f64 = 0.05;
const WAITED_MAX: f64 = 0.05;

/// The rounds of one tool.
struct Side {
    tool: Tool,
    runs: Vec<Run>,
}

impl Side {
    fn spread(&self, decimals: usize, of: impl Fn(&Run) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(of), decimals)
    }

    /// Round by round, each with the other tool's of its own round.
    fn ratio(&self, to: Option<&Side>, of: fn(&Run) -> f64) -> String {
        let Some(to) = to else { return "-".to_owned() };
        let pairs = self.runs.iter().zip(&to.runs);
        Spread::of(pairs.map(|(ours, theirs)| of(ours) / of(theirs)), 2).to_string()
    }

    /// A figure that only results tell.
    fn told(&self, decimals: usize, of: impl Fn(&Run) -> Option<f64>) -> String {
        let told: Vec<f64> = self.runs.iter().filter_map(of).collect();
        if told.is_empty() {
            return "-".to_owned();
        }
        Spread::of(told.into_iter(), decimals).to_string()
    }

    fn p50_ms(&self) -> String {
        self.told(2, |run| Some(ms(run.results.as_ref()?.summary.latencies.p50)))
    }

    fn p99_ms(&self) -> String {
        self.told(2, |run| Some(ms(run.results.as_ref()?.summary.latencies.p99)))
    }

    fn slip_p99_ms(&self) -> String {
        self.told(2, slip_p99_ms)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn cpu_us(run: &Run) -> f64 {
    run.used.cpu().as_secs_f64() * 1e6 / run.requests as f64
}

fn per_second(run: &Run) -> f64 {
    run.requests as f64 / run.passed.as_secs_f64()
}

/// vegeta's records tell none.
fn slip_p99_ms(run: &Run) -> Option<f64> {
    Some(ms(run.results.as_ref()?.summary.sending?.slip_p99))
}

/// Rounds that alternate between these tools, as far as they can send such a load.
fn alternate(
    bench: &Bench<'_>,
    what: &str,
    tools: &[Tool],
    load: Load,
    (rounds, time): (u32, Duration),
) -> anyhow::Result<Vec<Side>> {
    let mut sides: Vec<Side> =
        tools.iter().cloned().map(|tool| Side { tool, runs: Vec::new() }).collect();
    for round in 1..=rounds {
        for Side { tool, runs } in &mut sides {
            eprintln!("{what}: round {round} of {rounds}: {}", tool.name());
            runs.extend(bench.run(tool, load, time)?);
        }
    }
    sides.retain(|side| !side.runs.is_empty());
    Ok(sides)
}

/// What makes these figures doubtful.
fn warn(what: &str, sides: &[Side], warnings: &mut Vec<String>) {
    let runs = || sides.iter().flat_map(|side| &side.runs);
    let percent = |of: &dyn Fn(&Run) -> f64| Spread::of(runs().map(|run| of(run) * 100.0), 0);
    for (whose, at) in [("nginx's", 0), ("the tools'", 1)] {
        let others = percent(&|run| run.others[at]);
        if others.max > OTHERS_MAX * 100.0 {
            warnings.push(format!("{what}: others took {others} % of {whose} CPU"));
        }
    }
    let waited = percent(&|run| run.server.waited.as_secs_f64() / run.passed.as_secs_f64());
    if waited.max > WAITED_MAX * 100.0 {
        warnings.push(format!("{what}: nginx waited for its CPU {waited} % of the time"));
    }
    for side in sides.iter().filter(|side| side.runs.iter().any(|run| run.was_killed)) {
        warnings.push(format!("{what}: {} did not end in time and was killed", side.tool.name()));
    }
}

fn find(sides: &[Side], tool: Tool) -> Option<&Side> {
    sides.iter().find(|side| side.tool == tool)
}

/// Returns the highest rate of the first tool.
pub(crate) fn fastest(bench: &Bench<'_>, warnings: &mut Vec<String>) -> anyhow::Result<f64> {
    let what = "as fast as it goes";
    let sides = alternate(bench, what, &bench.tools, Load::Fastest, (bench.rounds, bench.time))?;
    let (wrk, vegeta) = (find(&sides, Tool::Wrk), find(&sides, Tool::Vegeta));
    let mut table = Table::new(&[
        what,
        "requests/s",
        "CPU µs a request",
        "user",
        "system",
        "peak MiB",
        "nginx busy",
        "CPU by wrk's",
        "rate by vegeta's",
    ]);
    for side in &sides {
        let us = |time: fn(&Run) -> Duration| {
            side.spread(1, |run| time(run).as_secs_f64() * 1e6 / run.requests as f64).to_string()
        };
        table.row([
            side.tool.name(),
            side.spread(0, per_second).to_string(),
            side.spread(1, cpu_us).to_string(),
            us(|run| run.used.user),
            us(|run| run.used.system),
            format!("{:.0}", side.spread(0, |run| run.used.resident_mib_max).max),
            format!("{:.2}", side.spread(2, busy).median),
            side.ratio(wrk, cpu_us),
            side.ratio(vegeta, per_second),
        ]);
    }
    println!("\n{table}");
    warn(what, &sides, warnings);
    let first = sides.first().context("expected a round")?;
    Ok(first.spread(0, per_second).median)
}

fn busy(run: &Run) -> f64 {
    run.server.ran.as_secs_f64() / run.passed.as_secs_f64()
}

pub(crate) fn loaded(bench: &Bench<'_>, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let what = format!("{LOADED}/s");
    let load = Load::PerSecond(LOADED);
    let mut sides = alternate(bench, &what, &bench.tools, load, (bench.rounds, bench.time))?;
    if bench.tools.contains(&Tool::Vegeta) {
        // Once: when it collapses, it takes its time.
        sides.extend(alternate(
            bench,
            &what,
            &[Tool::VegetaDefaultWorkers],
            load,
            (1, bench.time),
        )?);
    }
    let asked = LOADED * bench.time.as_secs();
    let mut table = Table::new(&[
        &what,
        &format!("sent of {asked}"),
        "in s",
        "connections",
        "CPU µs a request",
        "slip p99 ms",
        "p50 ms",
        "p99 ms",
    ]);
    for side in &sides {
        table.row([
            side.tool.name(),
            side.spread(0, |run| run.requests as f64).to_string(),
            format!("{:.1}", side.spread(1, |run| run.passed.as_secs_f64()).median),
            side.spread(0, |run| run.connections as f64).to_string(),
            side.spread(1, cpu_us).to_string(),
            side.slip_p99_ms(),
            side.p50_ms(),
            side.p99_ms(),
        ]);
        let most = side.spread(0, |run| run.connections as f64).max;
        if most > f64::from(CONNECTIONS) && matches!(side.tool, Tool::Houseful(_)) {
            warnings.push(format!("{what}: more connections than asked for: {most}"));
        }
    }
    println!("\n{table}");
    warn(&what, &sides, warnings);
    Ok(())
}

pub(crate) fn seed(bench: &Bench<'_>, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let what = format!("{SEED}/s");
    // Twice the time, so that a tool's start weighs less.
    let (load, time) = (Load::PerSecond(SEED), bench.time * 2);
    let sides = alternate(bench, &what, &bench.tools, load, (bench.rounds, time))?;
    let asked = SEED * time.as_secs();
    let mut table = Table::new(&[
        &what,
        &format!("sent of {asked}"),
        "connections",
        "CPU µs a request",
        "slip p99 ms",
        "p50 ms",
        "p99 ms",
    ]);
    for side in &sides {
        table.row([
            side.tool.name(),
            side.spread(0, |run| run.requests as f64).to_string(),
            side.spread(0, |run| run.connections as f64).to_string(),
            side.spread(0, cpu_us).to_string(),
            side.slip_p99_ms(),
            side.p50_ms(),
            side.p99_ms(),
        ]);
    }
    println!("\n{table}");
    warn(&what, &sides, warnings);
    Ok(())
}

pub(crate) fn held(
    bench: &Bench<'_>,
    highest: Option<f64>,
    warnings: &mut Vec<String>,
) -> anyhow::Result<()> {
    let ours = &bench.tools[..1];
    let highest = match highest {
        Some(highest) => highest,
        None => {
            let sides = alternate(bench, "the highest rate", ours, Load::Fastest, (1, bench.time))?;
            sides.first().context("expected a round")?.spread(0, per_second).median
        }
    };
    let mut table = Table::new(&[
        "asked rate",
        "asked/s",
        "off by nginx's count, %",
        "off by send times, %",
        "slip p99 ms",
        "CPU µs a request",
    ]);
    let mut all = Vec::new();
    for tenths in 1..=8u64 {
        let share = format!("{tenths}0 % of {highest:.0}/s");
        let rate = (highest * tenths as f64 / 10.0).round() as u64;
        let sides = alternate(bench, &share, ours, Load::PerSecond(rate), (1, bench.time))?;
        let side = sides.first().context("expected a round")?;
        let asked = (rate * bench.time.as_secs()) as f64;
        let off_count = side.spread(3, |run| (run.requests as f64 / asked - 1.0) * 100.0);
        let off_times = side.told(3, |run| {
            let results = run.results.as_ref()?;
            let gaps = results.summary.requests.checked_sub(1)? as f64;
            let reached = gaps / results.sending.as_secs_f64();
            Some((reached / rate as f64 - 1.0) * 100.0)
        });
        table.row([
            share.clone(),
            rate.to_string(),
            format!("{:+.3}", off_count.median),
            off_times.split(' ').next().unwrap_or_default().to_owned(),
            side.told(2, slip_p99_ms).split(' ').next().unwrap_or_default().to_owned(),
            format!("{:.1}", side.spread(1, cpu_us).median),
        ]);
        all.extend(sides);
    }
    println!("\n{table}");
    warn("held", &all, warnings);
    Ok(())
}

pub(crate) fn pipe(bench: &Bench<'_>, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut table = Table::new(&["report from a live pipe", "results", "CPU µs a result"]);
    let reporters = bench.tools.iter().filter(|tool| tool.writes_results());
    let mut sides: Vec<(&Tool, Vec<f64>, u64)> =
        reporters.map(|tool| (tool, Vec::new(), 0)).collect();
    for round in 1..=bench.rounds {
        for (tool, costs, results) in &mut sides {
            eprintln!("pipe: round {round} of {}: {}", bench.rounds, tool.name());
            if let Some((used, count)) = bench.pipe(tool, Load::PerSecond(LOADED))? {
                costs.push(used.cpu().as_secs_f64() * 1e6 / count as f64);
                *results = count;
            }
        }
    }
    for (tool, costs, results) in sides {
        if results != LOADED * bench.time.as_secs() {
            warnings.push(format!("pipe: {results} results, not all that were asked for"));
        }
        let spread = Spread::of(costs.into_iter(), 1).to_string();
        let name = tool.program().file_name().unwrap_or_default().to_string_lossy().into_owned();
        table.row([name, results.to_string(), spread]);
    }
    println!("\n{table}");
    Ok(())
}
