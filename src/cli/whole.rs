//! Whole numbers on the command line.

use std::num::{NonZeroU64, NonZeroUsize};
use std::str::FromStr;

/// A type of them, and its bounds.
pub(super) trait Whole: FromStr {
    const MIN: u64;
    const MAX: u64;
}

impl Whole for u32 {
    const MIN: u64 = 0;
    const MAX: u64 = u32::MAX as u64;
}

impl Whole for u64 {
    const MIN: u64 = 0;
    const MAX: u64 = u64::MAX;
}

impl Whole for usize {
    const MIN: u64 = 0;
    const MAX: u64 = usize::MAX as u64;
}

impl Whole for NonZeroU64 {
    const MIN: u64 = 1;
    const MAX: u64 = u64::MAX;
}

impl Whole for NonZeroUsize {
    const MIN: u64 = 1;
    const MAX: u64 = usize::MAX as u64;
}

/// One of this type; what it has to be is said, where clap says only what it is not.
pub(super) fn whole<T: Whole>(text: &str) -> Result<T, String> {
    let expected =
        || format!("expected a whole number from {} to {}, found `{text}`", T::MIN, T::MAX);
    text.parse().map_err(|_| expected())
}
