//! What is printed of a search: a row for each step, and the answer in words.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::duration::Go;

use super::measure::Step;
use super::search::{Above, Answer, Level, Verdict};
use super::source::Unit;

/// All steps, and what they come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What loads are counted in.
    pub unit: Unit,
    /// What had to hold, as it was written.
    pub conditions: String,
    /// In the order in which they were made.
    pub steps: Vec<Step>,
    /// What they come to.
    pub answer: Answer,
}

/// Which kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// So much, and what is above that fails.
    Found,
    /// So much, or more: the generator, or what was to be tried, ended above it.
    AtLeast,
    /// The smallest load is too much.
    None,
    /// Nothing is known of the server.
    Unknown,
}

impl Report {
    /// Which kind of answer it is.
    pub fn kind(&self) -> Kind {
        let Answer { held, doubtful, above, is_settled } = &self.answer;
        match (held, above) {
            (Some(_), Above::Failed(_)) => Kind::Found,
            (Some(_), _) => Kind::AtLeast,
            (None, Above::Failed(_)) => Kind::None,
            (None, _) if *is_settled && !doubtful.is_empty() => Kind::None,
            (None, _) => Kind::Unknown,
        }
    }

    /// Answers a second at the load of the answer, as expected, and new ones: the mean of its steps
    /// that held.
    pub fn rates(&self) -> Option<(f64, f64)> {
        let load = self.answer.held?.load;
        let steps = self.steps.iter().filter(|step| step.load == load);
        let held: Vec<_> = steps.filter(|step| step.finding.verdict == Verdict::Held).collect();
        let mean = |of: fn(&Step) -> f64| {
            held.iter().map(|step| of(step)).sum::<f64>() / held.len() as f64
        };
        Some((mean(|step| step.requests_per_s), mean(|step| step.readings_per_s)))
    }

    /// In how many steps a larger load held than this one, which failed.
    fn held_above(&self, load: u64) -> usize {
        let held = |step: &&Step| step.load > load && step.finding.verdict == Verdict::Held;
        self.steps.iter().filter(held).count()
    }

    /// Why a load ended so, the last time that it did.
    fn why(&self, load: u64, verdict: Verdict) -> String {
        let mut steps = self.steps.iter().rev();
        let told = steps.find(|step| step.load == load && step.finding.verdict == verdict);
        told.map(|step| step.finding.why.join("; ")).unwrap_or_default()
    }
}

/// The answer: how much, how sure that is, and what is in the way of more.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { held, doubtful, above, is_settled } = &self.answer;
        let unit = self.unit;
        let at = |level: &Level| unit.show(level.load);
        let kind = self.kind();
        if let (Some(level), Some((requests_per_s, readings_per_s))) = (held, self.rates()) {
            let least = if kind == Kind::AtLeast { "at least " } else { "" };
            write!(f, "{least}{}", at(level))?;
            if unit == Unit::Houses {
                let (requests, readings) = (Rate(requests_per_s), Rate(readings_per_s));
                write!(f, ": {requests} requests/s, {readings} readings/s")?;
            }
            writeln!(f)?;
            writeln!(f, "  at {} held in {} of {} steps", at(level), level.held, level.told())?;
        } else {
            match (kind, self.steps.first()) {
                (Kind::None, Some(step)) => writeln!(f, "not even {}", unit.show(step.load))?,
                _ => writeln!(f, "unknown")?,
            }
        }
        let failed = match above {
            Above::Failed(level) => Some(level),
            _ => None,
        };
        let mut failed: Vec<_> = doubtful.iter().chain(failed).collect();
        failed.sort_unstable_by_key(|level| level.load);
        for level in failed {
            let (at, told, why) = (at(level), level.told(), self.why(level.load, Verdict::Failed));
            writeln!(f, "  at {at} failed in {} of {told}: {why}", level.failed)?;
        }
        match above {
            Above::Failed(_) => {}
            Above::Void(level) => {
                let (at, void, why) = (at(level), level.void, self.why(level.load, Verdict::Void));
                writeln!(
                    f,
                    "  at {at} void {void} times, which says nothing of the server: {why}"
                )?;
            }
            Above::Untried if *is_settled => writeln!(f, "  no more was tried: see --to")?,
            Above::Untried => {}
        }
        if let Above::Failed(level) = above {
            match self.held_above(level.load) {
                0 | 1 => {}
                steps => writeln!(
                    f,
                    "  note: larger loads held in {steps} steps, so what failed does not grow with the load, and this may be no edge: allow some by --errors, if it was errors, or make steps longer"
                )?,
            }
        }
        if !is_settled {
            writeln!(
                f,
                "  the search did not come to its end, so this is less sure than it may be"
            )?;
        }
        Ok(())
    }
}

