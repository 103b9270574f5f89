//! A figure over several rounds.

use std::fmt;

/// Median, least and greatest of the rounds, and the decimals to show.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    decimals: usize,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>, decimals: usize) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        let (last, half) = (values.len().saturating_sub(1), values.len() / 2);
        Spread { median: (at(half) + at(last - half)) / 2.0, min: at(0), max: at(last), decimals }
    }
}

/// `10.1 [9.8 to 10.9]`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { median, min, max, decimals } = self;
        write!(f, "{median:.decimals$} [{min:.decimals$} to {max:.decimals$}]")
    }
}
