//! What is stored and what is a copy: the rule, without clock or disk.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use houseful_model::Millis;

use crate::Fingerprint;

/// What the rule asks about an emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Same for emissions of the same house, badge and kept beacons.
    pub identity: Fingerprint,
    /// Its time.
    pub t: Millis,
    /// When it arrived on the monotonic clock, in milliseconds, if it is
    /// untimed.
    pub arrived_mono_ms: Option<u64>,
}

/// What is stored near a [`Question`], of the same identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// Times of stored readings. Those a window or more away do no harm.
    pub times: Vec<Millis>,
    /// When the last stored untimed one arrived on the monotonic clock.
    pub arrived_mono_ms: Option<u64>,
}

/// The rule's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// New: store it.
    Store,
    /// An original is stored, or is stored by this very batch.
    Copy,
}

/// Decides a batch in its order.
///
/// An emission is a copy if a stored reading, or an earlier one of this batch
/// that is to be stored, has the same identity and
/// - a time less than `window` away, either side, or
/// - is untimed, like the emission, and arrived less than `window` away on the
///   monotonic clock; so that a step of the wall clock repeats nothing.
///
/// Of the arrivals of an identity only the newest is known, which is enough,
/// since the monotonic clock only goes on.
///
/// A copy is remembered nowhere, so the window never slides. `near` is asked at
/// most once for each question, and not at all for copies of the batch itself.
/// The outcome depends on nothing else.
///
/// # Errors
/// The first error of `near`.
pub fn decide<E>(
    questions: &[Question],
    window: Duration,
    mut near: impl FnMut(usize) -> Result<Near, E>,
) -> Result<Vec<Verdict>, E> {
    let window_ms = window_ms(window);
    let mut batch = Batch::default();
    let mut verdicts = Vec::with_capacity(questions.len());
    for (index, question) in questions.iter().enumerate() {
        let copy = batch.has_original_of(question, window_ms)
            || is_copy(question, &near(index)?, window_ms);
        if !copy {
            batch.add(question);
        }
        verdicts.push(if copy { Verdict::Copy } else { Verdict::Store });
    }
    Ok(verdicts)
}

/// The window in whole milliseconds, the unit of all times.
pub(crate) fn window_ms(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
}

fn is_copy(question: &Question, near: &Near, window_ms: u64) -> bool {
    let by_time = near.times.iter().any(|t| t.0.abs_diff(question.t.0) < window_ms);
    let by_arrival = match (near.arrived_mono_ms, question.arrived_mono_ms) {
        (Some(stored), Some(asked)) => stored.abs_diff(asked) < window_ms,
        _ => false,
    };
    by_time || by_arrival
}

/// What the batch itself is going to store.
///
/// Ordered, since a replay can bring one identity thousands of times at
/// different times, and a list would make that quadratic.
#[derive(Default)]
struct Batch {
    times: BTreeSet<(Fingerprint, i64)>,
    arrivals: HashMap<Fingerprint, u64>,
}

impl Batch {
    fn has_original_of(&self, question: &Question, window_ms: u64) -> bool {
        let reach = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let lowest = (question.identity, question.t.0.saturating_sub(reach).saturating_add(1));
        let highest = (question.identity, question.t.0.saturating_add(reach).saturating_sub(1));
        let by_time = lowest <= highest && self.times.range(lowest..=highest).next().is_some();
        let by_arrival = match (self.arrivals.get(&question.identity), question.arrived_mono_ms) {
            (Some(stored), Some(asked)) => stored.abs_diff(asked) < window_ms,
            _ => false,
        };
        by_time || by_arrival
    }

