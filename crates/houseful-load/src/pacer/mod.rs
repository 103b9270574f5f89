//! When each request of an attack is due. Pure: it touches no clock.

mod chance;
mod ramp;
#[cfg(test)]
mod tests;
mod wave;

use std::time::Duration;

use crate::rate::{Frequency, Rate};
use wave::Wave;

const NS_PER_S: u128 = 1_000_000_000;

/// The schedule of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pacer {
    rate: Rate,
    duration: Option<Duration>,
    /// How many requests the plan holds, where that is known.
    total: Option<u64>,
}

/// Why a rate and a duration make no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacerError {
    /// A ramp has to end somewhere.
    #[error(
        "linear(from, to) needs a duration: the time in which the rate goes from one to the other"
    )]
    EndlessRamp,
    /// Steps have their own durations.
    #[error("steps say themselves how long they last: leave the duration out")]
    TwoDurations,
    /// More requests than a number can count.
    #[error("expected a plan of fewer than 2^64 requests")]
    TooMany,
}

impl Pacer {
    /// A schedule at `rate` that ends after `duration`, or never when that is `None`.
    ///
    /// # Errors
    ///
    /// See [`PacerError`].
    pub fn new(rate: Rate, duration: Option<Duration>) -> Result<Pacer, PacerError> {
        let duration = match (&rate, duration) {
            (Rate::Linear { .. }, None) => return Err(PacerError::EndlessRamp),
            (Rate::Steps(_), Some(_)) => return Err(PacerError::TwoDurations),
            (Rate::Steps(steps), None) => Some(
                steps
                    .iter()
                    .try_fold(Duration::ZERO, |sum, step| sum.checked_add(step.duration))
                    .ok_or(PacerError::TooMany)?,
            ),
            (_, duration) => duration,
        };
        let total = match (&rate, duration) {
            (_, None) | (Rate::AsFastAsPossible | Rate::Poisson { .. }, _) => None,
            (Rate::Constant(frequency), Some(duration)) => {
                Some(constant_total(*frequency, duration).ok_or(PacerError::TooMany)?)
            }
            (Rate::Linear { from, to }, Some(duration)) => {
                Some(ramp::total(*from, *to, duration).ok_or(PacerError::TooMany)?)
            }
            (Rate::Sine { mean, amplitude, period }, Some(duration)) => {
                let wave = Wave { mean: *mean, amplitude: *amplitude, period: *period };
                Some(wave.total(duration).ok_or(PacerError::TooMany)?)
            }
            (Rate::Steps(steps), Some(_)) => Some(
                steps
                    .iter()
                    .try_fold(0u64, |sum, step| {
                        sum.checked_add(constant_total(step.frequency, step.duration)?)
                    })
                    .ok_or(PacerError::TooMany)?,
            ),
        };
        Ok(Pacer { rate, duration, total })
    }

    /// When request number `sent` (from 0) is due, as an offset from the start.
    ///
    /// `elapsed` is what the clock shows; only an attack as fast as possible looks at it, for its
    /// next request is always due now. `None` once the plan is over. Computed from the start of
    /// the attack, never from the previous request, so errors do not add up: at a constant rate
    /// request k is due at (k + 1) × period / requests. Schedule of vegeta's `ConstantPacer`
    /// (lib/pacer.go); the others continue it: request k is due when the rate has let out k + 1.
    ///
    /// Takes longer for later requests of [`Rate::Poisson`]; [`Schedule`] does not.
    pub fn due(&self, sent: u64, elapsed: Duration) -> Option<Duration> {
        if self.total.is_some_and(|total| sent >= total) {
            return None;
        }
        match &self.rate {
            Rate::AsFastAsPossible => match self.duration {
                Some(duration) if elapsed >= duration => None,
                _ => Some(elapsed),
            },
            Rate::Constant(frequency) => constant_due(sent, *frequency),
            Rate::Linear { from, to } => {
                self.duration.map(|over| ramp::due(sent, *from, *to, over))
            }
            Rate::Sine { mean, amplitude, period } => {
                let wave = Wave { mean: *mean, amplitude: *amplitude, period: *period };
                let due = wave.due(sent)?;
                Some(self.duration.map_or(due, |duration| due.min(duration)))
            }
            Rate::Steps(steps) => {
                let (mut first, mut start) = (0, Duration::ZERO);
                for step in steps {
                    let next = first + constant_total(step.frequency, step.duration)?;
                    if sent < next {
                        return start.checked_add(constant_due(sent - first, step.frequency)?);
                    }
                    (first, start) = (next, start + step.duration);
                }
                None
            }
            Rate::Poisson { .. } => {
                let mut schedule = Schedule::new(self.clone());
                for _ in 0..sent {
                    schedule.advance();
                }
                schedule.due(elapsed)
            }
        }
    }