/// The columns of [`Row`], named.
pub fn header(unit: Unit) -> String {
    match unit {
        Unit::Houses => format!(
            "{:>4}  {:>7}  {:>10}  {:>10}  {:>9}  {:>9}  {:>9}  outcome",
            "step", "houses", "requests/s", "readings/s", "p50", "p99", "max"
        ),
        Unit::Requests => format!(
            "{:>4}  {:>7}  {:>10}  {:>9}  {:>9}  {:>9}  outcome",
            "step", "asked/s", "answered/s", "p50", "p99", "max"
        ),
    }
}

/// A step in one line, and its number from 1.
#[derive(Debug)]
pub struct Row<'a>(pub usize, pub Unit, pub &'a Step);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row(number, unit, step) = self;
        let requests = Rate(step.requests_per_s).to_string();
        write!(f, "{number:4}  {:7}  {requests:>10}", step.load)?;
        if *unit == Unit::Houses {
            write!(f, "  {:>10}", Rate(step.readings_per_s).to_string())?;
        }
        let latencies = &step.latencies;
        for latency in [latencies.p50, latencies.p99, latencies.max] {
            write!(f, "  {:>9}", Go(three_digits(latency)).to_string())?;
        }
        let why = step.finding.why.join("; ");
        match step.finding.verdict {
            Verdict::Held => write!(f, "  held"),
            Verdict::Failed => write!(f, "  failed: {why}"),
            Verdict::Void => write!(f, "  void: {why}"),
        }
    }
}

impl Unit {
    /// A load in words.
    pub fn show(self, load: u64) -> String {
        match (self, load) {
            (Unit::Houses, 1) => "1 house".to_owned(),
            (Unit::Houses, _) => format!("{load} houses"),
            (Unit::Requests, _) => format!("{load} requests/s"),
        }
    }
}

/// Rounded to three significant digits, which is more than two runs have in common.
fn three_digits(duration: Duration) -> Duration {
    let ns = duration.as_nanos();
    let step = 10u128.pow(ns.max(1).ilog10().saturating_sub(2));
    Duration::from_nanos_u128((ns + step / 2) / step * step)
}

