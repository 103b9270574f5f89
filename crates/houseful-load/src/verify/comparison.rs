//! What is stored, beside what was answered.

use std::collections::HashMap;
use std::time::Duration;

use houseful_model::{Heard, Millis, WireError, wire};

use super::answers::{Answers, Created, Sending};
use super::identity_of;
use super::verdict::{Found, Verdict};

/// A line is no stored reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// No emission.
    #[error("expected a stored reading: {0}")]
    Wire(WireError),
    /// It lacks what a stored one has.
    #[error("expected a stored reading with `{0}`")]
    Lacks(&'static str),
}

/// Answers and stored readings.
#[derive(Debug)]
pub struct Comparison {
    answers: Answers,
    window_ms: u64,
    /// By id: which of `answers.created` named it.
    answered: HashMap<i64, Vec<usize>>,
    rows: Vec<Row>,
    /// Readings that are of no emission of the plan.
    others: u64,
}

/// A stored reading of an emission of the plan, or one that an answer named.
#[derive(Debug, Clone, Copy)]
struct Row {
    id: i64,
    identity: Option<usize>,
    t_ms: i64,
    /// Whether the answers that named it said just this.
    is_as_answered: bool,
    /// Whether a 201 stands for it.
    is_acknowledged: bool,
}

impl Comparison {
    /// Of these answers, which must be all, with nothing stored yet; `window` is that of copies.
    pub fn new(answers: Answers, window: Duration) -> Comparison {
        let mut answered: HashMap<i64, Vec<usize>> = HashMap::new();
        for (at, created) in answers.created.iter().enumerate() {
            if let Some((id, _)) = created.reading {
                answered.entry(id).or_default().push(at);
            }
        }
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        Comparison { answers, window_ms, answered, rows: Vec::new(), others: 0 }
    }

