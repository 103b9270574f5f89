//! vegeta's histogram: how many latencies each bucket holds, with bars.
//!
//! Source: `NewHistogramReporter` in vegeta's `lib/reporters.go`.

use std::io::{self, Write};

use super::columns;
use crate::duration::Go;
use crate::metrics::Histogram;

/// How long the bar of all latencies is.
const BAR_LEN: f64 = 75.0;

/// Writes the report. Of no latencies it is its first line, as in vegeta.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, histogram: &Histogram) -> io::Result<()> {
    let mut rows = vec![["Bucket", "", "#", "%", "Histogram"].map(str::to_owned)];
    let total = histogram.total();
    for bucket in histogram.buckets().filter(|_| total > 0) {
        let share = bucket.count as f64 / total as f64;
        rows.push([
            format!("[{},", Go(bucket.start)),
            bucket.end.map_or("+Inf]".to_owned(), |end| format!("{}]", Go(end))),
            bucket.count.to_string(),
            format!("{:.2}%", share * 100.0),
            "#".repeat((share * BAR_LEN) as usize),
        ]);
    }
    columns::write(out, &rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn prints_vegetas_lines() {
        let mut histogram = Histogram::new("[0,1ms,5ms]".parse().unwrap());
        let report = |histogram: &Histogram| {
            let mut out = Vec::new();
            write(&mut out, histogram).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(report(&histogram), "Bucket    #  %  Histogram\n");
        for us in [1, 900, 2_000] {
            histogram.add(Duration::from_micros(us));
        }
        let expected = "\
Bucket         #  %       Histogram
[0s,    1ms]   2  66.67%  ##################################################
[1ms,   5ms]   1  33.33%  #########################
[5ms,   +Inf]  0  0.00%   \n";
        assert_eq!(report(&histogram), expected);
    }
}
