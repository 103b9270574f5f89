//! The bounded cache of what was stored in the last window.
//!
//! It only ever remembers what is on disk, so a hit is an answer; a miss proves
//! nothing. Entries live for a constant time, so the order of coming is the
//! order of going, and expiry is a queue per shard: no sweeper, O(1).
//!
//! ```text
//! shard:  table  fingerprint ─▶ position ─┐      (4 bytes and a tag each)
//!         ring   [ oldest … ◀─────────────┘ … newest ]   (40 bytes each)
//! ```

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashTable;
use houseful_model::{Emission, Millis};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::decide::window_ms;

/// Shards, by the fingerprint's top bits, so that threads seldom meet.
const SHARDS: usize = 16;

/// 16 shards of 16,384 entries of at most 64 bytes are 16 MiB.
const ENTRIES_PER_SHARD_MAX: usize = 16_384;

/// A keyed 128-bit hash of an emission's identity: house, badge, kept beacons.
///
/// The key is drawn at the start of the process, so nobody outside can make two
/// identities meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

/// 40 bytes: the two halves of a fingerprint, for a `u128` would be padded.
#[derive(Clone, Copy, Debug)]
struct Entry {
    fingerprint: [u64; 2],
    /// The newest stored time of the identity.
    t: Millis,
    /// When its newest untimed reading arrived, or [`NEVER`].
    arrived_mono_ms: u64,
    /// From when on the entry may be forgotten.
    expires_mono_ms: u64,
}

const NEVER: u64 = u64::MAX;

impl Entry {
    fn arrived(&self) -> Option<u64> {
        (self.arrived_mono_ms != NEVER).then_some(self.arrived_mono_ms)
    }
}

/// What was stored lately, by identity. See the module's page.
#[derive(Debug)]
pub struct Recent {
    shards: Vec<Mutex<Shard>>,
    window_ms: u64,
    ttl_ms: u64,
    entries_per_shard_max: usize,
    key: (u64, u64),
}

impl Recent {
    /// An empty cache that recognises copies less than `window` away.
    ///
    /// Its entries live for two windows: long enough for each copy by arrival,
    /// and for those that a Pi sends a little late with their time.
    pub fn new(window: Duration) -> Recent {
        Recent::with_bound(window, ENTRIES_PER_SHARD_MAX)
    }

    fn with_bound(window: Duration, entries_per_shard_max: usize) -> Recent {
        let random = || RandomState::new().build_hasher().finish();
        let window_ms = window_ms(window);
        Recent {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            window_ms,
            ttl_ms: window_ms.saturating_mul(2),
            entries_per_shard_max,
            key: (random(), random()),
        }
    }

    /// The fingerprint of an emission of `house`.
    pub fn fingerprint(&self, house: &str, emission: &Emission<'_>) -> Fingerprint {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        emission.hash_identity(house, &mut hasher);
        Fingerprint(hasher.finish128().as_u128())
    }

    /// Whether an original of this emission is known to be on disk.
    ///
    /// `arrived_mono_ms` is given for an untimed emission. `false` proves
    /// nothing.
    pub fn is_copy(
        &self,
        fingerprint: Fingerprint,
        t: Millis,
        arrived_mono_ms: Option<u64>,
    ) -> bool {
        let Some(entry) = self.shard(fingerprint).find(fingerprint) else {
            return false;
        };
        let by_time = entry.t.0.abs_diff(t.0) < self.window_ms;
        let by_arrival = match (entry.arrived(), arrived_mono_ms) {
            (Some(stored), Some(asked)) => stored.abs_diff(asked) < self.window_ms,
            _ => false,
        };
        by_time || by_arrival
    }

    /// When the newest untimed reading of the identity arrived, if known.
    pub fn arrived_mono_ms(&self, fingerprint: Fingerprint) -> Option<u64> {
        self.shard(fingerprint).find(fingerprint).and_then(|entry| entry.arrived())
    }

    /// Remembers a reading that is on disk; to be called after its sync only.
    pub fn remember(
        &self,
        fingerprint: Fingerprint,
        t: Millis,
        arrived_mono_ms: Option<u64>,
        now_mono_ms: u64,
    ) {
        let mut shard = self.shard(fingerprint);
        shard.expire(now_mono_ms);
        let mut entry = Entry {
            fingerprint: halves(fingerprint),
            t,
            arrived_mono_ms: arrived_mono_ms.unwrap_or(NEVER),
            expires_mono_ms: now_mono_ms.saturating_add(self.ttl_ms),
        };
        if let Some(old) = shard.find(fingerprint) {
            entry.t = entry.t.max(old.t);
            entry.arrived_mono_ms = match (old.arrived(), arrived_mono_ms) {
                (Some(old), Some(new)) => old.max(new),
                (old, new) => old.or(new).unwrap_or(NEVER),
            };
        }
        shard.push(entry, self.entries_per_shard_max);
    }

    /// How many entries are held, those not yet found expired included.
    pub fn entries(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).ring.len()).sum()
    }

    /// How many bytes the cache holds allocated.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).bytes()).sum()
    }

    fn shard(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(fingerprint.0 >> 124) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A shard is consistent between any two of its statements that can panic.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    [(fingerprint.0 >> 64) as u64, fingerprint.0 as u64]
}

