//! The collector's pulse: what was answered, how fast, and how that went over
//! the last minutes.
//!
//! Whoever answers a single POST notes its status and time: two relaxed
//! additions on a cache line of the thread's own. What was stored, known and
//! refused is counted where it is decided. Once a second all of it is read, and
//! what came since the last look is that second's: so the counts add up, and
//! what answers never pays for the history.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use houseful_model::Millis;
use houseful_store::meters::{Counted, Striped, TIMING_BOUNDS_NS, Timings};
use houseful_store::{Arrival, Store};
use tokio::time::MissedTickBehavior;

use super::refused::{Reason, Refused};

/// Seconds that are remembered.
pub(crate) const SECONDS: usize = 300;

/// The last of them that make the minute.
const MINUTE: usize = 60;

/// How a single POST was answered, as far as its time is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// 201.
    Stored,
    /// 409.
    Duplicate,
    /// Any other 4xx.
    Wrong,
    /// 5xx.
    Unavailable,
}

impl Answered {
    pub(crate) const ALL: [Answered; 4] =
        [Answered::Stored, Answered::Duplicate, Answered::Wrong, Answered::Unavailable];

    fn of(status: u16) -> Answered {
        match status {
            201 => Answered::Stored,
            409 => Answered::Duplicate,
            500.. => Answered::Unavailable,
            _ => Answered::Wrong,
        }
    }

    /// The status, or its class.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Answered::Stored => "201",
            Answered::Duplicate => "409",
            Answered::Wrong => "4xx",
            Answered::Unavailable => "5xx",
        }
    }
}

/// Totals at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
}

impl Totals {
    /// All that came.
    pub(crate) fn emissions(self) -> u64 {
        self.stored + self.duplicates + self.refused
    }

    fn since(self, before: Totals) -> Totals {
        Totals {
            stored: self.stored.saturating_sub(before.stored),
            duplicates: self.duplicates.saturating_sub(before.duplicates),
            refused: self.refused.saturating_sub(before.refused),
        }
    }

    fn add(&mut self, more: Totals) {
        self.stored += more.stored;
        self.duplicates += more.duplicates;
        self.refused += more.refused;
    }
}

/// How long single POSTs took, by size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times([u32; TIMING_BOUNDS_NS.len() + 1]);

impl Default for Times {
    fn default() -> Times {
        Times([0; TIMING_BOUNDS_NS.len() + 1])
    }
}

impl Times {
    fn between(before: &Counted<37>, after: &Counted<37>) -> Times {
        let places = |counted: &Counted<37>| {
            let mut counts = [0; TIMING_BOUNDS_NS.len() + 1];
            counts[..TIMING_BOUNDS_NS.len()].copy_from_slice(&counted.counts);
            counts[TIMING_BOUNDS_NS.len()] = counted.above;
            counts
        };
        let (before, after) = (places(before), places(after));
        Times(std::array::from_fn(|place| {
            u32::try_from(after[place].saturating_sub(before[place])).unwrap_or(u32::MAX)
        }))
    }

    fn add(&mut self, more: &Times) {
        self.0
            .iter_mut()
            .zip(&more.0)
            .for_each(|(count, more)| *count = count.saturating_add(*more));
    }

    /// The time within which a share `q` of them was answered, in milliseconds;
    /// between two bounds by proportion. `None` if there were none.
    pub(crate) fn quantile_ms(&self, q: f64) -> Option<f64> {
        let total: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        if total == 0 {
            return None;
        }
        let rank = q * total as f64;
        let mut below = 0.0;
        let mut lower_ns = 0;
        for (place, count) in self.0.iter().enumerate() {
            // Those above the last bound took at least that.
            let upper_ns = TIMING_BOUNDS_NS.get(place).copied().unwrap_or(lower_ns);
            let count = f64::from(*count);
            if count > 0.0 && below + count >= rank {
                let part = ((rank - below) / count).clamp(0.0, 1.0);
                let ns = lower_ns as f64 + part * (upper_ns - lower_ns) as f64;
                // To the tenth of a microsecond: finer is not known.
                return Some((ns / 100.0).round() / 10_000.0);
            }
            below += count;
            lower_ns = upper_ns;
        }
        None
    }
}

