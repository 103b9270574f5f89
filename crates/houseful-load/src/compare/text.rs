//! The comparison as people read it.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::comparison::{Change, Comparison, Row, SideSummary, Verdict, fails_more};
use super::figure::Figure;
use super::gate::{Gate, Outcome};
use super::{BEYOND_MIN, Options};
use crate::duration::{Go, rounded};
use crate::reports::columns;

impl Comparison {
    /// Writes a table, what it comes to, and what to think of.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for (letter, side) in ["A", "B"].iter().zip(&self.sides) {
            writeln!(out, "{letter}  {side}")?;
        }
        writeln!(out)?;
        let interval = format!("{} interval", Percent(self.options.confidence));
        let head = ["", "A", "B", "B against A", &interval, "verdict"];
        let mut table = vec![head.map(str::to_owned)];
        table.extend(self.rows.iter().map(|row| cells(row, &self.options)));
        // With the other latencies.
        let latencies = self.rows.iter().filter(|row| row.figure.is_latency()).count();
        let [max_a, max_b] = self.sides.each_ref().map(|side| ns(side.latency_ns_max as f64));
        let max = ["max", &max_a, &max_b, "", "", "not judged: a single result decides it"];
        table.insert(latencies + 1, max.map(str::to_owned));
        columns::write(out, &table)?;
        writeln!(out, "\n{}", self.says())?;
        if let Some(gate) = &self.gate {
            writeln!(out, "{gate}")?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }

    /// What all comes to, in a sentence.
    pub fn says(&self) -> String {
        if let Some(void) = &self.void {
            return format!("cannot tell: {}", void.why());
        }
        let faster = || self.list(&Verdict::Faster);
        let slower = || self.list(&Verdict::Slower);
        match self.verdict {
            Verdict::Faster => format!("B is faster: {}", faster()),
            Verdict::Slower => format!("B is slower: {}", slower()),
            Verdict::Mixed => format!("B is faster: {}; and slower: {}", faster(), slower()),
            Verdict::Same => {
                let fails_more = self.rows.iter().any(|row| row.verdict == Verdict::More);
                let but = if fails_more { ", but fails more often" } else { "" };
                format!("B is as fast as A, within {}{but}", Percent(self.options.same_within))
            }
            _ if fails_more(&self.rows).is_some() && self.has_other_latencies() => {
                "cannot tell: one of them fails more often, which may be why it is quicker"
                    .to_owned()
            }
            _ if !self.rows.iter().any(|row| row.figure.is_latency() && row.change.is_some()) => {
                "cannot tell: no latency could be judged, and the table says why".to_owned()
            }
            _ => {
                let unsure = self.rows.iter().filter(|row| row.verdict == Verdict::CannotTell);
                let unsure: Vec<_> = unsure.map(|row| row.figure.to_string()).collect();
                format!(
                    "cannot tell at {}: chance alone may make such differences; more runs, or longer ones, show smaller ones",
                    unsure.join(", ")
                )
            }
        }
    }

    fn has_other_latencies(&self) -> bool {
        let mut latencies = self.rows.iter().filter(|row| row.figure.is_latency());
        latencies.any(|row| matches!(row.verdict, Verdict::Faster | Verdict::Slower))
    }

    /// The figures that came to this, and by how much.
    fn list(&self, verdict: &Verdict) -> String {
        let rows = self.rows.iter().filter(|row| row.verdict == *verdict);
        let by = rows.filter_map(|row| {
            let Change { low, high, .. } = row.change?;
            let (least, most) = if low > 1.0 { (low, high) } else { (high, low) };
            let share = |ratio: f64| hundredfold((ratio - 1.0).abs());
            Some(format!("{} by {}% to {}%", row.figure, share(least), share(most)))
        });
        by.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for SideSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SideSummary { name, runs, requests, rate, duration_s, .. } = self;
        let lasts = Duration::try_from_secs_f64(*duration_s).unwrap_or_default();
        let runs = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        write!(
            f,
            "{name}: {runs} of {} at {rate:.1} requests/s, {requests} results",
            Go(rounded(lasts))
        )
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |figures: &[Figure]| {
            figures.iter().map(Figure::to_string).collect::<Vec<_>>().join(", ")
        };
        write!(f, "slower by more than {}: ", Percent(self.share))?;
        match self.outcome() {
            Outcome::Failed => write!(f, "failed at {}", list(&self.failed)),
            Outcome::Blind => write!(f, "not shown, but cannot tell at {}", list(&self.blind)),
            Outcome::Passed => f.write_str("passed, it is not"),
        }
    }
}

fn cells(row: &Row, options: &Options) -> [String; 6] {
    let shown = |value| match row.figure {
        Figure::At(_) | Figure::Mean => ns(value),
        Figure::Throughput => format!("{value:.1}/s"),
        Figure::Unexpected => Percent(value).to_string(),
    };
    let against = |value: f64| match row.figure {
        Figure::Unexpected => signed(value),
        _ => times(value),
    };
    let unit = if row.figure.is_ratio() { "" } else { " points" };
    let (estimate, interval) = match row.change {
        Some(Change { estimate, low, high }) => (
            format!("{}{unit}", against(estimate)),
            format!("{} to {}{unit}", against(low), against(high)),
        ),
        None => Default::default(),
    };
    let verdict = match &row.verdict {
        Verdict::Faster => "faster".to_owned(),
        Verdict::Slower => "slower".to_owned(),
        Verdict::Mixed => "faster and slower".to_owned(),
        Verdict::Same => format!("same within {}", Percent(options.same_within)),
        Verdict::CannotTell => "cannot tell".to_owned(),
        Verdict::TooFew(count) => format!("too few results: {}", few(row.figure, *count)),
        Verdict::NotJudged(why) => format!("not judged: {why}"),
        Verdict::Fewer => "fewer".to_owned(),
        Verdict::More => "more".to_owned(),
        Verdict::None => "none".to_owned(),
    };
    [row.figure.to_string(), shown(row.a), shown(row.b), estimate, interval, verdict]
}

/// Of a percentile those beyond it count, of a mean all.
pub(super) fn few(figure: Figure, count: u64) -> String {
    let beyond = if figure == Figure::Mean { "" } else { " beyond it" };
    format!("{count}{beyond} in a run, not {BEYOND_MIN}")
}

fn ns(value: f64) -> String {
    Go(rounded(Duration::from_nanos(value.round() as u64))).to_string()
}

/// A ratio in percent of change, or what it is a multiple of if that is many.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio > 1_000.0 => "over ×1000".to_owned(),
        ratio if ratio >= 10.0 => format!("×{ratio:.1}"),
        // It is not nothing.
        ratio => signed(ratio.max(0.001) - 1.0) + "%",
    }
}

/// A share in percent with its sign.
fn signed(share: f64) -> String {
    let percent = hundredfold(share);
    let is_zero = percent.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    match percent.as_str() {
        _ if is_zero => percent.trim_start_matches('-').to_owned(),
        negative if negative.starts_with('-') => percent,
        _ => format!("+{percent}"),
    }
}

/// With one digit after the point, two below 1.
fn hundredfold(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent.abs() < 1.0 { 2 } else { 1 };
    format!("{percent:.digits$}")
}

/// A share as people write it: 5%, 99.9%, 0.05%.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = hundredfold(self.0);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}
