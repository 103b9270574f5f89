//! How fast an attack sends: vegeta's `-rate`, and shapes that change with time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{self, DurationError, Go};

/// The rate of an attack.
///
/// Read from `N`, `N/unit` or `N/duration` (`400`, `50/m`, `3/2s`), `0` and `infinity`, as vegeta
/// has them, and from `linear(0, 400)`, `sine(400, 100, 1m)`, `poisson(400)` and
/// `100/s for 30s, 200/s for 30s`.
///
/// ```
/// use houseful_load::rate::Rate;
///
/// assert_eq!("400".parse::<Rate>()?.to_string(), "400/1s");
/// assert_eq!("infinity".parse::<Rate>()?, Rate::AsFastAsPossible);
/// assert_eq!("linear(0,60/m)".parse::<Rate>()?.to_string(), "linear(0/1s, 60/1m0s)");
/// # Ok::<(), houseful_load::rate::RateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// Evenly spread: the open model, as the others but the last.
    Constant(Frequency),
    /// Evenly from one to the other, over the whole attack.
    Linear {
        /// At the start; may be 0.
        from: Frequency,
        /// At the end; may be 0, but not both.
        to: Frequency,
    },
    /// Around a mean, first up, then down.
    Sine {
        /// In the middle.
        mean: Frequency,
        /// The most above and below; not more than the mean.
        amplitude: Frequency,
        /// From one middle on the way up to the next; longer than zero.
        period: Duration,
    },
    /// By chance: each moment is as likely as the other, as when many clients know nothing of
    /// each other. So the number of requests is only about `frequency × duration`.
    Poisson {
        /// On average.
        frequency: Frequency,
        /// The same seed, the same moments.
        seed: u64,
    },
    /// One constant rate after the other; at least one.
    Steps(Vec<Step>),
    /// Each connection sends its next request when the last is answered: the closed model.
    ///
    /// The number of connections bounds the load, so a slow server slows the attack: use it to
    /// learn what a server can do, never to learn how long its users wait.
    AsFastAsPossible,
}

/// So many requests in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    /// Requests in a period.
    pub requests: u64,
    /// The period, longer than zero.
    pub period: Duration,
}

impl Frequency {
    /// Requests a second.
    pub fn per_second(self) -> f64 {
        self.requests as f64 / self.period.as_secs_f64()
    }
}

/// A constant rate for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How fast; not 0.
    pub frequency: Frequency,
    /// How long, longer than zero.
    pub duration: Duration,
}

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The part before `/` is not a whole number.
    #[error(
        "expected a rate such as 400, 50/1m or infinity, found `{0}`: the number of requests is a whole number"
    )]
    Requests(String),
    /// The part after `/` is neither a unit nor a duration.
    #[error("expected a rate such as 400, 50/1m or infinity, found `{text}`: {fault}")]
    Period {
        /// The whole text.
        text: String,
        /// What is wrong with the period.
        fault: DurationError,
    },
    /// A number of requests in no time.
    #[error("expected a rate with a period longer than zero, found `{0}`")]
    NoPeriod(String),
    /// A shape without its parts.
    #[error("expected {form}, found `{text}`")]
    Form {
        /// What it should be.
        form: &'static str,
        /// What was found.
        text: String,
    },
    /// A rate that has to be one is zero.
    #[error("expected a rate above 0, found `{0}`")]
    Zero(String),
    /// The wave would dip below zero.
    #[error("sine: expected an amplitude of at most the mean, found `{0}`")]
    Amplitude(String),
    /// A duration inside a shape.
    #[error("expected a duration longer than zero such as 30s, found `{0}`")]
    Duration(String),
}

