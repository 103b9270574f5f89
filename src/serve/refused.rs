//! Emissions that were not acknowledged: how many for which reason, and the
//! latest with whose they were and what was wrong with them.
//!
//! All of it is bounded, and a refusal costs less than the answer to it: this
//! is called for every emission of a flood of bad ones.

mod whose;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use houseful_model::Millis;
use houseful_model::wire::Ids;
use houseful_store::wall_clock;

use self::whose::Whose;
pub(crate) use self::whose::{Last, RefusedOf};
use super::ingest::Peer;

/// How many of the latest are kept with their text.
pub(crate) const LATEST_MAX: usize = 50;

/// How many errors of one refusal are kept, and how many characters of each.
const ERRORS_MAX: usize = 5;
const ERROR_CHARS_MAX: usize = 200;

/// Why an emission was not acknowledged. One word each, as metrics and pages
/// show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No JSON, or the request that should bring it is broken.
    Broken,
    /// JSON that is no emission.
    Invalid,
    /// `heard_at` is ahead of our clock.
    Ahead,
    /// `heard_at` is before the year 2000.
    TooOld,
    /// Our own clock cannot be believed.
    Clock,
    /// Too many emissions wait for the store.
    QueueFull,
    /// The store cannot write now.
    Unavailable,
    /// The store has failed.
    Failed,
    /// The collector is about to stop.
    Stopping,
    /// Larger than an emission may be, or its request's head than a head may be.
    TooLarge,
    /// By its headers it is not JSON.
    MediaType,
    /// Its request names a host that we are not, or a page of another site sent it.
    Host,
    /// It did not come in time.
    Late,
}

impl Reason {
    /// All of them.
    pub(crate) const ALL: [Reason; 13] = [
        Reason::Broken,
        Reason::Invalid,
        Reason::Ahead,
        Reason::TooOld,
        Reason::Clock,
        Reason::QueueFull,
        Reason::Unavailable,
        Reason::Failed,
        Reason::Stopping,
        Reason::TooLarge,
        Reason::MediaType,
        Reason::Host,
        Reason::Late,
    ];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::Broken => "broken",
            Reason::Invalid => "invalid",
            Reason::Ahead => "ahead",
            Reason::TooOld => "too_old",
            Reason::Clock => "clock",
            Reason::QueueFull => "queue_full",
            Reason::Unavailable => "unavailable",
            Reason::Failed => "failed",
            Reason::Stopping => "stopping",
            Reason::TooLarge => "too_large",
            Reason::MediaType => "media_type",
            Reason::Host => "host",
            Reason::Late => "late",
        }
    }

    /// The status of its answer. 400 is final for a Pi; 503 is not.
    pub(crate) fn status(self) -> u16 {
        match self {
            Reason::Broken | Reason::Invalid | Reason::Ahead | Reason::TooOld => 400,
            Reason::Clock
            | Reason::QueueFull
            | Reason::Unavailable
            | Reason::Failed
            | Reason::Stopping => 503,
            Reason::TooLarge => 413,
            Reason::MediaType => 415,
            Reason::Host => 403,
            Reason::Late => 408,
        }
    }

    /// Why a request was refused before anyone looked for an emission in it, by
    /// the status of its answer.
    pub(crate) fn of_request(status: u16) -> Reason {
        match status {
            403 => Reason::Host,
            408 => Reason::Late,
            413 | 414 | 431 => Reason::TooLarge,
            415 => Reason::MediaType,
            _ => Reason::Broken,
        }
    }
}

/// One emission that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// When it was answered.
    pub(crate) at: Millis,
    pub(crate) reason: Reason,
    /// Its badge and Pi, as far as they could be read.
    pub(crate) ids: Ids<'static>,
    /// Who sent it.
    pub(crate) peer: Peer,
    /// What was wrong, shortened.
    pub(crate) errors: Vec<String>,
}

/// How many of each reason.
pub(crate) type Totals = [u64; Reason::ALL.len()];

/// Refused emissions since the start.
#[derive(Debug)]
pub(crate) struct Refused {
    start: Instant,
    totals: [AtomicU64; Reason::ALL.len()],
    latest: Mutex<VecDeque<Refusal>>,
    whose: Whose,
}

impl Default for Refused {
    fn default() -> Refused {
        Refused {
            start: Instant::now(),
            totals: Default::default(),
            latest: Mutex::default(),
            whose: Whose::default(),
        }
    }
}

