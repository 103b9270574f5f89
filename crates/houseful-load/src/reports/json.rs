//! vegeta's JSON report: one object on one line, its keys in vegeta's order.
//!
//! Times in nanoseconds, `success` from 0 to 1, `errors` as in the text report. Behind vegeta's keys
//! stand ours, as far as the records tell: `no_answer`, how many by cause; `slip`, how late requests
//! were sent; `unsent`; `limit`, who it was: `none`, `generator` or `server`, and in words; `targets`,
//! the same of each; `assertions`, and whether they hold. Percentiles that vegeta has not stand behind
//! its `latencies`. Its schema is `docs/schemas/report.json`. Source: `NewJSONReporter` in vegeta's `lib/reporters.go`; numbers and texts as Go's `encoding/json`.

use std::fmt;
use std::io::{self, Write};

use jiff::Timestamp;

use crate::metrics::{Bytes, Latencies, Percentile, Sending, Summary, TargetSummary};
use crate::thresholds::Judgement;

/// Go's zero time, which vegeta prints when there are no results.
const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Writes the report and a line end.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    write_all(out, summary, &[], &[])
}

/// The same with the figures of each target, and what was found of what must hold.
///
/// # Errors
///
/// Those of `out`.
pub fn write_all(
    out: &mut impl Write,
    summary: &Summary,
    targets: &[TargetSummary],
    judgements: &[Judgement],
) -> io::Result<()> {
    write_open(out, summary)?;
    if !targets.is_empty() {
        out.write_all(b",\"targets\":[")?;
    }
    for (at, TargetSummary { name, summary }) in targets.iter().enumerate() {
        let mut text = Vec::new();
        match name {
            Some(name) => write_string(&mut text, name),
            None => text.extend_from_slice(b"null"),
        }
        write!(out, "{}{{\"target\":", comma(at))?;
        out.write_all(&text)?;
        out.write_all(b",\"report\":")?;
        write_open(out, summary)?;
        out.write_all(b"}}")?;
    }
    if !targets.is_empty() {
        out.write_all(b"]")?;
    }
    if !judgements.is_empty() {
        let mut text = b",\"assertions\":[".to_vec();
        for (at, Judgement { assertion, holds, found }) in judgements.iter().enumerate() {
            write!(text, "{}{{\"assertion\":", comma(at))?;
            write_string(&mut text, assertion);
            write!(text, ",\"holds\":{holds},\"found\":")?;
            write_string(&mut text, found);
            text.push(b'}');
        }
        out.write_all(&text)?;
        out.write_all(b"]")?;
    }
    out.write_all(b"}\n")
}

/// The object without its end.
fn write_open(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Latencies { total, mean, p50, p90, p95, p99, max, min } = summary.latencies;
    let latencies = [
        ("total", total),
        ("mean", mean),
        ("50th", p50),
        ("90th", p90),
        ("95th", p95),
        ("99th", p99),
        ("max", max),
        ("min", min),
    ];
    write!(out, "{{\"latencies\":{{")?;
    for (at, (name, latency)) in latencies.iter().enumerate() {
        write!(out, "{}\"{name}\":{}", comma(at), latency.as_nanos())?;
    }
    for (percentile, latency) in &summary.percentiles {
        if !Percentile::USUAL.contains(percentile) {
            write!(out, ",\"{percentile}th\":{}", latency.as_nanos())?;
        }
    }
    out.write_all(b"}")?;
    if let Some(histogram) = &summary.histogram {
        out.write_all(b",\"buckets\":{")?;
        for (at, bucket) in histogram.buckets().enumerate() {
            write!(out, "{}\"{}\":{}", comma(at), bucket.start.as_nanos(), bucket.count)?;
        }
        out.write_all(b"}")?;
    }
    write!(out, ",\"bytes_in\":{}", BytesObject(summary.bytes_in))?;
    write!(out, ",\"bytes_out\":{}", BytesObject(summary.bytes_out))?;
    for (name, time) in
        [("earliest", summary.earliest), ("latest", summary.latest), ("end", summary.end)]
    {
        write!(
            out,
            ",\"{name}\":\"{}\"",
            time.as_ref().map_or(GO_ZERO_TIME.to_owned(), Timestamp::to_string)
        )?;
    }
    write!(
        out,
        ",\"duration\":{},\"wait\":{}",
        summary.duration.as_nanos(),
        summary.wait.as_nanos()
    )?;
    write!(out, ",\"requests\":{},\"rate\":{}", summary.requests, GoFloat(summary.rate))?;
    write!(
        out,
        ",\"throughput\":{},\"success\":{}",
        GoFloat(summary.throughput),
        GoFloat(summary.success)
    )?;

    write!(out, ",\"status_codes\":{{")?;
    let mut codes: Vec<_> =
        summary.status_codes.iter().map(|(code, count)| (code.to_string(), count)).collect();
    codes.sort_unstable();
    for (at, (code, count)) in codes.iter().enumerate() {
        write!(out, "{}\"{code}\":{count}", comma(at))?;
    }
    let mut errors = Vec::new();
    for (at, error) in summary.errors.iter().enumerate() {
        errors.extend_from_slice(comma(at).as_bytes());
        write_string(&mut errors, error);
    }
    out.write_all(b"},\"errors\":[")?;
    out.write_all(&errors)?;
    write!(out, "]")?;
    if !summary.causes.is_empty() {
        write!(out, ",\"no_answer\":{{")?;
        for (at, (cause, count)) in summary.causes.iter().enumerate() {
            write!(out, "{}\"{cause}\":{count}", comma(at))?;
        }
        write!(out, "}}")?;
    }
    if let Some(sending) = &summary.sending {
        let Sending { slip_mean, slip_p50, slip_p99, slip_max, unsent, limit, .. } = *sending;
        let [mean, p50, p99, max] =
            [slip_mean, slip_p50, slip_p99, slip_max].map(|slip| slip.as_nanos());
        let who = limit.name();
        write!(
            out,
            ",\"slip\":{{\"mean\":{mean},\"50th\":{p50},\"99th\":{p99},\"max\":{max}}},\"unsent\":{unsent},\"limit\":{{\"who\":\"{who}\",\"words\":\"{}\"}}",
            sending.verdict()
        )?;
    }
    Ok(())
}

