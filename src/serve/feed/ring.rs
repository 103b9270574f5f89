//! The latest readings in memory, for the feeds that keep up.

use std::collections::VecDeque;

use super::Wanted;
use super::event::Event;

/// How many, at most.
const EVENTS_MAX: usize = 4_096;

/// And how long their texts are together: usually 450 bytes each.
const BYTES_MAX: usize = 4 << 20;

/// All readings with an id after `after`, up to `to`. Ids may have gaps.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    after: i64,
    to: i64,
}

/// What the ring has for a feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has it all: the feed is now at `place`, and there may be more.
    UpTo { place: i64, more: bool },
    /// Those up to this id are in the store only.
    Behind { ring_after: i64 },
}

impl Ring {
    /// Empty: what is stored after this id belongs into it.
    pub(super) fn new(at: i64) -> Ring {
        Ring { events: VecDeque::new(), bytes: 0, after: at, to: at }
    }

    /// The id up to which it has all.
    pub(super) fn to(&self) -> i64 {
        self.to
    }

    /// Adds what follows, all of it up to `to`; the oldest make room.
    pub(super) fn extend(&mut self, events: Vec<Event>, to: i64) {
        for event in events {
            self.bytes += event.text.len();
            self.events.push_back(event);
            while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
                let Some(oldest) = self.events.pop_front() else { break };
                self.bytes -= oldest.text.len();
                self.after = oldest.id;
            }
        }
        self.to = to;
    }

    /// Appends what a feed at `place` wants, until the text has `bytes_min`.
    pub(super) fn take(
        &self,
        place: i64,
        wanted: &Wanted,
        bytes_min: usize,
        text: &mut Vec<u8>,
    ) -> Taken {
        if place < self.after {
            return Taken::Behind { ring_after: self.after };
        }
        let first = self.events.partition_point(|event| event.id <= place);
        for event in self.events.range(first..).filter(|event| wanted.has(event)) {
            text.extend_from_slice(&event.text);
            if text.len() >= bytes_min {
                return Taken::UpTo { place: event.id, more: true };
            }
        }
        // A feed can be ahead: it began at what the pump has not read yet.
        Taken::UpTo { place: place.max(self.to), more: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(id: i64, len: usize) -> Event {
        let badge = if id % 3 == 0 { "third" } else { "other" };
        let text = format!("{id} ").into_bytes();
        let text = [text, vec![b'.'; len]].concat();
        Event { id, badge_id: badge.into(), pi_id: "pi".into(), text: text.into() }
    }

    fn ids(text: &[u8]) -> Vec<i64> {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.replace('.', "").split_whitespace().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn it_has_bounds_and_says_what_it_lacks() {
        let mut ring = Ring::new(10);
        ring.extend((11..=11 + EVENTS_MAX as i64).map(|id| event(id, 0)).collect(), 5_000);
        let take = |ring: &Ring, place| {
            let mut text = Vec::new();
            (ring.take(place, &Wanted::default(), usize::MAX, &mut text), ids(&text).len())
        };
        assert_eq!(take(&ring, 10), (Taken::Behind { ring_after: 11 }, 0));
        assert_eq!(take(&ring, 11), (Taken::UpTo { place: 5_000, more: false }, EVENTS_MAX));
        assert_eq!(take(&ring, 6_000), (Taken::UpTo { place: 6_000, more: false }, 0));
        ring.extend((5_001..5_041).map(|id| event(id, 200_000)).collect(), 5_041);
        assert!(ring.bytes <= BYTES_MAX && ring.events.len() == 20);
        assert_eq!(take(&ring, 5_019), (Taken::Behind { ring_after: 5_020 }, 0));
    }

    proptest! {
        /// In whatever steps the ring grows and a feed takes, it gets each wanted
        /// reading once and in order, as long as it keeps up.
        #[test]
        fn a_feed_that_keeps_up_gets_each_once(
            steps in proptest::collection::vec((0..5_i64, 1..4_i64, 1..40_usize), 1..60),
            by_badge in any::<bool>(),
        ) {
            let mut wanted = Wanted::default();
            if by_badge {
                wanted.badges.insert("third".to_owned());
            }
            let mut ring = Ring::new(0);
            let (mut place, mut seen, mut want) = (0, Vec::new(), Vec::new());
            for (count, gap, bytes_min) in steps {
                let new: Vec<_> = (1..=count).map(|n| event(ring.to() + n * gap, 1)).collect();
                want.extend(new.iter().filter(|event| wanted.has(event)).map(|event| event.id));
                let to = ring.to() + count * gap + gap - 1;
                ring.extend(new, to);
                let mut text = Vec::new();
                match ring.take(place, &wanted, bytes_min, &mut text) {
                    Taken::UpTo { place: reached, more } => {
                        prop_assert!(reached >= place);
                        prop_assert!(more || reached == to);
                        place = reached;
                    }
                    Taken::Behind { .. } => prop_assert!(false, "it is not that long"),
                }
                seen.extend(ids(&text));
            }
            let mut text = Vec::new();
            ring.take(place, &wanted, usize::MAX, &mut text);
            seen.extend(ids(&text));
            prop_assert_eq!(seen, want);
        }
    }
}
