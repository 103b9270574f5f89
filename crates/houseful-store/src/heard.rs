//! Who was heard: what the activity knows, and from before the start the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use houseful_model::Millis;
use houseful_model::emission::AHEAD_MS_MAX;

use crate::activity::{BADGES_MAX, BadgeHeard, PIS_MAX, PiHeard};
use crate::{ReadError, Store};

/// A read is short, some milliseconds: it holds up the writer's checkpoints.
const BADGES_PER_READ: usize = 50;
const PIS_PER_READ: usize = 500;

/// Some ids, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The ids.
    pub ids: BTreeSet<Arc<str>>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Known {
    /// Adds ids as long as there is room for at most `max`.
    pub fn extend(&mut self, ids: impl IntoIterator<Item = Arc<str>>, max: usize) {
        for id in ids {
            if self.ids.len() < max {
                self.ids.insert(id);
            } else if !self.ids.contains(&id) {
                self.truncated = true;
                return;
            }
        }
    }
}

impl Store {
    /// Badges that were heard since the start, then stored ones: at most
    /// [`BADGES_MAX`]. Blocks for a short read.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn badges_known(&self) -> Result<Known, ReadError> {
        let mut known = Known::default();
        known.extend(self.activity().badge_ids(), BADGES_MAX);
        let stored = self.read(|reader| reader.badge_names(BADGES_MAX + 1))?;
        known.extend(stored.into_iter().map(Arc::from), BADGES_MAX);
        Ok(known)
    }

    /// What is known of these badges, in their order. Blocks for short reads if
    /// some were not heard since the start, the first time that they are asked
    /// for.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn badges_heard<T: AsRef<str>>(&self, ids: &[T]) -> Result<Vec<BadgeHeard>, ReadError> {
        let activity = self.activity();
        let now = self.arrival();
        // A time further ahead was stored under a wrong clock.
        let before = Millis(now.wall.0.saturating_add(AHEAD_MS_MAX + 1));
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let asked: Vec<_> = ids.iter().copied().filter(|id| activity.is_incomplete(id)).collect();
        let mut recalled = HashMap::new();
        for ids in asked.chunks(BADGES_PER_READ) {
            let newest = self.read(|reader| reader.newest_of_badges(ids, before))?;
            for (id, newest) in ids.iter().zip(newest) {
                recalled.insert(*id, activity.recall(id, newest.as_ref(), now));
            }
        }
        let heard = |id| {
            let recalled = recalled.remove(id);
            recalled.or_else(|| activity.badge(id, now)).unwrap_or_else(|| BadgeHeard::unknown(id))
        };
        Ok(ids.into_iter().map(heard).collect())
    }

    /// Pis that were heard since the start, then stored ones: at most
    /// [`PIS_MAX`]. Blocks for a short read.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn pis_known(&self) -> Result<Known, ReadError> {
        let mut known = Known::default();
        known.extend(self.activity().pi_ids(), PIS_MAX);
        let stored = self.read(|reader| reader.pi_names(PIS_MAX + 1))?;
        known.extend(stored.into_iter().map(Arc::from), PIS_MAX);
        Ok(known)
    }

    /// What is known of these Pis, in their order. Blocks for short reads.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn pis_heard<T: AsRef<str>>(&self, ids: &[T]) -> Result<Vec<PiHeard>, ReadError> {
        let now = self.arrival();
        let known = self.activity().pis(now).into_iter();
        let mut known: HashMap<_, _> = known.map(|pi| (pi.pi_id.clone(), pi)).collect();
        let mut pis = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PIS_PER_READ) {
            let stored = self.read(|reader| reader.pis_heard(ids))?;
            for (id, stored) in ids.iter().map(AsRef::as_ref).zip(stored) {
                let mut pi = known.remove(id).unwrap_or_else(|| PiHeard::unknown(id));
                // A time that has not come was written under a wrong clock.
                let stored = stored.filter(|t| t.0 <= now.wall.0.saturating_add(AHEAD_MS_MAX));
                pi.last_heard = pi.last_heard.max(stored.map(|t| t.min(now.wall)));
                pis.push(pi);
            }
        }
        Ok(pis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_ids_than_there_is_room_for_are_said_to_be_more() {
        let ids = |names: &str| names.split(' ').map(Arc::from).collect::<Vec<Arc<str>>>();
        let rows = [
            ("a b", "c", "a b c", false),
            ("b a", "a b a", "a b", false),
            ("a b", "a c b d", "a b c", true),
            ("a b c", "a b c", "a b c", false),
            ("a b c", "c d", "a b c", true),
            ("d c b a", "", "b c d", true),
        ];
        for (first, then, want, truncated) in rows {
            let mut known = Known::default();
            known.extend(ids(first), 3);
            if !then.is_empty() {
                known.extend(ids(then), 3);
            }
            let found: Vec<_> = known.ids.into_iter().collect();
            assert_eq!((found, known.truncated), (ids(want), truncated), "{first}, {then}");
        }
    }
}
