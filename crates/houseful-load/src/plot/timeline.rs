//! Time in columns of equal width, whose number has a bound and whose width has none.

use std::collections::VecDeque;

use super::column::Column;

/// The narrowest: a run of 20 ms still has two hundred columns.
const WIDTH_NS_MIN: i128 = 100_000;

/// Columns side by side. They get wider when the run turns out to be longer: 0.1 ms, 0.5, 1, 5, 10 and so
/// on, so that a person can name a width, and a rate of whole numbers has no beat with it.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    columns_max: usize,
    width_ns: i128,
    /// Where column 0 begins: the first time that came. Earlier ones lie in columns below zero.
    origin_ns: Option<i128>,
    /// The number of the first column of `columns`.
    first: i128,
    columns: VecDeque<Column>,
}

impl Timeline {
    /// With at most so many columns.
    pub(super) fn new(columns_max: usize) -> Timeline {
        let columns = VecDeque::new();
        Timeline { columns_max, width_ns: WIDTH_NS_MIN, origin_ns: None, first: 0, columns }
    }

    /// The column of a time, in nanoseconds since the Unix epoch.
    pub(super) fn at(&mut self, at_ns: i128) -> &mut Column {
        let since_ns = at_ns - *self.origin_ns.get_or_insert(at_ns);
        let mut n = since_ns.div_euclid(self.width_ns);
        while self.span_with(n) > self.columns_max as i128 {
            self.widen();
            n = since_ns.div_euclid(self.width_ns);
        }
        if self.columns.is_empty() {
            self.first = n;
        }
        while n < self.first {
            self.columns.push_front(Column::default());
            self.first -= 1;
        }
        let at = (n - self.first) as usize;
        if at >= self.columns.len() {
            self.columns.resize(at + 1, Column::default());
        }
        &mut self.columns[at]
    }

    /// How many columns there would be with column `n` among them.
    fn span_with(&self, n: i128) -> i128 {
        if self.columns.is_empty() {
            return 1;
        }
        let last = self.first + self.columns.len() as i128 - 1;
        last.max(n) - self.first.min(n) + 1
    }

    /// Allows so many columns only, from now on.
    pub(super) fn limit(&mut self, columns_max: usize) {
        self.columns_max = columns_max;
        while self.columns.len() > columns_max {
            self.widen();
        }
    }

    /// The same in the next wider columns.
    pub(super) fn widen(&mut self) {
        let factor = if self.width_ns.ilog10() == (self.width_ns - 1).ilog10() { 2 } else { 5 };
        let first = self.first.div_euclid(factor);
        let mut columns: VecDeque<Column> = VecDeque::new();
        for (n, column) in (self.first..).zip(std::mem::take(&mut self.columns)) {
            let at = (n.div_euclid(factor) - first) as usize;
            match columns.get_mut(at) {
                Some(wide) => wide.merge(&column),
                None => columns.push_back(column),
            }
        }
        (self.first, self.columns) = (first, columns);
        self.width_ns *= factor;
    }

    pub(super) fn width_ns(&self) -> i128 {
        self.width_ns
    }

    /// When the first column begins.
    pub(super) fn start_ns(&self) -> i128 {
        self.origin_ns.unwrap_or_default() + self.first * self.width_ns
    }

    pub(super) fn columns(&self) -> &VecDeque<Column> {
        &self.columns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_widen_as_the_run_goes_on() {
        let mut timeline = Timeline::new(10);
        for (at_ns, width_ns, columns) in [
            (5_000_000, 100_000, 1),
            (5_999_999, 100_000, 10),
            (6_000_000, 500_000, 3),
            // Before the first.
            (4_999_999, 500_000, 4),
            (15_000_000, 5_000_000, 4),
            (1_000_000_000_000, 500_000_000_000, 3),
        ] {
            timeline.at(at_ns).asked += 1;
            let found = (timeline.width_ns(), timeline.columns().len());
            assert_eq!(found, (width_ns, columns), "{at_ns}");
        }
        assert_eq!(timeline.columns().iter().map(|column| column.asked).sum::<u64>(), 6);
        assert_eq!(timeline.start_ns(), 5_000_000 - 500_000_000_000);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_everything_lies_where_it_was(
            times in prop::collection::vec(prop_oneof![
                -5_000_000..5_000_000_i64, -1_000_000_000_000..1_000_000_000_000_i64, any::<i64>(),
            ], 1..200),
        ) {
            let mut timeline = Timeline::new(50);
            for at_ns in &times {
                let column = timeline.at((*at_ns).into());
                column.asked += 1;
                column.good.add(at_ns.unsigned_abs());
            }
            prop_assert!(timeline.columns().len() <= 50);
            let start = |n: usize| timeline.start_ns() + n as i128 * timeline.width_ns();
            for (n, column) in timeline.columns().iter().enumerate() {
                let within: Vec<u64> = times.iter()
                    .filter(|at_ns| (start(n)..start(n + 1)).contains(&i128::from(**at_ns)))
                    .map(|at_ns| at_ns.unsigned_abs())
                    .collect();
                prop_assert_eq!(column.asked, within.len() as u64);
                let want = within.iter().min().copied().zip(within.iter().max().copied());
                prop_assert_eq!(column.good.0, want);
            }
            let total: u64 = timeline.columns().iter().map(|column| column.asked).sum();
            prop_assert_eq!(total, times.len() as u64);
        }
    }
}