    fn add(&mut self, question: &Question) {
        self.times.insert((question.identity, question.t.0));
        if let Some(arrived) = question.arrived_mono_ms {
            let newest = self.arrivals.entry(question.identity).or_insert(arrived);
            *newest = arrived.max(*newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(4_500);

    fn timed(identity: u128, t: i64) -> Question {
        Question { identity: Fingerprint(identity), t: Millis(t), arrived_mono_ms: None }
    }

    fn untimed(identity: u128, t: i64, mono: u64) -> Question {
        Question { identity: Fingerprint(identity), t: Millis(t), arrived_mono_ms: Some(mono) }
    }

    /// Everything ever stored, in a list, compared one by one.
    #[derive(Default)]
    struct PlainModel(Vec<Question>);

    impl PlainModel {
        fn ask(&mut self, q: &Question, window_ms: u64) -> Verdict {
            let is_original = |s: &Question| {
                let by_arrival = match (s.arrived_mono_ms, q.arrived_mono_ms) {
                    (Some(stored), Some(asked)) => stored.abs_diff(asked) < window_ms,
                    _ => false,
                };
                s.identity == q.identity && (s.t.0.abs_diff(q.t.0) < window_ms || by_arrival)
            };
            if self.0.iter().any(is_original) {
                return Verdict::Copy;
            }
            self.0.push(*q);
            Verdict::Store
        }
    }

    /// What the store would say, from what earlier batches stored.
    fn near(stored: &[Question], q: &Question) -> Near {
        let of_identity = || stored.iter().filter(|s| s.identity == q.identity);
        Near {
            times: of_identity().map(|s| s.t).collect(),
            arrived_mono_ms: of_identity().filter_map(|s| s.arrived_mono_ms).max(),
        }
    }

    #[test]
    fn the_window_is_open_at_both_ends_and_never_slides() {
        use Verdict::{Copy, Store};
        let base = 1_800_000_000_000;
        let steps =
            [(4_000, Store), (0, Copy), (8_499, Copy), (8_500, Store), (-499, Copy), (-500, Store)];
        let questions: Vec<_> = steps.iter().map(|(offset, _)| timed(1, base + offset)).collect();
        let want: Vec<_> = steps.iter().map(|(_, verdict)| *verdict).collect();
        let got = decide(&questions, WINDOW, |_| Ok::<_, Infallible>(Near::default()));
        assert_eq!(got, Ok(want));
    }

    #[test]
    fn untimed_ones_are_compared_on_the_monotonic_clock_over_a_step() {
        use Verdict::{Copy, Store};
        for hour in [3_600_000, -3_600_000] {
            let base = 1_800_000_000_000;
            let questions = [
                untimed(1, base, 10_000),
                untimed(1, base + hour, 11_000),
                untimed(1, base + hour + 4_000, 14_499),
                untimed(1, base + hour + 5_000, 14_500),
                // Timed ones know only the wall clock.
                timed(1, base + hour),
            ];
            let got = decide(&questions, WINDOW, |_| Ok::<_, Infallible>(Near::default()));
            assert_eq!(got, Ok(vec![Store, Copy, Copy, Store, Store]), "a step of {hour} ms");
        }
    }

    #[test]
    fn an_error_of_the_store_ends_the_decision() {
        let got = decide(&[timed(1, 0), timed(2, 0)], WINDOW, |index| {
            if index == 0 { Ok(Near::default()) } else { Err("gone") }
        });
        assert_eq!(got, Err("gone"));
    }

    /// Few identities, and times near each other, so that they collide. The
    /// monotonic clock goes on between two, whatever the times do.
    fn questions() -> impl Strategy<Value = Vec<Question>> {
        let question = (0_u128..3, 0_i64..30_000, proptest::bool::ANY, 0_u64..3_000);
        proptest::collection::vec(question, 0..120).prop_map(|questions| {
            let mut now = 0;
            questions
                .into_iter()
                .map(|(identity, t, is_untimed, later)| {
                    now += later;
                    Question {
                        identity: Fingerprint(identity),
                        t: Millis(1_800_000_000_000 + t),
                        arrived_mono_ms: is_untimed.then_some(now),
                    }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn any_batching_decides_as_the_plain_model(
            questions in questions(),
            cuts in proptest::collection::vec(1_usize..20, 1..40),
        ) {
            let window_ms = window_ms(WINDOW);
            let mut model = PlainModel::default();
            let mut stored: Vec<Question> = Vec::new();
            let mut rest = &questions[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (batch, tail) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = tail;
                let before = stored.clone();
                let got = decide(batch, WINDOW, |i| Ok::<_, Infallible>(near(&before, &batch[i]))).unwrap();
                for (q, verdict) in batch.iter().zip(got) {
                    prop_assert_eq!(verdict, model.ask(q, window_ms));
                    if verdict == Verdict::Store {
                        stored.push(*q);
                    }
                }
            }
            for (i, a) in stored.iter().enumerate() {
                for b in &stored[..i] {
                    prop_assert!(
                        a.identity != b.identity || a.t.0.abs_diff(b.t.0) >= window_ms,
                        "{:?} and {:?} are both stored", a, b
                    );
                }
            }
        }
    }
}