const LINEAR: &str = "a ramp such as linear(0, 400/s)";
const SINE: &str = "a wave such as sine(400/s, 100/s, 1m), of mean, amplitude and period";
const POISSON: &str = "poisson(400/s), or poisson(400/s, 7) with a seed";
const STEPS: &str = "steps such as `100/s for 30s, 200/s for 30s`";

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Rate, RateError> {
        if text == "infinity" {
            return Ok(Rate::AsFastAsPossible);
        }
        let parts = |name: &str, form| match parts_of(text, name) {
            Some(parts) => Ok(parts),
            None => Err(RateError::Form { form, text: text.to_owned() }),
        };
        let wrong = |form| RateError::Form { form, text: text.to_owned() };
        if text.starts_with("linear") {
            let [from, to] = parts("linear", LINEAR)?[..] else { return Err(wrong(LINEAR)) };
            let (from, to) = (frequency(from)?, frequency(to)?);
            if from.requests == 0 && to.requests == 0 {
                return Err(RateError::Zero(text.to_owned()));
            }
            return Ok(Rate::Linear { from, to });
        }
        if text.starts_with("sine") {
            let [mean, amplitude, period] = parts("sine", SINE)?[..] else {
                return Err(wrong(SINE));
            };
            let (mean, period) = (frequency_above_0(mean)?, longer_than_0(period)?);
            let (found, amplitude) = (amplitude, frequency(amplitude)?);
            let per_period = |frequency: Frequency, other: Frequency| {
                u128::from(frequency.requests) * other.period.as_nanos()
            };
            if per_period(amplitude, mean) > per_period(mean, amplitude) {
                return Err(RateError::Amplitude(found.to_owned()));
            }
            return Ok(Rate::Sine { mean, amplitude, period });
        }
        if text.starts_with("poisson") {
            let parts = parts("poisson", POISSON)?;
            let (rate, seed) = match parts[..] {
                [rate] => (rate, 1),
                [rate, seed] => (rate, seed.parse().map_err(|_| wrong(POISSON))?),
                _ => return Err(wrong(POISSON)),
            };
            return Ok(Rate::Poisson { frequency: frequency_above_0(rate)?, seed });
        }
        if text.contains(" for ") {
            let steps = text.split(',').map(|step| {
                let (rate, duration) = step.split_once(" for ").ok_or_else(|| wrong(STEPS))?;
                Ok(Step {
                    frequency: frequency_above_0(rate.trim())?,
                    duration: longer_than_0(duration.trim())?,
                })
            });
            return Ok(Rate::Steps(steps.collect::<Result<_, RateError>>()?));
        }
        match frequency(text)? {
            Frequency { requests: 0, .. } => Ok(Rate::AsFastAsPossible),
            frequency => Ok(Rate::Constant(frequency)),
        }
    }
}

/// What stands between the brackets of `name(…)`, at its commas.
fn parts_of<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let inner = text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(str::trim).collect())
}

fn frequency(text: &str) -> Result<Frequency, RateError> {
    let (requests, period) = text.split_once('/').unwrap_or((text, "1s"));
    let requests: u64 = match requests.parse() {
        // Rust reads a plus sign, Go too; neither belongs here.
        Ok(requests) if !text.starts_with('+') => requests,
        _ => return Err(RateError::Requests(text.to_owned())),
    };
    let period = match period {
        "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" => duration::parse(&format!("1{period}")),
        _ => duration::parse(period),
    }
    .map_err(|fault| RateError::Period { text: text.to_owned(), fault })?;
    if period.is_zero() && requests > 0 {
        return Err(RateError::NoPeriod(text.to_owned()));
    }
    Ok(Frequency { requests, period: period.max(Duration::from_nanos(1)) })
}

fn frequency_above_0(text: &str) -> Result<Frequency, RateError> {
    frequency(text).and_then(|found| {
        if found.requests == 0 { Err(RateError::Zero(text.to_owned())) } else { Ok(found) }
    })
}

