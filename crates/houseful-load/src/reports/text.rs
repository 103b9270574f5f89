//! vegeta's text report, to the byte.
//!
//! Source: `NewTextReporter` in vegeta's `lib/reporters.go`. Durations are rounded to the unit
//! below their largest. Where more distinct errors came than are kept, a last line says how many
//! requests they were; vegeta, which keeps all, has no such line. Where the records tell how late
//! they were sent, three more lines before the errors say so, and who was the limit; and one how
//! many have no answer, by cause.

use std::io::{self, Write};
use std::time::Duration;

use crate::duration::{Go, rounded};
use crate::metrics::{Sending, Summary};

/// Writes the report.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Summary { latencies, bytes_in, bytes_out, .. } = summary;
    row(out, "Requests", "[total, rate, throughput]")?;
    writeln!(out, "{}, {:.2}, {:.2}", summary.requests, summary.rate, summary.throughput)?;
    row(out, "Duration", "[total, attack, wait]")?;
    durations(out, &[summary.duration + summary.wait, summary.duration, summary.wait])?;
    row(out, "Latencies", "[min, mean, 50, 90, 95, 99, max]")?;
    let l = latencies;
    durations(out, &[l.min, l.mean, l.p50, l.p90, l.p95, l.p99, l.max])?;
    row(out, "Bytes In", "[total, mean]")?;
    writeln!(out, "{}, {:.2}", bytes_in.total, bytes_in.mean)?;
    row(out, "Bytes Out", "[total, mean]")?;
    writeln!(out, "{}, {:.2}", bytes_out.total, bytes_out.mean)?;
    row(out, "Success", "[ratio]")?;
    writeln!(out, "{:.2}%", summary.success * 100.0)?;
    row(out, "Status Codes", "[code:count]")?;
    let mut codes: Vec<_> =
        summary.status_codes.iter().map(|(code, count)| (code.to_string(), count)).collect();
    // As strings: `0:1  1000:1  200:1`.
    codes.sort_unstable();
    for (code, count) in codes {
        write!(out, "{code}:{count}  ")?;
    }
    writeln!(out)?;
    if !summary.causes.is_empty() {
        row(out, "No Answer", "[cause:count]")?;
        for (cause, count) in &summary.causes {
            write!(out, "{cause}:{count}  ")?;
        }
        writeln!(out)?;
    }
    if let Some(sending) = &summary.sending {
        row(out, "Slip", "[mean, 50, 99, max]")?;
        let Sending { slip_mean, slip_p50, slip_p99, slip_max, .. } = *sending;
        durations(out, &[slip_mean, slip_p50, slip_p99, slip_max])?;
        row(out, "Unsent", "[total]")?;
        writeln!(out, "{}", sending.unsent)?;
        row(out, "Limit", "[who]")?;
        writeln!(out, "{}", sending.verdict())?;
    }
    writeln!(out, "Error Set:")?;
    for error in &summary.errors {
        writeln!(out, "{error}")?;
    }
    if summary.errors_not_kept > 0 {
        writeln!(out, "({} more requests with other errors)", summary.errors_not_kept)?;
    }
    Ok(())
}

/// The first two columns are as wide as their widest cell and two spaces, which is always the same.
fn row(out: &mut impl Write, name: &str, parts: &str) -> io::Result<()> {
    write!(out, "{name:14}{parts:34}")
}

fn durations(out: &mut impl Write, durations: &[Duration]) -> io::Result<()> {
    for (at, duration) in durations.iter().enumerate() {
        write!(out, "{}{}", if at == 0 { "" } else { ", " }, Go(rounded(*duration)))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Bytes, Latencies, Metrics};
    use crate::results::Record;

    fn report(summary: &Summary) -> String {
        let mut out = Vec::new();
        write(&mut out, summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_vegetas_lines() {
        let ms = Duration::from_millis;
        let summary = Summary {
            requests: 50,
            rate: 51.0204,
            throughput: 36.05,
            duration: ms(980),
            wait: Duration::from_nanos(240_600_000),
            latencies: Latencies {
                total: ms(170),
                mean: Duration::from_micros(3_400),
                p50: Duration::from_micros(2_100),
                p90: ms(5),
                p95: ms(6),
                p99: ms(7),
                max: ms(8),
                min: Duration::from_micros(1_200),
            },
            bytes_in: Bytes { total: 250, mean: 5.0 },
            bytes_out: Bytes { total: 100, mean: 2.0 },
            success: 0.88,
            status_codes: [(0, 1), (200, 44), (1_000, 5)].into(),
            errors: vec!["409 Conflict".into(), "timeout".into()],
            ..Metrics::new().summary()
        };
        let expected = "\
Requests      [total, rate, throughput]         50, 51.02, 36.05
Duration      [total, attack, wait]             1.221s, 980ms, 240.6ms
Latencies     [min, mean, 50, 90, 95, 99, max]  1.2ms, 3.4ms, 2.1ms, 5ms, 6ms, 7ms, 8ms
Bytes In      [total, mean]                     250, 5.00
Bytes Out     [total, mean]                     100, 2.00
Success       [ratio]                           88.00%
Status Codes  [code:count]                      0:1  1000:5  200:44  \n\
Error Set:
409 Conflict
timeout
";
        assert_eq!(report(&summary), expected);
        let more = report(&Summary { errors_not_kept: 3, ..summary });
        assert!(more.ends_with("timeout\n(3 more requests with other errors)\n"), "{more}");
    }

    #[test]
    fn says_how_late_requests_were_sent_where_that_is_known() {
        let mut metrics = Metrics::new();
        for error in ["", "connect: cannot connect to `a`: connection refused", "unsent: x"] {
            metrics.add(&Record {
                code: if error.is_empty() { 200 } else { 0 },
                error: error.into(),
                slip: Some(Duration::from_micros(30)),
                ..Record::default()
            });
        }
        let text = report(&metrics.summary());
        let (_, text) = text.split_once("Status Codes").unwrap();
        let expected = "  [code:count]                      0:2  200:1  \n\
No Answer     [cause:count]                     connect:1  unsent:1  \n\
Slip          [mean, 50, 99, max]               30µs, 30µs, 30µs, 30µs
Unsent        [total]                           1
Limit         [who]                             generator: it was late for 1 of 3 requests, by up to 30µs; give it more of a core, or ask for less
Error Set:
connect: cannot connect to `a`: connection refused
unsent: x
";
        assert_eq!(text, expected);
    }

    #[test]
    fn prints_nothing_as_zeros() {
        let text = report(&Metrics::new().summary());
        assert!(
            text.starts_with("Requests      [total, rate, throughput]         0, 0.00, 0.00\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Status Codes  [code:count]                      \nError Set:\n"),
            "{text}"
        );
    }
}
