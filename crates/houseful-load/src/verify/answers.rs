//! What was sent, and what it was answered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use houseful_model::{Heard, WireError, wire};
use jiff::Timestamp;

use super::{Identity, identity_of};
use crate::results::{Cause, Record};
use crate::targets::Target;

/// The emissions of a plan, and what became of each sending.
#[derive(Debug)]
pub struct Answers {
    pub(super) identities: HashMap<Identity, usize>,
    planned: Vec<Planned>,
    pub(super) created: Vec<Created>,
    pub(super) copies: Vec<Sending>,
    /// Those that got neither 201 nor 409.
    pub(super) unacknowledged: Vec<Sending>,
    /// How many of these were refused, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// How many had no answer.
    pub(super) unknown: u64,
    /// How many were never sent, by their results.
    pub(super) unsent: u64,
    /// Attack, number and time of each result.
    seen: HashSet<(usize, u64, i128)>,
    attacks: Vec<String>,
    twice: Option<Unusable>,
    /// When the first was heard at the earliest, the last at the latest, in Unix milliseconds.
    pub(super) span_ms: Option<(i64, i64)>,
}

/// A target.
#[derive(Debug)]
struct Planned {
    identity: usize,
    heard: Heard,
    has_result: bool,
}

/// One sending, and the moments in Unix milliseconds between which it was heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) seq: u64,
    pub(super) identity: usize,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Sending {
    /// Whether the emission says when it was heard: then there is no doubt, and no clock but its own.
    pub(super) fn has_own_time(&self) -> bool {
        self.from_ms == self.to_ms
    }

    /// Whether it can have been heard then.
    pub(super) fn may_be_heard_at(&self, t_ms: i64) -> bool {
        (self.from_ms..=self.to_ms).contains(&t_ms)
    }
}

/// One that was answered with 201.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) sending: Sending,
    /// The reading in the answer, with its id, if the answer was kept.
    pub(super) reading: Option<(i64, serde_json::Value)>,
    /// How late it left, which only our results tell.
    pub(super) slip: Option<Duration>,
}

impl Created {
    /// Whether it is sure that this target was the one that was sent. vegeta numbers a request and
    /// takes its target in two steps, so that with several workers neighbours may be exchanged.
    pub(super) fn is_sure(&self) -> bool {
        self.slip.is_some()
    }
}

/// A target is no emission.
#[derive(Debug, thiserror::Error)]
#[error("target {number}: expected an emission as its body")]
pub struct NoEmission {
    /// Its number, from 1.
    number: usize,
    source: WireError,
}

/// The results are none that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is none.
    #[error("expected results, found none")]
    NoResults,
    /// One is there twice, which would look as if it had been answered twice.
    #[error(
        "expected each result once, found that of request {seq} of {due} twice: is a file given twice?"
    )]
    Twice {
        /// The number of the request.
        seq: u64,
        /// When it was due.
        due: Timestamp,
    },
}

impl Answers {
    /// To these targets, which were sent in their order, and from the first again after the last.
    ///
    /// # Errors
    ///
    /// If the body of one is no emission.
    pub fn new<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Result<Answers, NoEmission> {
        let mut identities = HashMap::new();
        let mut planned = Vec::new();
        for target in targets {
            let number = planned.len() + 1;
            let emission =
                wire::parse(&target.body).map_err(|source| NoEmission { number, source })?;
            let next = identities.len();
            let identity = *identities.entry(identity_of(&emission)).or_insert(next);
            planned.push(Planned { identity, heard: emission.heard, has_result: false });
        }
        Ok(Answers {
            identities,
            planned,
            created: Vec::new(),
            copies: Vec::new(),
            unacknowledged: Vec::new(),
            refused: BTreeMap::new(),
            unknown: 0,
            unsent: 0,
            seen: HashSet::new(),
            attacks: Vec::new(),
            twice: None,
            span_ms: None,
        })
    }

    /// Adds the result of one sending.
    pub fn add(&mut self, record: &Record) {
        let attack = self.attacks.iter().position(|name| *name == record.attack);
        let attack = attack.unwrap_or_else(|| {
            self.attacks.push(record.attack.clone());
            self.attacks.len() - 1
        });
        if !self.seen.insert((attack, record.seq, record.timestamp.as_nanosecond())) {
            let Record { seq, timestamp: due, .. } = *record;
            self.twice.get_or_insert(Unusable::Twice { seq, due });
        }
        let count = self.planned.len() as u64;
        let Some(at) = record.seq.checked_rem(count) else { return };
        let planned = &mut self.planned[at as usize];
        planned.has_result = true;
        if record.cause() == Some(Cause::Unsent) {
            self.unsent += 1;
            return;
        }
        let sent_ms = record.timestamp.as_millisecond();
        let answered_ms = i64::try_from(record.end_ns() / 1_000_000 + 1).unwrap_or(i64::MAX);
        let (from_ms, to_ms) = match planned.heard {
            Heard::At(t) => (t.0, t.0),
            Heard::OnArrival => (sent_ms, answered_ms),
            Heard::Ago(age_ms) => {
                let age_ms = i64::try_from(age_ms).unwrap_or(i64::MAX);
                (sent_ms.saturating_sub(age_ms), answered_ms.saturating_sub(age_ms))
            }
        };
        let (first, last) = self.span_ms.unwrap_or((from_ms, to_ms));
        self.span_ms = Some((first.min(from_ms), last.max(to_ms)));
        let sending = Sending { seq: record.seq, identity: planned.identity, from_ms, to_ms };
        match record.code {
            201 => {
                let body = record.body.as_deref().unwrap_or_default();
                let reading = serde_json::from_slice::<serde_json::Value>(body).ok();
                let reading = reading.and_then(|reading| Some((reading["id"].as_i64()?, reading)));
                self.created.push(Created { sending, reading, slip: record.slip });
            }
            409 => self.copies.push(sending),
            code => {
                self.unacknowledged.push(sending);
                match code {
                    0 => self.unknown += 1,
                    code => *self.refused.entry(code).or_default() += 1,
                }
            }
        }
    }

    /// Whether there is something to judge.
    ///
    /// # Errors
    ///
    /// If there is no result, or one is there twice.
    pub fn check(&self) -> Result<(), Unusable> {
        if self.seen.is_empty() {
            return Err(Unusable::NoResults);
        }
        self.twice.clone().map_or(Ok(()), Err)
    }

    /// How many emissions of the plan have no result: never sent, or sent and not written down.
    pub(super) fn without_result(&self) -> u64 {
        self.planned.iter().filter(|planned| !planned.has_result).count() as u64
    }

    /// The badges of the identities, by their numbers.
    pub(super) fn badges(&self) -> Vec<&str> {
        let mut badges = vec![""; self.identities.len()];
        for ((badge, _), at) in &self.identities {
            badges[*at] = badge;
        }
        badges
    }
}
