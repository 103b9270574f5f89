//! Go's durations, as vegeta's flags take them and its reports print them.
//!
//! Read: `1h2m3.5s`, `100ms`, `1.5h`, `1µs`, `0`. Written: as Go's `Duration.String()`, exactly,
//! or rounded as vegeta's reports do.

use std::fmt;
use std::time::Duration;

const NS: u128 = 1;
const US: u128 = 1_000 * NS;
const MS: u128 = 1_000 * US;
const S: u128 = 1_000 * MS;
const M: u128 = 60 * S;
const H: u128 = 60 * M;

/// The longest duration Go can express: 2^63 - 1 ns, about 292 years.
const MAX_NS: u128 = i64::MAX as u128;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number followed by a unit, one or more times.
    #[error("expected a duration such as 5s or 1m30s, found `{0}`")]
    Malformed(String),
    /// A bare number; only `0` needs no unit.
    #[error("expected a duration with a unit, such as 5s or 100ms, found `{0}`")]
    NoUnit(String),
    /// A unit that Go does not have.
    #[error(
        "expected a duration in h, m, s, ms, us, µs or ns, found the unit `{unit}` in `{text}`"
    )]
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Below zero, which nothing here can use.
    #[error("expected a duration of zero or more, found `{0}`")]
    Negative(String),
    /// Longer than Go can express.
    #[error("expected a duration of at most 2562047h, found `{0}`")]
    TooLong(String),
}

/// Reads a Go duration: numbers, each with a unit, or a plain `0`.
///
/// A fraction is cut to whole nanoseconds. Source: Go's `time.ParseDuration`, less the minus sign.
///
/// # Errors
///
/// See [`DurationError`]; each names the text.
///
/// ```
/// use houseful_load::duration;
/// use std::time::Duration;
///
/// assert_eq!(duration::parse("1m30s"), Ok(Duration::from_secs(90)));
/// assert!(duration::parse("5").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());

    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(malformed());
    }

    let mut rest = unsigned;
    let mut total_ns: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let unit_ns = match unit {
            "h" => H,
            "m" => M,
            "s" => S,
            "ms" => MS,
            // U+00B5 micro sign and U+03BC Greek mu look alike; Go takes both.
            "us" | "\u{b5}s" | "\u{3bc}s" => US,
            "ns" => NS,
            "" => return Err(DurationError::NoUnit(text.to_owned())),
            _ => {
                return Err(DurationError::UnknownUnit {
                    unit: unit.to_owned(),
                    text: text.to_owned(),
                });
            }
        };
        let whole_ns = match whole {
            "" => 0,
            // A number that does not fit 128 bits is too long in any unit.
            digits => digits
                .parse::<u128>()
                .ok()
                .and_then(|n| n.checked_mul(unit_ns))
                .ok_or_else(too_long)?,
        };
        total_ns = total_ns
            .checked_add(whole_ns)
            .and_then(|ns| ns.checked_add(fraction_ns(fraction, unit_ns)))
            .filter(|ns| *ns <= MAX_NS)
            .ok_or_else(too_long)?;
        rest = after;
    }
    if negative && total_ns > 0 {
        return Err(DurationError::Negative(text.to_owned()));
    }
    Ok(from_nanos(total_ns))
}

/// Displays a duration as Go's `Duration.String()` does: `1.5s`, `1m0s`, `340µs`, `0s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Go(pub Duration);

impl fmt::Display for Go {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.as_nanos();
        match ns {
            0 => f.write_str("0s"),
            _ if ns < US => write!(f, "{ns}ns"),
            _ if ns < MS => write!(f, "{}µs", Decimal { units: ns, per: US }),
            _ if ns < S => write!(f, "{}ms", Decimal { units: ns, per: MS }),
            _ => {
                let (hours, minutes) = (ns / H, ns / M % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", Decimal { units: ns % M, per: S })
            }
        }
    }
}

/// Rounds as vegeta's text report does: to the unit below the largest one that fits.
///
/// 1.23456 s becomes 1.235 s, 61.5 s becomes 62 s; below 1 µs nothing changes. Half rounds up.
/// Source: `round` in vegeta's `lib/reporters.go`.
pub fn rounded(duration: Duration) -> Duration {
    const UNITS: [u128; 6] = [H, M, S, MS, US, NS];
    let ns = duration.as_nanos();
    let Some(largest) = UNITS[..UNITS.len() - 1].iter().position(|unit| ns >= *unit) else {
        return duration;
    };
    let step = UNITS[largest + 1];
    from_nanos((ns + step / 2) / step * step)
}

