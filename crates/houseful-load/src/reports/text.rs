//! vegeta's text report, to the byte.
//!
//! Source: `NewTextReporter` in vegeta's `lib/reporters.go`. Durations are rounded to the unit
//! below their largest. Where more distinct errors came than are kept, a last line says how many
//! requests they were; vegeta, which keeps all, has no such line. Where the records tell how late
//! they were sent, three more lines before the errors say so, and who was the limit; and one how
//! many have no answer, by cause. With other percentiles than vegeta's the line of latencies is another.

use std::io::{self, Write};
use std::time::Duration;

use crate::duration::{Go, rounded};
use crate::metrics::{Sending, Summary, TargetSummary};

/// The widest of the second column, unless few percentiles were asked for.
const REQUESTS: &str = "[total, rate, throughput]";

/// Writes the report.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Summary { latencies, bytes_in, bytes_out, .. } = summary;
    let names: Vec<_> = summary.percentiles.iter().map(|(name, _)| format!("{name}, ")).collect();
    let latency_names = format!("[min, mean, {}max]", names.concat());
    let width = latency_names.len().max(REQUESTS.len()) + 2;
    let row = |out: &mut _, name: &str, parts: &str| row(out, name, parts, width);
    row(out, "Requests", REQUESTS)?;
    writeln!(out, "{}, {:.2}, {:.2}", summary.requests, summary.rate, summary.throughput)?;
    row(out, "Duration", "[total, attack, wait]")?;
    durations(out, &[summary.duration + summary.wait, summary.duration, summary.wait])?;
    row(out, "Latencies", &latency_names)?;
    let percentiles = summary.percentiles.iter().map(|(_, latency)| *latency);
    let (first, last) = ([latencies.min, latencies.mean], [latencies.max]);
    durations(out, &first.into_iter().chain(percentiles).chain(last).collect::<Vec<_>>())?;
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

/// The report of each target, after an empty line and a line with its method and URL.
///
/// # Errors
///
/// Those of `out`.
pub fn write_targets(out: &mut impl Write, targets: &[TargetSummary]) -> io::Result<()> {
    for TargetSummary { name, summary } in targets {
        writeln!(out, "\n{}", name.as_deref().unwrap_or("all other targets"))?;
        write(out, summary)?;
    }
    Ok(())
}

/// The first two columns are as wide as their widest cell and two spaces.
fn row(out: &mut impl Write, name: &str, parts: &str, width: usize) -> io::Result<()> {
    write!(out, "{name:14}{parts:width$}")
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
    use crate::metrics::{Bytes, Latencies, Metrics, Options, Percentile};
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
            percentiles: Percentile::USUAL
                .into_iter()
                .zip([Duration::from_micros(2_100), ms(5), ms(6), ms(7)])
                .collect(),
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
    fn other_percentiles_are_another_line_of_latencies() {
        for (percentiles, requests, latencies) in [
            (
                &["99.9"][..],
                "Requests      [total, rate, throughput]  0, 0.00, 0.00",
                "Latencies     [min, mean, 99.9, max]     0s, 0s, 0s, 0s",
            ),
            (
                &["50", "99", "99.9", "99.99", "99.999"],
                "Requests      [total, rate, throughput]                     0, 0.00, 0.00",
                "Latencies     [min, mean, 50, 99, 99.9, 99.99, 99.999, max]  0s, 0s, 0s, 0s, 0s, 0s, 0s, 0s",
            ),
        ] {
            let percentiles = percentiles.iter().map(|text| text.parse().unwrap()).collect();
            let options = Options { percentiles, ..Options::default() };
            let text = report(&Metrics::with(options).summary());
            let lines: Vec<_> = text.lines().collect();
            let unspaced = |line: &str| line.split_whitespace().collect::<String>();
            assert_eq!(unspaced(lines[0]), unspaced(requests));
            assert_eq!(lines[2], latencies);
            let cells = |line: &str| line.rfind("  ").map(|at| at + 2);
            assert_eq!(cells(lines[0]), cells(lines[2]), "{text}");
        }
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
Limit         [who]                             generator: it did not send 1 of 3 requests: the errors say why; give it more of a core, or ask for less
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
