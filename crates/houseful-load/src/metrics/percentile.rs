//! A percentile as people write it.

use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;

/// A percentile from 0 to 100: `50`, `99.9`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percentile(f64);

/// A text is no percentile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected percentiles from 0 to 100, such as 50 or 99.9, found `{0}`")]
pub struct PercentileError(String);

impl Percentile {
    /// Those of a report that asks for no others, as in vegeta.
    pub const USUAL: [Percentile; 4] =
        [Percentile(50.0), Percentile(90.0), Percentile(95.0), Percentile(99.0)];

    /// The same from 0 to 1.
    ///
    /// The decimal point is moved in the text: 99.9 / 100 is a little more than 0.999, and that
    /// little would be a whole rank more.
    pub fn quantile(self) -> f64 {
        format!("{}e-2", self.0).parse().expect("a number and its exponent are a number")
    }
}

/// The value of the nearest rank at `quantile` (0 to 1), as the histogram holds it.
///
/// The number that stands for 0.55 is a little more than that, and 200 times it more than 110: the
/// histogram alone would take the 111th. The number before is at most what was meant.
pub(super) fn value_at(values: &Histogram<u64>, quantile: f64) -> u64 {
    values.value_at_quantile(quantile.next_down().max(0.0))
}

impl FromStr for Percentile {
    type Err = PercentileError;

    fn from_str(text: &str) -> Result<Percentile, PercentileError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = text.parse().ok().filter(|number| plain && (0.0..=100.0).contains(number));
        number.map(Percentile).ok_or_else(|| PercentileError(text.to_owned()))
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn have_the_nearest_rank_whatever_their_decimals() {
        for count in [1, 2, 7, 10, 100, 125, 199, 200, 1_000] {
            let mut values = Histogram::<u64>::new(3).unwrap();
            (1..=count).for_each(|value| values.record(value).unwrap());
            for per_mille in 0..=1_000 {
                let rank = (count * per_mille).div_ceil(1_000).max(1);
                let found = value_at(&values, per_mille as f64 / 1e3);
                assert_eq!(found, rank, "{per_mille} of 1000 among {count}");
            }
        }
    }

    #[test]
    fn are_numbers_from_0_to_100() {
        for (text, quantile) in
            [("0", 0.0), ("50", 0.5), ("99.9", 0.999), ("99.99", 0.9999), ("7", 0.07), ("100", 1.0)]
        {
            let percentile: Percentile = text.parse().unwrap();
            assert_eq!((percentile.to_string().as_str(), percentile.quantile()), (text, quantile));
        }
        for text in ["", "-1", "100.1", "1e1", "nan", "p50", "99,9", "+5"] {
            assert_eq!(text.parse::<Percentile>(), Err(PercentileError(text.into())));
        }
    }
}
