//! Prometheus' text format, 0.0.4.
//!
//! Written by hand: it is a dozen lines, every scraper reads it, and `promtool
//! check metrics` can check it, which it cannot do with OpenMetrics.

use std::fmt::{Display, Write};

use houseful_store::meters::Counted;

/// What `Content-Type` says.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics, one family after the other.
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
    name: &'static str,
}

/// A label's name and value.
pub(crate) type Label<'a> = (&'a str, &'a str);

impl Exposition {
    /// Begins a counter; its name ends in `_total`.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str) -> &mut Exposition {
        self.family("counter", name, help)
    }

    /// Begins a gauge.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str) -> &mut Exposition {
        self.family("gauge", name, help)
    }

    /// Begins a histogram.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &str) -> &mut Exposition {
        self.family("histogram", name, help)
    }

    /// A value of the family that was begun last.
    pub(crate) fn value(&mut self, labels: &[Label<'_>], value: impl Display) -> &mut Exposition {
        self.sample("", labels, None, value)
    }

    /// The buckets of a histogram whose values are in `unit`s of the metric's
    /// own (nanoseconds of a metric in seconds: 1e9), at every `step`th bound.
    ///
    /// The total is that of the buckets, so that they always agree, whatever is
    /// counted meanwhile.
    pub(crate) fn buckets<const N: usize>(
        &mut self,
        labels: &[Label<'_>],
        counted: &Counted<N>,
        unit: f64,
        step: usize,
    ) -> &mut Exposition {
        let mut total = 0;
        for (place, (bound, count)) in counted.bounds.iter().zip(counted.counts).enumerate() {
            total += count;
            if place % step == 0 {
                let bound = *bound as f64 / unit;
                self.sample("_bucket", labels, Some(&bound.to_string()), total);
            }
        }
        total += counted.above;
        self.sample("_bucket", labels, Some("+Inf"), total);
        self.sample("_sum", labels, None, counted.sum as f64 / unit);
        self.sample("_count", labels, None, total)
    }

    /// The page.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn family(&mut self, kind: &str, name: &'static str, help: &str) -> &mut Exposition {
        self.name = name;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &[Label<'_>],
        le: Option<&str>,
        value: impl Display,
    ) -> &mut Exposition {
        let name = self.name;
        self.write(format_args!("{name}{suffix}"));
        let le = le.map(|le| ("le", le));
        let mut between = '{';
        for (label, value) in labels.iter().copied().chain(le) {
            self.write(format_args!("{between}{label}=\"{}\"", escaped(value)));
            between = ',';
        }
        let end = if between == '{' { "" } else { "}" };
        self.write(format_args!("{end} {value}\n"));
        self
    }

    fn write(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.text.write_fmt(args).unwrap_or_default();
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use houseful_store::meters::Histogram;

    use super::*;

    #[test]
    fn each_kind_as_the_format_wants_it() {
        let histogram = Histogram::new(&[10, 20, 50, 100]);
        for value in [5, 20, 21, 99, 1_000] {
            histogram.note(value);
        }
        let mut page = Exposition::default();
        page.counter("x_total", "All of x.").value(&[("why", "a \"b\"\\\n")], 3_u64);
        page.gauge("y", "Now.").value(&[], 1.5);
        page.histogram("z_seconds", "How long.").buckets(
            &[("door", "a")],
            &histogram.counted(),
            1e3,
            2,
        );
        let want = "\
# HELP x_total All of x.
# TYPE x_total counter
x_total{why=\"a \\\"b\\\"\\\\\\n\"} 3
# HELP y Now.
# TYPE y gauge
y 1.5
# HELP z_seconds How long.
# TYPE z_seconds histogram
z_seconds_bucket{door=\"a\",le=\"0.01\"} 1
z_seconds_bucket{door=\"a\",le=\"0.05\"} 3
z_seconds_bucket{door=\"a\",le=\"+Inf\"} 5
z_seconds_sum{door=\"a\"} 1.145
z_seconds_count{door=\"a\"} 5
";
        assert_eq!(page.into_text(), want);
    }
}
