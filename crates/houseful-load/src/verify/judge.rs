//! The judge: what each answer claimed, and whether the stored readings bear it out.

use std::collections::HashMap;
use std::time::Duration;

use houseful_model::Millis;

use super::answers::{Answers, Created, Sending};
use super::comparison::{Comparison, Row};
use super::verdict::Verdict;
use crate::duration::{Go, rounded};

/// Judges answers by all that is stored.
pub(super) fn judge(comparison: Comparison) -> Verdict {
    let Comparison { answers, window_ms, mut rows, others, .. } = comparison;
    rows.sort_by_key(|row| (row.identity, row.t_ms, row.id));
    let mut verdict = Verdict {
        created: answers.created.len() as u64,
        copies: answers.copies.len() as u64,
        refused: answers.refused.clone(),
        unknown: answers.unknown,
        unsent: answers.unsent,
        without_result: answers.without_result(),
        others,
        ..Verdict::default()
    };
    let badges = answers.badges();
    let mut judge = Judge {
        badges,
        answers: &answers,
        window_ms,
        rows,
        lost: Vec::new(),
        of_others: 0,
        of_others_maybe: 0,
    };
    judge.stored_twice(&mut verdict);
    judge.created(&mut verdict);
    judge.copies(&mut verdict);
    judge.unacknowledged(&mut verdict);
    judge.readings(&mut verdict);
    verdict.notes = judge.notes(&verdict);
    verdict
}

struct Judge<'a> {
    answers: &'a Answers,
    /// By identity.
    badges: Vec<&'a str>,
    window_ms: u64,
    /// By identity, then by time.
    rows: Vec<Row>,
    /// 201, but not stored as such.
    lost: Vec<Sending>,
    /// How many of these name a reading of another emission.
    of_others: u64,
    /// How many more do, of which it is not sure what was sent.
    of_others_maybe: u64,
}