fn longer_than_0(text: &str) -> Result<Duration, RateError> {
    duration::parse(text)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| RateError::Duration(text.to_owned()))
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, Go(self.period))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Constant(frequency) => frequency.fmt(f),
            Rate::Linear { from, to } => write!(f, "linear({from}, {to})"),
            Rate::Sine { mean, amplitude, period } => {
                write!(f, "sine({mean}, {amplitude}, {})", Go(*period))
            }
            Rate::Poisson { frequency, seed: 1 } => write!(f, "poisson({frequency})"),
            Rate::Poisson { frequency, seed } => write!(f, "poisson({frequency}, {seed})"),
            Rate::Steps(steps) => {
                for (at, Step { frequency, duration }) in steps.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{frequency} for {}", Go(*duration))?;
                }
                Ok(())
            }
            Rate::AsFastAsPossible => f.write_str("infinity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_vegetas_forms() {
        for (text, requests, period_ms) in [
            ("400", 400, 1_000),
            ("400/1s", 400, 1_000),
            ("400/s", 400, 1_000),
            ("50/m", 50, 60_000),
            ("50/1m", 50, 60_000),
            ("3/1m30s", 3, 90_000),
            ("7/500ms", 7, 500),
        ] {
            let period = Duration::from_millis(period_ms);
            let frequency = Frequency { requests, period };
            assert_eq!(text.parse(), Ok(Rate::Constant(frequency)), "{text}");
        }
        for text in ["0", "0/1s", "infinity"] {
            assert_eq!(text.parse(), Ok(Rate::AsFastAsPossible), "{text}");
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, error) in [
            (
                "",
                "expected a rate such as 400, 50/1m or infinity, found ``: the number of requests is a whole number",
            ),
            (
                "1.5",
                "expected a rate such as 400, 50/1m or infinity, found `1.5`: the number of requests is a whole number",
            ),
            (
                "-1",
                "expected a rate such as 400, 50/1m or infinity, found `-1`: the number of requests is a whole number",
            ),
            (
                "+1",
                "expected a rate such as 400, 50/1m or infinity, found `+1`: the number of requests is a whole number",
            ),
            (
                "/s",
                "expected a rate such as 400, 50/1m or infinity, found `/s`: the number of requests is a whole number",
            ),
            (
                "5/",
                "expected a rate such as 400, 50/1m or infinity, found `5/`: expected a duration such as 5s or 1m30s, found ``",
            ),
            (
                "5/day",
                "expected a rate such as 400, 50/1m or infinity, found `5/day`: expected a duration such as 5s or 1m30s, found `day`",
            ),
            ("linear(1)", "expected a ramp such as linear(0, 400/s), found `linear(1)`"),
            ("linear 1, 2", "expected a ramp such as linear(0, 400/s), found `linear 1, 2`"),
            ("linear(0,0)", "expected a rate above 0, found `linear(0,0)`"),
            (
                "linear(a, 2)",
                "expected a rate such as 400, 50/1m or infinity, found `a`: the number of requests is a whole number",
            ),
            (
                "sine(10, 5)",
                "expected a wave such as sine(400/s, 100/s, 1m), of mean, amplitude and period, found `sine(10, 5)`",
            ),
            (
                "sine(10, 601/m, 1m)",
                "sine: expected an amplitude of at most the mean, found `601/m`",
            ),
            ("sine(10, 5, 0s)", "expected a duration longer than zero such as 30s, found `0s`"),
            (
                "poisson()",
                "expected a rate such as 400, 50/1m or infinity, found ``: the number of requests is a whole number",
            ),
            (
                "poisson(4, x)",
                "expected poisson(400/s), or poisson(400/s, 7) with a seed, found `poisson(4, x)`",
            ),
            ("0 for 5s", "expected a rate above 0, found `0`"),
            ("5 for 5", "expected a duration longer than zero such as 30s, found `5`"),
            (
                "5 for 5s, 6",
                "expected steps such as `100/s for 30s, 200/s for 30s`, found `5 for 5s, 6`",
            ),
            ("5/0s", "expected a rate with a period longer than zero, found `5/0s`"),
        ] {
            assert_eq!(text.parse::<Rate>().expect_err(text).to_string(), error, "{text}");
        }
    }

    #[test]
    fn displays_what_it_parses() {
        for text in [
            "400/1s",
            "50/1m0s",
            "infinity",
            "linear(0/1s, 60/1m0s)",
            "sine(600/1m0s, 10/1s, 1m0s)",
            "poisson(4/1s)",
            "poisson(4/1s, 7)",
            "100/1s for 30s, 1/1m0s for 1h0m0s",
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }
}