    /// Adds a stored reading: a line of an export.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn add(&mut self, line: &[u8]) -> Result<(), ReadingError> {
        // A stored reading is an emission again, so the wire reads it.
        let emission = wire::parse(line).map_err(ReadingError::Wire)?;
        let Heard::At(Millis(t_ms)) = emission.heard else {
            return Err(ReadingError::Lacks("heard_at"));
        };
        let reading: serde_json::Value =
            serde_json::from_slice(line).map_err(|_| ReadingError::Lacks("id"))?;
        let id = reading["id"].as_i64().ok_or(ReadingError::Lacks("id"))?;
        let identity = self.answers.identities.get(&identity_of(&emission)).copied();
        let named = self.answered.get(&id).map(Vec::as_slice).unwrap_or_default();
        if identity.is_none() && named.is_empty() {
            self.others += 1;
            return Ok(());
        }
        let created = &self.answers.created;
        let is_answer =
            |at: &usize| created[*at].reading.as_ref().map(|(_, it)| it) == Some(&reading);
        let is_as_answered = named.iter().all(is_answer);
        self.rows.push(Row { id, identity, t_ms, is_as_answered, is_acknowledged: false });
        Ok(())
    }

    /// What comes of it.
    pub fn verdict(mut self) -> Verdict {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| (row.identity, row.t_ms, row.id));
        let mut found = Judged::default();
        found.twice_in_store(&rows, self.window_ms, &self.answers);
        self.judge_created(&mut rows, &mut found);
        for copy in &self.answers.copies {
            let (from, to) = near(&rows, copy, self.window_ms);
            if from == to {
                found
                    .without_original
                    .add(|| self.tell(copy, "409, but nothing is stored that it is a copy of"));
            }
        }
        let mut readings = 0;
        let window_ms = self.window_ms;
        // Those of earlier and later runs have no answer here.
        let is_of_run = |t_ms: i64| {
            self.answers.span_ms.is_some_and(|(first_ms, last_ms)| {
                t_ms.saturating_add_unsigned(window_ms) > first_ms
                    && t_ms.saturating_sub_unsigned(window_ms) < last_ms
            })
        };
        let mut others = self.others;
        for row in &rows {
            if !row.is_acknowledged && !is_of_run(row.t_ms) {
                others += 1;
                continue;
            }
            readings += 1;
            if !row.is_acknowledged {
                found.unacknowledged.add(|| format!("reading {}, at {}", row.id, Millis(row.t_ms)));
            }
        }
        Verdict {
            created: self.answers.created.len() as u64,
            copies: self.answers.copies.len() as u64,
            refused: self.answers.refused.clone(),
            unknown: self.answers.unknown,
            unsent: self.answers.unsent(),
            readings,
            others,
            lost: found.lost,
            twice: found.twice,
            without_original: found.without_original,
            unacknowledged: found.unacknowledged,
        }
    }

    /// Finds for each 201 its reading: those whose answers name it first, then the others in the
    /// order of time.
    fn judge_created(&self, rows: &mut [Row], found: &mut Judged) {
        let by_id: HashMap<i64, usize> =
            rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        let mut unnamed: Vec<&Created> = Vec::new();
        for created in &self.answers.created {
            let Some((id, _)) = &created.reading else {
                unnamed.push(created);
                continue;
            };
            let sending = &created.sending;
            let Some(at) = by_id.get(id) else {
                found
                    .lost
                    .add(|| self.tell(sending, &format!("201 with id {id}, which is not stored")));
                continue;
            };
            let row = &mut rows[*at];
            if std::mem::replace(&mut row.is_acknowledged, true) {
                found
                    .twice
                    .add(|| self.tell(sending, &format!("201 with id {id}, as an earlier one")));
            } else if !row.is_as_answered {
                found.lost.add(|| {
                    self.tell(sending, &format!("201 with id {id}, which is stored otherwise"))
                });
            } else if created.is_sure && row.identity != Some(sending.identity) {
                found.lost.add(|| {
                    self.tell(sending, &format!("201 with id {id}, which is another emission"))
                });
            }
        }
        unnamed.sort_by_key(|created| (created.sending.from_ms, created.sending.seq));
        for Created { sending, .. } in unnamed {
            let (from, to) = near(rows, sending, self.window_ms);
            match rows[from..to].iter_mut().find(|row| !row.is_acknowledged) {
                Some(row) => row.is_acknowledged = true,
                None if from < to => {
                    found
                        .twice
                        .add(|| self.tell(sending, "201, as an earlier one for the only reading"));
                }
                None => found.lost.add(|| self.tell(sending, "201, but it is not stored")),
            }
        }
    }

    fn tell(&self, sending: &Sending, what: &str) -> String {
        let badges = self.answers.badges();
        let (seq, badge) = (sending.seq, badges[sending.identity]);
        format!("request {seq}, badge `{badge}`, sent at {}: {what}", Millis(sending.from_ms))
    }
}

/// Which of the rows, which are sorted, are of the sending's identity and less than a window away.
fn near(rows: &[Row], sending: &Sending, window_ms: u64) -> (usize, usize) {
    let place = |row: &Row| (row.identity, row.t_ms);
    let from_ms = sending.from_ms.saturating_sub_unsigned(window_ms);
    let to_ms = sending.to_ms.saturating_add_unsigned(window_ms);
    let identity = Some(sending.identity);
    let from = rows.partition_point(|row| place(row) <= (identity, from_ms));
    let to = rows.partition_point(|row| place(row) < (identity, to_ms));
    (from, to.max(from))
}

/// What was found so far.
#[derive(Debug, Default)]
struct Judged {
    lost: Found,
    twice: Found,
    without_original: Found,
    unacknowledged: Found,
}

impl Judged {
    /// One identity twice within a window.
    fn twice_in_store(&mut self, rows: &[Row], window_ms: u64, answers: &Answers) {
        let pairs = rows.iter().zip(rows.iter().skip(1));
        for (first, second) in pairs.filter(|(first, second)| {
            first.identity == second.identity && first.t_ms.abs_diff(second.t_ms) < window_ms
        }) {
            let Some(identity) = first.identity else { continue };
            self.twice.add(|| {
                let badge = answers.badges()[identity];
                format!(
                    "badge `{badge}`, stored as {} at {} and as {} at {}",
                    first.id,
                    Millis(first.t_ms),
                    second.id,
                    Millis(second.t_ms)
                )
            });
        }
    }
}