#[derive(Debug, Default)]
struct Shard {
    /// Positions into `ring`, counted from the first entry ever pushed, modulo
    /// 2³²; found by the fingerprint's lower half.
    table: HashTable<u32>,
    ring: VecDeque<Entry>,
    /// The position of the ring's oldest entry.
    oldest: u32,
}

impl Shard {
    fn find(&self, fingerprint: Fingerprint) -> Option<Entry> {
        let halves = halves(fingerprint);
        let matches = |position: &u32| self.at(*position).fingerprint == halves;
        self.table.find(halves[1], matches).map(|position| *self.at(*position))
    }

    fn at(&self, position: u32) -> &Entry {
        &self.ring[position.wrapping_sub(self.oldest) as usize]
    }

    /// Adds the newest entry; an older one of the same fingerprint stays in the
    /// ring, found by nobody, until its turn to go.
    fn push(&mut self, entry: Entry, entries_max: usize) {
        if self.ring.len() >= entries_max {
            self.drop_oldest();
        }
        let position = self.oldest.wrapping_add(self.ring.len() as u32);
        let Shard { table, ring, oldest } = self;
        let at = |position: &u32| &ring[position.wrapping_sub(*oldest) as usize];
        let known =
            table.find_mut(entry.fingerprint[1], |p| at(p).fingerprint == entry.fingerprint);
        match known {
            Some(known) => *known = position,
            None => {
                table.insert_unique(entry.fingerprint[1], position, |p| at(p).fingerprint[1]);
            }
        }
        ring.push_back(entry);
    }

    fn expire(&mut self, now_mono_ms: u64) {
        while self.ring.front().is_some_and(|entry| entry.expires_mono_ms <= now_mono_ms) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(hash) = self.ring.front().map(|entry| entry.fingerprint[1]) else {
            return;
        };
        let oldest = self.oldest;
        if let Ok(current) = self.table.find_entry(hash, |position| *position == oldest) {
            current.remove();
        }
        self.ring.pop_front();
        self.oldest = oldest.wrapping_add(1);
    }

    fn bytes(&self) -> usize {
        self.table.allocation_size() + self.ring.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(4_500);

    #[test]
    fn a_hit_is_less_than_a_window_away_by_time_or_by_arrival() {
        let recent = Recent::new(WINDOW);
        let (one, two) = (Fingerprint(1 << 100 | 1), Fingerprint(1 << 100 | 2));
        assert!(!recent.is_copy(one, Millis(0), Some(0)));
        recent.remember(one, Millis(100_000), Some(50_000), 50_000);
        let rows = [
            (Millis(100_000), None, true),
            (Millis(104_499), None, true),
            (Millis(104_500), None, false),
            (Millis(95_501), None, true),
            (Millis(95_500), None, false),
            (Millis(9_000_000), Some(54_499), true),
            (Millis(9_000_000), Some(54_500), false),
        ];
        for (t, arrived, want) in rows {
            assert_eq!(recent.is_copy(one, t, arrived), want, "{t:?} {arrived:?}");
        }
        assert!(!recent.is_copy(two, Millis(100_000), Some(50_000)), "another identity");
    }

    #[test]
    fn the_newest_time_and_arrival_are_kept_when_a_late_one_is_stored() {
        let recent = Recent::new(WINDOW);
        let one = Fingerprint(7);
        recent.remember(one, Millis(100_000), Some(50_000), 50_000);
        recent.remember(one, Millis(20_000), None, 50_100);
        assert!(recent.is_copy(one, Millis(100_000), None));
        assert!(!recent.is_copy(one, Millis(20_000), None), "a miss proves nothing");
        assert_eq!(recent.arrived_mono_ms(one), Some(50_000));
    }

    #[test]
    fn entries_expire_in_the_order_of_coming() {
        let recent = Recent::new(WINDOW);
        for n in 0..100_u64 {
            recent.remember(Fingerprint(u128::from(n)), Millis(0), None, n * 1_000);
        }
        assert_eq!(recent.entries(), 9, "two windows of 4.5 s, one entry a second");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let recent = Recent::with_bound(WINDOW, 64);
        for n in 0..10_000_u128 {
            recent.remember(Fingerprint(n), Millis(0), None, 0);
            // One identity that is stored again and again keeps its place.
            recent.remember(Fingerprint(1 << 64), Millis(n as i64), None, 0);
        }
        assert_eq!(recent.entries(), 64);
        assert!(recent.is_copy(Fingerprint(9_999), Millis(0), None));
        assert!(recent.is_copy(Fingerprint(1 << 64), Millis(9_999), None));
        assert!(!recent.is_copy(Fingerprint(0), Millis(0), None));
    }

    #[test]
    fn an_entry_costs_at_most_64_bytes_and_all_16_mib() {
        let recent = Recent::new(WINDOW);
        let full = (SHARDS * ENTRIES_PER_SHARD_MAX) as u128;
        for n in 0..2 * full {
            recent.remember(Fingerprint(n << 124 | n), Millis(0), None, 0);
        }
        assert_eq!(recent.entries() as u128, full);
        assert!(recent.bytes() <= 16 << 20, "{} bytes", recent.bytes());
        assert!(recent.bytes() / recent.entries() <= 64);
    }
}
