//! What was refused of each badge and each Pi: how many for which reason, and
//! the last with what was wrong with it.
//!
//! A flood of others drives nothing of this out until it has made up more ids
//! than are kept; then those that were refused longest ago go. With ids as long
//! as they may be, all of it takes about 10 MB: 360 bytes a badge and 150 a Pi,
//! up to 350 for the last refusal of each, and the ids.

use std::sync::Arc;

use houseful_model::Millis;
use houseful_model::wire::Ids;
use houseful_store::{BADGES_MAX, Bounded, PIS_MAX, Ring};

use super::{Reason, Totals};

/// How much is kept of what was wrong with the last one, in bytes: as many
/// errors as fit, and of the first as much as fits.
const ERRORS_BYTES_MAX: usize = 240;

/// The last hour, by five minutes: sixty minutes of each reason would be 1.5 KB
/// a badge. More than 65,535 in five minutes count as so many.
type Hour = Ring<[u16; Reason::ALL.len()], 12, 300_000>;

#[derive(Debug)]
pub(super) struct Whose {
    badges: Bounded<Badge>,
    pis: Bounded<Pi>,
}

#[derive(Debug, Default)]
struct Badge {
    hour: Hour,
    last: Option<Arc<Last>>,
}

#[derive(Debug, Default)]
struct Pi {
    totals: Totals,
    last: Option<Arc<Last>>,
}

/// The last refusal of a badge or a Pi.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// When it was answered.
    pub(crate) at: Millis,
    pub(crate) reason: Reason,
    /// As far as it could be read.
    pub(crate) badge_id: Option<Arc<str>>,
    /// Likewise.
    pub(crate) pi_id: Option<Arc<str>>,
    /// One a line.
    errors: Box<str>,
}

impl Last {
    /// What was wrong, as far as it is kept.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &str> {
        self.errors.lines()
    }
}

/// What is known of a badge or a Pi.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefusedOf {
    /// A badge's of the last hour, a Pi's since the start.
    pub(crate) counts: Totals,
    pub(crate) last: Option<Arc<Last>>,
}

impl Default for Whose {
    fn default() -> Whose {
        Whose { badges: Bounded::new(BADGES_MAX), pis: Bounded::new(PIS_MAX) }
    }
}

impl Whose {
    /// Notes a refusal; `now_ms` is by a clock that never steps.
    pub(super) fn note<T: AsRef<str>>(
        &self,
        at: Millis,
        now_ms: u64,
        reason: Reason,
        ids: &Ids<'_>,
        errors: &[T],
    ) {
        let badge_id = ids.badge_id.as_deref().map(|id| {
            self.badges.touch(id, |id, badge| {
                if let Some(counts) = badge.hour.bucket(now_ms) {
                    let count = &mut counts[reason as usize];
                    *count = count.saturating_add(1);
                }
                id.clone()
            })
        });
        let pi_id = ids.pi_id.as_deref().map(|id| {
            self.pis.touch(id, |id, pi| {
                pi.totals[reason as usize] += 1;
                id.clone()
            })
        });
        if badge_id.is_none() && pi_id.is_none() {
            return;
        }
        let errors = packed(errors);
        let last = Arc::new(Last { at, reason, badge_id, pi_id, errors });
        // One that was driven out meanwhile has no last.
        if let Some(id) = &last.badge_id {
            self.badges.change(id, |badge| badge.last = Some(last.clone())).unwrap_or_default();
        }
        if let Some(id) = &last.pi_id {
            self.pis.change(id, |pi| pi.last = Some(last.clone())).unwrap_or_default();
        }
    }

    /// Of this badge; nothing for one that is not known.
    pub(super) fn of_badge(&self, badge_id: &str, now_ms: u64) -> RefusedOf {
        let view = |badge: &Badge| RefusedOf {
            counts: in_hour(&badge.hour, now_ms),
            last: badge.last.clone(),
        };
        self.badges.look(badge_id, view).unwrap_or_default()
    }

    /// Of this Pi; nothing for one that is not known.
    pub(super) fn of_pi(&self, pi_id: &str) -> RefusedOf {
        let view = |pi: &Pi| RefusedOf { counts: pi.totals, last: pi.last.clone() };
        self.pis.look(pi_id, view).unwrap_or_default()
    }

    /// Those of which something was refused in the last hour, in no order.
    pub(super) fn badge_ids(&self, now_ms: u64) -> Vec<Arc<str>> {
        let mut ids = Vec::new();
        self.badges.walk(|id, badge| {
            if in_hour(&badge.hour, now_ms).iter().any(|count| *count > 0) {
                ids.push(id.clone());
            }
        });
        ids
    }

    /// Those of which something was refused, in no order.
    pub(super) fn pi_ids(&self) -> Vec<Arc<str>> {
        let mut ids = Vec::new();
        self.pis.walk(|id, _| ids.push(id.clone()));
        ids
    }
}

fn in_hour(hour: &Hour, now_ms: u64) -> Totals {
    let mut totals = Totals::default();
    for counts in hour.until(now_ms) {
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += u64::from(count);
        }
    }
    totals
}

