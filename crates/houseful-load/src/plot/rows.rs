//! Latencies, counted in rows that get wider as they get longer.
//!
//! 64 rows to each doubling, so a latency told by its row is at most 0.8 % off. Only rows that hold
//! something are kept: a stretch of time has a few dozen, where an HDR histogram of its own for each of
//! thousands of stretches would be megabytes. Rows of several stretches add up to those of all.

/// So many bits of a latency are kept.
const BITS: u32 = 6;

/// How many latencies each row holds, sorted by row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows(Vec<(u16, u32)>);

/// The row of a latency.
fn row(ns: u64) -> u16 {
    let shift = (ns | 1).ilog2().saturating_sub(BITS);
    // At most 57 * 64 + 127.
    (u64::from(shift << BITS) + (ns >> shift)) as u16
}

/// The shortest latency of a row.
fn start_ns(row: u16) -> u64 {
    let shift = (u32::from(row) >> BITS).saturating_sub(1);
    u64::from(u32::from(row) - (shift << BITS)) << shift
}

impl Rows {
    pub(super) fn add(&mut self, ns: u64) {
        self.add_count(row(ns), 1);
    }

    fn add_count(&mut self, row: u16, count: u32) {
        match self.0.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (row, count)),
        }
    }

    pub(super) fn merge(&mut self, other: &Rows) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        other.0.iter().for_each(|(row, count)| self.add_count(*row, *count));
    }

    /// Each row that holds something and how many, shortest first.
    fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.0.iter().map(|(row, count)| (*row, u64::from(*count)))
    }

    /// The latency that a share `quantile` (0 to 1) does not exceed: the middle of its row. Zero of none.
    pub(super) fn at_ns(&self, quantile: f64) -> u64 {
        let total: u64 = self.iter().map(|(_, count)| count).sum();
        let rank = ((quantile * total as f64).ceil() as u64).max(1);
        let mut below = 0;
        for (row, count) in self.iter() {
            below += count;
            if below >= rank {
                let (start, end) = (start_ns(row), start_ns(row + 1));
                return start + (end - start) / 2;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_holds_what_is_near(ns in prop_oneof![0..5_000_u64, 0..=i64::MAX as u64]) {
            let (start, end) = (start_ns(row(ns)), start_ns(row(ns) + 1));
            prop_assert!(start <= ns && ns < end, "{start} {ns} {end}");
            prop_assert!(end - start <= 1 || (end - start) * 64 <= start, "{start} {ns} {end}");
        }

        #[test]
        fn quantiles_are_near_those_of_the_sorted_list(
            mut list in prop::collection::vec(0..10_000_000_000_u64, 1..300),
            split in 0..300_usize,
            quantile in 0.0..=1.0_f64,
        ) {
            let (mut rows, mut others) = (Rows::default(), Rows::default());
            for (at, ns) in list.iter().enumerate() {
                (if at < split { &mut rows } else { &mut others }).add(*ns);
            }
            rows.merge(&others);
            list.sort_unstable();
            let rank = ((quantile * list.len() as f64).ceil() as usize).max(1);
            let (want, found) = (list[rank - 1], rows.at_ns(quantile));
            prop_assert!(want.abs_diff(found) <= want / 100, "{want} {found}");
        }
    }

    #[test]
    fn of_none_there_is_none() {
        assert_eq!(Rows::default().at_ns(0.5), 0);
        assert_eq!(row(u64::MAX) + 1, 58 * 64 + 64);
    }
}