/// A number of `per`-ths without trailing zeros: 1500 per 1000 is `1.5`. `per` is a power of ten.
struct Decimal {
    units: u128,
    per: u128,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.units / self.per)?;
        let mut fraction = self.units % self.per;
        if fraction == 0 {
            return Ok(());
        }
        let mut width = self.per.ilog10() as usize;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(f, ".{fraction:0width$}")
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.<digits>` of a unit in whole nanoseconds; digits past the 18th are below one nanosecond.
fn fraction_ns(digits: &str, unit_ns: u128) -> u128 {
    let digits = &digits[..digits.len().min(18)];
    digits.parse::<u128>().map_or(0, |n| n * unit_ns / 10u128.pow(digits.len() as u32))
}

fn from_nanos(ns: u128) -> Duration {
    Duration::new((ns / S) as u64, (ns % S) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_go_parses() {
        for (text, ns) in [
            ("0", 0),
            ("+0", 0),
            ("-0s", 0),
            ("0s", 0),
            ("5s", 5 * S),
            ("+5s", 5 * S),
            ("1m30s", 90 * S),
            ("100ms", 100 * MS),
            ("1.5h", 90 * M),
            (".5s", 500 * MS),
            ("1.s", S),
            ("1µs", US),
            ("1\u{3bc}s", US),
            ("1us", US),
            ("7ns", 7),
            ("1h2m3.5s", H + 2 * M + 3 * S + 500 * MS),
            ("1s1h", H + S),
            ("0.3s", 300 * MS),
            ("0.0000000019s", 1),
            ("0.3333333333333333333333h", 1_199_999_999_999),
            ("9223372036854775807ns", MAX_NS),
        ] {
            assert_eq!(parse(text), Ok(from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, error) in [
            ("", "expected a duration such as 5s or 1m30s, found ``"),
            ("s", "expected a duration such as 5s or 1m30s, found `s`"),
            (".s", "expected a duration such as 5s or 1m30s, found `.s`"),
            ("-", "expected a duration such as 5s or 1m30s, found `-`"),
            (" 5s", "expected a duration such as 5s or 1m30s, found ` 5s`"),
            ("5", "expected a duration with a unit, such as 5s or 100ms, found `5`"),
            ("1m30", "expected a duration with a unit, such as 5s or 100ms, found `1m30`"),
            ("1.5.5s", "expected a duration with a unit, such as 5s or 100ms, found `1.5.5s`"),
            ("3d", "expected a duration in h, m, s, ms, us, µs or ns, found the unit `d` in `3d`"),
            (
                "5 s",
                "expected a duration in h, m, s, ms, us, µs or ns, found the unit ` s` in `5 s`",
            ),
            ("-5s", "expected a duration of zero or more, found `-5s`"),
            ("2562048h", "expected a duration of at most 2562047h, found `2562048h`"),
            (
                "9223372036854775808ns",
                "expected a duration of at most 2562047h, found `9223372036854775808ns`",
            ),
            (
                "9999999999999999999999999999999999999999h",
                "expected a duration of at most 2562047h, found `9999999999999999999999999999999999999999h`",
            ),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), error, "{text}");
        }
    }

    #[test]
    fn displays_as_go_does() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (340 * US, "340µs"),
            (2_200_000, "2.2ms"),
            (980 * MS, "980ms"),
            (S, "1s"),
            (3_300 * MS, "3.3s"),
            (M, "1m0s"),
            (60_003_154_171, "1m0.003154171s"),
            (4 * M + 5 * S + MS, "4m5.001s"),
            (H, "1h0m0s"),
            (5 * H + 6 * M + 7 * S + MS, "5h6m7.001s"),
        ] {
            assert_eq!(Go(from_nanos(ns)).to_string(), text);
        }
    }

    #[test]
    fn rounds_as_vegeta_does() {
        for (ns, text) in [
            (0, "0s"),
            (999, "999ns"),
            (1_499, "1.499µs"),
            (1_234_560_000, "1.235s"),
            (61_500 * MS, "1m2s"),
            (240_555_500, "240.556ms"),
            (1_234_567, "1.235ms"),
            (H + 29 * S, "1h0m0s"),
            (H + 30 * S, "1h1m0s"),
            (999_999_999, "1s"),
        ] {
            assert_eq!(Go(rounded(from_nanos(ns))).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(ns in 0..=MAX_NS) {
            let duration = from_nanos(ns);
            prop_assert_eq!(parse(&Go(duration).to_string()), Ok(duration));
        }

        #[test]
        fn never_panics(text in "[-+0-9.hmsnuµ ]{0,40}") {
            parse(&text).map_or_else(|_| (), |duration| assert!(duration.as_nanos() <= MAX_NS));
        }
    }
}