/// A number a second; the fewer, the more exactly.
struct Rate(f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate(per_s) = self;
        if *per_s < 100.0 { write!(f, "{per_s:.1}") } else { write!(f, "{per_s:.0}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::{Finding, Search, Trial};
    use crate::metrics::Latencies;

    use Verdict::{Failed, Held, Void};

    type Tried = [(u64, Verdict)];

    /// Of loads of 1 to 4 with steps that came out like this.
    fn report(unit: Unit, repeats: u32, tried: &Tried) -> Report {
        let search = Search { from: 1, to: 4, resolution: "1".parse().unwrap(), repeats };
        let trials: Vec<_> =
            tried.iter().map(|(load, verdict)| Trial { load: *load, verdict: *verdict }).collect();
        let answer = match search.next(&trials) {
            crate::capacity::Next::Done(answer) => answer,
            crate::capacity::Next::Try(_) => search.known(&trials),
        };
        let steps = tried.iter().map(|(load, verdict)| step(*load, *verdict)).collect();
        Report { unit, conditions: "p99<=50ms, errors<=0".into(), steps, answer }
    }

    fn step(load: u64, verdict: Verdict) -> Step {
        Step {
            load,
            asked_per_s: load as f64 * 80.0,
            requests: load * 800,
            requests_per_s: load as f64 * 80.0,
            readings_per_s: load as f64 * 4.0,
            latencies: Latencies {
                p50: Duration::from_nanos(560_639),
                p99: Duration::from_nanos(88_080_383),
                max: Duration::from_millis(12_345),
                ..Latencies::default()
            },
            slip_p99: Duration::from_micros(80),
            status_codes: [(201, load * 40), (409, load * 760)].into(),
            causes: [].into(),
            error: None,
            finding: Finding {
                verdict,
                why: match verdict {
                    Held => vec![],
                    Failed => vec!["p99<=50ms: found 88ms".into()],
                    Void => vec!["generator: it had no rest".into()],
                },
            },
        }
    }

    #[test]
    fn answers_say_how_much_and_how_sure() {
        let cases: [(Kind, &Tried, &str); 8] = [
            (
                Kind::Found,
                &[(1, Held), (2, Held), (4, Failed), (3, Failed)],
                "2 houses: 160 requests/s, 8.0 readings/s\n  at 2 houses held in 1 of 1 steps\n  at 3 houses failed in 1 of 1: p99<=50ms: found 88ms\n",
            ),
            (
                Kind::AtLeast,
                &[(1, Held), (2, Void), (2, Void), (2, Void)],
                "at least 1 house: 80.0 requests/s, 4.0 readings/s\n  at 1 house held in 1 of 1 steps\n  at 2 houses void 3 times, which says nothing of the server: generator: it had no rest\n",
            ),
            (
                Kind::AtLeast,
                &[(1, Held), (2, Held), (4, Held)],
                "at least 4 houses: 320 requests/s, 16.0 readings/s\n  at 4 houses held in 1 of 1 steps\n  no more was tried: see --to\n",
            ),
            (
                Kind::None,
                &[(1, Failed)],
                "not even 1 house\n  at 1 house failed in 1 of 1: p99<=50ms: found 88ms\n",
            ),
            (
                Kind::Unknown,
                &[(1, Void), (1, Void), (1, Void)],
                "unknown\n  at 1 house void 3 times, which says nothing of the server: generator: it had no rest\n",
            ),
            // What is told is why it failed, not why it was void.
            (
                Kind::Found,
                &[(1, Held), (2, Failed), (2, Void)],
                "1 house: 80.0 requests/s, 4.0 readings/s\n  at 1 house held in 1 of 1 steps\n  at 2 houses failed in 1 of 1: p99<=50ms: found 88ms\n",
            ),
            // Interrupted.
            (
                Kind::AtLeast,
                &[(1, Held), (2, Held)],
                "at least 2 houses: 160 requests/s, 8.0 readings/s\n  at 2 houses held in 1 of 1 steps\n  the search did not come to its end, so this is less sure than it may be\n",
            ),
            (
                Kind::Unknown,
                &[],
                "unknown\n  the search did not come to its end, so this is less sure than it may be\n",
            ),
        ];
        for (kind, tried, words) in cases {
            let report = report(Unit::Houses, 1, tried);
            assert_eq!((report.kind(), report.to_string().as_str()), (kind, words));
        }
        // The smallest failed once, which is once too often.
        let tried = [(1, Failed), (1, Held), (1, Held), (2, Void), (2, Void), (2, Void)];
        let words = "not even 1 house\n  at 1 house failed in 1 of 3: p99<=50ms: found 88ms\n  at 2 houses void 3 times, which says nothing of the server: generator: it had no rest\n";
        let report_of_three = report(Unit::Houses, 3, &tried);
        assert_eq!(
            (report_of_three.kind(), report_of_three.to_string().as_str()),
            (Kind::None, words)
        );
        let words = "2 requests/s\n  at 2 requests/s held in 1 of 1 steps\n  at 3 requests/s failed in 1 of 1: p99<=50ms: found 88ms\n";
        let tried = [(1, Held), (2, Held), (4, Failed), (3, Failed)];
        assert_eq!(report(Unit::Requests, 1, &tried).to_string(), words);
    }

    #[test]
    fn failures_that_do_not_grow_with_the_load_are_no_edge() {
        let words = |tried: &Tried| report(Unit::Requests, 1, tried).to_string();
        let once = words(&[(1, Held), (2, Failed), (4, Held)]);
        assert!(!once.contains("note"), "{once}");
        let by_turns = words(&[(1, Held), (2, Failed), (4, Held), (3, Held)]);
        let note = "\n  note: larger loads held in 2 steps, so what failed does not grow with the load, and this may be no edge: ";
        assert!(by_turns.contains(note), "{by_turns}");
    }

    #[test]
    fn rows_stand_under_their_names() {
        let table = |unit| {
            let rows = [step(1, Held), step(96, Failed), step(12_345, Void)];
            let rows =
                rows.iter().enumerate().map(|(at, step)| Row(at + 1, unit, step).to_string());
            std::iter::once(header(unit)).chain(rows).collect::<Vec<_>>()
        };
        assert_eq!(
            table(Unit::Houses),
            [
                "step   houses  requests/s  readings/s        p50        p99        max  outcome",
                "   1        1        80.0         4.0      561µs     88.1ms      12.3s  held",
                "   2       96        7680         384      561µs     88.1ms      12.3s  failed: p99<=50ms: found 88ms",
                "   3    12345      987600       49380      561µs     88.1ms      12.3s  void: generator: it had no rest",
            ]
        );
        assert_eq!(
            table(Unit::Requests)[..2],
            [
                "step  asked/s  answered/s        p50        p99        max  outcome",
                "   1        1        80.0      561µs     88.1ms      12.3s  held",
            ]
        );
    }

    #[test]
    fn durations_keep_three_digits() {
        for (ns, shown) in
            [(0, "0s"), (7, "7ns"), (1_234, "1.23µs"), (999_500, "1ms"), (62_345_678_901, "1m2.3s")]
        {
            assert_eq!(Go(three_digits(Duration::from_nanos(ns))).to_string(), shown);
        }
    }
}
