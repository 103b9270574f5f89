//! What a run must come to: `p99<20ms`, `codes=201,409`, judged on its figures.
//!
//! ```text
//! assertion = figure op value
//! op        = "<" | "<=" | ">" | ">=" | "=" | "!="
//! figure    = "min" | "mean" | "max" | "p" percentile         a duration, of latencies
//!           | "slip_mean" | "slip_max" | "slip_p" percentile  a duration, of slips
//!           | "duration" | "wait"                             a duration
//!           | "requests" | "errors" | "no_answer" | "unsent"  a number of requests
//!           | "rate" | "throughput"                           a number a second
//!           | "success"                                       a ratio: 0.999 or 99.9%
//!           | "codes"          with "=": every status is one of these, 0 for no answer
//!           | "limit"          with "=" or "!=": none, generator, server
//! ```
//!
//! White space may stand around the op. What the results do not tell does not hold.

mod parse;

use std::fmt;
use std::time::Duration;

use crate::duration::{Go, rounded};
use crate::metrics::{Codes, Limit, Metrics, Percentile, Summary};
pub use parse::AssertionError;

/// One thing that must hold, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    text: String,
    claim: Claim,
}

#[derive(Debug, Clone, PartialEq)]
enum Claim {
    Time(Time, Op, Duration),
    Number(Number, Op, f64),
    Codes(Codes),
    Limit { is: bool, limit: Limit },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Time {
    Min,
    Mean,
    Max,
    At(Percentile),
    SlipMean,
    SlipMax,
    SlipAt(Percentile),
    Duration,
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Requests,
    Errors,
    NoAnswer,
    Unsent,
    Rate,
    Throughput,
    Success,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// What was found of an [`Assertion`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The assertion, as it was written.
    pub assertion: String,
    /// Whether it holds.
    pub holds: bool,
    /// What is the case: `35.2ms`, or why nobody knows.
    pub found: String,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judgement { assertion, holds, found } = self;
        write!(f, "{} {assertion}: found {found}", if *holds { "holds" } else { "failed" })
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Assertion {
    /// Whether it holds of these figures, whose `summary` is at hand.
    pub fn judge(&self, metrics: &Metrics, summary: &Summary) -> Judgement {
        let (holds, found) =
            self.claim.judge(metrics, summary, self.text.trim_end().ends_with('%'));
        Judgement { assertion: self.text.clone(), holds, found }
    }
}

impl Claim {
    /// A share is told in percent if it was asked so.
    fn judge(&self, metrics: &Metrics, summary: &Summary, in_percent: bool) -> (bool, String) {
        if summary.requests == 0 && !matches!(self, Claim::Number(Number::Requests, ..)) {
            return (false, "no results".to_owned());
        }
        const UNTOLD: &str = "nothing: the results do not tell how late requests were sent";
        let found = match self {
            Claim::Time(time, op, bound) => time.of(metrics, summary).map(|found| {
                let holds = |it: Duration| op.holds(it.as_nanos() as f64, bound.as_nanos() as f64);
                // Not rounded to what would read as the contrary.
                let is_told = holds(rounded(found)) == holds(found);
                let shown = if is_told { rounded(found) } else { found };
                (holds(found), Go(shown).to_string())
            }),
            Claim::Number(number, op, bound) => number.of(summary).map(|found| {
                let shown = number.show(found, |it| op.holds(it, *bound));
                let is_share = *number == Number::Success;
                (
                    op.holds(found, *bound),
                    if is_share && in_percent { percent(&shown) } else { shown },
                )
            }),
            Claim::Codes(codes) => {
                let (known, others): (Vec<_>, Vec<_>) =
                    summary.status_codes.iter().partition(|(code, _)| codes.contains(**code));
                let holds = others.is_empty();
                let shown = if holds { known } else { others };
                let shown = shown.iter().map(|(code, count)| format!("{count} × {code}"));
                Some((holds, shown.collect::<Vec<_>>().join(", ")))
            }
            Claim::Limit { is, limit } => summary.sending.map(|sending| match sending.limit {
                Limit::Unknown => (false, "nothing: no rate was asked for".to_owned()),
                found => ((found == *limit) == *is, found.name().to_owned()),
            }),
        };
        found.unwrap_or_else(|| (false, UNTOLD.to_owned()))
    }
}

impl Time {
    /// `None` if the results do not tell.
    fn of(self, metrics: &Metrics, summary: &Summary) -> Option<Duration> {
        Some(match self {
            Time::Min => summary.latencies.min,
            Time::Mean => summary.latencies.mean,
            Time::Max => summary.latencies.max,
            Time::At(percentile) => metrics.latency_at(percentile.quantile()),
            Time::SlipMean => summary.sending?.slip_mean,
            Time::SlipMax => summary.sending?.slip_max,
            Time::SlipAt(percentile) => metrics.slip_at(percentile.quantile())?,
            Time::Duration => summary.duration,
            Time::Wait => summary.wait,
        })
    }
}

impl Number {
    /// `None` if the results do not tell.
    fn of(self, summary: &Summary) -> Option<f64> {
        Some(match self {
            Number::Requests => summary.requests as f64,
            Number::Errors => (summary.requests - summary.successes) as f64,
            Number::NoAnswer => summary.status_codes.get(&0).copied().unwrap_or_default() as f64,
            Number::Unsent => summary.sending?.unsent as f64,
            Number::Rate => summary.rate,
            Number::Throughput => summary.throughput,
            Number::Success => summary.success,
        })
    }

    /// Rounded, but not to what would read as the contrary; and 99.996 % must not read as 100.
    fn show(self, found: f64, holds: impl Fn(f64) -> bool) -> String {
        let digits_min = match self {
            Number::Success => 4,
            Number::Rate | Number::Throughput => 2,
            _ => 0,
        };
        let is_all = |it: f64| self == Number::Success && (it == 0.0 || it == 1.0);
        let as_told = |shown: &String| {
            let told = shown.parse().unwrap_or(found);
            holds(told) == holds(found) && is_all(told) == is_all(found)
        };
        let mut shown = (digits_min..=17).map(|digits| format!("{found:.digits$}"));
        let shown = shown.find(as_told).unwrap_or_else(|| found.to_string());
        match self {
            Number::Success => shown.trim_end_matches('0').trim_end_matches('.').to_owned(),
            _ => shown,
        }
    }
}

/// The point is moved in the text, so that 0.07 is 7% and not 7.000000000000001%.
fn percent(share: &str) -> String {
    format!("{share}e2").parse::<f64>().map_or(share.to_owned(), |percent| format!("{percent}%"))
}

impl Op {
    fn holds(self, found: f64, bound: f64) -> bool {
        match self {
            Op::Less => found < bound,
            Op::LessOrEqual => found <= bound,
            Op::Greater => found > bound,
            Op::GreaterOrEqual => found >= bound,
            Op::Equal => found == bound,
            Op::NotEqual => found != bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Options;
    use crate::results::Record;

    /// 100 results: latencies of 1 to 100 ms at 10 a second, one of them 500, slips of 1 ms.
    fn metrics(slip: Option<Duration>, expect: Option<&str>) -> Metrics {
        let expect = expect.map(|codes| codes.parse().unwrap());
        let mut metrics = Metrics::with(Options { expect, ..Options::default() });
        for n in 1..=100u16 {
            metrics.add(&Record {
                code: match n {
                    50 => 500,
                    n if n % 2 == 0 => 201,
                    _ => 409,
                },
                timestamp: jiff::Timestamp::from_millisecond(i64::from(n) * 100).unwrap(),
                latency: Duration::from_millis(n.into()),
                slip,
                ..Record::default()
            });
        }
        metrics
    }

    fn judge(metrics: &Metrics, text: &str) -> (bool, String) {
        let judgement = text.parse::<Assertion>().unwrap().judge(metrics, &metrics.summary());
        assert_eq!(judgement.assertion, text);
        (judgement.holds, judgement.found)
    }

    #[test]
    fn hold_or_not() {
        let metrics = metrics(Some(Duration::from_millis(1)), Some("201,409"));
        for (text, holds, found) in [
            ("min=1ms", true, "1ms"),
            ("min!=1ms", false, "1ms"),
            ("mean<50ms", false, "50.5ms"),
            ("mean<=50.5ms", true, "50.5ms"),
            ("max <= 100ms", true, "100ms"),
            ("max<100ms", false, "100ms"),
            ("p100>=100ms", true, "100ms"),
            ("duration=9.9s", true, "9.9s"),
            ("wait>100ms", false, "100ms"),
            ("slip_max<=1ms", true, "1ms"),
            ("slip_mean>1ms", false, "1ms"),
            ("slip_p99<1ms", false, "1ms"),
            ("requests=100", true, "100"),
            ("errors<=1", true, "1"),
            ("errors=0", false, "1"),
            ("no_answer=0", true, "0"),
            ("unsent=0", true, "0"),
            ("rate>=10.1", true, "10.10"),
            ("throughput>10", false, "9.90"),
            ("success>=99%", true, "99%"),
            ("success>=99.1%", false, "99%"),
            ("success>0.99", false, "0.99"),
            ("codes=201,409,500", true, "49 × 201, 50 × 409, 1 × 500"),
            ("codes=201,409", false, "1 × 500"),
            ("limit=none", true, "none"),
            ("limit!=generator", true, "none"),
            ("limit=server", false, "none"),
        ] {
            assert_eq!(judge(&metrics, text), (holds, found.to_owned()), "{text}");
        }
        let (holds, found) = judge(&metrics, "p99<99ms");
        assert!(!holds && found.starts_with("99.0"), "{found}");
        assert!(judge(&metrics, "p99<100ms").0);
    }

    #[test]
    fn what_was_found_is_rounded_but_not_to_the_contrary() {
        let show = |number: Number, found: f64, op: Op, bound: f64| {
            number.show(found, |it| op.holds(it, bound))
        };
        for (number, found, op, bound, shown) in [
            (Number::Success, 2.0 / 3.0, Op::GreaterOrEqual, 0.99, "0.6667"),
            (Number::Success, 0.07, Op::GreaterOrEqual, 0.99, "0.07"),
            (Number::Success, 1.0, Op::GreaterOrEqual, 0.99, "1"),
            (Number::Success, 0.0, Op::GreaterOrEqual, 0.99, "0"),
            (Number::Success, 0.999_996, Op::GreaterOrEqual, 0.99, "0.999996"),
            (Number::Success, 0.000_004, Op::GreaterOrEqual, 0.99, "0.000004"),
            (Number::Success, 0.989_999_9, Op::GreaterOrEqual, 0.99, "0.9899999"),
            (Number::Rate, 400.100_02, Op::GreaterOrEqual, 400.0, "400.10"),
            (Number::Rate, 399.999_6, Op::GreaterOrEqual, 400.0, "399.9996"),
            (Number::Requests, 12.0, Op::Equal, 12.0, "12"),
        ] {
            assert_eq!(show(number, found, op, bound), shown, "{found}");
        }
        for (share, shown) in [("0.07", "7%"), ("0.6667", "66.67%"), ("1", "100%"), ("0", "0%")] {
            assert_eq!(percent(share), shown);
        }
        let mut metrics = Metrics::new();
        let latency = Duration::from_nanos(2_954_887_167);
        metrics.add(&Record { code: 200, latency, ..Record::default() });
        assert_eq!(judge(&metrics, "max<50ms"), (false, "2.955s".to_owned()));
        assert_eq!(judge(&metrics, "max<2.955s"), (true, "2.954887167s".to_owned()));
    }

    #[test]
    fn what_nobody_knows_does_not_hold() {
        let untold = metrics(None, None);
        for text in ["slip_p99<1h", "slip_max<1h", "slip_mean<1h", "unsent=0", "limit!=server"] {
            let (holds, found) = judge(&untold, text);
            assert!(!holds, "{text}");
            assert_eq!(found, "nothing: the results do not tell how late requests were sent");
        }
        let fast = metrics(Some(Duration::ZERO), None);
        for text in ["limit=none", "limit!=none", "limit=server", "limit!=generator"] {
            assert_eq!(judge(&fast, text), (false, "nothing: no rate was asked for".to_owned()));
        }
        let none = Metrics::new();
        for text in ["p99<1h", "errors=0", "success>=0", "codes=200", "limit=none"] {
            assert_eq!(judge(&none, text), (false, "no results".to_owned()), "{text}");
        }
        assert_eq!(judge(&none, "requests=0"), (true, "0".to_owned()));
    }

    #[test]
    fn is_named_with_what_was_found() {
        let metrics = metrics(None, None);
        let judged = "min>2ms".parse::<Assertion>().unwrap().judge(&metrics, &metrics.summary());
        assert_eq!(judged.to_string(), "failed min>2ms: found 1ms");
    }
}
