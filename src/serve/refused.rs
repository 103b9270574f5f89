//! Emissions that were not acknowledged, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why an emission was not acknowledged. One word each, as metrics and pages
/// show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No JSON, or its framing is broken.
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
}

impl Reason {
    /// All of them.
    pub(crate) const ALL: [Reason; 9] = [
        Reason::Broken,
        Reason::Invalid,
        Reason::Ahead,
        Reason::TooOld,
        Reason::Clock,
        Reason::QueueFull,
        Reason::Unavailable,
        Reason::Failed,
        Reason::Stopping,
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
        }
    }
}

/// How many emissions were refused since the start, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    totals: [AtomicU64; Reason::ALL.len()],
}

impl Refused {
    /// Counts one.
    pub(crate) fn note(&self, reason: Reason) {
        self.totals[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub(crate) fn total(&self, reason: Reason) -> u64 {
        self.totals[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_place_and_word() {
        let refused = Refused::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            for _ in 0..=place {
                refused.note(reason);
            }
        }
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(refused.total(reason), place as u64 + 1, "{}", reason.word());
        }
    }
}
