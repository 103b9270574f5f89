//! A map from ids that never grows past its bound.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

/// Shards, by the hash, so that threads seldom meet.
const SHARDS: usize = 16;

/// Values looked at under one lock by [`Bounded::walk`].
const WALK_STEP: usize = 64;

/// A map from ids to values that holds at most a number of them: past it, of
/// the ids in the same shard, the one that was touched longest ago makes room.
///
/// Every operation is O(1) and holds one shard's lock, so a flood of made-up
/// ids costs what one of real ones does. Hashes are keyed, so nobody outside
/// can choose a shard.
///
/// ```text
/// shard:  table  hash ─▶ place ─┐
///         slots  [ … ◀──────────┘ … ]   linked from the newest touched to the oldest
/// ```
#[derive(Debug)]
pub struct Bounded<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    hasher: RandomState,
}

impl<V: Default> Bounded<V> {
    /// An empty map of at most `len_max` ids, rounded down to a multiple of 16.
    pub fn new(len_max: usize) -> Bounded<V> {
        let shard = || Mutex::new(Shard::new(len_max / SHARDS));
        Bounded { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// Does something with the value of an id, which is now the newest touched.
    /// The value of a new one is the default.
    pub fn touch<R>(&self, id: &str, with: impl FnOnce(&Arc<str>, &mut V) -> R) -> R {
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash);
        let slot = shard.touch(hash, id);
        with(&slot.id, &mut slot.value)
    }

    /// As [`Bounded::touch`], but a new id drives no other out: `None` if there
    /// is no room for it. The turn of one that is there does not change.
    pub fn touch_if_room<R>(&self, id: &str, with: impl FnOnce(&mut V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash);
        let place = match shard.find(hash, id) {
            None if shard.is_full() => return None,
            None => shard.insert(hash, id),
            Some(place) => place,
        };
        Some(with(&mut shard.slots[place as usize].value))
    }

    /// Changes the value of an id, if it is there; that does not touch it.
    pub fn change<R>(&self, id: &str, with: impl FnOnce(&mut V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash);
        let place = shard.find(hash, id)?;
        Some(with(&mut shard.slots[place as usize].value))
    }

    /// Looks at the value of an id, if it is there; that does not touch it.
    pub fn look<R>(&self, id: &str, with: impl FnOnce(&V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(id);
        let shard = self.shard(hash);
        shard.find(hash, id).map(|place| with(&shard.slots[place as usize].value))
    }

    /// Looks at all values, in no order, a few under each lock: an id that comes
    /// or goes meanwhile may be missed.
    pub fn walk(&self, mut with: impl FnMut(&Arc<str>, &V)) {
        for shard in &self.shards {
            let mut walked = 0;
            loop {
                let shard = lock(shard);
                let Some(rest) = shard.slots.get(walked..).filter(|rest| !rest.is_empty()) else {
                    break;
                };
                rest.iter().take(WALK_STEP).for_each(|slot| with(&slot.id, &slot.value));
                walked += WALK_STEP;
            }
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<V>> {
        // The table takes the lowest and the highest bits.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is held here are counts and times, and no shard is left half linked
    // by a statement that can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Shard<V> {
    table: HashTable<u32>,
    slots: Vec<Slot<V>>,
    newest: u32,
    oldest: u32,
    len_max: usize,
}

#[derive(Debug)]
struct Slot<V> {
    hash: u64,
    id: Arc<str>,
    newer: u32,
    older: u32,
    value: V,
}

/// No place.
const NONE: u32 = u32::MAX;

impl<V: Default> Shard<V> {
    fn new(len_max: usize) -> Shard<V> {
        let (table, slots) = (HashTable::new(), Vec::new());
        Shard { table, slots, newest: NONE, oldest: NONE, len_max: len_max.max(1) }
    }

    fn touch(&mut self, hash: u64, id: &str) -> &mut Slot<V> {
        let place = match self.find(hash, id) {
            Some(place) => {
                if place != self.newest {
                    self.unlink(place);
                    self.link_newest(place);
                }
                place
            }
            None => self.insert(hash, id),
        };
        &mut self.slots[place as usize]
    }

    fn is_full(&self) -> bool {
        self.slots.len() >= self.len_max
    }

    fn find(&self, hash: u64, id: &str) -> Option<u32> {
        let matches = |place: &u32| {
            let slot = &self.slots[*place as usize];
            slot.hash == hash && *slot.id == *id
        };
        self.table.find(hash, matches).copied()
    }

    fn insert(&mut self, hash: u64, id: &str) -> u32 {
        let (id, value) = (Arc::from(id), V::default());
        let place = if self.is_full() {
            let place = self.oldest;
            let old = self.slots[place as usize].hash;
            if let Ok(entry) = self.table.find_entry(old, |other| *other == place) {
                entry.remove();
            }
            self.unlink(place);
            self.slots[place as usize] = Slot { hash, id, newer: NONE, older: NONE, value };
            place
        } else {
            if self.slots.len() == self.slots.capacity() {
                // Doubling would overshoot a bound that is a matter of memory.
                let more = (self.slots.len() / 2).max(4);
                self.slots.reserve_exact(more.min(self.len_max - self.slots.len()));
            }
            self.slots.push(Slot { hash, id, newer: NONE, older: NONE, value });
            // Bounded far below 2³².
            (self.slots.len() - 1) as u32
        };
        let Shard { table, slots, .. } = self;
        table.insert_unique(hash, place, |place| slots[*place as usize].hash);
        self.link_newest(place);
        place
    }

    fn unlink(&mut self, place: u32) {
        let Slot { newer, older, .. } = self.slots[place as usize];
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, place: u32) {
        let second = self.newest;
        let slot = &mut self.slots[place as usize];
        (slot.newer, slot.older) = (NONE, second);
        match self.slots.get_mut(second as usize) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_touched_last(
            len_max in 1..6_usize,
            // Few hashes, so that they meet.
            touches in prop::collection::vec((0..12_u8, 0..3_u64), 0..80),
        ) {
            let mut map = Shard::<u32>::new(len_max);
            let mut model: Vec<(u64, String, u32)> = Vec::new();
            for (id, hash) in touches {
                // An id has one hash.
                let (id, hash) = (format!("{hash}_{id}"), hash);
                map.touch(hash, &id).value += 1;
                let known = model.iter().position(|(_, known, _)| *known == id);
                let count = known.map_or(0, |known| model.remove(known).2);
                model.push((hash, id, count + 1));
                if model.len() > len_max {
                    model.remove(0);
                }
            }
            prop_assert_eq!(map.slots.len(), model.len());
            prop_assert_eq!(map.table.len(), model.len());
            for (hash, id, count) in &model {
                let place = map.find(*hash, id);
                prop_assert_eq!(place.map(|place| map.slots[place as usize].value), Some(*count));
            }
        }
    }

    #[test]
    fn a_walk_sees_each_once_and_room_is_not_made_for_those_who_ask_for_room() {
        let map = Bounded::<u32>::new(16 * 100);
        let ids: Vec<_> = (0..10_000).map(|n| format!("id {n}")).collect();
        for id in &ids {
            map.touch_if_room(id, |count| *count += 1);
        }
        let mut seen = Vec::new();
        map.walk(|id, count| seen.push((id.to_string(), *count)));
        assert_eq!(seen.len(), 1_600);
        assert!(seen.iter().all(|(_, count)| *count == 1));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1_600);
        assert_eq!(map.look(&ids[0], |count| *count), Some(1), "the first stay");
        map.touch("new", |_, count| *count += 7);
        assert_eq!(map.look("new", |count| *count), Some(7));
        let mut len = 0;
        map.walk(|_, _| len += 1);
        assert_eq!(len, 1_600);
    }
}
