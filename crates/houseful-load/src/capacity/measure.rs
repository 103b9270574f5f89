//! The figures of one step.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attack::Outcome;
use crate::metrics::{Codes, Latencies, Metrics, Options};
use crate::rate::Frequency;
use crate::results::{Cause, Record};

use super::conditions::{Conditions, Finding};
use super::source::UpdateWindow;

/// The status that says that something new is stored.
const CREATED: u16 = 201;

/// Folds the results of a step, those of its warm-up left out.
#[derive(Debug)]
pub struct Fold {
    skipped: u64,
    pub(super) metrics: Metrics,
    /// As if the generator had never been late itself.
    pub(super) on_time: Metrics,
    /// How late it was.
    pub(super) own_slip_max: Duration,
    /// Of houses, how their emissions repeat.
    window: Option<UpdateWindow>,
    /// What was sent in the first advertising interval of an update window.
    first: Part,
    /// What was sent later in it.
    later: Part,
    scratch: Record,
}

/// A part of the requests.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    requests: u64,
    created: u64,
}

impl Part {
    /// Which share of it was new.
    fn new_share(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.created as f64 / self.requests as f64 }
    }
}

/// A step and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How much was sent, in the unit of the search.
    pub load: u64,
    /// What it was to be, in requests a second.
    pub asked_per_s: f64,
    /// Results that count.
    pub requests: u64,
    /// Answers that were expected, a second.
    pub requests_per_s: f64,
    /// Of them those with status 201, a second: what was new. Of houses it is what a whole update
    /// window has, however much of one the step was: a badge brings a new payload at its begin.
    pub readings_per_s: f64,
    /// From the intended time.
    pub latencies: Latencies,
    /// 99 % of requests left no later than this after their time.
    pub slip_p99: Duration,
    /// How often each status came, 0 for no answer.
    pub status_codes: BTreeMap<u16, u64>,
    /// Why there was none.
    pub causes: BTreeMap<Cause, u64>,
    /// The first of its errors: results that were not expected.
    pub error: Option<String>,
    /// What it says of the server.
    pub finding: Finding,
}

impl Fold {
    /// Of a step whose first `skipped` requests do not count; what counts begins with an update window
    /// of houses.
    pub fn new(skipped: u64, window: Option<UpdateWindow>, expect: Option<Codes>) -> Fold {
        let metrics = Metrics::with(Options { expect, ..Options::default() });
        Fold {
            skipped,
            on_time: metrics.clone(),
            metrics,
            own_slip_max: Duration::ZERO,
            window,
            first: Part::default(),
            later: Part::default(),
            scratch: Record::default(),
        }
    }

    /// Adds one result.
    pub fn add(&mut self, record: &Record) {
        if record.seq < self.skipped {
            return;
        }
        self.metrics.add(record);
        let nth = record.seq - self.skipped;
        let is_first = self.window.is_none_or(|window| nth % window.emissions < window.first);
        let part = if is_first { &mut self.first } else { &mut self.later };
        part.requests += 1;
        part.created += u64::from(record.code == CREATED);
        let own = record.slip.unwrap_or_default().saturating_sub(record.queued);
        self.own_slip_max = self.own_slip_max.max(own);
        self.scratch.latency = record.latency.saturating_sub(own);
        self.scratch.slip = record.slip.map(|slip| slip - own);
        self.scratch.queued = record.queued;
        self.scratch.timestamp = record.timestamp;
        self.scratch.code = record.code;
        self.scratch.error.clone_from(&record.error);
        self.on_time.add(&self.scratch);
    }

    /// What came of the step, which was to send for `lasted`, its warm-up included.
    pub fn finish(
        self,
        load: u64,
        asked: Frequency,
        lasted: Duration,
        conditions: &Conditions,
        outcome: &Outcome,
    ) -> Step {
        let finding = conditions.judge(&self, outcome, lasted);
        let summary = self.metrics.summary();
        let asked_per_s = asked.per_second();
        // Answers that came after the plan's end took their time, too.
        let counted_s = summary.requests as f64 / asked_per_s;
        let seconds = counted_s.max((summary.duration + summary.wait).as_secs_f64());
        let per_s = |count: u64| if count == 0 { 0.0 } else { count as f64 / seconds };
        // A step that ends within a window has more of its beginning than a window has.
        let first_of_all =
            self.window.map_or(1.0, |window| window.first as f64 / window.emissions as f64);
        let new_share =
            first_of_all * self.first.new_share() + (1.0 - first_of_all) * self.later.new_share();
        Step {
            load,
            asked_per_s,
            requests: summary.requests,
            requests_per_s: per_s(summary.successes),
            readings_per_s: per_s(summary.requests) * new_share,
            latencies: summary.latencies,
            slip_p99: summary.sending.map_or(Duration::ZERO, |sending| sending.slip_p99),
            status_codes: summary.status_codes,
            causes: summary.causes,
            error: summary.errors.into_iter().next(),
            finding,
        }
    }
}

