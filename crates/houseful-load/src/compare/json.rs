//! The comparison as programs read it: one object, whose schema is `docs/schemas/compare.json`.

use std::io::{self, Write};

use serde::Serialize;

use super::comparison::{Comparison, SideSummary, Verdict};
use super::figure::Figure;
use super::gate::{Gate, Outcome};
use super::text::few;

#[derive(Serialize)]
struct Document<'a> {
    verdict: &'static str,
    says: String,
    a: SideDocument<'a>,
    b: SideDocument<'a>,
    figures: Vec<FigureDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<GateDocument>,
    notes: &'a [String],
    confidence: f64,
    resamples: usize,
    seed: u64,
    same_within: f64,
}

#[derive(Serialize)]
struct SideDocument<'a> {
    name: &'a str,
    runs: usize,
    requests: u64,
    rate: f64,
    duration_s: f64,
    max: u64,
}

#[derive(Serialize)]
struct FigureDocument {
    figure: String,
    a: f64,
    b: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<ChangeDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<ChangeDocument>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct ChangeDocument {
    estimate: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct GateDocument {
    slower_by: f64,
    outcome: &'static str,
    failed: Vec<String>,
    cannot_tell: Vec<String>,
}

impl Comparison {
    /// Writes one JSON object and a line end. Latencies are in nanoseconds.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let [a, b] = self.sides.each_ref().map(SideDocument::of);
        let options = &self.options;
        let document = Document {
            verdict: self.verdict.name(),
            says: self.says(),
            a,
            b,
            figures: self.figures(),
            gate: self.gate.as_ref().map(GateDocument::of),
            notes: &self.notes,
            confidence: options.confidence,
            resamples: options.resamples,
            seed: options.seed,
            same_within: options.same_within,
        };
        serde_json::to_writer(&mut *out, &document)?;
        out.write_all(b"\n")
    }

    fn figures(&self) -> Vec<FigureDocument> {
        let figure = |row: &super::Row| {
            let change = row.change.map(|change| {
                let super::Change { estimate, low, high } = change;
                ChangeDocument { estimate, low, high }
            });
            let (ratio, difference) =
                if row.figure.is_ratio() { (change, None) } else { (None, change) };
            let why = match &row.verdict {
                Verdict::TooFew(count) => Some(few(row.figure, *count)),
                Verdict::NotJudged(why) => Some((*why).to_owned()),
                _ => None,
            };
            let verdict = row.verdict.name();
            FigureDocument {
                figure: row.figure.to_string(),
                a: row.a,
                b: row.b,
                ratio,
                difference,
                verdict,
                why,
            }
        };
        self.rows.iter().map(figure).collect()
    }
}

impl<'a> SideDocument<'a> {
    fn of(side: &'a SideSummary) -> SideDocument<'a> {
        let SideSummary { name, runs, requests, rate, duration_s, latency_ns_max } = side;
        SideDocument {
            name,
            runs: *runs,
            requests: *requests,
            rate: *rate,
            duration_s: *duration_s,
            max: *latency_ns_max,
        }
    }
}

impl GateDocument {
    fn of(gate: &Gate) -> GateDocument {
        let names = |figures: &[Figure]| figures.iter().map(Figure::to_string).collect();
        GateDocument {
            slower_by: gate.share,
            outcome: match gate.outcome() {
                Outcome::Failed => "failed",
                Outcome::Blind => "cannot tell",
                Outcome::Passed => "passed",
            },
            failed: names(&gate.failed),
            cannot_tell: names(&gate.blind),
        }
    }
}

impl Verdict {
    /// In one or two words.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Mixed => "mixed",
            Verdict::Same => "same",
            Verdict::CannotTell => "cannot tell",
            Verdict::TooFew(_) => "too few results",
            Verdict::NotJudged(_) => "not judged",
            Verdict::Fewer => "fewer",
            Verdict::More => "more",
            Verdict::None => "none",
        }
    }
}