impl Judge<'_> {
    /// One identity twice within a window.
    fn stored_twice(&self, verdict: &mut Verdict) {
        let pairs = self.rows.iter().zip(self.rows.iter().skip(1));
        for (first, second) in pairs.filter(|(first, second)| self.is_twice(first, second)) {
            let Some(identity) = first.identity else { continue };
            verdict.twice.add(|| {
                let [first, second] = [first, second].map(tell_row);
                format!("badge `{}`, stored as {first} and as {second}", self.badges[identity])
            });
        }
    }

    /// Finds for each 201 its reading: first for those whose answers name it, then for the others.
    fn created(&mut self, verdict: &mut Verdict) {
        let by_id: HashMap<i64, usize> =
            self.rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        let mut unnamed: Vec<&Created> = Vec::new();
        for created in &self.answers.created {
            match created.reading {
                Some((id, _)) => self.created_as(created, id, by_id.get(&id).copied(), verdict),
                None => unnamed.push(created),
            }
        }
        // Whose time ends first has the fewest to choose from, and leaves the later ones.
        unnamed.sort_by_key(|created| (created.sending.to_ms, created.sending.seq));
        for created in unnamed {
            let sending = &created.sending;
            let (from, to) = self.near(sending.identity, sending.from_ms, sending.to_ms);
            match (from..to).find(|at| !self.rows[*at].is_acknowledged) {
                Some(at) => {
                    self.rows[at].is_acknowledged = true;
                    self.late(created, at, verdict);
                }
                None if from < to => verdict
                    .twice
                    .add(|| self.tell(sending, "201, as an earlier one for the only reading")),
                None => {
                    self.lost.push(*sending);
                    verdict.lost.add(|| self.tell(sending, "201, but it is not stored"));
                }
            }
        }
    }

    /// A 201 that names its reading, which is in this row.
    fn created_as(
        &mut self,
        created: &Created,
        id: i64,
        row: Option<usize>,
        verdict: &mut Verdict,
    ) {
        let sending = &created.sending;
        let mut lose = |judge: &mut Self, why: &str| {
            judge.lost.push(*sending);
            verdict.lost.add(|| judge.tell(sending, &format!("201 with id {id}, which is {why}")));
        };
        let Some(at) = row else { return lose(self, "not stored") };
        let is_first = !std::mem::replace(&mut self.rows[at].is_acknowledged, true);
        let row = self.rows[at];
        let is_then = sending.may_be_heard_at(row.t_ms);
        if !is_first {
            verdict
                .twice
                .add(|| self.tell(sending, &format!("201 with id {id}, as an earlier one")));
        } else if !row.is_as_answered {
            lose(self, "stored otherwise");
        } else if created.is_sure() && row.identity != Some(sending.identity) {
            self.of_others += 1;
            lose(self, "another emission");
        } else if created.is_sure() && sending.has_own_time() && !is_then {
            lose(self, "stored under another time");
        } else {
            self.of_others_maybe += u64::from(row.identity != Some(sending.identity));
            if !is_then {
                verdict
                    .wrong_time
                    .add(|| self.tell(sending, &format!("201, stored as {}", tell_row(&row))));
            }
            self.late(created, at, verdict);
        }
    }

    /// Whether a 201 is one only because it came late: in time, it would have been a copy.
    ///
    /// Both readings have the service's times, which our clock may not share. So what made the
    /// difference must also be no more than the delay, from when it was due to its answer.
    fn late(&self, created: &Created, at: usize, verdict: &mut Verdict) {
        let sending = &created.sending;
        let own = self.rows[at];
        let delay_ms = sending.to_ms.abs_diff(sending.from_ms);
        let apart_ms = |row: &Row| own.t_ms.saturating_sub(row.t_ms);
        let (from, to) = self.near(sending.identity, sending.from_ms, sending.from_ms);
        let original = self.rows[from..to].iter().find(|row| {
            let over_ms = apart_ms(row).checked_sub_unsigned(self.window_ms);
            over_ms.is_some_and(|over_ms| (0..delay_ms as i64).contains(&over_ms))
        });
        let Some(original) = original else { return };
        verdict.late.add(|| {
            let apart = Go(Duration::from_millis(apart_ms(original).unsigned_abs()));
            let left = created.slip.map(|slip| format!(", and left {} late", Go(rounded(slip))));
            let left = left.unwrap_or_default();
            let id = original.id;
            self.tell(sending, &format!("201, for it came {apart} after reading {id}{left}"))
        });
    }

    fn copies(&self, verdict: &mut Verdict) {
        for copy in &self.answers.copies {
            let (from, to) = self.near(copy.identity, copy.from_ms, copy.to_ms);
            if from == to {
                verdict
                    .without_original
                    .add(|| self.tell(copy, "409, but nothing is stored that it is a copy of"));
            }
        }
    }

    fn unacknowledged(&self, verdict: &mut Verdict) {
        for sending in &self.answers.unacknowledged {
            let (from, to) = self.near(sending.identity, sending.from_ms, sending.to_ms);
            if from == to {
                verdict
                    .missing
                    .add(|| self.tell(sending, "not acknowledged, and nothing like it is stored"));
            }
        }
    }

    /// Counts those of the run; others have no answer here.
    fn readings(&self, verdict: &mut Verdict) {
        let window_ms = self.window_ms;
        let is_of_run = |t_ms: i64| {
            self.answers.span_ms.is_some_and(|(first_ms, last_ms)| {
                t_ms.saturating_add_unsigned(window_ms) > first_ms
                    && t_ms.saturating_sub_unsigned(window_ms) < last_ms
            })
        };
        for row in &self.rows {
            if !row.is_acknowledged && !is_of_run(row.t_ms) {
                verdict.others += 1;
                continue;
            }
            verdict.readings += 1;
            if !row.is_acknowledged {
                verdict.unacknowledged.add(|| tell_row(row));
            }
        }
    }

    /// Which of the rows are of this identity, and less than a window away from these moments.
    fn near(&self, identity: usize, from_ms: i64, to_ms: i64) -> (usize, usize) {
        let place = |row: &Row| (row.identity, row.t_ms);
        let identity = Some(identity);
        let from_ms = from_ms.saturating_sub_unsigned(self.window_ms);
        let to_ms = to_ms.saturating_add_unsigned(self.window_ms);
        let from = self.rows.partition_point(|row| place(row) <= (identity, from_ms));
        let to = self.rows.partition_point(|row| place(row) < (identity, to_ms));
        (from, to.max(from))
    }

    /// What is told of what was found.
    fn notes(&self, verdict: &Verdict) -> Vec<String> {
        let mut notes = Vec::new();
        let is_most = |count: u64| count > 0 && count.saturating_mul(10) >= verdict.created * 9;
        let of_others = self.of_others + self.of_others_maybe;
        if is_most(of_others) || is_most(verdict.lost.count) && verdict.others > 0 {
            notes.push(
                "nearly all 201 are of other emissions than the targets: are these the targets that were sent? --targets names them, and `@` bodies are looked for from the working directory".to_owned(),
            );
        }
        let is_unsure = |created: &Created| created.reading.is_some() && !created.is_sure();
        if self.answers.created.iter().any(is_unsure) {
            let found = match self.of_others_maybe {
                0 => String::new(),
                count => format!("; {count} are of another one than their number says"),
            };
            notes.push(format!(
                "these results do not tell for sure which target was sent (CSV and vegeta's have no slip), so a 201 for another emission is not found{found}"
            ));
        }
        let is_copy_of_lost = |copy: &&Sending| {
            let (from, to) = self.near(copy.identity, copy.from_ms, copy.to_ms);
            from == to && self.lost.iter().any(|lost| self.are_copies(copy, lost))
        };
        match self.answers.copies.iter().filter(is_copy_of_lost).count() {
            0 => {}
            count => notes.push(format!(
                "{count} of the {} without an original are copies of what is lost",
                verdict.without_original.count
            )),
        }
        let pairs = self.rows.iter().zip(self.rows.iter().skip(1));
        let is_pair = |(first, second): &(&Row, &Row)| {
            self.is_twice(first, second) && !(first.is_acknowledged && second.is_acknowledged)
        };
        match pairs.filter(is_pair).count() {
            0 => {}
            count => notes.push(format!(
                "{count} of the {} unconfirmed are what was stored twice",
                verdict.unacknowledged.count
            )),
        }
        notes
    }

    /// Whether these are one identity, and may be heard within a window.
    fn are_copies(&self, one: &Sending, other: &Sending) -> bool {
        one.identity == other.identity
            && one.from_ms.saturating_sub(other.to_ms) < self.window_ms.cast_signed()
            && other.from_ms.saturating_sub(one.to_ms) < self.window_ms.cast_signed()
    }

    fn is_twice(&self, first: &Row, second: &Row) -> bool {
        first.identity == second.identity && first.t_ms.abs_diff(second.t_ms) < self.window_ms
    }

    fn tell(&self, sending: &Sending, what: &str) -> String {
        let (seq, badge) = (sending.seq, self.badges[sending.identity]);
        format!("request {seq}, badge `{badge}`, of {}: {what}", Millis(sending.from_ms))
    }
}

fn tell_row(row: &Row) -> String {
    format!("reading {}, at {}", row.id, Millis(row.t_ms))
}
