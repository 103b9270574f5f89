//! How late requests were sent, and for whose sake: what the latencies of a report are worth.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::percentile::value_at;
use super::{LATENCY_DIGITS, LATENCY_NS_MAX};
use crate::duration::{Go, rounded};
use crate::results::{Cause, Record};

/// A request that left later than this after its time was late.
pub const LATE: Duration = Duration::from_millis(100);

/// How the generator kept the schedule. Percentiles are at most 0.1 % too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// Requests that tell how late they were sent.
    pub requests: u64,
    /// The mean [`Record::slip`].
    pub slip_mean: Duration,
    /// The median.
    pub slip_p50: Duration,
    /// 99th percentile.
    pub slip_p99: Duration,
    /// The greatest.
    pub slip_max: Duration,
    /// Requests that were never sent.
    pub unsent: u64,
    /// Requests that left later than [`LATE`], or were never sent, because every connection was
    /// in use.
    pub late_queued: u64,
    /// The same, because the generator was late itself.
    pub late_own: u64,
    /// Who was the limit.
    pub limit: Limit,
}

/// Who kept an attack from its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nobody: every request was sent, and 99 % of them no later than [`LATE`].
    None,
    /// The machine or the program that sends.
    Generator,
    /// The server, which kept every connection busy, or the number of connections.
    Server,
    /// Nobody can tell: there was no rate to keep. As fast as possible, each request is due when it
    /// leaves, so that all slips are exactly zero; those of a schedule never are.
    Unknown,
}

impl Limit {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Limit::None => "none",
            Limit::Generator => "generator",
            Limit::Server => "server",
            Limit::Unknown => "unknown",
        }
    }
}

impl Sending {
    /// Who was the limit, in plain words.
    pub fn verdict(&self) -> impl fmt::Display + use<> {
        Verdict(*self)
    }
}

struct Verdict(Sending);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sending { requests, slip_p99, slip_max, unsent, late_queued, late_own, limit, .. } =
            self.0;
        match limit {
            Limit::None => {
                write!(
                    f,
                    "none: 99% of requests left within {} of their time",
                    Go(rounded(slip_p99))
                )
            }
            Limit::Generator => {
                let (late, up_to) = (late_own.saturating_sub(unsent), Go(rounded(slip_max)));
                match (late, unsent) {
                    (_, 0) => write!(
                        f,
                        "generator: it was late for {late} of {requests} requests, by up to {up_to}"
                    ),
                    (0, _) => write!(
                        f,
                        "generator: it did not send {unsent} of {requests} requests: the errors say why"
                    ),
                    _ => write!(
                        f,
                        "generator: of {requests} requests it was late for {late}, by up to {up_to}, and did not send {unsent}: the errors say why"
                    ),
                }?;
                f.write_str("; give it more of a core, or ask for less")
            }
            Limit::Unknown => f.write_str(
                "unknown: no rate was asked for, and only the attack saw whether the generator had rest",
            ),
            Limit::Server => write!(
                f,
                "server: {late_queued} of {requests} requests waited for a free connection, for up to {}; it is too slow for this rate, or --max-connections too low",
                Go(rounded(slip_max))
            ),
        }
    }
}

/// The fold to a [`Sending`]: add each record, then ask.
#[derive(Debug, Clone)]
pub struct Slips {
    known: u64,
    ns_total: u128,
    ns_max: u64,
    ns: Histogram<u64>,
    unsent: u64,
    late_queued: u64,
    late_own: u64,
}

impl Default for Slips {
    fn default() -> Slips {
        Slips::new()
    }
}

impl Slips {
    /// Of no record yet.
    pub fn new() -> Slips {
        let ns = Histogram::new(LATENCY_DIGITS).expect("3 digits are within 0 to 5");
        Slips { known: 0, ns_total: 0, ns_max: 0, ns, unsent: 0, late_queued: 0, late_own: 0 }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        let Some(slip) = record.slip else { return };
        let ns = u64::try_from(slip.as_nanos()).unwrap_or(u64::MAX).min(LATENCY_NS_MAX);
        self.known += 1;
        self.ns_total += u128::from(ns);
        self.ns_max = self.ns_max.max(ns);
        self.ns.record(ns).expect("the histogram grows to hold LATENCY_NS_MAX");
        let is_unsent = record.cause() == Some(Cause::Unsent);
        self.unsent += u64::from(is_unsent);
        if is_unsent || slip > LATE {
            let is_queued = record.queued >= slip / 2;
            *(if is_queued { &mut self.late_queued } else { &mut self.late_own }) += 1;
        }
    }

