//! What is stored, beside what was answered.

use std::collections::HashMap;
use std::time::Duration;

use houseful_model::{Heard, Millis, WireError, wire};

use super::answers::Answers;
use super::identity_of;
use super::judge::judge;
use super::verdict::Verdict;

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
    pub(super) answers: Answers,
    pub(super) window_ms: u64,
    /// By id: which of `answers.created` named it.
    answered: HashMap<i64, Vec<usize>>,
    pub(super) rows: Vec<Row>,
    /// Readings that are of no emission of the plan.
    pub(super) others: u64,
}

/// A stored reading of an emission of the plan, or one that an answer named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) identity: Option<usize>,
    pub(super) t_ms: i64,
    /// Whether the answers that named it said just this.
    pub(super) is_as_answered: bool,
    /// Whether a 201 stands for it.
    pub(super) is_acknowledged: bool,
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
    pub fn verdict(self) -> Verdict {
        judge(self)
    }
}
