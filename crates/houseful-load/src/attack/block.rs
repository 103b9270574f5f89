//! What keeps requests that are due from being sent, and for how long: what the server, or the source
//! of the targets, makes late is not the generator's fault.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

/// Moments that are closer than this are told apart only while they are the latest.
const RESOLUTION: Duration = Duration::from_millis(1);

/// So many moments are known. When there are more, every other one is forgotten: a server may keep
/// requests waiting for hours.
const MARKS_MAX: usize = 10_000;

/// What keeps a request that is due from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// All connections are in use.
    Connections,
    /// The next target has not been read.
    Targets,
}

/// For how long sending was blocked, by each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) connections: Duration,
    pub(super) targets: Duration,
}

impl Blocked {
    fn and(self, block: Option<Block>, more: Duration) -> Blocked {
        let Blocked { connections, targets } = self;
        match block {
            Some(Block::Connections) => Blocked { connections: connections + more, targets },
            Some(Block::Targets) => Blocked { connections, targets: targets + more },
            None => self,
        }
    }
}

/// When sending was blocked, as far back as requests that are due and not sent need to know.
pub(super) struct Blocks {
    /// Since the last mark.
    now: Cell<Option<Block>>,
    /// Moments since the start, and what there had been by then. The oldest first; never empty.
    marks: RefCell<VecDeque<(Duration, Blocked)>>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        let start = (Duration::ZERO, Blocked::default());
        Blocks { now: Cell::new(None), marks: RefCell::new(VecDeque::from([start])) }
    }

    /// It counts from now on; what blocks sending still does.
    pub(super) fn restart(&self) {
        *self.marks.borrow_mut() = VecDeque::from([(Duration::ZERO, Blocked::default())]);
    }

    /// What blocks sending now.
    pub(super) fn now(&self) -> Option<Block> {
        self.now.get()
    }

    /// From `at` on, which grows, sending is blocked by this, or by nothing.
    pub(super) fn set(&self, block: Option<Block>, at: Duration) {
        let mark = (at, self.by(at));
        self.now.set(block);
        let mut marks = self.marks.borrow_mut();
        let is_close = |before: usize| at.saturating_sub(marks[before].0) < RESOLUTION;
        if marks.len() > 1 && is_close(marks.len() - 2) {
            marks.pop_back();
        }
        if marks.len() == MARKS_MAX {
            let mut is_kept = false;
            marks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        marks.push_back(mark);
    }

    /// For how long it has been blocked by `at`, all in all. Between marks it counts as blocked all the
    /// time to the same part.
    pub(super) fn by(&self, at: Duration) -> Blocked {
        let marks = self.marks.borrow();
        let after = marks.partition_point(|mark| mark.0 <= at);
        let (since, before) = marks[after.saturating_sub(1)];
        let more = at.saturating_sub(since);
        let Some(&(until, then)) = marks.get(after).filter(|_| after > 0) else {
            return if after == 0 { before } else { before.and(self.now.get(), more) };
        };
        let part = more.as_secs_f64() / (until - since).as_secs_f64();
        let between = |before: Duration, then: Duration| before + (then - before).mul_f64(part);
        Blocked {
            connections: between(before.connections, then.connections),
            targets: between(before.targets, then.targets),
        }
    }

    /// For how long it was blocked between two moments.
    pub(super) fn between(&self, from: Duration, to: Duration) -> Blocked {
        let (before, then) = (self.by(from), self.by(to));
        Blocked {
            connections: then.connections.saturating_sub(before.connections),
            targets: then.targets.saturating_sub(before.targets),
        }
    }

    /// Nobody will ask what there was before `at`.
    pub(super) fn forget(&self, at: Duration) {
        let mut marks = self.marks.borrow_mut();
        while marks.get(1).is_some_and(|next| next.0 <= at) {
            marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: Duration = Duration::from_micros(1);

    fn any_block() -> impl Strategy<Value = Option<Block>> {
        prop_oneof![Just(None), Just(Some(Block::Connections)), Just(Some(Block::Targets))]
    }

    proptest! {
        #[test]
        fn knows_for_how_long_it_was(
            changes in prop::collection::vec((any_block(), 1u32..5_000), 0..50),
            (from, len) in (0u32..100_000, 0u32..100_000),
            forgets in any::<bool>(),
        ) {
            let (blocks, mut at) = (Blocks::new(), Duration::ZERO);
            let (from, to) = (from * US, (from + len) * US);
            let mut exact = Blocked::default();
            let mut count = |block, begin: Duration, end: Duration| {
                exact = exact.and(block, end.min(to).saturating_sub(begin.max(from)));
            };
            for (block, len_us) in changes {
                let next = at + len_us * US;
                count(blocks.now(), at, next);
                blocks.set(block, next);
                at = next;
            }
            count(blocks.now(), at, to.max(at));
            if forgets {
                blocks.forget(from);
            }
            let found = blocks.between(from, to);
            let close = |a: Duration, b: Duration| a.abs_diff(b) <= 2 * RESOLUTION;
            prop_assert!(close(found.connections, exact.connections), "{found:?} {exact:?}");
            prop_assert!(close(found.targets, exact.targets), "{found:?} {exact:?}");
            // What nobody can be blamed for twice.
            prop_assert!(found.connections + found.targets <= to - from + US);
        }
    }

    #[test]
    fn the_latest_is_exact_and_memory_has_a_bound() {
        let blocks = Blocks::new();
        for ms in 1..=100_000 {
            let block = if ms % 2 == 0 { None } else { Some(Block::Connections) };
            blocks.set(block, Duration::from_millis(ms));
        }
        assert!(blocks.marks.borrow().len() <= MARKS_MAX);
        let all = Duration::from_secs(100);
        assert_eq!(blocks.between(Duration::ZERO, all).connections, all / 2);
        blocks.set(Some(Block::Targets), all + 3 * US);
        assert_eq!(blocks.between(all, all + 5 * US).targets, 2 * US);
        blocks.forget(all + 4 * US);
        assert_eq!(blocks.marks.borrow().len(), 1);
    }
}
