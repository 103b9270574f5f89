//! A `.hgrm` file: percentiles as the HDR histogram's own tools, wrk2 among them, write them.
//!
//! Milliseconds; five steps to each halving of what is left to 100 %, and a legend. For
//! <https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>. Source:
//! `AbstractHistogram.outputPercentileDistribution` of HdrHistogram's Java.

use std::io::{self, Write};

use crate::metrics::Metrics;

/// As the other tools have it.
const STEPS_PER_HALF: u32 = 5;
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
    let mut count = 0;
    for step in latencies.iter_quantiles(STEPS_PER_HALF) {
        count += step.count_since_last_iteration();
        let ms = step.value_iterated_to().min(metrics.latency_ns_max()) as f64 / NS_PER_MS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{ms:12.3} {quantile:2.12} {count:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let ms = |ns: f64| ns / NS_PER_MS;
    writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        ms(latencies.mean()),
        ms(latencies.stdev())
    )?;
    writeln!(
        out,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        ms(metrics.latency_ns_max() as f64),
        metrics.requests()
    )?;
    // Of three digits.
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", latencies.buckets(), 2_048)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::results::Record;

    #[test]
    fn prints_the_lines_of_the_histograms_own_tools() {
        let mut metrics = Metrics::new();
        for ms in 1..=4 {
            metrics.add(&Record { latency: Duration::from_millis(ms), ..Record::default() });
        }
        let mut out = Vec::new();
        write(&mut out, &metrics).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(
            lines[1..4],
            ["", "       1.000 0.000000000000          1           1.00", lines[3]]
        );
        let legend = lines.len() - 3;
        assert_eq!(lines[legend - 1], "       4.000 1.000000000000          4");
        assert_eq!(lines[legend], "#[Mean    =        2.500, StdDeviation   =        1.118]");
        assert_eq!(lines[legend + 1], "#[Max     =        4.000, Total count    =            4]");
        assert!(lines[legend + 2].ends_with(", SubBuckets     =         2048]"), "{text}");
    }
}
