//! A search as one JSON object. Its schema is `docs/schemas/capacity.json`.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::measure::Step;
use super::report::{Kind, Report};
use super::search::{Above, Level};
use super::source::Unit;

#[derive(Serialize)]
struct Document<'a> {
    kind: Kind,
    unit: Unit,
    load: Option<u64>,
    requests_per_s: Option<f64>,
    readings_per_s: Option<f64>,
    limit: &'static str,
    settled: bool,
    words: String,
    conditions: &'a str,
    held: Option<Level>,
    doubtful: &'a [Level],
    above: Option<Level>,
    steps: Vec<StepDocument<'a>>,
}

#[derive(Serialize)]
struct StepDocument<'a> {
    load: u64,
    verdict: super::search::Verdict,
    why: &'a [String],
    requests: u64,
    asked_per_s: f64,
    requests_per_s: f64,
    readings_per_s: Option<f64>,
    latencies: BTreeMap<&'static str, u64>,
    slip_p99: u64,
    status_codes: &'a BTreeMap<u16, u64>,
    no_answer: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Writes one JSON object and a line end.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        let answer = &self.answer;
        let rates = self.rates();
        let (limit, above) = match answer.above {
            Above::Failed(level) => ("server", Some(level)),
            Above::Void(level) => ("generator", Some(level)),
            Above::Untried => ("none", None),
        };
        let document = Document {
            kind: self.kind(),
            unit: self.unit,
            load: answer.held.map(|level| level.load),
            requests_per_s: rates.map(|(requests_per_s, _)| requests_per_s),
            readings_per_s: rates
                .filter(|_| has_readings(self.unit))
                .map(|(_, readings_per_s)| readings_per_s),
            limit,
            settled: answer.is_settled,
            words: self.to_string(),
            conditions: &self.conditions,
            held: answer.held,
            doubtful: &answer.doubtful,
            above,
            steps: self.steps.iter().map(|it| step(it, self.unit)).collect(),
        };
        serde_json::to_writer(&mut *out, &document)?;
        out.write_all(b"\n")
    }
}

/// A 201 of any other service is no reading.
fn has_readings(unit: Unit) -> bool {
    unit == Unit::Houses
}

fn step(step: &Step, unit: Unit) -> StepDocument<'_> {
    let latencies = &step.latencies;
    let ns = [
        ("mean", latencies.mean),
        ("50th", latencies.p50),
        ("90th", latencies.p90),
        ("95th", latencies.p95),
        ("99th", latencies.p99),
        ("max", latencies.max),
        ("min", latencies.min),
    ];
    StepDocument {
        load: step.load,
        verdict: step.finding.verdict,
        why: &step.finding.why,
        requests: step.requests,
        asked_per_s: step.asked_per_s,
        requests_per_s: step.requests_per_s,
        readings_per_s: has_readings(unit).then_some(step.readings_per_s),
        latencies: ns.map(|(name, latency)| (name, latency.as_nanos() as u64)).into(),
        slip_p99: step.slip_p99.as_nanos() as u64,
        status_codes: &step.status_codes,
        no_answer: step.causes.iter().map(|(cause, count)| (cause.name(), *count)).collect(),
    }
}