    /// How many requests the whole plan holds; `None` when it has no end, or chance decides.
    pub fn requests_total(&self) -> Option<u64> {
        self.total
    }

    /// How long the plan sends; `None` for ever.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// How many requests a second are asked for at this time; `None` for as many as possible.
    pub fn per_second_at(&self, elapsed: Duration) -> Option<f64> {
        Some(match &self.rate {
            Rate::AsFastAsPossible => return None,
            Rate::Constant(frequency) | Rate::Poisson { frequency, .. } => frequency.per_second(),
            Rate::Linear { from, to } => {
                let over_s = self.duration.unwrap_or_default().as_secs_f64();
                let passed = (elapsed.as_secs_f64() / over_s).clamp(0.0, 1.0);
                from.per_second() + (to.per_second() - from.per_second()) * passed
            }
            Rate::Sine { mean, amplitude, period } => {
                let phase = std::f64::consts::TAU * elapsed.as_secs_f64() / period.as_secs_f64();
                mean.per_second() + amplitude.per_second() * phase.sin()
            }
            Rate::Steps(steps) => {
                let mut end = Duration::ZERO;
                let now = steps.iter().find(|step| {
                    end += step.duration;
                    elapsed < end
                });
                now.or(steps.last())?.frequency.per_second()
            }
        })
    }

    /// How fast it sends.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }
}

/// A [`Pacer`] that is followed request by request.
#[derive(Debug, Clone)]
pub struct Schedule {
    pacer: Pacer,
    sent: u64,
    /// When the next request is due, where that does not depend on the clock.
    next: Option<Duration>,
    /// The gaps of a Poisson process so far, in 2^-20 ns, so that rounding adds up to nothing.
    gaps: u128,
}

impl Schedule {
    /// A schedule before its first request.
    pub fn new(pacer: Pacer) -> Schedule {
        let mut schedule = Schedule { pacer, sent: 0, next: None, gaps: 0 };
        schedule.look_ahead();
        schedule
    }

    /// When the next request is due. See [`Pacer::due`].
    pub fn due(&self, elapsed: Duration) -> Option<Duration> {
        match self.pacer.rate {
            Rate::AsFastAsPossible => self.pacer.due(self.sent, elapsed),
            _ => self.next,
        }
    }

    /// When the plan ends whatever has been sent by then, as one as fast as possible does; `None` if
    /// it has a number of requests, or no end.
    pub fn ends(&self) -> Option<Duration> {
        self.pacer.duration.filter(|_| self.pacer.rate == Rate::AsFastAsPossible)
    }

    /// Number of the next request.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The next request is sent, or given up.
    pub fn advance(&mut self) {
        self.sent += 1;
        self.look_ahead();
    }

    fn look_ahead(&mut self) {
        self.next = match self.pacer.rate {
            Rate::AsFastAsPossible => None,
            Rate::Poisson { frequency, seed } => {
                let gap_ns =
                    chance::gap_s(seed, self.sent) * NS_PER_S as f64 / frequency.per_second();
                self.gaps = self.gaps.saturating_add((gap_ns * f64::from(1u32 << 20)) as u128);
                duration_of_ns(self.gaps >> 20)
                    .filter(|due| self.pacer.duration.is_none_or(|duration| *due <= duration))
            }
            _ => self.pacer.due(self.sent, Duration::ZERO),
        };
    }
}

fn constant_total(frequency: Frequency, over: Duration) -> Option<u64> {
    let requests = over.as_nanos().checked_mul(frequency.requests.into())?;
    u64::try_from(requests / frequency.period.as_nanos()).ok()
}

/// `None` later than a Duration can say: over, whatever the plan says.
fn constant_due(sent: u64, frequency: Frequency) -> Option<Duration> {
    let ns = (u128::from(sent) + 1).checked_mul(frequency.period.as_nanos())?
        / u128::from(frequency.requests);
    duration_of_ns(ns)
}

fn duration_of_ns(ns: u128) -> Option<Duration> {
    Some(Duration::new(u64::try_from(ns / NS_PER_S).ok()?, (ns % NS_PER_S) as u32))
}
