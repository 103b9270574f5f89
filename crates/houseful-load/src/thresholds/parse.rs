//! Text to assertions.

use std::str::FromStr;

use super::{Assertion, Claim, Number, Op, Time};
use crate::duration::{self, DurationError};
use crate::metrics::{CodesError, Limit, Percentile, PercentileError};

/// What can be asserted, as errors list it.
const FIGURES: &str = "min, mean, max, p99, slip_mean, slip_max, slip_p99, duration, wait, requests, errors, no_answer, unsent, rate, throughput, success, codes, limit";

/// Why a text is no assertion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// No figure, op and value.
    #[error("expected a figure, one of < <= > >= = !=, and a value, as in `p99<20ms`, found `{0}`")]
    Malformed(String),
    /// A figure that there is not.
    #[error("`{0}`: expected one of {FIGURES}")]
    Figure(String),
    /// `p` and no percentile.
    #[error("`{figure}`: {reason}")]
    Percentile {
        /// As it was written.
        figure: String,
        /// What is wrong with it.
        reason: PercentileError,
    },
    /// Codes and limits have no order.
    #[error("`{figure}`: expected {expected}, found `{found}`")]
    Op {
        /// What was asked about.
        figure: String,
        /// What may stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// The value is no duration.
    #[error("`{figure}`: {reason}")]
    Duration {
        /// What was asked about.
        figure: String,
        /// What is wrong with the value.
        reason: DurationError,
    },
    /// The value is no number, or no ratio.
    #[error("`{figure}`: expected {expected}, found `{found}`")]
    Value {
        /// What was asked about.
        figure: String,
        /// What may stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// The value is no list of statuses.
    #[error("`codes`: {0}")]
    Codes(CodesError),
}

impl FromStr for Assertion {
    type Err = AssertionError;

    fn from_str(text: &str) -> Result<Assertion, AssertionError> {
        Ok(Assertion { text: text.to_owned(), claim: claim(text)? })
    }
}

fn claim(text: &str) -> Result<Claim, AssertionError> {
    let malformed = || AssertionError::Malformed(text.to_owned());
    let is_op = |c: char| matches!(c, '<' | '>' | '=' | '!');
    let from = text.find(is_op).ok_or_else(malformed)?;
    let (name, rest) = text.split_at(from);
    let (op, value) = rest.split_at(rest.find(|c| !is_op(c)).unwrap_or(rest.len()));
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err(malformed());
    }
    let figure = || name.to_owned();
    let wrong =
        |expected| AssertionError::Value { figure: figure(), expected, found: value.to_owned() };
    let only = |expected| AssertionError::Op { figure: figure(), expected, found: op.to_owned() };
    let parsed_op = match op {
        "<" => Op::Less,
        "<=" => Op::LessOrEqual,
        ">" => Op::Greater,
        ">=" => Op::GreaterOrEqual,
        "=" => Op::Equal,
        "!=" => Op::NotEqual,
        _ => return Err(only("one of < <= > >= = !=")),
    };
    match name {
        "codes" if parsed_op != Op::Equal => return Err(only("=")),
        "codes" => return value.parse().map(Claim::Codes).map_err(AssertionError::Codes),
        "limit" => {
            let is = match parsed_op {
                Op::Equal => true,
                Op::NotEqual => false,
                _ => return Err(only("= or !=")),
            };
            let limits = [Limit::None, Limit::Generator, Limit::Server];
            let limit = limits.into_iter().find(|limit| limit.name() == value);
            let limit = limit.ok_or_else(|| wrong("none, generator or server"))?;
            return Ok(Claim::Limit { is, limit });
        }
        _ => {}
    }
    if let Some(number) = number(name) {
        let bound = bound(number, value).map_err(wrong)?;
        return Ok(Claim::Number(number, parsed_op, bound));
    }
    let time = time(name)?;
    let bound = duration::parse(value)
        .map_err(|reason| AssertionError::Duration { figure: figure(), reason })?;
    Ok(Claim::Time(time, parsed_op, bound))
}

fn number(name: &str) -> Option<Number> {
    Some(match name {
        "requests" => Number::Requests,
        "errors" => Number::Errors,
        "no_answer" => Number::NoAnswer,
        "unsent" => Number::Unsent,
        "rate" => Number::Rate,
        "throughput" => Number::Throughput,
        "success" => Number::Success,
        _ => return None,
    })
}

