//! A map from ids that never grows past its bound.

use std::sync::Arc;

use hashbrown::HashTable;

/// A map from ids to values that holds at most a number of them: past it, the
/// one that was touched longest ago makes room. Every operation is O(1), so a
/// flood of made-up ids costs what one of real ones does.
///
/// ```text
/// table  hash ─▶ place ─┐
/// slots  [ … ◀──────────┘ … ]   linked from the newest touched to the oldest
/// ```
///
/// The caller hashes, with a key that nobody outside knows.
#[derive(Debug)]
pub struct Bounded<V> {
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

impl<V: Default> Bounded<V> {
    /// An empty map of at most `len_max` ids, which is at least 1.
    pub fn new(len_max: usize) -> Bounded<V> {
        let (table, slots) = (HashTable::new(), Vec::new());
        Bounded { table, slots, newest: NONE, oldest: NONE, len_max: len_max.max(1) }
    }

    /// The value of an id, which is now the newest touched. A new one has the
    /// default.
    pub fn touch(&mut self, hash: u64, id: &str) -> (&Arc<str>, &mut V) {
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
        let slot = &mut self.slots[place as usize];
        (&slot.id, &mut slot.value)
    }

    /// The value of an id, whose turn to go is not changed.
    pub fn get(&self, hash: u64, id: &str) -> Option<&V> {
        self.find(hash, id).map(|place| &self.slots[place as usize].value)
    }

    /// As [`Bounded::get`].
    pub fn get_mut(&mut self, hash: u64, id: &str) -> Option<&mut V> {
        self.find(hash, id).map(|place| &mut self.slots[place as usize].value)
    }

    /// All ids and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.slots.iter().map(|slot| (&slot.id, &slot.value))
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a new id would drive one out.
    pub fn is_full(&self) -> bool {
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
            // Bounded far below 2³².
            self.slots.push(Slot { hash, id, newer: NONE, older: NONE, value });
            (self.slots.len() - 1) as u32
        };
        let Bounded { table, slots, .. } = self;
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
            let mut map = Bounded::<u32>::new(len_max);
            let mut model: Vec<(u64, String, u32)> = Vec::new();
            for (id, hash) in touches {
                // An id has one hash.
                let (id, hash) = (format!("{hash}_{id}"), hash);
                *map.touch(hash, &id).1 += 1;
                let known = model.iter().position(|(_, known, _)| *known == id);
                let count = known.map_or(0, |known| model.remove(known).2);
                model.push((hash, id, count + 1));
                if model.len() > len_max {
                    model.remove(0);
                }
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.table.len(), model.len());
            for (hash, id, count) in &model {
                prop_assert_eq!(map.get(*hash, id), Some(count));
            }
            let mut held: Vec<_> = map.iter().map(|(id, _)| id.to_string()).collect();
            let mut want: Vec<_> = model.into_iter().map(|(_, id, _)| id).collect();
            held.sort();
            want.sort();
            prop_assert_eq!(held, want);
        }
    }
}
