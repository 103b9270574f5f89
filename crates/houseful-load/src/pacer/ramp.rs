//! A rate that goes evenly from one to another.

use std::time::Duration;

use super::{NS_PER_S, duration_of_ns};
use crate::rate::Frequency;

/// How many requests go out while the rate goes from `from` to `to`; `None` past 2^64.
///
/// Exact: the mean of both rates, times the duration, without a fraction.
pub(super) fn total(from: Frequency, to: Frequency, over: Duration) -> Option<u64> {
    let (numerator, denominator) = requests(from, to, over)?;
    u64::try_from(numerator / denominator).ok()
}

/// The same as an exact quotient.
fn requests(from: Frequency, to: Frequency, over: Duration) -> Option<(u128, u128)> {
    let (p, q) = (from.period.as_nanos(), to.period.as_nanos());
    let sum = u128::from(from.requests)
        .checked_mul(q)?
        .checked_add(u128::from(to.requests).checked_mul(p)?)?;
    Some((sum.checked_mul(over.as_nanos())?, p.checked_mul(q)?.checked_mul(2)?))
}

/// When request `sent` of [`total`] is due.
///
/// The area under the ramp up to then is `sent + 1`, a quadratic equation. It is solved from the
/// slow end, where no two large numbers cancel each other out.
pub(super) fn due(sent: u64, from: Frequency, to: Frequency, over: Duration) -> Duration {
    let over_s = over.as_secs_f64();
    let (a, b) = (from.per_second(), to.per_second());
    let from_slow_end = |slow: f64, requests: f64| {
        let slope = (a - b).abs() / over_s;
        let denominator = slow + (slow * slow + 2.0 * slope * requests).sqrt();
        if denominator > 0.0 { 2.0 * requests / denominator } else { 0.0 }
    };
    let due_s = if a <= b {
        from_slow_end(a, sent as f64 + 1.0)
    } else {
        let left = requests(from, to, over).map_or(0.0, |(numerator, denominator)| {
            let taken = (u128::from(sent) + 1).saturating_mul(denominator);
            numerator.saturating_sub(taken) as f64 / denominator as f64
        });
        over_s - from_slow_end(b, left)
    };
    duration_of_ns((due_s * NS_PER_S as f64).max(0.0) as u128).map_or(over, |due| due.min(over))
}
