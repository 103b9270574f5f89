//! The report as Markdown, for a pull request or an issue.

use std::io::{self, Write};
use std::time::Duration;

use crate::duration::{Go, rounded};
use crate::metrics::{Sending, Summary, TargetSummary};

/// Writes the figures of all and of each of `targets` as tables, and the errors as a list.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, summary: &Summary, targets: &[TargetSummary]) -> io::Result<()> {
    row(out, &["Requests", "Rate", "Throughput", "Success", "Duration"].map(str::to_owned))?;
    right(out, 5)?;
    row(
        out,
        &[
            summary.requests.to_string(),
            format!("{:.2}/s", summary.rate),
            format!("{:.2}/s", summary.throughput),
            format!("{:.2}%", summary.success * 100.0),
            go(summary.duration + summary.wait),
        ],
    )?;

    writeln!(out)?;
    let mut head = vec![String::new(), "min".to_owned(), "mean".to_owned()];
    head.extend(summary.percentiles.iter().map(|(percentile, _)| format!("p{percentile}")));
    head.push("max".to_owned());
    row(out, &head)?;
    writeln!(out, "| --- |{}", " ---: |".repeat(head.len() - 1))?;
    row(out, &latencies("Latency", summary))?;
    if let Some(sending) = &summary.sending {
        let Sending { slip_mean, slip_p50, slip_p99, slip_max, unsent, .. } = *sending;
        writeln!(
            out,
            "\nSlip: mean {}, p50 {}, p99 {}, max {}; unsent: {unsent}.\nLimit: {}.",
            go(slip_mean),
            go(slip_p50),
            go(slip_p99),
            go(slip_max),
            sending.verdict()
        )?;
    }

    writeln!(out)?;
    row(out, &["Status", "Requests"].map(str::to_owned))?;
    right(out, 2)?;
    for (code, count) in &summary.status_codes {
        row(out, &[code.to_string(), count.to_string()])?;
    }
    if !summary.causes.is_empty() {
        writeln!(out)?;
        row(out, &["No answer", "Requests"].map(str::to_owned))?;
        writeln!(out, "| --- | ---: |")?;
        for (cause, count) in &summary.causes {
            row(out, &[cause.to_string(), count.to_string()])?;
        }
    }
    if !targets.is_empty() {
        writeln!(out)?;
        head[0] = "Target".to_owned();
        head.extend(["Requests", "Success"].map(str::to_owned));
        row(out, &head)?;
        writeln!(out, "| --- |{}", " ---: |".repeat(head.len() - 1))?;
        for TargetSummary { name, summary } in targets {
            let name = name.as_deref().map_or("all others".to_owned(), code_span);
            // Else it would end the cell.
            let name = name.replace('|', "\\|");
            let mut cells = latencies(&name, summary);
            cells.push(summary.requests.to_string());
            cells.push(format!("{:.2}%", summary.success * 100.0));
            row(out, &cells)?;
        }
    }
    if !summary.errors.is_empty() {
        writeln!(out, "\nErrors:\n")?;
    }
    for error in &summary.errors {
        writeln!(out, "- {}", code_span(error))?;
    }
    if summary.errors_not_kept > 0 {
        writeln!(out, "- {} more requests with other errors", summary.errors_not_kept)?;
    }
    Ok(())
}

fn latencies(name: &str, summary: &Summary) -> Vec<String> {
    let mut cells = vec![name.to_owned(), go(summary.latencies.min), go(summary.latencies.mean)];
    cells.extend(summary.percentiles.iter().map(|(_, latency)| go(*latency)));
    cells.push(go(summary.latencies.max));
    cells
}

fn row(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    writeln!(out, "| {} |", cells.join(" | "))
}

/// So many columns with their cells at the right.
fn right(out: &mut impl Write, columns: usize) -> io::Result<()> {
    writeln!(out, "|{}", " ---: |".repeat(columns))
}

fn go(duration: Duration) -> String {
    Go(rounded(duration)).to_string()
}

/// What servers say, or a URL, as text that is no markup: in more backticks than it has in a row, and
/// in one line.
fn code_span(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let ticks = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    let line = text.replace(char::is_control, " ");
    format!("{ticks}{pad}{line}{pad}{ticks}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Options, PerTarget};
    use crate::results::Record;

    #[test]
    fn is_tables_that_no_error_breaks() {
        let mut per_target = PerTarget::new(Options::default());
        let mut metrics = crate::metrics::Metrics::new();
        for (at_ms, code, error) in
            [(0, 201, ""), (500, 409, "409 Conflict"), (1_000, 0, "reset: `a|b`\n# x")]
        {
            let record = Record {
                code,
                timestamp: jiff::Timestamp::from_millisecond(at_ms).unwrap(),
                latency: Duration::from_millis(2),
                error: error.into(),
                method: "POST".into(),
                url: "http://a/?x=a|b".into(),
                slip: Some(Duration::from_micros(30)),
                ..Record::default()
            };
            metrics.add(&record);
            per_target.add(&record);
        }
        let mut out = Vec::new();
        write(&mut out, &metrics.summary(), &per_target.summaries()).unwrap();
        let expected = r"| Requests | Rate | Throughput | Success | Duration |
| ---: | ---: | ---: | ---: | ---: |
| 3 | 3.00/s | 1.00/s | 33.33% | 1.002s |

|  | min | mean | p50 | p90 | p95 | p99 | max |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| Latency | 2ms | 2ms | 2ms | 2ms | 2ms | 2ms | 2ms |

Slip: mean 30µs, p50 30µs, p99 30µs, max 30µs; unsent: 0.
Limit: none: 99% of requests left within 30µs of their time.

| Status | Requests |
| ---: | ---: |
| 0 | 1 |
| 201 | 1 |
| 409 | 1 |

| No answer | Requests |
| --- | ---: |
| reset | 1 |

| Target | min | mean | p50 | p90 | p95 | p99 | max | Requests | Success |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| `POST http://a/?x=a\|b` | 2ms | 2ms | 2ms | 2ms | 2ms | 2ms | 2ms | 3 | 33.33% |

Errors:

- `409 Conflict`
- ``reset: `a|b` # x``
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
