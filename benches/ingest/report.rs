//! What was measured, as a table for people and as JSON for scripts, and what makes it doubtful.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::load::{PER_PAYLOAD, Tally};
use crate::support::cpu::Cpu;
use crate::support::spread::Spread;

/// Shares of the time that passed, from which on something is worth a warning.
const WAITED_MAX: f64 = 0.05;
const BUSY_MIN: f64 = 0.9;
const LATE_MAX_MS: f64 = 1.0;

/// One server under one load, reduced to what is reported.
pub(crate) struct Round {
    cpu_us: f64,
    emissions_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the requests of an open model, one in a hundred was sent as late as this.
    late_ms: f64,
    busy: f64,
    waited: f64,
    generator_busy: f64,
    generator_waited: f64,
    codes: [u64; 3],
}

/// A figure of a round: its key in JSON, its line in the table, its decimals there.
type Figure = (&'static str, &'static str, usize, fn(&Round) -> f64);
const FIGURES: [Figure; 6] = [
    ("cpu_us", "CPU µs per emission", 1, |round| round.cpu_us),
    ("emissions_per_s", "emissions/s", 0, |round| round.emissions_per_s),
    ("p50_ms", "p50 ms", 2, |round| round.p50_ms),
    ("p99_ms", "p99 ms", 2, |round| round.p99_ms),
    ("busy", "server busy", 2, |round| round.busy),
    ("generator_busy", "generator busy", 2, |round| round.generator_busy),
];

impl Round {
    pub(crate) fn new(passed: Duration, server: Cpu, generator: Cpu, mut tally: Tally) -> Round {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let share = |time: Duration| time.as_secs_f64() / passed.as_secs_f64();
        let emissions = tally.codes.iter().sum::<u64>() as f64;
        Round {
            cpu_us: server.ran.as_secs_f64() * 1e6 / emissions,
            emissions_per_s: emissions / passed.as_secs_f64(),
            p50_ms: ms(tally.latency(0.50)),
            p99_ms: ms(tally.latency(0.99)),
            late_ms: ms(tally.late(0.99)),
            busy: share(server.ran),
            waited: share(server.waited),
            generator_busy: share(generator.ran),
            generator_waited: share(generator.waited),
            codes: tally.codes,
        }
    }
}

fn json_of(spread: &Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

/// All that was measured of one server.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
    pub(crate) fixed: Round,
    pub(crate) resident_mib_max: f64,
}

impl Side {
    fn spread(&self, decimals: usize, of: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of), decimals)
    }

    fn json(&self) -> Value {
        let spread = |(key, _, _, of): Figure| (key.to_owned(), json_of(&self.spread(0, of)));
        let fixed = |(key, _, _, of): Figure| (key.to_owned(), json!(of(&self.fixed)));
        let mut side: Map<_, _> = FIGURES.map(spread).into_iter().collect();
        side.insert(
            "fixed".to_owned(),
            Map::from_iter(FIGURES[..4].iter().copied().map(fixed)).into(),
        );
        side.insert("resident_mib_max".to_owned(), json!(self.resident_mib_max));
        side.into()
    }

    /// What makes the figures doubtful, each once: the worst of the rounds.
    fn warnings(&self, warnings: &mut Vec<String>) {
        let Side { name, rounds, fixed, .. } = self;
        for Round { codes, .. } in rounds.iter().chain([fixed]) {
            let [stored, duplicates, others] = *codes;
            let expected =
                if *name == "nginx" { 0 } else { codes.iter().sum::<u64>() / PER_PAYLOAD };
            if stored != expected || others > 0 {
                warnings.push(format!(
                    "{name}: expected {expected} times 201 and else 409, found {stored} times 201, {duplicates} times 409, {others} others"
                ));
            }
        }
        // houseful's threads wait for each other, nginx has only one.
        let waited = self.spread(0, |round| round.waited).max;
        if *name == "nginx" && waited > WAITED_MAX {
            let percent = waited * 100.0;
            warnings.push(format!(
                "nginx waited for its CPU up to {percent:.0} % of the time: other work ran there"
            ));
        }
        let waited = self.spread(0, |round| round.generator_waited).max;
        if waited > WAITED_MAX {
            let percent = waited * 100.0;
            warnings.push(format!("{name}: the load generator waited for its CPU up to {percent:.0} % of the time: other work ran there"));
        }
        let [busy, generator] =
            [self.spread(2, |round| round.busy), self.spread(2, |round| round.generator_busy)];
        if busy.min < BUSY_MIN {
            warnings.push(format!("{name} was busy only {busy} of the time, the load generator {generator}: the generator, the disk or other work was the limit"));
        }
        if fixed.late_ms > LATE_MAX_MS {
            let late_ms = fixed.late_ms;
            warnings.push(format!("{name} at the fixed rate: one request in a hundred was sent {late_ms:.1} ms late or more"));
        }
    }
}

