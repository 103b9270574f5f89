//! Who was heard when, by whom: what an installer asks when a badge seems dead.
//!
//! Told of every emission once it is known to be on disk or a copy of what is,
//! so it costs a map operation or two and holds bounded memory whatever comes.
//!
//! Everything is counted by when it was heard (`t`), not by when it arrived: a
//! spool that is sent after an outage fills the minutes of the outage, and makes
//! no badge look alive now. What was heard over an hour ago is not counted. An
//! emission from a clock ahead of ours was heard when it arrived, at the latest.
//!
//! Inside, times are ages on the monotonic clock, so a step of the wall clock
//! moves nothing:
//!
//! ```text
//! beat = (arrival by the monotonic clock + base) - (arrival by the wall clock - t)
//! ```

mod badge;
mod bounded;
mod pi;
mod ring;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use houseful_model::{Emission, Millis, Reading};

use self::badge::Badge;
pub use self::badge::{BadgeHeard, RelayHeard};
pub use self::bounded::Bounded;
use self::pi::Pi;
pub use self::pi::{PiHeard, PiNote};
pub use self::ring::Ring;
use crate::Arrival;

/// How many badges and Pis are known at most; of more, those heard last.
pub const BADGES_MAX: usize = 10_000;
/// As [`BADGES_MAX`].
pub const PIS_MAX: usize = 2_000;

/// Whether an emission was the first of its advertisement, or a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was stored, as a reading.
    First,
    /// Its original was stored before.
    Second,
}

/// How many emissions came first, and how many second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored ones.
    pub readings: u64,
    /// Copies.
    pub copies: u64,
}

/// Who was heard when, by whom. See the module's page.
#[derive(Debug)]
pub struct Activity {
    badges: Bounded<Badge>,
    pis: Bounded<Pi>,
    /// When it began to count.
    start: Arrival,
    /// How many Pis were new when they were heard, since the start.
    pis_new: AtomicU64,
}

/// Milliseconds on a clock that never steps and lies near the wall clock.
type Beat = u64;

/// When somebody was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    /// Zero: never.
    beat: Beat,
    /// In the wall clock's words, at the latest the arrival.
    t: Millis,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard { beat: 0, t: Millis(0) }
    }
}

impl Heard {
    /// Takes over what is not older; whether it did.
    fn update(&mut self, heard: Heard) -> bool {
        let is_news = heard.beat >= self.beat;
        if is_news {
            *self = heard;
        }
        is_news
    }

    fn t(self) -> Option<Millis> {
        (self.beat > 0).then_some(self.t)
    }
}

impl Activity {
    /// Nobody was heard yet.
    pub fn new(now: Arrival) -> Activity {
        Activity {
            badges: Bounded::new(BADGES_MAX),
            pis: Bounded::new(PIS_MAX),
            start: now,
            pis_new: AtomicU64::new(0),
        }
    }

    /// Notes an emission that was heard at `t` and arrived about `now`.
    pub fn heard(&self, emission: &Emission<'_>, t: Millis, now: Arrival, came: Came) {
        let heard = self.place(t, now);
        let pi_id = self.pis.touch(&emission.pi_id, |pi_id, pi| {
            if pi.heard(heard, came) {
                self.pis_new.fetch_add(1, Ordering::Relaxed);
            }
            pi_id.clone()
        });
        self.badges.touch(&emission.badge_id, |_, badge| badge.heard(emission, heard, came, pi_id));
    }

    /// From when on everything is counted that was heard; what the collector
    /// stored before is known, but not counted.
    pub fn counting_since(&self, now: Arrival) -> Millis {
        Millis(now.wall.0.saturating_sub_unsigned(now.mono_ms.saturating_sub(self.start.mono_ms)))
    }

    /// Those badges that are known, in no order.
    pub fn badge_ids(&self) -> Vec<Arc<str>> {
        let mut ids = Vec::new();
        self.badges.walk(|id, _| ids.push(id.clone()));
        ids
    }

    /// What is known of a badge, if anything.
    pub fn badge(&self, badge_id: &str, now: Arrival) -> Option<BadgeHeard> {
        let now = self.beat(now);
        self.badges.look(badge_id, |badge| badge.view(badge_id, now))
    }

    /// Whether the store may know better when a badge was last heard.
    pub fn is_incomplete(&self, badge_id: &str) -> bool {
        let start = self.beat(self.start);
        self.badges.look(badge_id, |badge| badge.is_incomplete(start)).unwrap_or(true)
    }

    /// Takes in what the store knows of a badge from before the start, its newest
    /// reading if it has one, and tells what is known now. Drives no badge out
    /// that was heard.
    pub fn recall(&self, badge_id: &str, newest: Option<&Reading>, now: Arrival) -> BadgeHeard {
        let newest = newest.map(|reading| (reading, self.place(reading.heard_at, now)));
        let now = self.beat(now);
        let recall = |badge: &mut Badge| {
            badge.recall(newest);
            badge.view(badge_id, now)
        };
        let recalled = match newest {
            Some(_) => self.badges.touch_if_room(badge_id, recall),
            // Whoever asks for made-up badges must not make them known.
            None => self.badges.change(badge_id, recall),
        };
        recalled.unwrap_or_else(|| recall(&mut Badge::default()))
    }

    /// Those Pis that are known, in no order.
    pub fn pi_ids(&self) -> Vec<Arc<str>> {
        let mut ids = Vec::new();
        self.pis.walk(|id, _| ids.push(id.clone()));
        ids
    }

    /// What is known of those Pis, in no order.
    pub fn pis(&self, now: Arrival) -> Vec<PiHeard> {
        let now = self.beat(now);
        let mut pis = Vec::new();
        self.pis.walk(|id, pi| pis.push(pi.view(id, now)));
        let mut badges: HashMap<Arc<str>, u64> = HashMap::new();
        self.badges.walk(|_, badge| {
            for pi_id in badge.pis_in_hour(now) {
                *badges.entry(pi_id.clone()).or_default() += 1;
            }
        });
        for pi in &mut pis {
            pi.badges_hour = badges.get(&pi.pi_id).copied().unwrap_or(0);
        }
        pis
    }

    /// How many Pis were new when they were heard, since the start. As long as it
    /// stands still, there is no new one.
    pub fn pis_new(&self) -> u64 {
        self.pis_new.load(Ordering::Relaxed)
    }

    /// What is to be written down of Pis whose time is not the one noted last:
    /// of `all`, or of those never noted.
    pub fn pis_to_note(&self, all: bool) -> Vec<PiNote> {
        let mut notes = Vec::new();
        self.pis.walk(|id, pi| notes.extend(pi.to_note(id, all)));
        notes
    }

    /// To be told when notes are on disk.
    pub fn noted(&self, notes: &[PiNote]) {
        for note in notes {
            // One that was driven out meanwhile is new when it comes again.
            self.pis.change(&note.pi_id, |pi| pi.noted(note)).unwrap_or_default();
        }
    }

    /// When something was heard that arrived about `now`.
    fn place(&self, t: Millis, now: Arrival) -> Heard {
        let age_ms = u64::try_from(now.wall.0.saturating_sub(t.0)).unwrap_or(0);
        // Beat 0 means never, and nothing heard is that old.
        Heard { beat: self.beat(now).saturating_sub(age_ms).max(1), t: t.min(now.wall) }
    }

    fn beat(&self, now: Arrival) -> Beat {
        // A clock from before there were collectors leaves no room for ages.
        let base = self.start.wall.max(Millis::YEAR_2000).0.unsigned_abs();
        base.saturating_add(now.mono_ms).saturating_sub(self.start.mono_ms)
    }
}
