//! What became of the file: counted while it goes on, told at the end.

use std::time::Duration;

use houseful_model::show::escaped;
use serde_json::json;

/// Of so many refused lines the faults are shown; of the rest only the number.
pub(super) const SHOWN_MAX: usize = 100;

/// What places are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Line,
    Row,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Line => "line",
            Unit::Row => "row",
        }
    }
}

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) copies: u64,
    pub(super) refused: u64,
    /// The first refused lines, and what is wrong with them.
    pub(super) faults: Vec<(i64, Vec<String>)>,
    /// The last line that was read and that an answer is known of.
    pub(super) last: Option<i64>,
}

impl Tally {
    pub(super) fn entries(&self) -> u64 {
        self.stored + self.copies + self.refused
    }

    /// Counts a refused line; whether it is one of those to be shown.
    pub(super) fn refuse(&mut self, place: i64, faults: Vec<String>) -> bool {
        self.refused += 1;
        let is_shown = self.faults.len() < SHOWN_MAX;
        if is_shown {
            self.faults.push((place, faults));
        }
        is_shown
    }
}

/// How it went, for the end.
pub(super) struct Summary<'a> {
    pub(super) tally: &'a Tally,
    pub(super) unit: Unit,
    pub(super) is_dry_run: bool,
    pub(super) is_interrupted: bool,
    pub(super) took: Duration,
}

impl Summary<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let Tally { stored, copies, refused, .. } = self.tally;
        let seconds = self.took.as_secs_f64();
        let entries = self.tally.entries();
        let mut text = format!(
            "{:<10}{}\ncopies    {}\nrefused   {}\nread      {} {}s in {seconds:.1} s",
            if self.is_dry_run { "to store" } else { "stored" },
            grouped(*stored),
            grouped(*copies),
            grouped(*refused),
            grouped(entries),
            self.unit.name(),
        );
        if seconds >= 1.0 {
            text += &format!(", {} a second", grouped((entries as f64 / seconds) as u64));
        }
        text.push('\n');
        if self.is_dry_run {
            text += "nothing was stored: this was a dry run\n";
        }
        text
    }

    /// For scripts.
    pub(super) fn json(&self) -> String {
        let Tally { stored, copies, refused, faults, last } = self.tally;
        let unit = self.unit.name();
        let faults: Vec<_> =
            faults.iter().map(|(place, errors)| json!({unit: place, "errors": errors})).collect();
        let last_key = format!("last_{unit}");
        json!({
            "stored": stored,
            "copies": copies,
            "refused": refused,
            "faults": faults,
            last_key: last,
            "dry_run": self.is_dry_run,
            "interrupted": self.is_interrupted,
            "seconds": (self.took.as_secs_f64() * 1_000.0).round() / 1_000.0,
        })
        .to_string()
            + "\n"
    }
}

/// `FILE:17: fault; fault`. The faults are escaped already, but a file's name
/// may be anything.
pub(super) fn fault_line(name: &str, unit: Unit, place: i64, faults: &[String]) -> String {
    let name = escaped(name);
    let faults = faults.join("; ");
    match unit {
        Unit::Line => format!("{name}:{place}: {faults}"),
        Unit::Row => format!("{name}: row {place}: {faults}"),
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(grouped(number), want);
        }
    }

    #[test]
    fn a_summary_counts_everything_once() {
        let mut tally = Tally { stored: 1_200, copies: 22_800, ..Tally::default() };
        for place in 0..150 {
            assert_eq!(tally.refuse(place, vec!["x".to_owned()]), place < 100);
        }
        let summary = Summary {
            tally: &tally,
            unit: Unit::Line,
            is_dry_run: false,
            is_interrupted: false,
            took: Duration::from_millis(2_000),
        };
        assert_eq!(
            summary.text(),
            "stored    1,200\ncopies    22,800\nrefused   150\nread      24,150 lines in 2.0 s, 12,075 a second\n"
        );
        let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
        assert_eq!(json["refused"], 150);
        assert_eq!(json["faults"].as_array().unwrap().len(), 100);
        assert_eq!(json["faults"][7], json!({"line": 7, "errors": ["x"]}));
    }
}