/// What a round with counted syncs counted.
pub(crate) struct Commits {
    pub(crate) rows: u64,
    pub(crate) commits: u64,
    pub(crate) syncs: u64,
    pub(crate) passed: Duration,
}

pub(crate) struct Report {
    /// What was done, in a line.
    pub(crate) title: String,
    pub(crate) nginx: Side,
    pub(crate) houseful: Side,
    pub(crate) fixed_rate: u32,
    pub(crate) commits: Commits,
    /// About the machine.
    pub(crate) warnings: Vec<String>,
}

impl Report {
    /// By rounds, each with the nginx of its own round.
    fn ratio(&self) -> Spread {
        let pairs = self.houseful.rounds.iter().zip(&self.nginx.rounds);
        Spread::of(pairs.map(|(houseful, nginx)| houseful.cpu_us / nginx.cpu_us), 2)
    }

    fn ratio_fixed(&self) -> f64 {
        self.houseful.fixed.cpu_us / self.nginx.fixed.cpu_us
    }

    /// Rows per commit, commits and syncs per second.
    fn commits(&self) -> [f64; 3] {
        let Commits { rows, commits, syncs, passed } = self.commits;
        let per_s = |count: u64| count as f64 / passed.as_secs_f64();
        [rows as f64 / commits as f64, per_s(commits), per_s(syncs)]
    }

    fn all_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        self.nginx.warnings(&mut warnings);
        self.houseful.warnings(&mut warnings);
        warnings
    }

    /// The schema is in `main.rs`.
    pub(crate) fn json(&self) -> Value {
        let [rows_each, commits_per_s, syncs_per_s] = self.commits();
        json!({
            "title": self.title,
            "nginx": self.nginx.json(),
            "houseful": self.houseful.json(),
            "ratio": json_of(&self.ratio()),
            "fixed": { "emissions_per_s": self.fixed_rate, "ratio": self.ratio_fixed() },
            "commits": { "rows_each": rows_each, "per_s": commits_per_s, "syncs_per_s": syncs_per_s },
            "warnings": self.all_warnings(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { title, nginx, houseful, fixed_rate, .. } = self;
        writeln!(f, "{title}")?;
        let mut row = |label: &str, cell: &dyn Fn(&Side) -> String| {
            writeln!(f, "{label:<28}{:<30}{}", cell(nginx), cell(houseful))
        };
        row("", &|side| side.name.to_owned())?;
        for (_, label, decimals, of) in FIGURES {
            row(label, &|side| side.spread(decimals, of).to_string())?;
        }
        row("peak resident MiB", &|side| format!("{:.1}", side.resident_mib_max))?;
        for (_, label, decimals, of) in [FIGURES[0], FIGURES[2], FIGURES[3]] {
            let label = format!("{fixed_rate}/s: {label}");
            row(&label, &|side| format!("{:.decimals$}", of(&side.fixed)))?;
        }
        let [rows_each, commits_per_s, syncs_per_s] = self.commits();
        writeln!(
            f,
            "{rows_each:.1} rows a commit, {commits_per_s:.0} commits/s, {syncs_per_s:.0} syncs/s, counted by a preloaded library in a round of its own"
        )?;
        writeln!(f, "server CPU per emission at {fixed_rate}/s: ratio {:.2}", self.ratio_fixed())?;
        let [houseful, nginx] =
            [houseful, nginx].map(|side| side.spread(1, |round| round.cpu_us).median);
        let ratio = self.ratio();
        writeln!(
            f,
            "server CPU per emission: houseful {houseful:.1} µs, nginx {nginx:.1} µs, ratio {ratio}"
        )?;
        self.all_warnings().iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}
