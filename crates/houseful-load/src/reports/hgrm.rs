//! A `.hgrm` file: percentiles as the HDR histogram's own tools, wrk2 among them, write them.
//!
//! Milliseconds; five steps to each halving of what is left to 100 %, and a legend. For
//! <https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>. Source:
//! `AbstractHistogram.outputPercentileDistribution` of HdrHistogram's Java.

use std::io::{self, Write};

use crate::metrics::Metrics;

/// As the other tools have it.
const STEPS_PER_HALF: i32 = 5;
const NS_PER_MS: f64 = 1e6;

/// Writes the report.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, metrics: &Metrics) -> io::Result<()> {
    let latencies = metrics.latencies_ns();
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let total = latencies.len();
    // Ends with the first row that counts all.
    let (mut step, mut count) = (0, 0);
    while count < total {
        let percent = percent_at(step);
        let latency_ns = metrics.latency_at(percent / 100.0).as_nanos() as u64;
        count = latencies.count_between(0, latency_ns);
        let ms = latency_ns as f64 / NS_PER_MS;
        let one_by = 100.0 / (100.0 - percent);
        writeln!(out, "{ms:12.3} {:2.12} {count:10} {one_by:14.2}", percent / 100.0)?;
        step += 1;
    }
    let max_ms = metrics.latency_ns_max() as f64 / NS_PER_MS;
    if total > 0 {
        writeln!(out, "{max_ms:12.3} {:2.12} {total:10}", 1.0)?;
    }
    let (mean_ms, deviation_ms) = (latencies.mean() / NS_PER_MS, latencies.stdev() / NS_PER_MS);
    writeln!(out, "#[Mean    = {mean_ms:12.3}, StdDeviation   = {deviation_ms:12.3}]")?;
    writeln!(out, "#[Max     = {max_ms:12.3}, Total count    = {total:12}]")?;
    // Of three digits.
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", latencies.buckets(), 2_048)
}

/// The percentage of a row, from 0. Exact, unlike a sum of tenths: three of those are more than 0.3,
/// and would be a rank more.
fn percent_at(step: i32) -> f64 {
    let left = 100.0 * 0.5_f64.powi(step / STEPS_PER_HALF);
    100.0 - left + left / f64::from(2 * STEPS_PER_HALF) * f64::from(step % STEPS_PER_HALF)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::results::Record;

    fn report(latencies_ns: &[u64]) -> String {
        let mut metrics = Metrics::new();
        for ns in latencies_ns {
            metrics.add(&Record { latency: Duration::from_nanos(*ns), ..Record::default() });
        }
        let mut out = Vec::new();
        write(&mut out, &metrics).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_the_lines_of_the_histograms_own_tools() {
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          1           1.00
       1.000 0.100000000000          1           1.11
       1.000 0.200000000000          1           1.25
       2.001 0.300000000000          2           1.43
       2.001 0.400000000000          2           1.67
       2.001 0.500000000000          2           2.00
       3.000 0.550000000000          3           2.22
       3.000 0.600000000000          3           2.50
       3.000 0.650000000000          3           2.86
       3.000 0.700000000000          3           3.33
       3.000 0.750000000000          3           4.00
       4.000 0.775000000000          4           4.44
       4.000 1.000000000000          4
#[Mean    =        2.500, StdDeviation   =        1.118]
#[Max     =        4.000, Total count    =            4]
#[Buckets =           12, SubBuckets     =         2048]
";
        assert_eq!(report(&[1_000_000, 2_000_000, 3_000_000, 4_000_000]), expected);
        assert_eq!(report(&[]).lines().count(), 5, "no row");
    }

    /// Judges each row of the report by the sorted latencies, in whole numbers.
    fn check_rows(mut latencies_ns: Vec<u64>) {
        latencies_ns.sort_unstable();
        let total = latencies_ns.len() as u128;
        let text = report(&latencies_ns);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        for (step, row) in rows.iter().enumerate() {
            // 1 − 2^−halvings and so many tenths of the rest, as a fraction.
            let (halvings, tenths) = (step as u32 / 5, step as u128 % 5);
            let (part, whole) = match step + 1 == rows.len() {
                true => (1, 1),
                false => (10 * 2u128.pow(halvings) - 10 + tenths, 10 * 2u128.pow(halvings)),
            };
            let rank = (total * part).div_ceil(whole).max(1) as usize;
            let truth_ns = latencies_ns[rank - 1];
            let truth_ms = truth_ns as f64 / NS_PER_MS;
            assert!(
                (row[0] - truth_ms).abs() <= truth_ms * 0.001 + 0.0005,
                "{step}: {truth_ms}\n{text}"
            );
            assert!((row[1] - part as f64 / whole as f64).abs() < 1e-12, "{step}\n{text}");
            let count = latencies_ns.partition_point(|ns| *ns <= truth_ns);
            assert_eq!(row[2], count as f64, "{step}\n{text}");
        }
        let all = rows.iter().position(|row| row[2] == total as f64).unwrap();
        assert_eq!(all + 2, rows.len(), "it ends when all are counted\n{text}");
    }

    #[test]
    fn the_row_of_95_percent_ends_with_the_fast_ones() {
        check_rows([vec![1_000_000; 190], vec![1_000_000_000; 10]].concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// A percent apart, so that no two share a place in the histogram.
        #[test]
        fn each_row_is_of_the_nearest_rank(percents in prop::collection::vec(0i32..700, 1..500)) {
            check_rows(percents.iter().map(|n| (1e6 * 1.01_f64.powi(*n)) as u64).collect());
        }
    }
}
