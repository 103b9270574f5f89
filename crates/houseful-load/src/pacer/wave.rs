//! A rate that swings around a mean, as a sine.

use std::f64::consts::TAU;
use std::time::Duration;

use super::duration_of_ns;
use crate::rate::Frequency;

/// A wave: the rate is `mean + amplitude × sin(2π × t / period)`, from its mean upwards.
///
/// Whole periods hold `mean × period` requests each, which is counted exactly, so the wave does
/// not drift; only within its period is a request's time found by approximation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wave {
    pub(super) mean: Frequency,
    pub(super) amplitude: Frequency,
    pub(super) period: Duration,
}

impl Wave {
    /// How many requests go out in `over`; `None` past 2^64.
    pub(super) fn total(self, over: Duration) -> Option<u64> {
        let denominator = self.mean.period.as_nanos();
        let numerator = u128::from(self.mean.requests).checked_mul(over.as_nanos())?;
        let rest_ns = (over.as_nanos() % self.period.as_nanos()) as f64;
        let phase = TAU * rest_ns / self.period.as_nanos() as f64;
        let swing = self.requests_per_radian() * self.swing() * (1.0 - phase.cos());
        let fraction = (numerator % denominator) as f64 / denominator as f64;
        u64::try_from(numerator / denominator + (fraction + swing) as u128).ok()
    }

    /// When request `sent` is due; `None` later than a Duration can say.
    pub(super) fn due(self, sent: u64) -> Option<Duration> {
        let period_ns = self.period.as_nanos();
        // So many `mean.period`ths of a request fit into a period of the wave.
        let fits = u128::from(self.mean.requests).checked_mul(period_ns)?;
        let wanted = (u128::from(sent) + 1).checked_mul(self.mean.period.as_nanos())?;
        let (periods, rest) = (wanted / fits, wanted % fits);
        let phase = self.phase_after(TAU * (rest as f64 / fits as f64));
        let within_ns = (phase / TAU * period_ns as f64) as u128;
        duration_of_ns(periods.checked_mul(period_ns)?.checked_add(within_ns)?)
    }

    /// Where in its period the wave has let out `requests`, given as the phase at which the mean
    /// alone would have.
    ///
    /// Newton's method on `phase + swing × (1 − cos phase)`, held within bounds, since at full
    /// swing the rate touches zero.
    fn phase_after(self, requests: f64) -> f64 {
        let swing = self.swing();
        let (mut low, mut high) = ((requests - 2.0 * swing).max(0.0), requests.min(TAU));
        let mut phase = (low + high) / 2.0;
        for _ in 0..60 {
            let off = phase + swing * (1.0 - phase.cos()) - requests;
            if off > 0.0 {
                high = phase;
            } else {
                low = phase;
            }
            let next = phase - off / (1.0 + swing * phase.sin());
            let next = if (low..=high).contains(&next) { next } else { (low + high) / 2.0 };
            if (next - phase).abs() <= f64::EPSILON * phase {
                return next;
            }
            phase = next;
        }
        phase
    }

    /// The amplitude in parts of the mean, 0 to 1.
    fn swing(self) -> f64 {
        self.amplitude.per_second() / self.mean.per_second()
    }

    fn requests_per_radian(self) -> f64 {
        self.mean.per_second() * self.period.as_secs_f64() / TAU
    }
}