impl Step {
    /// Whether anybody answered.
    pub fn is_answered(&self) -> bool {
        self.status_codes.keys().any(|code| *code != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::ErrorsMax;
    use crate::capacity::search::Verdict;

    #[test]
    fn figures_are_of_what_counts() {
        let mut fold = Fold::new(10, None, Some("201,409".parse().unwrap()));
        for seq in 0..110u16 {
            fold.add(&Record {
                seq: seq.into(),
                code: match seq {
                    ..10 => 500,
                    109 => 0,
                    seq if seq % 20 == 0 => 201,
                    _ => 409,
                },
                error: if seq == 109 { "reset: gone".into() } else { String::new() },
                timestamp: jiff::Timestamp::from_millisecond(i64::from(seq) * 10).unwrap(),
                latency: Duration::from_millis(1),
                slip: Some(Duration::from_micros(1)),
                ..Record::default()
            });
        }
        let asked = Frequency { requests: 100, period: Duration::from_secs(1) };
        let conditions = Conditions { errors_max: ErrorsMax::Count(1), assertions: Vec::new() };
        let lasted = Duration::from_millis(1_100);
        let step = fold.finish(5, asked, lasted, &conditions, &Outcome::default());
        assert_eq!((step.load, step.asked_per_s, step.requests), (5, 100.0, 100));
        assert_eq!((step.requests_per_s, step.readings_per_s), (99.0, 5.0));
        assert_eq!(step.status_codes, [(0, 1), (201, 5), (409, 94)].into());
        assert_eq!((step.causes.len(), step.error.as_deref()), (1, Some("reset: gone")));
        assert_eq!(step.finding.verdict, Verdict::Held);
        assert!(step.is_answered());
    }

    #[test]
    fn answers_that_come_late_are_fewer_a_second() {
        let mut fold = Fold::new(0, None, None);
        for seq in 0..100 {
            fold.add(&Record {
                seq,
                code: 200,
                timestamp: jiff::Timestamp::from_millisecond(seq as i64 * 10).unwrap(),
                latency: Duration::from_millis(1_010),
                ..Record::default()
            });
        }
        let asked = Frequency { requests: 100, period: Duration::from_secs(1) };
        let conditions = Conditions { errors_max: ErrorsMax::Count(0), assertions: Vec::new() };
        let step = fold.finish(1, asked, Duration::from_secs(1), &conditions, &Outcome::default());
        assert_eq!(step.requests_per_s, 50.0);
    }

    #[test]
    fn readings_are_those_of_whole_update_windows_however_long_the_step() {
        // A house: an interval of 80 emissions of 20 badges, of which five are a window.
        let window = UpdateWindow { emissions: 400, first: 80 };
        let asked = Frequency { requests: 80, period: Duration::from_secs(1) };
        let readings_per_s = |total: u64, is_new: fn(u64) -> bool| {
            let mut fold = Fold::new(40, Some(window), None);
            for seq in 0..40 + total {
                let is_new = seq < 40 || is_new(seq - 40);
                fold.add(&Record {
                    seq,
                    code: if is_new { 201 } else { 409 },
                    timestamp: jiff::Timestamp::from_microsecond(seq as i64 * 12_500).unwrap(),
                    ..Record::default()
                });
            }
            let lasted = asked.period * (total / 80) as u32;
            let conditions = Conditions { errors_max: ErrorsMax::Count(0), assertions: Vec::new() };
            fold.finish(1, asked, lasted, &conditions, &Outcome::default()).readings_per_s
        };
        let as_planned = |nth: u64| nth % 400 < 80 && nth.is_multiple_of(4);
        // Another Pi may be the first to be heard.
        let by_another = |nth: u64| nth % 400 < 80 && nth % 4 == 3;
        for intervals in [1, 2, 3, 5, 7, 10, 12] {
            for is_new in [as_planned, by_another] {
                let found = readings_per_s(intervals * 80, is_new);
                assert!((found - 4.0).abs() < 1e-9, "{intervals} intervals: {found}");
            }
        }
        // And of a server to which all, or every second, is new.
        for intervals in [2, 5, 7] {
            assert_eq!(readings_per_s(intervals * 80, |_| true), 80.0);
            assert_eq!(readings_per_s(intervals * 80, |nth| nth % 2 == 0), 40.0);
        }
    }
}