    /// The slip that a share `quantile` of the requests does not exceed; `None` if no record tells it.
    pub fn at(&self, quantile: f64) -> Option<Duration> {
        let ns = value_at(&self.ns, quantile).min(self.ns_max);
        (self.known > 0).then(|| Duration::from_nanos(ns))
    }

    /// `None` if no record tells its slip, as vegeta's do not.
    pub fn sending(&self) -> Option<Sending> {
        let mean = self.ns_total.checked_div(self.known.into())?;
        let at = |quantile| self.at(quantile).unwrap_or_default();
        let late = self.late_queued + self.late_own;
        let limit = if self.unsent == 0 && self.ns_max == 0 {
            Limit::Unknown
        } else if self.unsent == 0 && late.saturating_mul(100) <= self.known {
            Limit::None
        } else if self.late_own > self.late_queued {
            Limit::Generator
        } else {
            Limit::Server
        };
        Some(Sending {
            requests: self.known,
            slip_mean: Duration::from_nanos(mean as u64),
            slip_p50: at(0.50),
            slip_p99: at(0.99),
            slip_max: Duration::from_nanos(self.ns_max),
            unsent: self.unsent,
            late_queued: self.late_queued,
            late_own: self.late_own,
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(slips_ms: &[(u64, u64)], unsent: usize) -> Sending {
        let mut slips = Slips::new();
        for (at, (slip_ms, queued_ms)) in slips_ms.iter().enumerate() {
            let record = Record {
                slip: Some(Duration::from_millis(*slip_ms)),
                queued: Duration::from_millis(*queued_ms),
                error: if at < unsent { "unsent: x".into() } else { String::new() },
                ..Record::default()
            };
            slips.add(&record);
        }
        slips.sending().unwrap()
    }

    #[test]
    fn says_who_was_the_limit() {
        let on_time = vec![(1, 0); 99];
        let with = |more: (u64, u64)| [&on_time[..], &[more]].concat();
        for (slips, unsent, limit, words) in [
            (with((1, 0)), 0, Limit::None, "none: 99% of requests left within 1ms of their time"),
            (
                vec![(0, 0); 9],
                0,
                Limit::Unknown,
                "unknown: no rate was asked for, and only the attack saw whether the generator had rest",
            ),
            // One in a hundred may be late.
            (with((900, 0)), 0, Limit::None, "none: 99% of requests left within 1ms of their time"),
            (
                [with((900, 0)), vec![(101, 0)]].concat(),
                0,
                Limit::Generator,
                "generator: it was late for 2 of 101 requests, by up to 900ms; give it more of a core, or ask for less",
            ),
            (
                [with((900, 0)), vec![(800, 700), (800, 800)]].concat(),
                0,
                Limit::Server,
                "server: 2 of 102 requests waited for a free connection, for up to 900ms; it is too slow for this rate, or --max-connections too low",
            ),
            // None may be unsent.
            (
                [vec![(1_000, 1_000)], on_time.clone()].concat(),
                1,
                Limit::Server,
                "server: 1 of 100 requests waited for a free connection, for up to 1s; it is too slow for this rate, or --max-connections too low",
            ),
            (
                [vec![(1_500, 0)], on_time.clone()].concat(),
                1,
                Limit::Generator,
                "generator: it did not send 1 of 100 requests: the errors say why; give it more of a core, or ask for less",
            ),
        ] {
            let sending = fold(&slips, unsent);
            assert_eq!((sending.limit, sending.unsent as usize), (limit, unsent), "{words}");
            assert_eq!(sending.verdict().to_string(), words);
        }
    }

    #[test]
    fn figures_are_those_of_the_records() {
        let sending = fold(&[(1, 0), (2, 0), (3, 0), (10, 10)], 0);
        assert_eq!(sending.slip_mean, Duration::from_millis(4));
        assert_eq!(sending.slip_max, Duration::from_millis(10));
        assert!(sending.slip_p50.as_micros().abs_diff(2_000) <= 2, "{:?}", sending.slip_p50);
        let mut slips = Slips::new();
        slips.add(&Record::default());
        assert_eq!(slips.sending(), None);
    }
}
