//! What is kept of a run, or of one attack of several.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::timeline::Timeline;
use crate::metrics::{Codes, Metrics, Options};
use crate::results::Record;

/// How many statuses are told apart: more than there are in use.
const CODES_MAX: usize = 64;

/// How much of an error is shown.
const EXAMPLE_CHARS: usize = 240;

/// The fold over records: constant memory, whatever the length.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) metrics: Metrics,
    pub(super) timeline: Timeline,
    pub(super) failures: BTreeMap<Kind, Failures>,
    expect: Option<Codes>,
    codes: BTreeSet<u16>,
}

/// The failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// When the first of them was due, in nanoseconds since the Unix epoch.
    pub(super) first_ns: i128,
    /// What the first one that came said.
    pub(super) example: String,
}

impl Run {
    pub(super) fn new(expect: Option<Codes>, columns_max: usize) -> Run {
        Run {
            metrics: Metrics::with(Options { expect: expect.clone(), ..Options::default() }),
            timeline: Timeline::new(columns_max),
            failures: BTreeMap::new(),
            expect,
            codes: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.metrics.add(record);
        let is_good = self.is_good(record.code);
        let code = self.told_apart(record.code);
        let due_ns = record.timestamp.as_nanosecond();
        let latency_ns = u64::try_from(record.latency.as_nanos()).unwrap_or(u64::MAX);

        let kind = (!is_good).then(|| Kind::of(record, code));
        let column = self.timeline.at(due_ns);
        column.asked += 1;
        column.latencies.add(latency_ns);
        let extremes = if is_good { &mut column.good } else { &mut column.bad };
        extremes.add(latency_ns);
        if let Some(kind) = kind {
            let failures = self.failures.entry(kind).or_insert_with(|| Failures {
                count: 0,
                first_ns: due_ns,
                example: record.error.chars().take(EXAMPLE_CHARS).collect(),
            });
            failures.count += 1;
            failures.first_ns = failures.first_ns.min(due_ns);
        }
        let column = self.timeline.at(record.end_ns());
        column.codes.add(code, 1);
        column.answered += u64::from(record.code != 0);
        if let Some(kind) = kind {
            column.failures.add(kind, 1);
        }
    }

    /// Whether this status is a success.
    pub(super) fn is_good(&self, code: u16) -> bool {
        match &self.expect {
            Some(codes) => codes.contains(code),
            None => (200..400).contains(&code),
        }
    }

    fn told_apart(&mut self, code: u16) -> Option<u16> {
        if !self.codes.contains(&code) {
            if self.codes.len() == CODES_MAX {
                return None;
            }
            self.codes.insert(code);
        }
        Some(code)
    }
}