/// The value of a number, or what was expected.
fn bound(number: Number, value: &str) -> Result<f64, &'static str> {
    let plain = |text: &str| {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        text.parse::<f64>().ok().filter(|_| is_plain)
    };
    match number {
        Number::Success => {
            let ratio = match value.strip_suffix('%') {
                // The point is moved in the text, so that 99.9% is 0.999.
                Some(percent) if plain(percent).is_some() => format!("{percent}e-2").parse().ok(),
                Some(_) => None,
                None => plain(value),
            };
            let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or("a ratio from 0 to 1, such as 0.999, or from 0% to 100%")
        }
        Number::Rate | Number::Throughput => plain(value).ok_or("a number a second, such as 400"),
        _ => {
            let count = value.parse::<u64>().ok().filter(|_| !value.starts_with('+'));
            count.map(|count| count as f64).ok_or("a whole number")
        }
    }
}

fn time(name: &str) -> Result<Time, AssertionError> {
    let percentile = |text: &str| {
        text.parse::<Percentile>()
            .map_err(|reason| AssertionError::Percentile { figure: name.to_owned(), reason })
    };
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    Ok(match name {
        "min" => Time::Min,
        "mean" => Time::Mean,
        "max" => Time::Max,
        "slip_mean" => Time::SlipMean,
        "slip_max" => Time::SlipMax,
        "duration" => Time::Duration,
        "wait" => Time::Wait,
        _ => match (name.strip_prefix("slip_p"), name.strip_prefix('p')) {
            (Some(text), _) if begins(text) => Time::SlipAt(percentile(text)?),
            (_, Some(text)) if begins(text) => Time::At(percentile(text)?),
            _ => return Err(AssertionError::Figure(name.to_owned())),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_assertion_is_told_precisely() {
        let form = "expected a figure, one of < <= > >= = !=, and a value, as in `p99<20ms`, found";
        for (text, error) in [
            ("", format!("{form} ``")),
            ("p99", format!("{form} `p99`")),
            ("p99<", format!("{form} `p99<`")),
            ("<20ms", format!("{form} `<20ms`")),
            ("p99 20ms", format!("{form} `p99 20ms`")),
            ("p99==20ms", "`p99`: expected one of < <= > >= = !=, found `==`".into()),
            ("p99=<20ms", "`p99`: expected one of < <= > >= = !=, found `=<`".into()),
            ("p99!20ms", "`p99`: expected one of < <= > >= = !=, found `!`".into()),
            (
                "p99<20",
                "`p99`: expected a duration with a unit, such as 5s or 100ms, found `20`".into(),
            ),
            ("p99<-1ms", "`p99`: expected a duration of zero or more, found `-1ms`".into()),
            (
                "p101<20ms",
                "`p101`: expected percentiles from 0 to 100, such as 50 or 99.9, found `101`".into(),
            ),
            (
                "slip_p9x<20ms",
                "`slip_p9x`: expected percentiles from 0 to 100, such as 50 or 99.9, found `9x`".into(),
            ),
            ("P99<20ms", format!("`P99`: expected one of {FIGURES}")),
            ("pears<20ms", format!("`pears`: expected one of {FIGURES}")),
            ("p<20ms", format!("`p`: expected one of {FIGURES}")),
            ("errors<0.5", "`errors`: expected a whole number, found `0.5`".into()),
            ("errors<-1", "`errors`: expected a whole number, found `-1`".into()),
            ("rate>fast", "`rate`: expected a number a second, such as 400, found `fast`".into()),
            ("rate>inf", "`rate`: expected a number a second, such as 400, found `inf`".into()),
            (
                "success>101%",
                "`success`: expected a ratio from 0 to 1, such as 0.999, or from 0% to 100%, found `101%`".into(),
            ),
            (
                "success>99.9",
                "`success`: expected a ratio from 0 to 1, such as 0.999, or from 0% to 100%, found `99.9`".into(),
            ),
            ("codes!=500", "`codes`: expected =, found `!=`".into()),
            (
                "codes=2xx",
                "`codes`: expected statuses such as 201,409, each from 100 to 999 or 0 for no answer, found `2xx`".into(),
            ),
            ("limit<server", "`limit`: expected = or !=, found `<`".into()),
            ("limit=me", "`limit`: expected none, generator or server, found `me`".into()),
        ] {
            assert_eq!(text.parse::<Assertion>().unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn white_space_may_stand_around_the_op() {
        for text in ["p99.9<20ms", " p99.9 < 20ms ", "p99.9 <20ms"] {
            let Claim::Time(Time::At(percentile), Op::Less, bound) =
                text.parse::<Assertion>().unwrap().claim
            else {
                panic!("{text}");
            };
            assert_eq!((percentile.quantile(), bound.as_millis()), (0.999, 20));
        }
        let claim = "success>=99.9%".parse::<Assertion>().unwrap().claim;
        assert_eq!(claim, Claim::Number(Number::Success, Op::GreaterOrEqual, 0.999));
    }
}
