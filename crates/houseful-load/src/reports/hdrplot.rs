//! vegeta's plot of percentiles, for <https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>.
//!
//! 94 fixed quantiles; the count is vegeta's, that of the quantile and not of the latency. Source:
//! `NewHDRHistogramPlotReporter` in vegeta's `lib/reporters.go`. [`super::hgrm`] has true counts.

use std::io::{self, Write};

use super::columns;
use crate::metrics::Metrics;

#[rustfmt::skip]
const QUANTILES: [f64; 94] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6,
    0.65, 0.7, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875,
    0.8875, 0.9, 0.9125, 0.925, 0.9375, 0.94375, 0.95, 0.95625,
    0.9625, 0.96875, 0.971875, 0.975, 0.978125, 0.98125, 0.984375, 0.985938,
    0.9875, 0.989062, 0.990625, 0.992188, 0.992969, 0.99375, 0.994531, 0.995313,
    0.996094, 0.996484, 0.996875, 0.997266, 0.997656, 0.998047, 0.998242, 0.998437,
    0.998633, 0.998828, 0.999023, 0.999121, 0.999219, 0.999316, 0.999414, 0.999512,
    0.999561, 0.999609, 0.999658, 0.999707, 0.999756, 0.99978, 0.999805, 0.999829,
    0.999854, 0.999878, 0.99989, 0.999902, 0.999915, 0.999927, 0.999939, 0.999945,
    0.999951, 0.999957, 0.999963, 0.999969, 0.999973, 0.999976, 0.999979, 0.999982,
    0.999985, 0.999986, 0.999988, 0.999989, 0.999991, 0.999992, 0.999993, 0.999994,
    0.999995, 0.999996, 0.999997, 0.999998, 0.999999, 1.0,
];

/// Writes the report.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, metrics: &Metrics) -> io::Result<()> {
    let head = ["Value(ms)", "Percentile", "TotalCount", "1/(1-Percentile)"];
    let mut rows = vec![head.map(str::to_owned)];
    let total = metrics.requests() as f64;
    for quantile in QUANTILES {
        let ms = metrics.latency_at(quantile).as_nanos() as f64 / 1e6;
        let one_by = if quantile < 1.0 { 1.0 / (1.0 - quantile) } else { 10_000_000.0 };
        rows.push([
            format!("{ms:.6}"),
            format!("{quantile:.6}"),
            ((quantile * total + 0.5) as u64).to_string(),
            format!("{one_by:.6}"),
        ]);
    }
    columns::write(out, &rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::results::Record;

    #[test]
    fn prints_vegetas_columns() {
        let mut metrics = Metrics::new();
        for ms in 1..=1_000 {
            metrics.add(&Record { latency: Duration::from_millis(ms), ..Record::default() });
        }
        let mut out = Vec::new();
        write(&mut out, &metrics).unwrap();
        let lines: Vec<_> = std::str::from_utf8(&out).unwrap().lines().collect();
        assert_eq!(lines.len(), 95);
        assert_eq!(lines[0], "Value(ms)    Percentile  TotalCount  1/(1-Percentile)");
        assert_eq!(lines[1], "1.000000     0.000000    0           1.000000");
        assert_eq!(lines[94], "1000.000000  1.000000    1000        10000000.000000");
    }
}