impl Refused {
    /// Notes an emission that was refused: the way in, for every door. Its
    /// ids come from the emission or, if it is none, from its body.
    pub(crate) fn note<T: AsRef<str>>(
        &self,
        reason: Reason,
        ids: Ids<'_>,
        peer: Peer,
        errors: &[T],
    ) {
        self.totals[reason as usize].fetch_add(1, Ordering::Relaxed);
        let at = wall_clock();
        self.whose.note(at, self.mono_ms(), reason, &ids, errors);
        let errors = errors.iter().take(ERRORS_MAX).map(|error| shortened(error.as_ref()));
        let refusal = Refusal { at, reason, ids: ids.into_owned(), peer, errors: errors.collect() };
        let mut latest = self.lock_latest();
        let oldest = (latest.len() == LATEST_MAX).then(|| latest.pop_front());
        latest.push_back(refusal);
        drop(latest);
        drop(oldest);
    }

    /// Counts so many more of a flood of which others were noted: by their reason
    /// alone, which costs next to nothing.
    pub(crate) fn count(&self, reason: Reason, emissions: u64) {
        self.totals[reason as usize].fetch_add(emissions, Ordering::Relaxed);
    }

    /// How many so far.
    pub(crate) fn total(&self, reason: Reason) -> u64 {
        self.totals[reason as usize].load(Ordering::Relaxed)
    }

    /// At most [`LATEST_MAX`], newest first.
    pub(crate) fn latest(&self) -> Vec<Refusal> {
        self.lock_latest().iter().rev().cloned().collect()
    }

    /// Of this badge, with counts of the last hour; nothing for one that is not
    /// known.
    pub(crate) fn of_badge(&self, badge_id: &str) -> RefusedOf {
        self.whose.of_badge(badge_id, self.mono_ms())
    }

    /// Of this Pi, with counts since the start; nothing for one that is not known.
    pub(crate) fn of_pi(&self, pi_id: &str) -> RefusedOf {
        self.whose.of_pi(pi_id)
    }

    /// Badges of which an emission was refused in the last hour, in no order.
    pub(crate) fn badge_ids(&self) -> Vec<Arc<str>> {
        self.whose.badge_ids(self.mono_ms())
    }

    /// Pis of which an emission was refused, in no order.
    pub(crate) fn pi_ids(&self) -> Vec<Arc<str>> {
        self.whose.pi_ids()
    }

    /// A clock for the minutes that never steps.
    fn mono_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock_latest(&self) -> MutexGuard<'_, VecDeque<Refusal>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(error: &str) -> String {
    match error.char_indices().nth(ERROR_CHARS_MAX) {
        None => error.to_owned(),
        Some((end, _)) => format!("{}…", &error[..end]),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn ids<'a>(badge_id: &'a str, pi_id: &'a str) -> Ids<'a> {
        Ids { badge_id: Some(Cow::Borrowed(badge_id)), pi_id: Some(Cow::Borrowed(pi_id)) }
    }

    #[test]
    fn each_reason_has_its_own_place_and_word() {
        let refused = Refused::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            for _ in 0..=place {
                refused.note(reason, ids("b", "p"), Peer::default(), &["why"]);
            }
        }
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(refused.total(reason), place as u64 + 1, "{}", reason.word());
            for of in [refused.of_badge("b"), refused.of_pi("p")] {
                assert_eq!(of.counts[place], place as u64 + 1, "{}", reason.word());
            }
        }
    }

    #[test]
    fn the_guide_has_a_word_for_each() {
        let guide = include_str!("../../docs/api.md");
        for reason in Reason::ALL {
            assert!(guide.contains(&format!("`{}`", reason.word())), "{}", reason.word());
        }
    }

    #[test]
    fn the_latest_are_kept_newest_first() {
        let refused = Refused::default();
        for n in 0..60 {
            let error = format!("error {n}");
            refused.note(Reason::Invalid, Ids::default(), Peer::default(), &[error]);
        }
        let latest = refused.latest();
        assert_eq!(latest.len(), LATEST_MAX);
        assert_eq!(latest[0].errors, ["error 59"]);
        assert_eq!(latest[LATEST_MAX - 1].errors, ["error 10"]);
        assert_eq!(latest[0].ids, Ids::default());
    }

    #[test]
    fn of_made_up_ids_and_long_errors_little_is_kept() {
        let refused = Refused::default();
        let error = "ü".repeat(5_000);
        for n in 0..30_000 {
            let (badge_id, pi_id) = (format!("badge {n}"), format!("pi {n}"));
            let ids = ids(&badge_id, &pi_id);
            refused.note(Reason::Invalid, ids, Peer::default(), &[&error; 100]);
        }
        assert_eq!(refused.of_badge("badge 29999").counts.iter().sum::<u64>(), 1);
        assert_eq!(refused.of_badge("badge 0"), RefusedOf::default(), "the longest unseen went");
        for refusal in refused.latest() {
            assert_eq!(refusal.errors.len(), ERRORS_MAX);
            assert!(refusal.errors.iter().all(|e| e.chars().count() == ERROR_CHARS_MAX + 1));
        }
    }
}