/// What one second saw, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Second {
    pub(crate) totals: Totals,
    /// Found once, since many may ask.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// The last seconds, as told to one who asks.
pub(crate) struct History {
    /// When the collector started, and when the first of `seconds` began: by
    /// the wall clock of now, so that a step does not tear them apart.
    pub(crate) started_at: Millis,
    pub(crate) from: Millis,
    /// [`SECONDS`] of them, oldest first.
    pub(crate) seconds: Vec<Second>,
    /// The last 60 together.
    pub(crate) minute: Second,
}

/// See the module's page.
pub(crate) struct Pulse {
    pub(crate) store: Arc<Store>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) started: Arrival,
    answers: Striped<[Timings; Answered::ALL.len()]>,
    past: Mutex<Past>,
}

/// What is remembered, and the totals at the last look.
struct Past {
    /// [`SECONDS`] of them; those before the start are empty.
    seconds: VecDeque<Second>,
    /// Of the last [`MINUTE`], to be put together.
    times_minute: VecDeque<Times>,
    /// Whole seconds since the start that are accounted for.
    lived: u64,
    totals: Totals,
    times: Counted<37>,
}

impl Pulse {
    pub(crate) fn new(store: Arc<Store>, refused: Arc<Refused>) -> Pulse {
        let past = Past {
            seconds: vec![Second::default(); SECONDS].into(),
            times_minute: vec![Times::default(); MINUTE].into(),
            lived: 0,
            totals: Totals::default(),
            times: Timings::default().counted(),
        };
        Pulse {
            started: store.arrival(),
            store,
            refused,
            answers: Striped::default(),
            past: Mutex::new(past),
        }
    }

    /// Notes that a single POST is about to be answered.
    pub(crate) fn answered(&self, status: u16, arrived: Instant) {
        self.answers.mine()[Answered::of(status) as usize].note_duration(arrived.elapsed());
    }

    /// Answer times so far, in nanoseconds.
    pub(crate) fn times(&self, answered: Answered) -> Counted<37> {
        let mut sum = Timings::default().counted();
        self.answers.iter().for_each(|times| sum.add(&times[answered as usize].counted()));
        sum
    }

