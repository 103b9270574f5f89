//! How fast an attack sends, as vegeta's `-rate` says it.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{self, DurationError, Go};

/// The rate of an attack.
///
/// Read from `N`, `N/unit` or `N/duration` (`400`, `50/m`, `3/2s`), or `0` and `infinity`.
///
/// ```
/// use houseful_load::rate::Rate;
///
/// assert_eq!("400".parse::<Rate>()?.to_string(), "400/1s");
/// assert_eq!("infinity".parse::<Rate>()?, Rate::AsFastAsPossible);
/// # Ok::<(), houseful_load::rate::RateError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// This many requests each period, evenly spread: the open model.
    Constant {
        /// Requests in a period.
        requests: NonZeroU64,
        /// The period, longer than zero.
        period: Duration,
    },
    /// Each connection sends its next request when the last is answered: the closed model.
    ///
    /// The number of connections bounds the load, so a slow server slows the attack: use it to
    /// learn what a server can do, never to learn how long its users wait.
    AsFastAsPossible,
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
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Rate, RateError> {
        if text == "infinity" {
            return Ok(Rate::AsFastAsPossible);
        }
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
        match NonZeroU64::new(requests) {
            None => Ok(Rate::AsFastAsPossible),
            Some(_) if period.is_zero() => Err(RateError::NoPeriod(text.to_owned())),
            Some(requests) => Ok(Rate::Constant { requests, period }),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Constant { requests, period } => write!(f, "{requests}/{}", Go(*period)),
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
            let requests = NonZeroU64::new(requests).unwrap();
            assert_eq!(text.parse(), Ok(Rate::Constant { requests, period }), "{text}");
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
            ("5/0s", "expected a rate with a period longer than zero, found `5/0s`"),
        ] {
            assert_eq!(text.parse::<Rate>().expect_err(text).to_string(), error, "{text}");
        }
    }

    #[test]
    fn displays_what_it_parses() {
        for text in ["400/1s", "50/1m0s", "infinity"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }
}
