//! What is known of one Pi.

use std::sync::Arc;

use houseful_model::Millis;

use super::{Beat, Came, Counts, Heard, Ring};

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    readings: u32,
    copies: u32,
}

impl Tally {
    fn add(&mut self, came: Came) {
        match came {
            Came::First => self.readings = self.readings.saturating_add(1),
            Came::Second => self.copies = self.copies.saturating_add(1),
        }
    }

    fn emissions(self) -> u64 {
        u64::from(self.readings) + u64::from(self.copies)
    }
}

#[derive(Debug, Default)]
pub(super) struct Pi {
    last: Heard,
    /// The last minute, by 5 s.
    minute: Ring<Tally, 12, 5_000>,
    hour: Ring<Tally, 60, 60_000>,
    /// What is on disk of it.
    noted: Option<Millis>,
}

impl Pi {
    /// Whether it is new.
    pub(super) fn heard(&mut self, heard: Heard, came: Came) -> bool {
        let is_new = self.last == Heard::default();
        self.last.update(heard);
        if let Some(tally) = self.minute.bucket(heard.beat) {
            tally.add(came);
        }
        if let Some(tally) = self.hour.bucket(heard.beat) {
            tally.add(came);
        }
        is_new
    }

    pub(super) fn to_note(&self, pi_id: &Arc<str>, all: bool) -> Option<PiNote> {
        let t = self.last.t()?;
        let is_wanted = self.noted.is_none() || (all && self.noted != Some(t));
        is_wanted.then(|| PiNote { pi_id: pi_id.clone(), t })
    }

    pub(super) fn noted(&mut self, note: &PiNote) {
        self.noted = Some(note.t);
    }

    pub(super) fn view(&self, pi_id: &Arc<str>, now: Beat) -> PiHeard {
        let hour = self.hour.until(now);
        PiHeard {
            pi_id: pi_id.clone(),
            last_heard: self.last.t(),
            minute: sum(&self.minute.until(now)),
            hour: sum(&hour),
            emissions_by_minute: hour.map(Tally::emissions),
            badges_hour: 0,
        }
    }
}

fn sum(tallies: &[Tally]) -> Counts {
    Counts {
        readings: tallies.iter().map(|tally| u64::from(tally.readings)).sum(),
        copies: tallies.iter().map(|tally| u64::from(tally.copies)).sum(),
    }
}

/// What is to be written down of a Pi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiNote {
    /// Its name.
    pub pi_id: Arc<str>,
    /// The newest time at which it heard a badge.
    pub t: Millis,
}

/// A Pi, as it was heard. What the last minute means is exact to 5 s, the last
/// hour to a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiHeard {
    /// Its name.
    pub pi_id: Arc<str>,
    /// The newest time at which it heard a badge, if that is known.
    pub last_heard: Option<Millis>,
    /// What it heard in the last minute.
    pub minute: Counts,
    /// What it heard in the last hour.
    pub hour: Counts,
    /// Emissions by minute over the last hour, newest last.
    pub emissions_by_minute: [u64; 60],
    /// How many badges it heard in the last hour, as far as they are known.
    pub badges_hour: u64,
}

impl PiHeard {
    /// One of which nothing is known but its name.
    pub(crate) fn unknown(pi_id: &str) -> PiHeard {
        Pi::default().view(&Arc::from(pi_id), 0)
    }
}