fn packed<T: AsRef<str>>(errors: &[T]) -> Box<str> {
    let mut text = String::new();
    let mut errors = errors.iter().map(AsRef::as_ref);
    if let Some(first) = errors.next() {
        text += &first[..first.floor_char_boundary(ERRORS_BYTES_MAX)];
        if text.len() < first.len() {
            text.push('…');
        }
    }
    for error in errors {
        if text.len() + 1 + error.len() <= ERRORS_BYTES_MAX {
            text.push('\n');
            text += error;
        }
    }
    text.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn ids<'a>(badge_id: &'a str, pi_id: &'a str) -> Ids<'a> {
        let some = |id: &'a str| (!id.is_empty()).then_some(Cow::Borrowed(id));
        Ids { badge_id: some(badge_id), pi_id: some(pi_id) }
    }

    /// Reasons counted, and those counts.
    fn counts(of: &RefusedOf) -> Vec<(Reason, u64)> {
        let all = Reason::ALL.into_iter().zip(of.counts);
        all.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn a_badge_forgets_counts_after_an_hour_and_a_pi_none() {
        let whose = Whose::default();
        let note = |minute: u64, reason, ids: Ids<'_>| {
            whose.note(Millis(minute as i64), minute * MINUTE_MS, reason, &ids, &["why"]);
        };
        note(1, Reason::Invalid, ids("b", "p"));
        note(2, Reason::Invalid, ids("b", ""));
        note(40, Reason::Ahead, ids("b", "p"));
        note(41, Reason::TooOld, ids("", "p"));
        note(42, Reason::Broken, Ids::default());
        let badge = |minute: u64| whose.of_badge("b", minute * MINUTE_MS);
        assert_eq!(counts(&badge(50)), [(Reason::Invalid, 2), (Reason::Ahead, 1)]);
        assert_eq!(counts(&badge(65)), [(Reason::Ahead, 1)]);
        assert_eq!(counts(&badge(110)), []);
        assert_eq!(whose.badge_ids(65 * MINUTE_MS).len(), 1);
        assert_eq!(whose.badge_ids(110 * MINUTE_MS).len(), 0);
        // What was last stays, however long ago.
        let last = badge(1_000).last.unwrap();
        assert_eq!(
            (last.at, last.reason, last.pi_id.as_deref()),
            (Millis(40), Reason::Ahead, Some("p"))
        );

        let pi = whose.of_pi("p");
        let want = [(Reason::Invalid, 1), (Reason::Ahead, 1), (Reason::TooOld, 1)];
        assert_eq!(counts(&pi), want);
        let last = pi.last.unwrap();
        assert_eq!(
            (last.at, last.reason, last.badge_id.as_deref()),
            (Millis(41), Reason::TooOld, None)
        );
        assert_eq!(whose.of_badge("other", 0), RefusedOf::default());
        assert_eq!(whose.of_pi("other"), RefusedOf::default());
    }

    #[test]
    fn errors_are_kept_as_far_as_they_fit() {
        let (whole, long) = ("x".repeat(ERRORS_BYTES_MAX), "ü".repeat(500));
        let cut = "ü".repeat(ERRORS_BYTES_MAX / 2) + "…";
        let rows: [(&[&str], &[&str]); 6] = [
            (&[], &[]),
            (&["a", "b"], &["a", "b"]),
            (&[&whole, "b"], &[&whole]),
            (&[&long, "b"], &[&cut]),
            (&["a", &whole, "b"], &["a", "b"]),
            (&["a", &"x".repeat(237), "b"], &["a", &"x".repeat(237)]),
        ];
        for (errors, want) in rows {
            let whose = Whose::default();
            whose.note(Millis(0), 0, Reason::Invalid, &ids("b", "p"), errors);
            let last = whose.of_badge("b", 0).last.unwrap();
            assert_eq!(last.errors().collect::<Vec<_>>(), want, "{errors:?}");
            assert_eq!(whose.of_pi("p").last, Some(last));
        }
    }

    /// The figures that the module's page tells.
    #[test]
    fn whatever_ids_are_made_up_each_takes_little() {
        let whose = Whose::default();
        let errors = ["ü".repeat(5_000), "x".repeat(50)];
        for n in 0..30_000 {
            let (badge_id, pi_id) = (format!("{n:064}"), format!("{n:063}p"));
            whose.note(Millis(0), 0, Reason::Invalid, &ids(&badge_id, &pi_id), &errors);
        }
        assert_eq!((whose.badge_ids(0).len(), whose.pi_ids().len()), (BADGES_MAX, PIS_MAX));
        whose.badges.walk(|_, badge| {
            assert!(badge.last.as_ref().unwrap().errors.len() <= ERRORS_BYTES_MAX + "…".len());
        });
        // A slot holds an id, its hash and two places beside the value.
        assert!(size_of::<Badge>() + 32 <= 360, "{}", size_of::<Badge>());
        assert!(size_of::<Pi>() + 32 <= 150, "{}", size_of::<Pi>());
        assert!(16 + size_of::<Last>() + ERRORS_BYTES_MAX + 3 <= 350, "{}", size_of::<Last>());
    }
}