    /// Emissions since the start.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            stored: self.store.stored(),
            duplicates: self.store.duplicates(),
            refused: Reason::ALL.into_iter().map(|reason| self.refused.total(reason)).sum(),
        }
    }

    /// Looks once a second, for as long as the collector runs.
    pub(crate) async fn beat(self: Arc<Pulse>) {
        let first = tokio::time::Instant::from_std(self.started.at) + Duration::from_secs(1);
        let mut seconds = tokio::time::interval_at(first, Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            seconds.tick().await;
            self.look(self.started.at.elapsed().as_secs());
        }
    }

    /// What came since the last look is the last second's; seconds that no look
    /// found (the machine slept) were silent.
    fn look(&self, lived: u64) {
        let totals = self.totals();
        let mut times = Timings::default().counted();
        Answered::ALL.into_iter().for_each(|answered| times.add(&self.times(answered)));
        let mut past = self.past();
        let silent = match lived.checked_sub(past.lived) {
            None | Some(0) => return,
            Some(new) => new - 1,
        };
        for _ in 0..silent.min(SECONDS as u64) {
            past.push(Totals::default(), Times::default());
        }
        let (new, new_times) = (totals.since(past.totals), Times::between(&past.times, &times));
        past.push(new, new_times);
        past.lived = lived;
        past.totals = totals;
        past.times = times;
    }

    /// The last [`SECONDS`] whole seconds; those before the start are empty.
    pub(crate) fn history(&self) -> History {
        let now = self.store.arrival();
        let past = self.past();
        let seconds: Vec<Second> = past.seconds.iter().copied().collect();
        let mut minute = (Totals::default(), Times::default());
        seconds[SECONDS - MINUTE..].iter().for_each(|second| minute.0.add(second.totals));
        past.times_minute.iter().for_each(|times| minute.1.add(times));
        let lived_ms = i64::try_from(past.lived).unwrap_or(i64::MAX).saturating_mul(1_000);
        drop(past);
        let started_ms = now.wall.0.saturating_sub_unsigned(now.mono_ms - self.started.mono_ms);
        let from_ms = started_ms.saturating_add(lived_ms) - 1_000 * SECONDS as i64;
        History {
            started_at: Millis(started_ms),
            from: Millis(from_ms),
            seconds,
            minute: Second::new(minute.0, &minute.1),
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Second {
    fn new(totals: Totals, times: &Times) -> Second {
        Second { totals, p50_ms: times.quantile_ms(0.5), p99_ms: times.quantile_ms(0.99) }
    }
}

impl Past {
    fn push(&mut self, totals: Totals, times: Times) {
        self.seconds.rotate_left(1);
        self.seconds[SECONDS - 1] = Second::new(totals, &times);
        self.times_minute.rotate_left(1);
        self.times_minute[MINUTE - 1] = times;
    }
}

#[cfg(test)]
mod tests {
    use houseful_model::wire::Ids;
    use houseful_store::Options;

    use super::*;
    use crate::serve::ingest::Peer;

    fn pulse() -> (tempfile::TempDir, Pulse) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { window: Duration::from_secs(5) };
        let store = Store::open(&dir.path().join("houseful.db"), options).unwrap();
        (dir, Pulse::new(Arc::new(store), Arc::default()))
    }

    #[test]
    fn a_second_holds_what_came_since_the_last_look() {
        let (_dir, pulse) = pulse();
        let refuse = |n: u64| {
            (0..n).for_each(|_| {
                pulse.refused.note(Reason::Invalid, Ids::default(), Peer::default(), &["wrong"])
            })
        };
        refuse(2);
        pulse.answered(400, Instant::now());
        pulse.look(1);
        refuse(3);
        pulse.look(2);
        refuse(4);
        pulse.look(2);
        let seen = |history: &History| -> Vec<u64> {
            history.seconds.iter().map(|second| second.totals.refused).collect()
        };
        let history = pulse.history();
        assert_eq!(history.seconds.len(), SECONDS);
        assert_eq!(seen(&history)[SECONDS - 3..], [0, 2, 3], "no look finds a second twice");
        assert!(history.seconds[SECONDS - 2].p50_ms.is_some());
        assert_eq!(history.seconds[SECONDS - 1].p50_ms, None);
        // The machine slept for two seconds.
        pulse.look(5);
        let history = pulse.history();
        assert_eq!(seen(&history)[SECONDS - 6..], [0, 2, 3, 0, 0, 4]);
        assert_eq!(history.minute.totals, Totals { refused: 9, ..Totals::default() });
        // A minute of silence, and then a month of it.
        pulse.look(61);
        assert_eq!(pulse.history().minute.totals.refused, 7, "the first second is not of it");
        pulse.look(3_000_000);
        let history = pulse.history();
        assert_eq!(seen(&history).iter().sum::<u64>(), 0);
        assert_eq!(history.minute, Second::default());
        assert_eq!(pulse.totals().emissions(), 9);
    }

    #[test]
    fn quantiles_lie_between_the_bounds() {
        let mut times = Times::default();
        assert_eq!(times.quantile_ms(0.5), None);
        // 100 between 10 and 15 µs.
        times.0[1] = 100;
        assert_eq!(times.quantile_ms(0.5), Some(0.0125));
        assert_eq!(times.quantile_ms(1.0), Some(0.015));
        // One between 70 and 100 ms.
        times.0[24] = 1;
        assert!(times.quantile_ms(0.99).unwrap() <= 0.015);
        assert_eq!(times.quantile_ms(1.0), Some(100.0));
        // And 1,000 that took longer than anybody waits.
        times.0[37] = 1_000;
        assert_eq!(times.quantile_ms(0.5), Some(10_000.0));
    }
}