/// Appends a JSON string as Go's encoders with HTML escaping do.
///
/// `\t`, `\r`, `\n`, `\\` and `\"` are short; other control characters, `<`, `>`, `&`, U+2028 and
/// U+2029 are `\uXXXX`. Source: easyjson's `jwriter.String`.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let escaped: &[u8] = match c {
            '\t' => b"\\t",
            '\r' => b"\\r",
            '\n' => b"\\n",
            '\\' => b"\\\\",
            '"' => b"\\\"",
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        if escaped.is_empty() {
            write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a Vec cannot fail");
        } else {
            out.extend_from_slice(escaped);
        }
        plain_from = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

struct BytesObject(Bytes);

impl fmt::Display for BytesObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"total\":{},\"mean\":{}}}", self.0.total, GoFloat(self.0.mean))
    }
}

/// A finite number as Go's `encoding/json` prints it: shortest, with an exponent only at the ends.
struct GoFloat(f64);

impl fmt::Display for GoFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            size if size != 0.0 && size < 1e-6 => write!(f, "{:e}", self.0),
            size if size >= 1e21 => write!(f, "{}", format!("{:e}", self.0).replace('e', "e+")),
            _ => write!(f, "{}", self.0),
        }
    }
}

fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::results::Record;
    use std::time::Duration;

    fn report(summary: &Summary) -> String {
        let mut out = Vec::new();
        write(&mut out, summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_vegetas_keys_in_order() {
        let summary = Summary {
            requests: 3,
            rate: 51.02040816326531,
            throughput: 36.0,
            duration: Duration::from_millis(980),
            wait: Duration::from_nanos(7),
            earliest: Some("2026-11-24T20:29:00.5Z".parse().unwrap()),
            latest: Some("2026-11-24T20:29:01Z".parse().unwrap()),
            end: Some("2026-11-24T20:29:02Z".parse().unwrap()),
            bytes_in: Bytes { total: 10, mean: 3.3333333333333335 },
            success: 0.05,
            status_codes: [(409, 1), (201, 1), (1_000, 1)].into(),
            errors: vec!["a <b>".into(), "c".into()],
            ..Metrics::new().summary()
        };
        let expected = concat!(
            r#"{"latencies":{"total":0,"mean":0,"50th":0,"90th":0,"95th":0,"99th":0,"max":0,"min":0},"#,
            r#""bytes_in":{"total":10,"mean":3.3333333333333335},"bytes_out":{"total":0,"mean":0},"#,
            r#""earliest":"2026-11-24T20:29:00.5Z","latest":"2026-11-24T20:29:01Z","end":"2026-11-24T20:29:02Z","#,
            r#""duration":980000000,"wait":7,"requests":3,"rate":51.02040816326531,"throughput":36,"success":0.05,"#,
            r#""status_codes":{"1000":1,"201":1,"409":1},"errors":["a \u003cb\u003e","c"]}"#,
            "\n"
        );
        assert_eq!(report(&summary), expected);
    }

    #[test]
    fn says_how_late_requests_were_sent_where_that_is_known() {
        let mut metrics = Metrics::new();
        metrics.add(&Record {
            error: "timeout: no answer within 1s".into(),
            slip: Some(Duration::from_nanos(30)),
            ..Record::default()
        });
        let text = report(&metrics.summary());
        let (_, ours) = text.split_once(",\"no_answer\"").unwrap();
        let expected = concat!(
            r#":{"timeout":1},"slip":{"mean":30,"50th":30,"99th":30,"max":30},"unsent":0,"#,
            r#""limit":{"who":"none","words":"none: 99% of requests left within 30ns of their time"}}"#,
            "\n"
        );
        assert_eq!(ours, expected);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn prints_nothing_as_go_does() {
        let text = report(&Metrics::new().summary());
        assert!(text.contains(r#""earliest":"0001-01-01T00:00:00Z""#), "{text}");
        assert!(text.ends_with("\"status_codes\":{},\"errors\":[]}\n"), "{text}");
    }

    #[test]
    fn escapes_as_go_does() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\\n\r\t\u{8}\u{7f}<>&\u{2028}é\u{1f600}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\r\\t\\u0008\u{7f}\\u003c\\u003e\\u0026\\u2028é\u{1f600}\""
        );
    }

    #[test]
    fn prints_floats_as_go_does() {
        for (number, text) in [
            (0.0, "0"),
            (50.0, "50"),
            (0.05, "0.05"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (1e20, "100000000000000000000"),
            (1.5e21, "1.5e+21"),
        ] {
            assert_eq!(GoFloat(number).to_string(), text);
        }
    }
}
