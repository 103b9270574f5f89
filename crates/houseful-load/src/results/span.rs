//! From when to when results are.

use std::time::Duration;

use super::Record;

/// From when the first request of a source was due to when the last one ended, in nanoseconds since
/// the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from_ns: i128,
    to_ns: i128,
}

/// Sources that are not of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The position of the source that ends last before it.
    pub before: usize,
    /// The position of the source that begins first after it.
    pub after: usize,
    /// How long nothing was under way.
    pub duration: Duration,
}

impl Span {
    pub(super) fn of(record: &Record) -> Span {
        Span { from_ns: record.timestamp.as_nanosecond(), to_ns: record.end_ns() }
    }

    pub(super) fn with(self, other: Span) -> Span {
        Span { from_ns: self.from_ns.min(other.from_ns), to_ns: self.to_ns.max(other.to_ns) }
    }
}

impl Gap {
    /// The longest one between these sources, of which some may be empty.
    pub(super) fn between(spans: impl IntoIterator<Item = Option<Span>>) -> Option<Gap> {
        let mut spans: Vec<(usize, Span)> = spans
            .into_iter()
            .enumerate()
            .filter_map(|(at, span)| span.map(|span| (at, span)))
            .collect();
        spans.sort_by_key(|(_, span)| span.from_ns);
        let (mut last, mut to_ns) = spans.first().map(|(at, span)| (*at, span.to_ns))?;
        let mut longest: Option<Gap> = None;
        for (at, span) in spans {
            if span.from_ns > to_ns {
                let ns = u64::try_from(span.from_ns - to_ns).unwrap_or(u64::MAX);
                let gap = Gap { before: last, after: at, duration: Duration::from_nanos(ns) };
                if longest.is_none_or(|longest| longest.duration < gap.duration) {
                    longest = Some(gap);
                }
            }
            if span.to_ns > to_ns {
                (last, to_ns) = (at, span.to_ns);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_of_one_time_if_something_was_under_way_all_the_time() {
        let gap =
            |before, after, ns| Some(Gap { before, after, duration: Duration::from_nanos(ns) });
        for (spans, expected) in [
            (&[][..], None),
            (&[None], None),
            (&[Some((5, 9))], None),
            (&[Some((5, 9)), Some((5, 9))], None),
            (&[Some((5, 9)), Some((9, 10))], None),
            (&[Some((5, 9)), None, Some((10, 12))], gap(0, 2, 1)),
            (&[Some((10, 12)), Some((5, 9))], gap(1, 0, 1)),
            // The third one bridges the first two, and the second lies within the first.
            (&[Some((0, 5)), Some((9, 12)), Some((4, 9))], None),
            (&[Some((0, 9)), Some((2, 3)), Some((15, 16))], gap(0, 2, 6)),
            // The longest of two.
            (&[Some((0, 1)), Some((2, 3)), Some((8, 9)), Some((10, 11))], gap(1, 2, 5)),
            // As from the year 1, of which a clock that was not set may tell.
            (&[Some((-9, -8)), Some((i128::MAX / 2, i128::MAX / 2))], gap(0, 1, u64::MAX)),
        ] {
            let of =
                |span: &Option<(i128, i128)>| span.map(|(from_ns, to_ns)| Span { from_ns, to_ns });
            assert_eq!(Gap::between(spans.iter().map(of)), expected, "{spans:?}");
        }
    }
}
