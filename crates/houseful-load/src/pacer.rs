//! When each request of an attack is due. Pure: it touches no clock.

use std::time::Duration;

use crate::rate::Rate;

const NS_PER_S: u128 = 1_000_000_000;

/// The schedule of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacer {
    rate: Rate,
    duration: Option<Duration>,
}

impl Pacer {
    /// A schedule at `rate` that ends after `duration`, or never when that is `None`.
    pub fn new(rate: Rate, duration: Option<Duration>) -> Pacer {
        Pacer { rate, duration }
    }

    /// When request number `sent` (from 0) is due, as an offset from the start.
    ///
    /// `elapsed` is what the clock shows; only an attack as fast as possible looks at it, for its
    /// next request is always due now. `None` once the plan is over. At a constant rate request
    /// k is due at (k + 1) × period / requests, computed from the start of the attack, never from
    /// the previous request, so errors do not add up. Schedule of vegeta's `ConstantPacer`
    /// (lib/pacer.go).
    pub fn due(&self, sent: u64, elapsed: Duration) -> Option<Duration> {
        match self.rate {
            Rate::AsFastAsPossible => match self.duration {
                Some(duration) if elapsed >= duration => None,
                _ => Some(elapsed),
            },
            Rate::Constant { requests, period } => {
                let ns = (u128::from(sent) + 1).checked_mul(period.as_nanos())?
                    / u128::from(requests.get());
                // Later than a Duration can say: over, whatever the plan says.
                let due = Duration::new(u64::try_from(ns / NS_PER_S).ok()?, (ns % NS_PER_S) as u32);
                match self.requests_total() {
                    Some(total) if sent >= total => None,
                    _ => Some(due),
                }
            }
        }
    }

    /// How many requests the whole plan holds; `None` when it has no end or no fixed rate.
    pub fn requests_total(&self) -> Option<u64> {
        let Rate::Constant { requests, period } = self.rate else {
            return None;
        };
        let total = self.duration?.as_nanos().saturating_mul(u128::from(requests.get()))
            / period.as_nanos();
        Some(u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// How long the plan sends; `None` for ever.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU64;

    fn pacer(rate: &str, seconds: u64) -> Pacer {
        Pacer::new(rate.parse().unwrap(), Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn sends_exactly_what_was_asked() {
        for (rate, seconds, total) in [
            ("400", 60, 24_000),
            ("400", 1, 400),
            ("1", 1, 1),
            ("1/1m", 59, 0),
            ("1/1m", 60, 1),
            ("7/3s", 60, 140),
            ("3/7s", 60, 25),
            ("333", 86_400, 28_771_200),
            ("1000000", 86_400, 86_400_000_000),
            ("1/7ns", 1, 142_857_142),
        ] {
            let pacer = pacer(rate, seconds);
            assert_eq!(pacer.requests_total(), Some(total), "{rate} for {seconds} s");
            assert_eq!(pacer.due(total, Duration::ZERO), None, "{rate} for {seconds} s");
            if let Some(last) = total.checked_sub(1) {
                let due =
                    pacer.due(last, Duration::ZERO).expect("the last one is part of the plan");
                assert!(due <= Duration::from_secs(seconds), "{rate} for {seconds} s: {due:?}");
            }
        }
    }

    #[test]
    fn does_not_drift() {
        let third = pacer("3", 86_400);
        for second in [1u64, 59, 3_600, 86_400] {
            assert_eq!(
                third.due(second * 3 - 1, Duration::ZERO),
                Some(Duration::from_secs(second))
            );
        }
        assert_eq!(third.due(0, Duration::ZERO), Some(Duration::from_nanos(333_333_333)));
        assert_eq!(third.due(1, Duration::ZERO), Some(Duration::from_nanos(666_666_666)));
    }

    #[test]
    fn without_an_end_goes_on() {
        let pacer = Pacer::new("400".parse().unwrap(), None);
        assert_eq!(pacer.requests_total(), None);
        assert_eq!(pacer.due(24_000_000, Duration::ZERO), Some(Duration::new(60_000, 2_500_000)));
    }

    #[test]
    fn as_fast_as_possible_is_always_due_until_the_end() {
        let pacer = pacer("infinity", 2);
        assert_eq!(pacer.due(7, Duration::from_millis(1_999)), Some(Duration::from_millis(1_999)));
        assert_eq!(pacer.due(7, Duration::from_secs(2)), None);
        assert_eq!(pacer.requests_total(), None);
    }

    proptest! {
        #[test]
        fn is_monotonic_and_ends_in_time(
            requests in 1u64..1_000_000, period_ns in 1u64..100_000_000_000, seconds in 0u64..86_400, sent in 0u64..1 << 40,
        ) {
            let rate = Rate::Constant {
                requests: NonZeroU64::new(requests).unwrap(), period: Duration::from_nanos(period_ns),
            };
            let pacer = Pacer::new(rate, Some(Duration::from_secs(seconds)));
            let due = pacer.due(sent, Duration::ZERO);
            prop_assert_eq!(due.is_some(), sent < pacer.requests_total().unwrap());
            if let Some(due) = due {
                prop_assert!(due <= Duration::from_secs(seconds));
                if let Some(next) = pacer.due(sent + 1, Duration::ZERO) {
                    prop_assert!(next >= due);
                }
            }
        }
    }
}
